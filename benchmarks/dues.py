"""Writes paid orders that will be due, straight into the log of a service that runs, and waits until views have them.

For noon: vignettes that begin with the day after tomorrow, all due half a day before. Alone: vignettes that begin in
some hours and were paid just now, each due when the time to correct it is over.
"""

import itertools
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from benchmarks import wishes
from benchmarks.apart import answer
from benchmarks.figures import Point
from benchmarks.lateness import NotInPlace
from benchmarks.pasts import paid, save, tidy
from vignettes.domain.catalogue import product
from vignettes.domain.order import Order
from vignettes.domain.schedule import Start
from vignettes.eventstore.orders import Orders
from vignettes.runtime.parts import terms, vault
from vignettes.runtime.settings import load_settings

AT_AN_HOUR = "BG-1D"
_DAYS_AHEAD = timedelta(days=2)
_HOURS_AHEAD = timedelta(hours=6)
_ORDERS_A_SAVE = 1_000
#: Far from the numbers that the service gives on the same log.
_FIRST_SERIAL = {wishes.PRODUCT: 50_000_000, AT_AN_HOUR: 60_000_000}

_PATIENCE_SECONDS = 60.0
#: Slower than any machine that is worth measuring on.
_FOLLOWED_PER_SECOND = 200
_LOOK_EVERY_SECONDS = 0.05

_BEHIND = """
SELECT max(notification_id) > (SELECT min(position) FROM view.editions WHERE state = 'live' AND view = ANY(%s))
FROM log.events
"""
#: Both are kept by one follower, with others; they are what is asked for here.
_VIEWS = ["deadlines", "order_status"]
_GROWN = "SELECT 'edition.' || unnest(tables) || '_' || id FROM view.editions WHERE state = 'live' AND view = ANY(%s)"


@contextmanager
def writing(data_dir: str, database_url: str) -> Iterator[Orders]:
    """Give what appends to the log, with the keys of that installation."""
    orders = Orders(database_url, vault(load_settings(data_dir=Path(data_dir), database_url=database_url)))
    try:
        yield orders
    finally:
        orders.close()


def for_noon(number: int, rng: random.Random) -> Iterator[Order]:
    """Give orders for one day; with a lead of half a day they are due at noon by the authority's clock."""
    zone = product(wishes.PRODUCT).zone
    now = datetime.now(UTC)
    start = Start(now.astimezone(zone).date() + _DAYS_AHEAD)
    serials = itertools.count(_FIRST_SERIAL[wishes.PRODUCT])
    return (paid(next(serials), wishes.of(rng), start, now) for _ in range(number))


def due_at(instants: Sequence[datetime], data_dir: str, rng: random.Random) -> Iterator[Order]:
    """Give an order for each of these instants, at which the time to correct it ends."""
    grace = terms(load_settings(data_dir=Path(data_dir))).grace
    at = datetime.now(UTC) + _HOURS_AHEAD
    start = Start(at.astimezone(product(AT_AN_HOUR).zone).date(), at)
    serials = itertools.count(_FIRST_SERIAL[AT_AN_HOUR])
    for instant in instants:
        wish = replace(wishes.of(rng), product=AT_AN_HOUR)
        yield paid(next(serials), wish, start, instant - grace)


def write(log: Orders, orders: Iterator[Order], rng: random.Random) -> None:
    """Append them, some at a time, each with its first event and its payment."""
    while some := list(itertools.islice(orders, _ORDERS_A_SAVE)):
        save(log, some, rng)


def until_followed(database_url: str, orders: int) -> None:
    """Wait until the views have all of the log. Raises NotInPlace."""
    until = time.monotonic() + _PATIENCE_SECONDS + orders / _FOLLOWED_PER_SECOND
    with psycopg.connect(database_url, autocommit=True) as connection:
        while connection.execute(_BEHIND, (_VIEWS,)).fetchone() != (False,):
            if time.monotonic() > until:
                raise NotInPlace("The views did not follow.")
            time.sleep(_LOOK_EVERY_SECONDS)


def measure(data_dir: str, database_url: str, orders: int, seed: str) -> list[Point]:
    """Write so many orders for noon. There is nothing to measure in that."""
    rng = random.Random(seed)  # noqa: S311  # repeatable
    with writing(data_dir, database_url) as log:
        write(log, for_noon(orders, rng), rng)
    until_followed(database_url, orders)
    with psycopg.connect(database_url) as connection:
        grown = [row[0] for row in connection.execute(_GROWN, (_VIEWS,))]
    tidy(database_url, "log.events", "personal.keys", *grown)
    return []


if __name__ == "__main__":
    answer(measure)
