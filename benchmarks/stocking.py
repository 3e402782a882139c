"""Fills the views with orders, for queries: copies of rows that the service itself wrote, by SQL, many at a time.

A copy has an id, an order number, a link and, in the index of what customers know, an address and a plate of its own;
two orders share an address. What is sealed in a row opens with the keys that are copied along. The mails of a copy are
sent, and without their facts and texts, which are for whoever sends them: 40 million would fill the disk with these.
The log has none of the copies: queries, lookups and pages ask the views only.
"""

import asyncio
import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from benchmarks import filling, lag
from benchmarks.apart import answer
from benchmarks.crowd import Crowd
from benchmarks.dialogue import order
from benchmarks.figures import Point, Window
from benchmarks.indexes import without_indexes
from benchmarks.pasts import tidy
from vignettes.domain.references import number_from_serial
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.personal import BlindIndex
from vignettes.projections.order_pages import digest_of
from vignettes.runtime.keys import root_of
from vignettes.runtime.parts import index
from vignettes.runtime.settings import load_settings
from vignettes.services.links import Links

COUNTRY = "CZ"
_TEMPLATES = 8
_ORDERS_A_BATCH = 50_000
_ORDERS_AN_ADDRESS = 2

#: Far from the numbers that the service has given on the same log.
_FIRST_SERIAL = 50_000_000

# Numbers are reckoned here as the service gives them, which takes it longer: eight digits, and two of check.
_COPIES = f"""
CREATE TEMP TABLE copies (
    n bigint, id uuid, template uuid, email bytea, plate bytea, page bytea,
    body bigint GENERATED ALWAYS AS (10000000 + ({_FIRST_SERIAL} + n) * 55623059 % 90000000) STORED
)
"""
_NUMBER = "'V' || copies.body || lpad((98 - copies.body * 100 % 97)::text, 2, '0')"
_DIGEST = "CASE made.kind WHEN 'email' THEN copies.email ELSE copies.plate END"
_MESSAGE_ID = "replace(made.message_id, made.order_id::text, copies.id::text)"
_DRAWN = {
    "order_status": {"order_number": _NUMBER},
    "lookup": {"digest": _DIGEST},
    "order_pages": {"digest": "copies.page"},
    "deadlines": {},
    "emails": {"message_id": _MESSAGE_ID, "facts": "'{}'", "contact": "NULL", "vehicle": "NULL"},
}
_BESIDE_VIEWS = {
    "personal.keys": {},
    "effect.mails": {"message_id": _MESSAGE_ID, "attempts": "1", "sent_at": "made.called_at"},
}

_LIVE = (
    "SELECT view, 'edition.' || view || '_' || id FROM view.editions WHERE state = 'live' AND view = ANY(%s)"
)
_TEMPLATE_IDS = "SELECT order_id FROM view.order_status"


@dataclass(frozen=True, slots=True)
class Copy:
    """The n-th order that is made by copying; whoever knows the seed knows them all."""

    seed: str
    n: int

    @property
    def order_id(self) -> UUID:
        return UUID(
            bytes=hashlib.blake2b(f"{self.seed}/{self.n}".encode(), digest_size=16).digest(), version=4
        )

    @property
    def order_number(self) -> str:
        return number_from_serial(_FIRST_SERIAL + self.n)

    @property
    def email(self) -> str:
        return f"copy-{self.n // _ORDERS_AN_ADDRESS}@example.com"

    @property
    def plate(self) -> str:
        return f"{self.n % 9 + 1}A{self.n // 9}"


@dataclass(frozen=True, slots=True)
class Digests:
    """What the views have of customers' secrets: addresses and plates by the index, links by their tokens' digests."""

    index: BlindIndex
    token: Callable[[UUID, int], str]

    def of(self, copy: Copy) -> tuple[bytes, bytes, bytes]:
        """Return those of its address, its plate and its link."""
        page = digest_of(self.token(copy.order_id, 1))
        return self.index.email(copy.email), self.index.plate(COUNTRY, copy.plate), page


def digests_of(data_dir: str, database_url: str) -> Digests:
    """Return what makes digests as the service that runs there does."""
    settings = load_settings(data_dir=Path(data_dir), database_url=database_url)
    root = root_of(settings, conninfo(database_url, "vignettes_projector"))
    return Digests(index(root), Links(settings.public_url, root).token)


def measure(nats_url: str, data_dir: str, database_url: str, orders: int, seed: str) -> list[Point]:
    """Fill the views of the service that answers there up to so many orders. There is nothing to measure in that."""
    rng = random.Random(seed)  # noqa: S311  # repeatable
    asyncio.run(Crowd([order(rng) for _ in range(_TEMPLATES)], Window(0, 0)).ask(nats_url))
    asyncio.run(lag.caught_up(database_url))
    digests = digests_of(data_dir, database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        tables = fill(connection, digests, seed, copied(orders))
    tidy(database_url, *tables)
    return []


def copied(orders: int) -> int:
    """Return how many copies there are among so many orders."""
    return orders - _TEMPLATES


def fill(connection: psycopg.Connection[Any], digests: Digests, seed: str, wanted: int) -> Sequence[str]:
    """Copy the orders that the views have until there are so many more, and return the tables that are longer now."""
    live = dict(connection.execute(_LIVE, (list(_DRAWN),)).fetchall())
    tables = {**{live[view]: drawn for view, drawn in _DRAWN.items()}, **_BESIDE_VIEWS}
    inserts = filling.copying(connection, {table: ("order_id", drawn) for table, drawn in tables.items()})
    templates = [row[0] for row in connection.execute(_TEMPLATE_IDS)]
    connection.execute(_COPIES)
    with without_indexes(connection, list(inserts)):
        for begin in range(0, wanted, _ORDERS_A_BATCH):
            batch = [Copy(seed, n) for n in range(begin, min(begin + _ORDERS_A_BATCH, wanted))]
            with connection.transaction():
                connection.execute("TRUNCATE copies")
                _name(connection, digests, templates, batch)
                for insert in inserts.values():
                    connection.execute(insert)
    return list(inserts)


def _name(
    connection: psycopg.Connection[Any],
    digests: Digests,
    templates: Sequence[UUID],
    wanted: Sequence[Copy],
) -> None:
    """Put a batch into the table that copies are made by."""
    statement = "COPY copies (n, id, template, email, plate, page) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as rows:
        for each in wanted:
            template = templates[each.n % len(templates)]
            rows.write_row((each.n, each.order_id, template, *digests.of(each)))


if __name__ == "__main__":
    answer(measure)
