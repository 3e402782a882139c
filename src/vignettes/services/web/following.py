"""`/o/<token>/events`: tells pages that their orders have changed, as server-sent events.

One connection to the database listens for all who follow, and one question asks for all their orders; underneath it
looks every two seconds, for mails leave without a word. What is sent is a sign that differs from the last one: the
page then fetches itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse
from psycopg import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from vignettes.projections.digesting import CHANNEL
from vignettes.projections.order_pages import digest_of
from vignettes.services.waking import Worker
from vignettes.services.web.linked import LinkedOrders, sign_of

#: How often it is looked at the latest, and at most however often the views move.
LOOK_SECONDS: Final = 2.0
_NOT_SOONER_SECONDS: Final = 0.2
#: Something is sent at least so often, or what stands between would hang up.
HEARTBEAT_SECONDS: Final = 15.0
#: After so long the browser is to come back, with whatever link it has then.
_LONGEST_SECONDS: Final = 1800.0
#: How long a browser waits before it comes back, and where newer pages of the same order have taken its place.
_RETRY_MILLISECONDS: Final = 5_000
_RETRY_DISPLACED_MILLISECONDS: Final = 60_000

MOST_OF_AN_ORDER: Final = 5
MOST: Final = 1000

_LOOK: Final = (Path(__file__).parent / "following.sql").read_bytes()


@dataclass(eq=False, slots=True)
class Follower:
    """One page that follows its order; `sign` is None once its link is void.

    It `is_displaced` when newer pages of the same order have taken its place.
    """

    digest: bytes
    sign: str | None
    is_displaced: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class _Stream(StreamingResponse):
    """Server-sent events; however they come to their end, `leave` is called."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[str], leave: Callable[[], None]) -> None:
        super().__init__(events)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


class Following:
    """Follows orders for their pages; `run` is what listens."""

    def __init__(
        self,
        orders: LinkedOrders,
        conninfo: str,
        *,
        most: int = MOST,
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._orders = orders
        self._most = most
        self._heartbeat = heartbeat
        self._followers: dict[bytes, list[Follower]] = {}
        self._looked_at = 0.0
        self._ended = asyncio.Event()
        self._worker = Worker("following", conninfo, (CHANNEL,), self._look)
        self.router = APIRouter(prefix="/o", include_in_schema=False)
        self.router.add_api_route("/{token}/events", self._follow, methods=["GET"])

    async def run(self) -> None:
        """Listen until cancelled; then all who follow are let go."""
        try:
            await self._worker.run()
        finally:
            self._ended.set()
            for follower in self._all():
                follower.changed.set()

    async def _follow(self, token: str) -> Response:
        row = await self._orders.found(token)
        follower = self._admitted(digest_of(token), sign_of(row))
        return _Stream(self._events(follower), lambda: self._leave(follower))

    def _admitted(self, digest: bytes, sign: str) -> Follower:
        """Take one in. Raises HTTPException where there are too many: its page asks again later.

        Of one order the oldest makes place: it may be a phone that left its network without a word.
        """
        beside = self._followers.get(digest, [])
        if len(beside) >= MOST_OF_AN_ORDER:
            self._displace(beside[0])
        if self._ended.is_set() or len(self._all()) >= self._most:
            raise HTTPException(503)
        follower = Follower(digest, sign)
        self._followers.setdefault(digest, []).append(follower)
        return follower

    def _displace(self, follower: Follower) -> None:
        self._leave(follower)
        follower.is_displaced = True
        follower.changed.set()

    def _leave(self, follower: Follower) -> None:
        if beside := [each for each in self._followers.get(follower.digest, []) if each is not follower]:
            self._followers[follower.digest] = beside
        else:
            self._followers.pop(follower.digest, None)

    def _all(self) -> list[Follower]:
        return [each for beside in self._followers.values() for each in beside]

    async def _events(self, follower: Follower) -> AsyncIterator[str]:
        until = time.monotonic() + _LONGEST_SECONDS
        yield f"retry: {_RETRY_MILLISECONDS}\n\n"
        while not self._ended.is_set() and time.monotonic() < until:
            if follower.sign is None:
                yield "event: gone\ndata: \n\n"
                return
            yield f"event: sign\ndata: {follower.sign}\n\n"
            async for beat in self._beats(follower):
                yield beat
            if follower.is_displaced:
                yield f"retry: {_RETRY_DISPLACED_MILLISECONDS}\n\n"
                return

    async def _beats(self, follower: Follower) -> AsyncIterator[str]:
        """Keep the line open until something has changed."""
        while not follower.changed.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._heartbeat):
                    await follower.changed.wait()
                break
            yield ":\n\n"
        follower.changed.clear()

    async def _look(self, connection: AsyncConnection) -> float:
        """Look at all orders that are followed, and wake those whose pages have changed."""
        await asyncio.sleep(self._looked_at + _NOT_SOONER_SECONDS - time.monotonic())
        self._looked_at = time.monotonic()
        if asked := list(self._followers):
            found = await connection.execute(
                _LOOK, (asked,), prepare=False
            )  # its columns change with the edition
            signs = {bytes(digest): sign async for digest, sign in found}
            for digest in asked:
                self._tell(digest, signs.get(digest))
        return LOOK_SECONDS

    def _tell(self, digest: bytes, sign: str | None) -> None:
        for follower in self._followers.get(digest, ()):
            if follower.sign != sign:
                follower.sign = sign
                follower.changed.set()
