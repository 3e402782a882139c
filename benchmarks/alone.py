"""W2: a lone client's commands, and in turn with them the least that each could cost: an insert and a round trip."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import nats
import psycopg
from nats.aio.client import Client

from benchmarks import echo, inserts
from benchmarks.apart import answer
from benchmarks.dialogue import Dialogue, orders
from benchmarks.figures import Party, Point, Window

#: All take turns, so that a neighbour's noise falls on each of them alike.
_TURNS = 5

Work = Callable[[Window], Awaitable[None]]


async def _in_turns(works: dict[tuple[str, Party, str], Work], seconds: float, warm_up: float) -> list[Point]:
    windows: dict[tuple[str, Party, str], list[Window]] = {title: [] for title in works}
    for _ in range(_TURNS):
        for title, work in works.items():
            window = Window(seconds / _TURNS, warm_up / _TURNS)
            windows[title].append(window)
            await work(window)
    return [Point.of(title, 1, seconds, *seen) for title, seen in windows.items()]


async def _ask(client: Client, dialogue: Dialogue, window: Window) -> None:
    """Say all of it, one request at a time, asked as a Python program would ask."""
    with suppress(StopIteration):
        request = next(dialogue)
        while True:
            began = time.perf_counter()
            reply = await client.request(request.subject, request.body, timeout=30)
            window.note(began, request.kind)
            request = dialogue.send(reply.data)


async def _measured(
    nats_url: str, database_url: str, what: str, seed: str, seconds: float, warm_up: float
) -> list[Point]:
    rng = random.Random(seed)  # noqa: S311  # repeatable
    client = await nats.connect(nats_url)
    with psycopg.connect(database_url, autocommit=True) as connection:

        async def order(window: Window) -> None:
            await _ask(client, orders(rng, lambda: window.open), window)

        async def send_back(window: Window) -> None:
            await _ask(client, echo.echoes(lambda: window.open), window)

        async def insert(window: Window) -> None:
            inserts.insert(connection, window)  # blocks: there is nothing else to do in this turn

        works: dict[tuple[str, Party, str], Work] = {
            ("W2", "ours", what): order,
            ("W2", "limit", "NATS echo"): send_back,
            ("W2", "limit", "single-row inserts"): insert,
        }
        points = await _in_turns(works, seconds, warm_up)
    await client.close()
    return points


def measure(
    nats_url: str, database_url: str, what: str, seed: str, seconds: float, warm_up: float
) -> list[Point]:
    """Return the three side by side."""
    inserts.prepare(database_url)
    return asyncio.run(_measured(nats_url, database_url, what, seed, seconds, warm_up))


if __name__ == "__main__":
    answer(measure)
