"""W8: orders found for customers who have lost their links.

Such a request is answered before anything is looked for, so that nothing can be told from how long it takes. What is
measured is the finding: one statement after the other, as the service sends them. By plate and address, by plate and
day, and by number, in turn.
"""

import itertools
import random
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import psycopg

from benchmarks.apart import answer
from benchmarks.dialogue import Refused
from benchmarks.figures import Point, Window
from benchmarks.plans import plan
from benchmarks.stocking import Copy, Digests, copied, digests_of
from vignettes.eventstore.connections import conninfo
from vignettes.projections.lookup import MOST_FOUND
from vignettes.services.linking import FIND, NUMBERED


class Question(NamedTuple):
    """What is looked for, by what it is called."""

    kind: str
    statement: str
    values: Mapping[str, Any]


def questions(copy: Copy, digests: Digests, day: date) -> tuple[Question, ...]:
    """Return the ways to one order, which was placed about that day."""
    email, plate, _ = digests.of(copy)
    known = {"digests": [plate, email], "day": None, "most": MOST_FOUND}
    return (
        Question("by plate and address", FIND, known),
        Question("by plate and day", FIND, {**known, "digests": [plate], "day": day}),
        Question("by number", NUMBERED, {"number": copy.order_number}),
    )


def measure(  # noqa: PLR0913  # what is said to a process of its own
    *,
    data_dir: str,
    database_url: str,
    what: str,
    orders: tuple[int, str],
    seed: str,
    seconds: float,
    warm_up: float,
) -> list[Point]:
    """Return how fast orders are found, and how. `orders` is how many there are and their seed."""
    (number, stocked), digests = orders, digests_of(data_dir, database_url)
    window, rng = Window(seconds, warm_up), random.Random(seed)  # noqa: S311  # repeatable
    today = datetime.now(UTC).date()  # copies are as old as their templates
    with psycopg.connect(conninfo(database_url, "vignettes_writer"), autocommit=True) as connection:
        for turn in itertools.count():
            if not window.open:
                break
            copy = Copy(stocked, rng.randrange(copied(number)))
            ways = questions(copy, digests, today)
            _find(connection, copy, ways[turn % len(ways)], window)
    point = Point.of(("W8", "ours", what), 1, seconds, window)
    every = (plan(database_url, "vignettes_writer", way.statement, way.values) for way in ways)
    return [point.planned(list(itertools.chain.from_iterable(every)))]


def _find(connection: psycopg.Connection[Any], copy: Copy, way: Question, window: Window) -> None:
    began = time.perf_counter()
    found = connection.execute(way.statement.encode(), way.values, prepare=False).fetchall()
    window.note(began, way.kind)
    if copy.order_id not in {row[0] for row in found}:
        raise Refused(f"The order was not found {way.kind}.")


if __name__ == "__main__":
    answer(measure)
