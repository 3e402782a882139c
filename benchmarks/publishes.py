"""The limits of JetStream: messages of a trigger's size that are acknowledged when they are on disk.

Each by itself, from many publishers; and in atomic batches, which are acknowledged as one.
"""

import asyncio
import json
import time
from collections.abc import Callable
from secrets import token_hex

import nats
from nats.aio.client import Client
from nats.js.api import StorageType, StreamConfig

from benchmarks.apart import answer
from benchmarks.crowd import Crowd
from benchmarks.dialogue import Dialogue, Refused, Request
from benchmarks.echo import PAYLOAD
from benchmarks.figures import Point, Window

BATCH = 500
SINGLY = "JetStream publishes, each acknowledged"
BATCHED = f"JetStream batches, each of {BATCH} messages and acknowledged"

_STREAM, _SUBJECT = "LIMITS", "benchmarks.limits"
_PATIENCE_SECONDS = 30.0


async def _prepare(client: Client) -> None:
    """Make the stream, stored as the service's are."""
    wanted = StreamConfig(name=_STREAM, subjects=[_SUBJECT], storage=StorageType.FILE, allow_atomic=True)
    await client.jetstream().add_stream(wanted)


def publishes(again: Callable[[], bool]) -> Dialogue:
    """Publish as long as `again`, each message when the last one was acknowledged."""
    while again():
        _check((yield Request(_SUBJECT, PAYLOAD)))


async def _singly(nats_url: str, in_flight: int, window: Window) -> None:
    await Crowd([publishes(lambda: window.open) for _ in range(in_flight)], window).ask(nats_url)


async def _batch(client: Client) -> None:
    """Publish one batch, its messages known by their ids as those of triggers are."""
    name = token_hex(8)
    for number in range(1, BATCH + 1):
        headers = {
            "Nats-Batch-Id": name,
            "Nats-Batch-Sequence": str(number),
            "Nats-Msg-Id": f"{name}:{number}",
        }
        if number < BATCH:
            await client.publish(_SUBJECT, PAYLOAD, headers=headers)
    headers["Nats-Batch-Commit"] = "1"
    told = await client.request(_SUBJECT, PAYLOAD, timeout=_PATIENCE_SECONDS, headers=headers)
    _check(told.data)


async def _measured(
    nats_url: str, in_flight: int, window_of: tuple[float, float], *, batched: bool
) -> Window:
    client = await nats.connect(nats_url)
    try:
        await _prepare(client)
        window = Window(*window_of)
        if not batched:
            await _singly(nats_url, in_flight, window)
        while batched and window.open:
            began = time.perf_counter()
            await _batch(client)
            window.note(began)
    finally:
        await client.close()
    return window


def _check(told: bytes) -> None:
    if "error" in (said := json.loads(told)):
        raise Refused(f"A message was not taken: {said}")


def measure(
    nats_url: str, in_flight: int, seconds: float, warm_up: float, *, batched: bool = False
) -> list[Point]:
    """Return how fast so many publishers, or one that publishes batches, get theirs acknowledged."""
    window = asyncio.run(_measured(nats_url, in_flight, (seconds, warm_up), batched=batched))
    point = Point.of(("W5", "limit", BATCHED if batched else SINGLY), in_flight, seconds, window)
    return [point.of_many(BATCH * point.operations) if batched else point]


if __name__ == "__main__":
    answer(measure)
