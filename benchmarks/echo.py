"""The limit of NATS: requests of a command's size that another process sends back as they are."""

import asyncio
import sys
import time

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from benchmarks.apart import READY, answer
from benchmarks.figures import Point, Window

SUBJECT = "benchmarks.echo"
#: About what a command is on the wire, and an event in the log.
PAYLOAD = b"x" * 300


async def respond(nats_url: str) -> None:
    """Send every request back, until ended."""

    async def back(request: Msg) -> None:
        await request.respond(request.data)

    client = await nats.connect(nats_url)
    await client.subscribe(SUBJECT, cb=back)
    await client.flush()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    await asyncio.Event().wait()


async def ask(client: Client, window: Window) -> None:
    """Ask one after the other while the window is open."""
    while window.open:
        began = time.perf_counter()
        await client.request(SUBJECT, PAYLOAD, timeout=30)
        window.note(began)


async def _asked(nats_url: str, in_flight: int, window: Window) -> None:
    client = await nats.connect(nats_url)
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(ask(client, window))
    await client.close()


def measure(nats_url: str, in_flight: int, seconds: float, warm_up: float) -> list[Point]:
    """Return how fast a responder beside us answers."""
    window = Window(seconds, warm_up)
    asyncio.run(_asked(nats_url, in_flight, window))
    return [Point.of(("W1", "limit", "NATS echo"), in_flight, seconds, window)]


if __name__ == "__main__":
    answer(measure)
