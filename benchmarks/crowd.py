"""Many who ask at once, over one connection: each its next request when the last was answered."""

import asyncio
import time
from collections.abc import Sequence

from benchmarks.dialogue import Dialogue, Request
from benchmarks.figures import Window
from benchmarks.wire import Wire, wire

_PATIENCE_SECONDS = 30.0


class Crowd:
    """A closed loop: as many requests under way as there are dialogues, until all have come to their end."""

    def __init__(self, dialogues: Sequence[Dialogue], window: Window) -> None:
        self._dialogues = dialogues
        self._window = window
        self._sent: list[tuple[float, str]] = [(0.0, "")] * len(dialogues)
        self._asking = len(dialogues)
        self._wire: Wire

    async def ask(self, nats_url: str) -> None:
        """Let all of them ask. Raises Refused, Broken, TimeoutError."""
        async with wire(nats_url, self._answered) as self._wire:
            for number, dialogue in enumerate(self._dialogues):
                self._send(number, next(dialogue))
            async with asyncio.timeout(self._window.left + _PATIENCE_SECONDS):
                await self._wire.done

    def _send(self, number: int, request: Request) -> None:
        self._sent[number] = (time.perf_counter(), request.kind)
        self._wire.ask(number, request.subject, request.body)

    def _answered(self, number: int, body: bytes) -> None:
        self._window.note(*self._sent[number])
        try:
            self._send(number, self._dialogues[number].send(body))
        except StopIteration:
            self._asking -= 1
            if not self._asking:
                self._wire.done.set_result(None)
