"""Writes a log of real orders, for builds of views: each order with keys of its own, its events far apart in the log.

Copies would not do: keys are bound to their order. Nothing but events and keys is written, as these are all that views
are built from.
"""

import itertools
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from uuid import UUID

import psycopg
from eventsourcing.persistence import StoredEvent

from benchmarks import wishes
from benchmarks.apart import answer
from benchmarks.dialogue import EVENTS_AN_ORDER
from benchmarks.figures import Point
from vignettes.domain.details import Consent, Details, Payment, Vignette
from vignettes.domain.order import Order
from vignettes.domain.references import number_from_serial
from vignettes.domain.schedule import Start
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.codec import Envelope
from vignettes.eventstore.migrations import migrate
from vignettes.eventstore.orders import Orders, order_id_of
from vignettes.runtime.parts import vault
from vignettes.runtime.settings import load_settings
from vignettes.runtime.viewing import install_views

#: So many orders are under way at once: an order's next event comes after one event of each of the others.
_UNDER_WAY = 4_000
_EVENTS_A_SAVE = 2_000
#: Far from the numbers that the service gives on the same log.
_FIRST_SERIAL = 50_000_000

_AT_HEAD = """
UPDATE view.editions SET position = (SELECT coalesce(max(notification_id), 0) FROM log.events) WHERE state = 'live'
"""


def measure(data_dir: str, database_url: str, events: int, seed: str) -> list[Point]:
    """Make the database, and write so many events into its log. There is nothing to measure in that."""
    settings = load_settings(data_dir=Path(data_dir), database_url=database_url)
    migrate(database_url)
    install_views(database_url)
    orders = Orders(database_url, vault(settings))
    try:
        write(orders, events // EVENTS_AN_ORDER, random.Random(seed))  # noqa: S311  # repeatable
    finally:
        orders.close()
    tidy(database_url, "log.events", "personal.keys")
    at_head(database_url)
    return []


def write(orders: Orders, number: int, rng: random.Random) -> None:
    """Write so many orders, some thousands of them at a time, each to its issue."""
    serials = itertools.count(_FIRST_SERIAL)
    for begin in range(0, number, _UNDER_WAY):
        some = itertools.islice(serials, min(_UNDER_WAY, number - begin))
        save(orders, (_issued(serial, rng) for serial in some), rng)


def save(orders: Orders, written: Iterable[Order], rng: random.Random) -> None:
    """Write orders: the first event of each, then the second of each, and so on."""
    events = _events(orders, written, rng)
    while batch := list(itertools.islice(events, _EVENTS_A_SAVE)):
        orders.log_recorder.insert_events(batch)


def tidy(database_url: str, *tables: str) -> None:
    """Leave the server nothing to do of its own that would be measured along."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for table in tables:
            connection.execute(f"VACUUM (ANALYZE) {table}".encode())
        connection.execute("CHECKPOINT")


def at_head(database_url: str) -> None:
    """Say of every live view that it has the whole log, although it has not: only what comes now is to be followed."""
    with psycopg.connect(database_url) as connection:
        connection.execute(_AT_HEAD)


def _events(orders: Orders, written: Iterable[Order], rng: random.Random) -> Iterator[StoredEvent]:
    turns = zip(*(order.collect_events() for order in written), strict=True)
    for event in itertools.chain.from_iterable(turns):
        yield orders.codec.to_stored_event(event, Envelope("benchmark", UUID(wishes.an_id(rng))))


def _issued(serial: int, rng: random.Random) -> Order:
    """Place, pay, start, issue: as `dialogue.order` does through the service."""
    wish, now = wishes.of(rng), datetime.now(UTC)
    begins, ends = (_midnight(day) for day in (wish.valid_from, wish.valid_until))
    order = paid(serial, wish, Start(begins.date()), now)
    order.start_at_once(Consent("immediate_performance", "2026-01", now, "en"), now)
    order.record_issue(Vignette(wish.number, wish.reference, begins, ends), order.generation, now)
    return order


def paid(serial: int, wish: wishes.Wish, start: Start, paid_at: datetime) -> Order:
    """Place and pay now, with money that arrived at `paid_at`, and a start other than the wish's own."""
    now, number = datetime.now(UTC), number_from_serial(serial)
    order = Order.place(
        order_id_of(number),
        number=number,
        details=Details(wish.product, Vehicle.of("CZ", wish.plate), start),
        email=wish.email,
        language="en",
        at=now,
    )
    order.receive_payment(Payment(wish.payment_id, order.outstanding, "card", paid_at), now)
    return order


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), UTC)


if __name__ == "__main__":
    answer(measure)
