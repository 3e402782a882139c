"""Verifying from within the service: one at a time, for everybody who asks meanwhile."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import psycopg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vignettes.domain.errors import Unavailable
from vignettes.services.auditing.kept_heads import NoSource, source_of
from vignettes.services.auditing.verifying import Verdict, verify

log = structlog.get_logger(__name__)

#: How long whoever asks is kept waiting; a long log takes longer, and is asked for again.
_ANSWERED_WITHIN: Final = 20.0
#: How long a verdict that nobody has fetched is given out: whoever asks wants to know of the log as it is now.
_FRESH_SECONDS: Final = 60.0
_CANCELLED_WITHIN = 5.0

#: How many events lie between two lines in the service's log.
_TELL_EVERY: Final = 500_000


class Stopped(Exception):
    """The service ends; nobody waits for the verdict."""


@dataclass(slots=True)
class _Comparison:
    """One comparison, under way or ended."""

    task: asyncio.Task[Verdict]
    began_at: datetime
    ended: float | None = None

    def __post_init__(self) -> None:
        self.task.add_done_callback(self._note_the_end)

    def _note_the_end(self, _: asyncio.Task[Verdict]) -> None:
        self.ended = time.monotonic()

    @property
    def is_stale(self) -> bool:
        return self.ended is not None and time.monotonic() - self.ended > _FRESH_SECONDS


class Verification:
    """Compares the log with the heads of one place, in a thread of its own."""

    def __init__(self, conninfo: str, heads: str, key: Ed25519PublicKey) -> None:
        """Take how to connect as an auditor, and the folder, file or address of the heads."""
        self._conninfo = conninfo
        self._heads = heads
        self._key = key
        self._running: _Comparison | None = None
        self._connection: psycopg.Connection | None = None
        self._done, self._of, self._told = 0, 0, 0
        self._ending = False

    async def verdict(self) -> tuple[datetime, Verdict]:
        """Return when the comparison began, and what it has found. Raises Unavailable while it is still under way."""
        if self._running is None or self._running.is_stale:
            self._running = self._begun()
        running = self._running
        await asyncio.wait([running.task], timeout=_ANSWERED_WITHIN)
        if not running.task.done():
            raise Unavailable(f"{self._done:,} of {self._of:,} events are compared so far. Ask again.")
        if self._running is running:
            self._running = None
        try:
            return running.began_at, running.task.result()
        except NoSource as error:
            raise Unavailable(str(error)) from None

    def end(self) -> None:
        """Let a comparison that is under way end without a verdict, also amid a statement that takes long."""
        self._ending = True
        if (connection := self._connection) is not None:
            with suppress(psycopg.Error):  # it has ended by itself meanwhile
                connection.cancel_safe(timeout=_CANCELLED_WITHIN)

    def _begun(self) -> _Comparison:
        task = asyncio.create_task(asyncio.to_thread(self._verify), name="verify the log")
        return _Comparison(task, datetime.now(UTC))

    def _verify(self) -> Verdict:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            self._connection = connection
            verdict = verify(connection, source_of(self._heads), self._key, self._progress())
        log.info("audit.verified", events=verdict.events, heads=verdict.heads, findings=len(verdict.findings))
        return verdict

    def _progress(self) -> Callable[[int, int], None]:
        self._told = 0

        def note(done: int, of: int) -> None:
            self._done, self._of = done, of
            if self._ending:
                raise Stopped(Stopped.__doc__)
            if done - self._told >= _TELL_EVERY:
                self._told = done
                log.info("audit.verifying", events=done, of=of)

        return note
