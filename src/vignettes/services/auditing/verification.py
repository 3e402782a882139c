"""Verifying from within the service: one at a time, for everybody who asks meanwhile."""

import asyncio
from collections.abc import Callable
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

#: How many events lie between two lines in the service's log.
_TELL_EVERY: Final = 500_000


class Stopped(Exception):
    """The service ends; nobody waits for the verdict."""


class Verification:
    """Compares the log with the heads of one place, in a thread of its own."""

    def __init__(self, conninfo: str, heads: str, key: Ed25519PublicKey) -> None:
        """Take how to connect as an auditor, and the folder, file or address of the heads."""
        self._conninfo = conninfo
        self._heads = heads
        self._key = key
        self._running: asyncio.Task[Verdict] | None = None
        self._began_at = datetime.now(UTC)
        self._done, self._of, self._told = 0, 0, 0
        self._ending = False

    async def verdict(self) -> tuple[datetime, Verdict]:
        """Return when the comparison began, and what it has found. Raises Unavailable while it is still under way."""
        if self._running is None:
            self._running = asyncio.create_task(asyncio.to_thread(self._verify), name="verify the log")
            self._began_at = datetime.now(UTC)
        running = self._running
        await asyncio.wait([running], timeout=_ANSWERED_WITHIN)
        if not running.done():
            raise Unavailable(f"{self._done:,} of {self._of:,} events are compared so far. Ask again.")
        if self._running is running:
            self._running = None
        try:
            return self._began_at, running.result()
        except NoSource as error:
            raise Unavailable(str(error)) from None

    def end(self) -> None:
        """Let a comparison that is under way end without a verdict."""
        self._ending = True

    def _verify(self) -> Verdict:
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
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
