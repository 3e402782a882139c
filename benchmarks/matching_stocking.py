"""W9: fills the status view with orders that wait for money: copies, by SQL, of one real order of each product."""

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from benchmarks import filling, lag, wishes
from benchmarks.apart import answer
from benchmarks.crowd import Crowd
from benchmarks.dialogue import Dialogue, Refused, Request
from benchmarks.figures import Point, Window
from benchmarks.matching_orders import MIX, Open
from benchmarks.pasts import tidy
from vignettes.eventstore.orders import order_id_of

_DAYS_AHEAD = 20
_ORDERS_A_BATCH = 50_000
_COPIES = "CREATE TEMP TABLE copies (id uuid, template uuid, number text, placed_at timestamptz)"
_DRAWN = {"order_number": "copies.number", "placed_at": "copies.placed_at"}
_LIVE = (
    "SELECT 'edition.order_status_' || id FROM view.editions WHERE state = 'live' AND view = 'order_status'"
)
_TEMPLATES = "SELECT product, order_id FROM view.order_status WHERE status = 'awaiting_payment'"


def measure(nats_url: str, database_url: str, orders: int, seed: str) -> list[Point]:
    """Fill the view of the service that answers there. There is nothing to measure in that."""
    rng = random.Random(seed)  # noqa: S311  # repeatable
    asyncio.run(Crowd([_placed(rng, product) for product in MIX], Window(0, 0)).ask(nats_url))
    asyncio.run(lag.caught_up(database_url))
    with psycopg.connect(database_url, autocommit=True) as connection:
        tables = fill(connection, seed, orders)
    tidy(database_url, *tables)
    return []


def _placed(rng: random.Random, product: str) -> Dialogue:
    start = datetime.now(UTC).date() + timedelta(days=_DAYS_AHEAD)
    wish = {
        "command_id": wishes.an_id(rng),
        "actor": "benchmark",
        "product": product,
        "vehicle": {"country": "CZ", "plate": f"{rng.getrandbits(40):010X}"},
        "valid_from": start.isoformat(),
        "email": "driver@example.com",
        "language": "en",
    }
    reply = json.loads((yield Request("orders.v1.place", json.dumps(wish).encode())))
    if not reply["ok"]:
        raise Refused(str(reply["error"]))


def fill(connection: psycopg.Connection[Any], seed: str, orders: int) -> Sequence[str]:
    """Make so many orders of those that wait there already, and return the tables that are longer now."""
    templates = dict(connection.execute(_TEMPLATES).fetchall())
    (live,) = [row[0] for row in connection.execute(_LIVE)]
    inserts = filling.copying(connection, {live: ("order_id", _DRAWN)})
    connection.execute(_COPIES)
    for begin in range(0, orders, _ORDERS_A_BATCH):
        batch = (Open(seed, n) for n in range(begin, min(begin + _ORDERS_A_BATCH, orders)))
        with connection.transaction():
            connection.execute("TRUNCATE copies")
            _name(connection, templates, batch)
            for insert in inserts.values():
                connection.execute(insert)
    return list(inserts)


def _name(connection: psycopg.Connection[Any], templates: dict[str, UUID], batch: Any) -> None:
    statement = "COPY copies (id, template, number, placed_at) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as rows:
        for order in batch:
            rows.write_row(
                (order_id_of(order.number), templates[order.product], order.number, order.placed_at)
            )


if __name__ == "__main__":
    answer(measure)
