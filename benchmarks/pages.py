"""W8: customers who look at the pages of their orders, over HTTP; each one page at a time.

Pages are drawn evenly from those of all orders that were copied. Each customer has a connection that stays open. What
speaks HTTP here knows no more of it than this takes: a client library costs as much as the page (httpx 2.6 ms a
request where this costs 0.05), on a machine that the service shares.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from importlib import resources
from typing import Any

import psycopg

from benchmarks.apart import answer
from benchmarks.dialogue import Refused
from benchmarks.figures import Point, Window
from benchmarks.plans import plan
from benchmarks.stocking import Copy, Digests, copied, digests_of
from benchmarks.usage import Usage
from vignettes.projections.order_pages import digest_of

HOST = "127.0.0.1"
_PATIENCE_SECONDS = 30.0
_GET = f"GET /o/%s HTTP/1.1\r\nHost: {HOST}\r\nAccept: text/html\r\n\r\n"
_END = b"\r\n\r\n"
_OK = re.compile(rb"HTTP/1\.1 200 .*\r\ncontent-length: (\d+)\r\n", re.DOTALL)
#: The statement that the page is made of.
_LOOK = (resources.files("vignettes.services.web") / "linked.sql").read_text()


class Customers:
    """A closed loop: so many who look at one page after the other as long as the window is open, but one at least."""

    def __init__(self, port: int, draw: Callable[[], Copy], digests: Digests, window: Window) -> None:
        self._port = port
        self._draw = draw
        self._digests = digests
        self._window = window
        #: Of all pages the largest, in bytes.
        self.largest = 0

    async def look(self, number: int) -> None:
        """Let so many of them look at the same time. Raises Refused, TimeoutError."""
        async with asyncio.timeout(self._window.left + _PATIENCE_SECONDS):
            await asyncio.gather(*(self._one() for _ in range(number)))

    async def _one(self) -> None:
        reader, writer = await asyncio.open_connection(HOST, self._port)
        try:
            again = True
            while again:
                copy = self._draw()
                request = (_GET % self._digests.token(copy.order_id, 1)).encode()
                began = time.perf_counter()
                writer.write(request)
                page = await _page(reader)
                self._window.note(began)
                self._check(page, copy)
                again = self._window.open
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _check(self, page: bytes, copy: Copy) -> None:
        if copy.order_number.encode() not in page:
            raise Refused(f"That is not the page of {copy.order_number}: {page.decode()}")
        self.largest = max(self.largest, len(page))


async def _page(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(_END)
    if (found := _OK.match(head)) is None:
        raise Refused(f"That is no page: {head.decode()}")
    return await reader.readexactly(int(found[1]))


def measure(  # noqa: PLR0913  # what is said to a process of its own
    *,
    port: int,
    data_dir: str,
    database_url: str,
    what: str,
    in_flight: int,
    orders: tuple[int, str],
    seed: str,
    seconds: float,
    warm_up: float,
) -> list[Point]:
    """Return how fast so many customers see their pages. `orders` is how many there are and their seed."""
    (number, stocked), digests = orders, digests_of(data_dir, database_url)
    rng = random.Random(seed)  # noqa: S311  # repeatable

    def draw() -> Copy:
        return Copy(stocked, rng.randrange(copied(number)))

    first = Customers(port, draw, digests, Window(0, 0))
    asyncio.run(first.look(1))  # a service that has just started has yet to load what pages are made of
    window = Window(seconds, warm_up)
    customers = Customers(port, draw, digests, window)
    with psycopg.connect(database_url, autocommit=True) as connection:
        used = asyncio.run(_used(customers.look(in_flight), window, connection))
    point = Point.of(("W8", "ours", what), in_flight, seconds, window).using(used)
    wanted = digest_of(digests.token(draw().order_id, 1))
    planned = point.planned(plan(database_url, "vignettes_reader", _LOOK, [wanted]))
    return [replace(planned, largest_bytes=customers.largest)]


async def _used(
    work: Coroutine[Any, Any, None], window: Window, connection: psycopg.Connection[Any]
) -> dict[str, float]:
    """Let the work be done, and return what each process used from the begin of the window to the end of the work."""
    working = asyncio.create_task(work)
    await asyncio.sleep(window.warm_up)
    usage = Usage(connection)
    await working
    return usage.so_far()


if __name__ == "__main__":
    answer(measure)
