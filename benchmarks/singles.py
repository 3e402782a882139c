"""W5: single deadlines, each due at a millisecond of its own, while the service has nothing else to do."""

import itertools
import random
from datetime import timedelta

import psycopg

from benchmarks import dues, lateness
from benchmarks.apart import answer
from benchmarks.figures import Point
from benchmarks.lateness import NotInPlace

#: Between two of them, so that none meets what the one before left to do.
_PAUSE_MS = (50, 150)
#: From writing them to the first: time for the views to take them in.
_BEFORE_MS = 3_000


def measure(data_dir: str, database_url: str, of: tuple[str, str], deadlines: int, seed: str) -> list[Point]:
    """Return how late each of so many started. Raises NotInPlace when the first was due before the views had them."""
    rng = random.Random(seed)  # noqa: S311  # repeatable
    with (
        dues.writing(data_dir, database_url) as log,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        after = lateness.head(connection)
        begin = lateness.now(connection).replace(microsecond=0) + timedelta(milliseconds=_BEFORE_MS)
        pauses = (timedelta(milliseconds=rng.randint(*_PAUSE_MS)) for _ in range(deadlines))
        instants = list(itertools.accumulate(pauses, initial=begin))[1:]
        dues.write(log, dues.due_at(instants, data_dir, rng), rng)
        dues.until_followed(database_url, deadlines)
        if lateness.now(connection) >= instants[0]:
            raise NotInPlace("The views had the orders only after the first was due.")
        lateness.until_started(connection, after, deadlines)
        late = lateness.started_late(connection, after, deadlines)
    workload, what = of
    seconds = (instants[-1] - begin).total_seconds()
    return [Point.of_lateness((workload, "ours", what), 1, seconds, late)]


if __name__ == "__main__":
    answer(measure)
