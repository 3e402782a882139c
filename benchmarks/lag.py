"""W4: how long after a command was answered its event is in the live view.

From the instant at which this process has the reply in hand (a reply says that the event is durable) to the instant at
which it has in hand what the follower tells after its commit (NOTIFY on the channel `view`): by then everybody reads
the row. Where the follower was quicker than the reply, that took no time. The view is `order_status`; the others that
stand at the same place are written by the same transactions.

Alone: one command at a time, the next a random pause after the view has it. At a rate: commands are due at instants
that nothing puts off, and each is waited for beside the others.
"""

import asyncio
import heapq
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import nats
import psycopg
from pydantic_core import from_json

from benchmarks.apart import answer
from benchmarks.dialogue import Dialogue, order, orders
from benchmarks.figures import Point, Window
from benchmarks.steady import Arrivals, schedule

VIEW = "order_status"
_CHANNEL = "view"
_PATIENCE_SECONDS = 60.0
#: Between two lone commands, so that none meets what the one before left to do.
_LONGEST_PAUSE_SECONDS = 0.02

_HEAD = "SELECT coalesce(max(notification_id), 0) FROM log.events"
_POSITION = "SELECT position FROM view.editions WHERE view = %s AND state = 'live'"


class Sight:
    """Watches the live view: what is noted waits until the view has it."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._position = 0
        self._waiting: list[tuple[int, float, str]] = []
        self._nothing_waits = asyncio.Event()

    def note(self, position: int, kind: str) -> None:
        """Wait for an event that was answered just now."""
        answered = time.perf_counter()
        if position <= self._position:
            self._seen(answered, answered, kind)
        else:
            heapq.heappush(self._waiting, (position, answered, kind))
            self._nothing_waits.clear()

    def reach(self, position: int) -> None:
        """See that the view has come so far."""
        now = time.perf_counter()
        self._position = max(self._position, position)
        while self._waiting and self._waiting[0][0] <= self._position:
            _, answered, kind = heapq.heappop(self._waiting)
            self._seen(answered, now, kind)
        if not self._waiting:
            self._nothing_waits.set()

    async def everything(self) -> None:
        """Return when the view has all that was noted. Raises TimeoutError."""
        if self._waiting:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._nothing_waits.wait()

    def _seen(self, answered: float, now: float, kind: str) -> None:
        if self._window.counts(answered):
            self._window.latencies[kind].append(now - answered)


@asynccontextmanager
async def watching(database_url: str, sight: Sight) -> AsyncIterator[None]:
    """Listen beside what the block does."""
    async with (
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as hearing,
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as asking,
    ):
        await hearing.execute(f'LISTEN "{_CHANNEL}"')

        async def listen() -> None:
            async for told in hearing.notifies():
                position, *views = told.payload.split()
                if views == [
                    VIEW
                ]:  # also told of one that is built beside the live one, so this must be asked
                    sight.reach(await _one(asking, _POSITION, VIEW))
                elif VIEW in views:
                    sight.reach(int(position))

        listening = asyncio.create_task(listen())
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def caught_up(database_url: str) -> None:
    """Wait until the live view has the log: what was there before is not measured. Raises TimeoutError."""
    async with (
        asyncio.timeout(_PATIENCE_SECONDS),
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection,
    ):
        head = await _one(connection, _HEAD)
        while await _one(connection, _POSITION, VIEW) < head:  # noqa: ASYNC110  # another process moves it
            await asyncio.sleep(0.02)


async def _one(connection: psycopg.AsyncConnection[Any], query: str, *values: object) -> int:
    row = await (await connection.execute(query.encode(), values)).fetchone()
    return int(row[0]) if row else 0


def noted(dialogue: Dialogue, sight: Sight) -> Dialogue:
    """Say what the dialogue says, and note each event that a reply tells of."""
    with suppress(StopIteration):
        request = next(dialogue)
        while True:
            reply = yield request
            told = from_json(reply)
            if told["ok"]:
                sight.note(told["position"], request.kind)
            request = dialogue.send(reply)


async def _alone(nats_url: str, sight: Sight, window: Window, rng: random.Random) -> None:
    client = await nats.connect(nats_url)
    dialogue = noted(orders(rng, lambda: window.open), sight)
    try:
        with suppress(StopIteration):
            request = next(dialogue)
            while True:
                reply = await client.request(request.subject, request.body, timeout=30)
                request = dialogue.send(reply.data)
                await sight.everything()
                await asyncio.sleep(rng.uniform(0, _LONGEST_PAUSE_SECONDS))
    finally:
        await client.close()


async def _lone(nats_url: str, database_url: str, window_of: tuple[float, float], seed: str) -> Window:
    await caught_up(database_url)
    window = Window(*window_of)
    sight = Sight(window)
    async with watching(database_url, sight):
        await _alone(nats_url, sight, window, random.Random(seed))  # noqa: S311  # repeatable
    return window


async def _at_rate(
    nats_url: str, database_url: str, window_of: tuple[float, float], seed: str, rate: float
) -> tuple[Window, Arrivals]:
    await caught_up(database_url)
    commands, events = Window(*window_of), Window(*window_of)
    sight, rng = Sight(events), random.Random(f"{seed}/orders")  # noqa: S311  # repeatable
    due = schedule(rate, seed, commands)
    customers = [noted(order(rng), sight) for _ in range(1 + max(number for _, number in due))]
    arrivals = Arrivals(due, customers, commands)
    async with watching(database_url, sight):
        await arrivals.come(nats_url)
        await sight.everything()
    return events, arrivals


def measure(  # noqa: PLR0913  # what is said to a process of its own
    *,
    nats_url: str,
    database_url: str,
    of: tuple[str, str],
    seed: str,
    seconds: float,
    warm_up: float,
    rate: float | None = None,
) -> list[Point]:
    """Return how long the view takes, at so many commands a second or alone. `of`: the workload, and what it is."""
    where, (workload, what) = (nats_url, database_url, (seconds, warm_up), seed), of
    if rate is None:
        return [Point.of((workload, "ours", what), 1, seconds, asyncio.run(_lone(*where)))]
    events, arrivals = asyncio.run(_at_rate(*where, rate))
    point = Point.of((workload, "ours", what), 1, seconds, events)
    return [point.at_rate(arrivals.asked / seconds, arrivals.ended, events)]


if __name__ == "__main__":
    answer(measure)
