"""W7: one order's history, verified against a signed head, on logs of several lengths.

The log is filled by SQL with copies of orders that the service wrote. Events of one order lie thousands of positions
apart, as they do when many orders run side by side, so that each needs a path of its own through the tree. The
ledger is kept by the service's own keeper. The keys of copies don't matter here: an auditor has none.
"""

import asyncio
import random
import time
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import AsyncConnection

from benchmarks.apart import answer
from benchmarks.figures import Point, Window
from vignettes.eventstore.connections import conninfo
from vignettes.runtime import logs
from vignettes.services.auditing.keeping import Keeper
from vignettes.services.auditing.proving import proven

EVENTS_AN_ORDER = 4
_ORDERS_A_BATCH = 25_000
#: So many that each is verified for the first time, or nearly.
_DRAWN_ORDERS = 2_000
_ORIGIN = "benchmarks/log"
_TEMPLATES = """
CREATE TEMP TABLE templates AS
SELECT dense_rank() OVER (ORDER BY originator_id) - 1 AS number, originator_version, topic, state FROM log.events
WHERE originator_id = ANY (SELECT originator_id FROM log.events GROUP BY 1 HAVING count(*) = %s LIMIT 8)
"""
_COPY = """
INSERT INTO log.events (originator_id, originator_version, topic, state)
SELECT made.id, t.originator_version, t.topic, t.state
FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, %s) AS n) AS made
JOIN templates t ON t.number = made.n %% (SELECT max(number) + 1 FROM templates)
ORDER BY t.originator_version, made.n
"""
_DRAWN = "SELECT originator_id FROM log.events WHERE originator_version = 1 AND notification_id >= %s LIMIT 1"


def kept_of(events: int) -> str:
    """Return how keeping the ledger of so many events is called."""
    return f"ledger kept, {events:,} events"


def verified_among(events: int) -> str:
    """Return how verifying one order's history among so many events is called."""
    return f"history verified, {events:,} events"


def measure(database_url: str, sizes: list[int], seed: str, seconds: float, warm_up: float) -> list[Point]:
    """Return how fast the ledger is kept and histories are verified, on logs of these lengths, each longer."""
    logs.configure("auto", "error", "benchmarks")  # what the keeper tells would stand among the figures
    return asyncio.run(_measured(database_url, sizes, seed, (seconds, warm_up)))


async def _measured(
    database_url: str, sizes: list[int], seed: str, times: tuple[float, float]
) -> list[Point]:
    key, points, known = Ed25519PrivateKey.generate(), list[Point](), 0
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_TEMPLATES, (EVENTS_AN_ORDER,))
        for size in sizes:
            known = _fill(connection, size - known)
            points.append(await _kept(database_url, key, known, size))
            ids = _drawn(connection, random.Random(f"{seed}/{size}"))  # noqa: S311  # repeatable
            points.append(await _verified(database_url, key, ids, size, Window(*times)))
    return points


def _fill(connection: psycopg.Connection, events: int) -> int:
    """Append at least so many events, and return how many there are now."""
    for begin in range(0, max(0, events) // EVENTS_AN_ORDER, _ORDERS_A_BATCH):
        connection.execute(_COPY, (min(_ORDERS_A_BATCH, events // EVENTS_AN_ORDER - begin),))
    connection.execute("VACUUM (ANALYZE) log.events")
    [(count,)] = connection.execute("SELECT count(*) FROM log.events").fetchall()
    return int(count)


async def _kept(database_url: str, key: Ed25519PrivateKey, events: int, size: int) -> Point:
    """Let the service's keeper take in what it does not know yet, and sign it."""
    window, began, added = Window(3600, 0), time.perf_counter(), 0
    url = conninfo(database_url, "vignettes_ledger")
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        keeper = Keeper(connection, key, _ORIGIN)
        await keeper.begin(None)
        while True:
            batch = time.perf_counter()
            taken = await keeper.advance()
            if not taken:
                break
            window.note(batch)
            added += taken
        head = await keeper.sign()
    if head.size != events:
        raise AssertionError(f"The head covers {head.size} events of {events}.")
    seconds = time.perf_counter() - began
    return Point.of(("W7", "ours", kept_of(size)), 1, seconds, window).of_many(added)


def _drawn(connection: psycopg.Connection, rng: random.Random) -> list[UUID]:
    """Return orders from everywhere in the log."""
    [(last,)] = connection.execute("SELECT max(notification_id) FROM log.events").fetchall()
    found = [connection.execute(_DRAWN, (rng.randint(1, last),)).fetchone() for _ in range(_DRAWN_ORDERS)]
    return [row[0] for row in found if row is not None]


async def _verified(
    database_url: str, key: Ed25519PrivateKey, ids: list[UUID], size: int, window: Window
) -> Point:
    """Verify one history after the other. Raises AssertionError for one that is not proven."""
    url, public, number = conninfo(database_url, "vignettes_auditor"), key.public_key(), 0
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        while window.open:
            began = time.perf_counter()
            found = await proven(connection, ids[number % len(ids)], public)
            window.note(began)
            number += 1
            if not found.verified or len(found.events) != EVENTS_AN_ORDER:
                raise AssertionError(f"A history among {size} events is not proven.")
    return Point.of(("W7", "ours", verified_among(size)), 1, window.ends - window.begins, window)


if __name__ == "__main__":
    answer(measure)
