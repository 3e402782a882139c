"""The limit of NATS: requests of a command's size that another process sends back as they are."""

import asyncio
import sys
from collections.abc import Callable

import nats
from nats.aio.msg import Msg

from benchmarks.apart import READY, answer
from benchmarks.crowd import Crowd
from benchmarks.dialogue import Dialogue, Refused, Request
from benchmarks.figures import Point, Window
from vignettes.services.subscribing import known

SUBJECT = "benchmarks.echo"
#: About what a command is on the wire, and an event in the log.
PAYLOAD = b"x" * 300


async def respond(nats_url: str) -> None:
    """Send every request back, until ended."""

    async def back(request: Msg) -> None:
        await request.respond(request.data)

    client = await nats.connect(nats_url)
    await client.subscribe(SUBJECT, cb=back)
    await known(client)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    await asyncio.Event().wait()


def echoes(again: Callable[[], bool]) -> Dialogue:
    """Ask as long as `again`."""
    while again():
        if (yield Request(SUBJECT, PAYLOAD)) != PAYLOAD:
            raise Refused("An echo came back otherwise than it was sent.")


def measure(nats_url: str, in_flight: int, seconds: float, warm_up: float) -> list[Point]:
    """Return how fast a responder beside us answers."""
    window = Window(seconds, warm_up)
    crowd = Crowd([echoes(lambda: window.open) for _ in range(in_flight)], window)
    asyncio.run(crowd.ask(nats_url))
    return [Point.of(("W1", "limit", "NATS echo"), in_flight, seconds, window)]


if __name__ == "__main__":
    answer(measure)
