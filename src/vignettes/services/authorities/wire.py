"""One HTTP call, of which it is always known whether anything left us, and nothing leaves us too late."""

import asyncio
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from vignettes.services.authorities.capabilities import Limits

#: Stands still only while nothing of ours runs and nothing of others does either: a suspended machine is counted.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
#: Larger answers are none that we asked for.
LONGEST_ANSWER = 2_000_000
_HEADERS, _BODY = "http11.send_request_headers", "http11.send_request_body"
#: How long the write may take that makes a request complete.
_WRITTEN_WITHIN = 0.05


class NothingSent(Exception):
    """Not a complete request has left us; `failed`: because there is no connection."""

    def __init__(self, why: str, *, failed: bool) -> None:
        super().__init__(why)
        self.why = why
        self.failed = failed


class Lost(Exception):
    """There was no answer, or none that could be read to its end; the request may have been carried out."""


class _TooLate(Exception):
    """The instant after which nothing may be sent has come."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    content: bytes
    media_type: str


def boot_clock() -> float:
    """Return seconds since the machine was started, those in which it or this process slept included."""
    return time.clock_gettime(_CLOCK)


class Fence:
    """A timer of the kernel that ends this process when it goes on after having been stopped for too long.

    Between a look at the clock and the write after it nothing of ours can look again. The signal that came meanwhile
    is taken before the next instruction. What else was under way is as late, and others take it up. While the whole
    machine is suspended the timer stands still: only the look before it counts that.
    """

    def __init__(self) -> None:
        self._untils: list[float] = []
        self._before = (0.0, 0.0)

    def put_up(self, until: float) -> None:
        """Go no further than this, an instant of boot_clock."""
        self._untils.append(until)
        before = self._set()
        if len(self._untils) == 1:
            self._before = before

    def take_down(self, until: float) -> None:
        """Go on as before."""
        self._untils.remove(until)
        if self._untils:
            self._set()
        else:
            signal.setitimer(signal.ITIMER_REAL, *self._before)

    def _set(self) -> tuple[float, float]:
        # Zero would mean never.
        return signal.setitimer(signal.ITIMER_REAL, max(min(self._untils) - boot_clock(), 1e-6))


#: The kernel has one such timer for each process.
_fence = Fence()


class Guard:
    """Looks at the clock when a connection is there and the next thing is to write to it.

    A process that was stopped anywhere before or within that, for whatever time, sends nothing once its time is over.
    """

    def __init__(self, until: float | None, *, has_body: bool) -> None:
        self._until = until
        # Without its body a request is none; the headers alone are only where there is no body.
        self._completing = _BODY if has_body else _HEADERS
        self.may_be_complete = False

    async def __call__(self, event: str, _: Mapping[str, object]) -> None:
        """Follow the call; raises instead of letting it be sent too late."""
        part, how = event.rsplit(".", 1)
        if how == "started" and part in {_HEADERS, self._completing}:
            self._look()
        if part == self._completing:
            self._completes(how)

    def _look(self) -> None:
        if self._until is not None and boot_clock() >= self._until - _WRITTEN_WITHIN:
            raise _TooLate

    def _completes(self, how: str) -> None:
        if self._until is not None and how == "started":
            _fence.put_up(self._until)
            try:
                self._look()  # we may have been stopped since, before the fence was there
            except _TooLate:
                _fence.take_down(self._until)
                raise
        elif self._until is not None:
            _fence.take_down(self._until)
        self.may_be_complete = True


class Wire:
    """Sends requests to one authority within its limits."""

    def __init__(self, client: httpx.AsyncClient, limits: Limits) -> None:
        self._client = client
        self._limits = limits

    async def send(self, request: Request, until: float | None = None) -> Answer:
        """Return the answer, whatever its status. Raises NothingSent or Lost.

        Nothing is sent after `until`, an instant of boot_clock.
        """
        guard = Guard(until, has_body=request.content is not None)
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                return await self._sent(request, guard)
        except _TooLate:
            raise NothingSent("too late", failed=False) from None
        except (httpx.HTTPError, TimeoutError) as error:
            if guard.may_be_complete:
                raise Lost(type(error).__name__) from None
            raise NothingSent(type(error).__name__, failed=True) from None

    async def _sent(self, request: Request, guard: Guard) -> Answer:
        built = self._client.build_request(
            request.method,
            request.path,
            params=request.query,
            headers=request.headers,
            content=request.content,
            extensions={"trace": guard, "timeout": self._patience()},
        )
        answer = await self._client.send(built, stream=True)
        try:
            content = await _read(answer)
        finally:
            await answer.aclose()
        return Answer(answer.status_code, content, answer.headers.get("content-type", "").partition(";")[0])

    def _patience(self) -> dict[str, float]:
        connect, silence = self._limits.connect_seconds, self._limits.silence_seconds
        return {"connect": connect, "pool": connect, "read": silence, "write": silence}


async def _read(answer: httpx.Response) -> bytes:
    content = bytearray()
    async for part in answer.aiter_bytes():
        content += part
        if len(content) > LONGEST_ANSWER:
            raise Lost("too long an answer")
    return bytes(content)
