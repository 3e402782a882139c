"""Ours at a fixed rate: commands are due at instants that no reply can put off, and waiting begins when they are due.

A client that sends its next command when the last was answered asks less of a service that stalls, and so never sees
the stall at its full length. Here orders are placed at random instants of a given rate, and the other commands of each
are due at fixed times afterwards; one whose predecessor is still under way is sent late, and measured from when it was
due.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from benchmarks.apart import answer
from benchmarks.dialogue import EVENTS_AN_ORDER, Dialogue, Request, order
from benchmarks.figures import Point, Window
from benchmarks.wire import Wire, wire

_PATIENCE_SECONDS = 30.0

#: When something is due, and whose turn it then is.
Schedule = Sequence[tuple[float, int]]


def schedule(rate: float, seed: str, window: Window) -> Schedule:
    """Return when the commands of which order are due, so many a second.

    Orders come at random as customers do, yet exactly so many before the window opens and in it. By then all four
    kinds of command are evenly mixed: an order's last is due before a warm-up has passed since its first.
    """
    rng = random.Random(seed)  # noqa: S311  # repeatable
    stretches = [(window.begins - window.warm_up, window.begins), (window.begins, window.ends)]
    placed = [
        rng.uniform(begin, end)
        for begin, end in stretches
        for _ in range(max(1, round(rate / EVENTS_AN_ORDER * (end - begin))))
    ]
    pause = window.warm_up / EVENTS_AN_ORDER
    due = ((at + step * pause, number) for number, at in enumerate(placed) for step in range(EVENTS_AN_ORDER))
    return sorted(turn for turn in due if turn[0] < window.ends)


class Customer:
    """One who orders; `due` holds when the request under way was due, and those that wait behind it."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._request: Request | None = None
        self.due: deque[float] = deque()

    def next(self) -> Request:
        """Return what is to be said next."""
        if self._request is None:
            self._request = next(self._dialogue)
        return self._request

    def hear(self, body: bytes) -> tuple[str, float]:
        """Take in the reply, and return what it answers and when that was due."""
        kind = self.next().kind
        with suppress(StopIteration):
            self._request = self._dialogue.send(body)
        return kind, self.due.popleft()


class Arrivals:
    """An open loop: requests are made when they are due, until every one is answered."""

    def __init__(self, due: Schedule, dialogues: Sequence[Dialogue], window: Window) -> None:
        self._due = deque(due)
        self._window = window
        self._customers = [Customer(dialogue) for dialogue in dialogues]
        self._under_way = 0
        self._wire: Wire
        #: How many were due in the window, and how many ended in it.
        self.asked = sum(window.counts(instant) for instant, _ in due)
        self.ended = 0

    async def come(self, nats_url: str) -> None:
        """Let them come and be answered. Raises Refused, Broken, TimeoutError."""
        async with wire(nats_url, self._answered) as self._wire:
            self._send_due()
            async with asyncio.timeout(self._window.left + _PATIENCE_SECONDS):
                await self._wire.done

    def _send_due(self) -> None:
        """Send what is due by now, and come again when the next is."""
        while self._due and self._due[0][0] <= time.perf_counter():
            self._arrive(*self._due.popleft())
        if self._due:
            asyncio.get_running_loop().call_later(self._due[0][0] - time.perf_counter(), self._send_due)

    def _arrive(self, due: float, number: int) -> None:
        self._under_way += 1
        self._customers[number].due.append(due)
        if len(self._customers[number].due) == 1:
            self._send(number)

    def _send(self, number: int) -> None:
        request = self._customers[number].next()
        self._wire.ask(number, request.subject, request.body)

    def _answered(self, number: int, body: bytes) -> None:
        now = time.perf_counter()
        kind, due = self._customers[number].hear(body)
        self.ended += self._window.counts(now)
        if self._window.counts(due):
            self._window.latencies[kind].append(now - due)
        self._under_way -= 1
        if self._customers[number].due:
            self._send(number)
        if not self._under_way and not self._due:
            self._wire.done.set_result(None)


def measure(nats_url: str, what: str, rate: float, seed: str, seconds: float, warm_up: float) -> list[Point]:
    """Return how long commands take that come so many a second."""
    window = Window(seconds, warm_up)
    due = schedule(rate, seed, window)
    rng = random.Random(f"{seed}/orders")  # noqa: S311  # repeatable
    customers = [order(rng) for _ in range(1 + max(number for _, number in due))]
    arrivals = Arrivals(due, customers, window)
    asyncio.run(arrivals.come(nats_url))
    point = Point.of(("W1", "ours", what), 1, seconds, window)
    return [point.at_rate(arrivals.asked / seconds, arrivals.ended, window)]


if __name__ == "__main__":
    answer(measure)
