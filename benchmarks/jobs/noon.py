"""Lets an alternative do what is due at one instant, and reads from its rows how late each was done."""

import json
import subprocess
import time
from typing import Any

import psycopg

from benchmarks import jobs
from benchmarks.apart import answer
from benchmarks.figures import Point
from benchmarks.lateness import NotInPlace

_LEAST_SECONDS = 4.0
#: When a row was inserted, by the database's clock: as the time of an event of ours, it is taken before its commit.
_TABLE = "CREATE TABLE done (job int PRIMARY KEY, done_at timestamptz NOT NULL DEFAULT clock_timestamp())"
_LATE = "SELECT extract(epoch FROM done_at)::float8 - %s FROM done ORDER BY 1"

_ALTERNATIVES = {each.name: each for each in (jobs.PROCRASTINATE, jobs.DBOS)}


def measure(name: str, python: str, database_url: str, at_once: int) -> list[Point]:
    """Return how late its jobs were done, so many at once. Raises NotInPlace when they were not all there in time."""
    alternative = _ALTERNATIVES[name]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_TABLE)
        due = time.time() + _LEAST_SECONDS + alternative.jobs / alternative.prepared_per_second
        _work(alternative, python, database_url=database_url, at_once=at_once, due=due)
        late = [row[0] for row in connection.execute(_LATE, (due,))]
    if len(late) != alternative.jobs:
        raise NotInPlace(f"{len(late):,} of {alternative.jobs:,} jobs were done.")
    title = ("W5", "alternative", alternative.what())
    return [Point.of_lateness(title, at_once, late[-1], late)]


def _work(alternative: jobs.Alternative, python: str, *, due: float, **given: Any) -> None:
    asked = {"jobs": alternative.jobs, "due": due, **given}
    told = subprocess.run(  # noqa: S603  # our script, and the Python that has what it imports
        [python, str(alternative.script)],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    if json.loads(told)["ready"] >= due:
        raise NotInPlace(f"{alternative.name} had not taken in all jobs when they came due.")


if __name__ == "__main__":
    answer(measure)
