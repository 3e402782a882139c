"""The alternative for views: the eventsourcing library's ProjectionRunner, as its manual shows it.

Its application is the one that takes the alternative's commands; its view keeps one row an order, and every event's
change is committed together with the position it has in the log.
"""

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any, LiteralString

import psycopg
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL

from benchmarks import wishes
from benchmarks.apart import answer
from benchmarks.dialogue import EVENTS_AN_ORDER
from benchmarks.figures import NothingMeasured, Point, Window
from benchmarks.manual import Order, Shop, settings

WHAT = "eventsourcing's ProjectionRunner"
#: The log must outlast what is counted. One transaction an event is far from so many a second.
_EVENTS_A_SECOND = 5_000
_ORDERS_A_SAVE = 100
_PATIENCE_SECONDS = 30.0
#: Between two lone events, so that none meets what the one before left to do.
_LONGEST_PAUSE_SECONDS = 0.02

_TABLE = """
CREATE TABLE IF NOT EXISTS order_status (
    order_id uuid PRIMARY KEY,
    status text NOT NULL,
    product text NOT NULL,
    plate text NOT NULL,
    valid_from date NOT NULL,
    email text NOT NULL,
    received bigint NOT NULL DEFAULT 0,
    currency text,
    paid_at timestamptz,
    started_at timestamptz,
    started_rule text,
    vignette_number text,
    vignette_reference text,
    vignette_valid_from date,
    vignette_valid_until date,
    updated_at timestamptz NOT NULL,
    version integer NOT NULL,
    position bigint NOT NULL
)
"""
_PLACED = """
INSERT INTO order_status (order_id, status, product, plate, valid_from, email, updated_at, version, position)
VALUES (%(originator_id)s, 'awaiting_payment', %(product)s, %(plate)s, %(valid_from)s, %(email)s,
        %(timestamp)s, %(originator_version)s, %(position)s)
"""
_PAID = """
UPDATE order_status SET status = 'scheduled', received = received + %(amount)s, currency = %(currency)s,
    paid_at = %(received_at)s, updated_at = %(timestamp)s, version = %(originator_version)s, position = %(position)s
WHERE order_id = %(originator_id)s
"""
_STARTED = """
UPDATE order_status SET status = 'registering', started_at = %(timestamp)s, started_rule = %(rule)s,
    updated_at = %(timestamp)s, version = %(originator_version)s, position = %(position)s
WHERE order_id = %(originator_id)s
"""
_ISSUED = """
UPDATE order_status SET status = 'issued', vignette_number = %(number)s, vignette_reference = %(reference)s,
    vignette_valid_from = %(valid_from)s, vignette_valid_until = %(valid_until)s,
    updated_at = %(timestamp)s, version = %(originator_version)s, position = %(position)s
WHERE order_id = %(originator_id)s
"""


class LogTooShort(Exception):
    """The view had everything before the time was over, so the figure would be of waiting too."""


class StatusView(PostgresTrackingRecorder):
    """Where each order stands; `told` hears of each event that is in, and when its change began."""

    def __init__(self, datastore: PostgresDatastore, **tables: Any) -> None:
        super().__init__(datastore, **tables)
        self.sql_create_statements.append(SQL(_TABLE).format())
        self.told: Callable[[float], None] = lambda _: None

    def change(self, statement: LiteralString, event: Mapping[str, Any], tracking: Tracking) -> None:
        """Bring a row up to date and keep the event's position, in one transaction."""
        began = time.perf_counter()
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(statement, {**event, "position": tracking.notification_id}, prepare=True)
            self._insert_tracking(cursor, tracking)
        self.told(began)


class StatusProjection(Projection[StatusView]):
    """What each event changes. Its fields have the names that the statements use."""

    name = "order_status"

    @singledispatchmethod
    def process_event(self, domain_event: Aggregate.Event, tracking: Tracking) -> None:  # noqa: ARG002  # the library's
        raise TypeError(f"There is no such event of an order: {domain_event}")

    @process_event.register(Order.Placed)  # type: ignore[attr-defined]  # made by its decorator
    def placed(self, domain_event: Aggregate.Event, tracking: Tracking) -> None:
        self.view.change(_PLACED, vars(domain_event), tracking)

    @process_event.register(Order.PaymentReceived)  # type: ignore[attr-defined]  # made by its decorator
    def paid(self, domain_event: Aggregate.Event, tracking: Tracking) -> None:
        self.view.change(_PAID, vars(domain_event), tracking)

    @process_event.register(Order.RegistrationStarted)  # type: ignore[attr-defined]  # made by its decorator
    def started(self, domain_event: Aggregate.Event, tracking: Tracking) -> None:
        self.view.change(_STARTED, vars(domain_event), tracking)

    @process_event.register(Order.VignetteIssued)  # type: ignore[attr-defined]  # made by its decorator
    def issued(self, domain_event: Aggregate.Event, tracking: Tracking) -> None:
        self.view.change(_ISSUED, vars(domain_event), tracking)


