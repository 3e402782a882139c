"""Makes a log long: copies of orders that the service itself wrote, by SQL, many at a time.

A copy has ids of its own and is otherwise what was written: states, answers, and what else is kept of an order.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from benchmarks.apart import answer
from benchmarks.crowd import Crowd
from benchmarks.dialogue import EVENTS_AN_ORDER, order
from benchmarks.figures import Point, Window

_TEMPLATES = 8
_ORDERS_A_BATCH = 25_000

#: Tables, each with the column that names the order, and those that differ in every row: how they are made in SQL.
Tables = Mapping[str, tuple[str, Mapping[str, str]]]

_TABLES: Tables = {
    "log.events": ("originator_id", {}),
    "log.commands": ("order_id", {"command_id": "gen_random_uuid()"}),
    "log.payments": ("order_id", {"payment_id": "gen_random_uuid()::text"}),
    "personal.keys": ("order_id", {}),
}
_COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema || '.' || table_name = %s AND is_identity = 'NO' AND is_generated = 'NEVER'
"""
# The templates are kept apart: not every table finds them quickly among their copies.
_KEEP = "CREATE TEMP TABLE {made} AS TABLE {table}"
_COPY = """
INSERT INTO {table} ({columns}) SELECT {values} FROM copies JOIN {made} AS made ON made.{order} = copies.template
"""
_COPIES = """
INSERT INTO copies SELECT gen_random_uuid(), (%s::uuid[])[1 + n %% %s] FROM generate_series(1, %s) AS n
"""


def measure(nats_url: str, database_url: str, events: int, seed: str) -> list[Point]:
    """Fill the log of the service that answers there up to so many events. There is nothing to measure in that."""
    rng = random.Random(seed)  # noqa: S311  # repeatable
    asyncio.run(Crowd([order(rng) for _ in range(_TEMPLATES)], Window(0, 0)).ask(nats_url))
    with psycopg.connect(database_url, autocommit=True) as connection:
        fill(connection, events // EVENTS_AN_ORDER - _TEMPLATES)
    return []


def fill(connection: psycopg.Connection[Any], orders: int) -> None:
    """Copy the orders that are there until there are so many more; the server then has nothing left to tidy up."""
    found = connection.execute("SELECT DISTINCT originator_id FROM log.events").fetchall()
    templates = [row[0] for row in found]
    inserts = copying(connection, _TABLES)
    connection.execute("CREATE TEMP TABLE copies (id uuid, template uuid)")
    for begin in range(0, orders, _ORDERS_A_BATCH):
        _copy(connection, inserts, templates, min(_ORDERS_A_BATCH, orders - begin))
    for table in inserts:
        connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(_name(table)))
    connection.execute("CHECKPOINT")


def _copy(
    connection: psycopg.Connection[Any],
    inserts: dict[str, sql.Composed],
    templates: Sequence[UUID],
    orders: int,
) -> None:
    with connection.transaction():
        connection.execute("TRUNCATE copies")
        connection.execute(_COPIES, (list(templates), len(templates), orders))
        for insert in inserts.values():
            connection.execute(insert)


def copying(connection: psycopg.Connection[Any], tables: Tables) -> dict[str, sql.Composed]:
    """Return for each table the statement that copies what `copies` names: rows of `template` as those of `id`.

    What is there now are the templates. Columns that the database fills are left to it; a table that is not there is
    left out.
    """
    inserts = {}
    for table, (order_column, drawn) in tables.items():
        columns = [row[0] for row in connection.execute(_COLUMNS, (table,))]
        if columns:
            fresh = {order_column: "copies.id", **drawn}
            kept = {"table": _name(table), "made": sql.Identifier(f"made of {table}")}
            connection.execute(sql.SQL(_KEEP).format(**kept))
            inserts[table] = sql.SQL(_COPY).format(
                **kept,
                columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
                values=sql.SQL(", ").join(
                    sql.SQL(fresh[column]) if column in fresh else sql.Identifier("made", column)
                    for column in columns
                ),
                order=sql.Identifier(order_column),
            )
    return inserts


def _name(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))


if __name__ == "__main__":
    answer(measure)
