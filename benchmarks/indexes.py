"""Tables without their indexes while they are filled: keys in no order are sorted at the end, not placed one by one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

_INDEXES = """
SELECT CASE WHEN c.oid IS NULL THEN format('DROP INDEX %%s', i.indexrelid::regclass)
            ELSE format('ALTER TABLE %%s DROP CONSTRAINT %%I', i.indrelid::regclass, c.conname) END AS without,
       CASE WHEN c.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
            ELSE format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s',
                        i.indrelid::regclass, c.conname, pg_get_constraintdef(c.oid)) END AS again
FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
WHERE i.indrelid = ANY(%s::regclass[])
"""


@contextmanager
def without_indexes(connection: psycopg.Connection[Any], tables: Sequence[str]) -> Iterator[None]:
    """Drop the indexes of tables, and make them again, by the same names, when all goes well."""
    found = connection.execute(_INDEXES, (list(tables),)).fetchall()
    with connection.transaction():
        for without, _ in found:
            connection.execute(without)
    yield
    for _, again in found:
        connection.execute(again)
