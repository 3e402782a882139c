"""Databases with the schema and nothing in it, made once and emptied between tests.

To copy the template costs 0.2 s of processor time, to empty what one test wrote a tenth of that. One whose tables,
functions, rights or triggers a test has changed is dropped instead.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg import Connection, sql

from vignettes.runtime.embedded import EmbeddedPostgres

_OTHERS_END = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_OURS = "SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)|^pg_catalog$|^information_schema$'"
#: All that a statement of DDL, a GRANT or ALTER DATABASE ... SET leaves its mark in.
_SHAPE = f"""
WITH ours AS ({_OURS}), words (word) AS (
    SELECT concat_ws(' ', oid, nspname, nspowner, nspacl) FROM pg_namespace WHERE oid IN (SELECT oid FROM ours)
    UNION ALL SELECT concat_ws(' ', oid, relname, relkind, relowner, relacl, reloptions, relhastriggers, relnatts,
                               relrowsecurity)
    FROM pg_class WHERE relnamespace IN (SELECT oid FROM ours)
    UNION ALL SELECT concat_ws(' ', oid, proowner, proacl, prosrc, prosecdef, proconfig)
    FROM pg_proc WHERE pronamespace IN (SELECT oid FROM ours)
    UNION ALL SELECT concat_ws(' ', oid, tgrelid, tgname, tgenabled, tgfoid) FROM pg_trigger
    UNION ALL SELECT concat_ws(' ', oid, contype, conrelid, convalidated) FROM pg_constraint
    WHERE connamespace IN (SELECT oid FROM ours)
    UNION ALL SELECT concat_ws(' ', attrelid, attname, atttypid, attnotnull, attisdropped, attacl)
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE c.relnamespace IN (SELECT oid FROM ours)
    UNION ALL SELECT concat_ws(' ', r.oid, ev_class, ev_enabled, md5(ev_action::text))
    FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class WHERE c.relnamespace IN (SELECT oid FROM ours)
    UNION ALL SELECT concat_ws(' ', d.oid, adrelid, adnum, md5(adbin::text))
    FROM pg_attrdef d JOIN pg_class c ON c.oid = adrelid WHERE c.relnamespace IN (SELECT oid FROM ours)
    UNION ALL SELECT concat_ws(' ', defaclrole, defaclnamespace, defaclobjtype, defaclacl) FROM pg_default_acl
    UNION ALL SELECT concat_ws(' ', setrole, setconfig) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL SELECT concat_ws(' ', datacl, datconnlimit) FROM pg_database WHERE datname = current_database()
)
SELECT md5(string_agg(word, E'\\n' ORDER BY word)) FROM words
"""
_WRITTEN = f"""
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.oid IN ({_OURS}) AND pg_relation_size(c.oid) > 0
"""
#: What refuses even a superuser who empties a table.
_GUARDS = f"""
SELECT n.nspname, c.relname, t.tgname FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgenabled = 'A' AND n.oid IN ({_OURS})
"""
_SEQUENCES = f"""
SELECT format('%I.%I', n.nspname, c.relname), pg_get_sequence_data(c.oid)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND n.oid IN ({_OURS})
"""

Table = tuple[str, str]


class Pristine(NamedTuple):
    """What a database has that nobody used yet: its shape, the rows it comes with, and where its sequences stand."""

    shape: str
    rows: dict[Table, bytes]
    guards: list[tuple[str, str, str]]
    sequences: dict[str, str]


class Databases:
    """Hands out databases of one server, each to one test at a time."""

    def __init__(self, server: EmbeddedPostgres, template: str) -> None:
        self._server = server
        self._template = template
        self._numbers = itertools.count(1)
        self._free: list[str] = []
        self._pristine: Pristine | None = None

    @contextmanager
    def one(self) -> Iterator[str]:
        """Give the URL of a database with the schema and nothing in it, there while the block runs."""
        name = self._free.pop() if self._free else self._made()
        yield self._server.url(name)
        if self._emptied(name):
            self._free.append(name)
        else:
            self._administer("DROP DATABASE {} WITH (FORCE)", name)

    def _made(self) -> str:
        name = f"test_{next(self._numbers)}"
        self._administer("CREATE DATABASE {} TEMPLATE {}", name, self._template)
        if self._pristine is None:
            with psycopg.connect(self._server.url(name)) as connection:
                self._pristine = _pristine(connection)
        return name

    def _emptied(self, name: str) -> bool:
        """Give False for one that is no longer what it was."""
        assert self._pristine is not None
        with psycopg.connect(self._server.url(name)) as connection:
            connection.execute(_OTHERS_END)
            if _shape(connection) != self._pristine.shape:
                return False
            _empty(connection, self._pristine)
        return True

    def _administer(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _pristine(connection: Connection) -> Pristine:
    rows = {table: _copied(connection, table) for table in connection.execute(_WRITTEN).fetchall()}
    guards = connection.execute(_GUARDS).fetchall()
    return Pristine(_shape(connection), rows, guards, dict(connection.execute(_SEQUENCES).fetchall()))


def _shape(connection: Connection) -> str:
    row = connection.execute(_SHAPE).fetchone()
    assert row is not None
    return str(row[0])


def _copied(connection: Connection, table: Table) -> bytes:
    with connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(*table))) as copy:
        return b"".join(bytes(block) for block in copy)


def _empty(connection: Connection, pristine: Pristine) -> None:
    """Take everything out, whoever guards it, and put back what was there in the beginning."""
    written = connection.execute(_WRITTEN).fetchall()
    # All of them: to empty a table is to empty those that refer to it too, which may hold nothing.
    guards = pristine.guards if written else []
    connection.execute("SET session_replication_role = replica")
    _guard(connection, guards, "DISABLE TRIGGER")
    if written:
        names = sql.SQL(", ").join(sql.Identifier(*table) for table in written)
        connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))
    for table, rows in pristine.rows.items():
        with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(*table))) as copy:
            copy.write(rows)
    _guard(connection, pristine.guards, "ENABLE ALWAYS TRIGGER")
    _wind_back(connection, pristine.sequences)


def _guard(connection: Connection, guards: list[tuple[str, str, str]], done: str) -> None:
    for schema, table, trigger in guards:
        connection.execute(
            sql.SQL("ALTER TABLE {} " + done + " {}").format(
                sql.Identifier(schema, table), sql.Identifier(trigger)
            )
        )


def _wind_back(connection: Connection, sequences: dict[str, str]) -> None:
    for name, stood in connection.execute(_SEQUENCES).fetchall():
        if sequences[name] != stood:
            last, called, *_ = sequences[name].strip("()").split(",")
            connection.execute("SELECT setval(%s::regclass, %s, %s)", (name, int(last), called == "t"))
