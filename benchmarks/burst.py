"""W5: the noon burst. Orders that are all due at one instant: from that instant to their starts on record.

The clock of the service is moved to some seconds before the instant; from there on it runs as any clock does, and the
deadline service wakes by itself. Nothing of this process is asked for anything meanwhile but where the log's end is.
"""

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any

import psycopg

from benchmarks import lateness
from benchmarks.apart import answer
from benchmarks.figures import Point
from benchmarks.lateness import NotInPlace
from benchmarks.usage import Usage
from vignettes.eventstore.connections import conninfo
from vignettes.sandbox.clock import MovableClock

#: From the clock's arrival to the instant: time for everybody to hear of it, and to be idle again.
_BEFORE = timedelta(seconds=3)
_AWAKE_BEFORE_SECONDS = 0.25

_DUE = "SELECT DISTINCT due_at FROM read.deadlines WHERE purpose = 'registration' AND ended_at IS NULL"


def measure(database_url: str, of: tuple[str, str], orders: int) -> list[Point]:
    """Return how late so many orders started, which wait there, and what each process used from the instant on."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        due = _instant(connection)
        clock = MovableClock(conninfo(database_url, "vignettes_owner"), movable=True)
        asyncio.run(clock.move(to=due - _BEFORE))
        after = lateness.head(connection)
        _sleep_until(connection, due)
        usage = Usage(connection)
        seen = lateness.until_started(connection, after, orders)
        used = usage.so_far()
        late = lateness.started_late(connection, after, orders)
    workload, what = of
    point = Point.of_lateness((workload, "ours", what), 1, (seen - due).total_seconds(), late)
    return [point.using(used)]


def _instant(connection: psycopg.Connection[Any]) -> datetime:
    """Return when everything is due that is due at all. Raises NotInPlace."""
    instants = [row[0] for row in connection.execute(_DUE)]
    if len(instants) != 1 or instants[0] <= lateness.now(connection) + _BEFORE:
        raise NotInPlace(f"The orders are not all due at one instant to come: {instants}.")
    return instants[0]


def _sleep_until(connection: psycopg.Connection[Any], due: datetime) -> None:
    left = (due - lateness.now(connection)).total_seconds() - _AWAKE_BEFORE_SECONDS
    if left < 0:
        raise NotInPlace("The clock came too late to the instant.")
    time.sleep(left)


if __name__ == "__main__":
    answer(measure)