@contextmanager
def running(database_url: str) -> Iterator[ProjectionRunner[Shop, StatusView]]:
    """Let the view follow the log, beginning behind the last event that it has."""
    runner = ProjectionRunner(
        application_class=Shop,
        projection_class=StatusProjection,
        view_class=StatusView,
        env=settings(database_url),
    )
    try:
        with runner:
            yield runner
    finally:
        runner.view.datastore.close()  # the runner closes its application only


def write(database_url: str, orders: int, rng: random.Random) -> int:
    """Make the log longer by so many orders, each with all its events, and return the last event's position.

    The server then has nothing left to tidy up.
    """
    position = 0
    with Shop(settings(database_url)) as shop:
        for begin in range(0, orders, _ORDERS_A_SAVE):
            written = [_complete(rng) for _ in range(min(_ORDERS_A_SAVE, orders - begin))]
            position = shop.save(*written)[-1].notification.id
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) shop_events")
        connection.execute("CHECKPOINT")
    return position


def _complete(rng: random.Random) -> Order:
    *_, order = _steps(rng)
    return order


def _steps(rng: random.Random) -> Iterator[Order]:
    """Give an order after each of its events."""
    wish, now = wishes.of(rng), datetime.now(UTC)
    order = Order(wish.product, wish.plate, wish.valid_from, wish.email)
    yield order
    order.receive_payment(wish.payment_id, 1250, "CZK", now)
    yield order
    order.start_registration("at_once", "2026-01", now)
    yield order
    order.record_issue(wish.number, wish.reference, wish.valid_from, wish.valid_until)
    yield order


def rebuilding(database_url: str, seconds: float, warm_up: float, rng: random.Random) -> Point:
    """Return how fast the view takes in a log that is there already. Raises LogTooShort."""
    events = _EVENTS_A_SECOND * (seconds + warm_up)
    last = write(database_url, 1 + int(events) // EVENTS_AN_ORDER, rng)
    with running(database_url) as runner:
        first = threading.Event()
        runner.view.told = lambda _: first.set()
        if not first.wait(_PATIENCE_SECONDS):
            raise NothingMeasured("No event came into the view.")
        window = Window(seconds, warm_up)
        runner.view.told = window.note
        runner.run_forever(timeout=window.left)
        if runner.view.has_tracking_id(Shop.name, last):
            raise LogTooShort(f"All {last:,} events were in the view within {seconds + warm_up} s.")
    return Point.of(("W3", "alternative", WHAT), 1, seconds, window)


def following(database_url: str, seconds: float, warm_up: float, rng: random.Random) -> Point:
    """Return how long after it was saved a lone event is in the view.

    The runner's own `wait` is not what is timed: it looks at once, after 100 ms, and then ever more rarely.
    """
    with running(database_url) as runner:
        arrived: SimpleQueue[float] = SimpleQueue()
        runner.view.told = arrived.put
        window = Window(seconds, warm_up)
        while window.open:
            for order in _steps(rng):
                runner.app.save(order)
                saved = time.perf_counter()
                arrived.get(timeout=_PATIENCE_SECONDS)
                window.note(saved)
                time.sleep(rng.uniform(0, _LONGEST_PAUSE_SECONDS))
    return Point.of(("W4", "alternative", f"{WHAT}, idle"), 1, seconds, window)


def measure(
    database_url: str, only: Collection[str], seconds: float, warm_up: float, seed: str
) -> list[Point]:
    """Return what is asked for: lone events first, while the view has nothing to catch up on."""
    rng = random.Random(seed)  # noqa: S311  # repeatable
    works = {"W4": following, "W3": rebuilding}
    return [work(database_url, seconds, warm_up, rng) for name, work in works.items() if name in only]


if __name__ == "__main__":
    answer(measure)
