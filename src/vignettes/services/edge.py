"""The edge to NATS: strict reading, answers for whatever comes, and the ids of each message in its log lines."""

import json
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from faststream import ExceptionMiddleware
from faststream.nats import NatsBroker, NatsMessage
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json
from structlog.contextvars import bind_contextvars, clear_contextvars

from vignettes.domain.errors import DomainError, Unavailable
from vignettes.messages.forms import Message
from vignettes.messages.replies import Problem, Refused
from vignettes.services.timings import Timings
from vignettes.services.tracing import HEADER

log = structlog.get_logger(__name__)

#: How many requests of one subject are worked on at a time in one process.
CONCURRENCY = 32
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}", re.ASCII)


@dataclass(slots=True)
class EndpointStats:
    """What micro discovery tells about one subject ($SRV.STATS)."""

    name: str
    subject: str
    queue_group: str
    num_requests: int = 0
    num_errors: int = 0
    processing_time: int = 0
    last_error: str = ""
    timings: Timings = field(default_factory=Timings)
    #: More of what whoever answers wants to tell, asked for each time.
    data: Callable[[], dict[str, int]] | None = None

    def ended(self, outcome: str, began: int) -> None:
        """Count a request that began then, by `time.perf_counter_ns`."""
        took = time.perf_counter_ns() - began
        self.processing_time += took
        self.timings.note(outcome, took)


@dataclass(slots=True)
class Endpoints:
    """The subjects that one process answers; filled by `answer`, read by discovery and the AsyncAPI document."""

    broker: NatsBroker
    stats: list[EndpointStats] = field(default_factory=list)

    def answer(
        self,
        subject: str,
        queue: str,
        message: type[Message],
        reply: type[BaseModel],
        handle: "Handle",
    ) -> None:
        """Answer requests of one form on one subject; whatever can't be read is answered with the reason."""
        stats = EndpointStats(subject.rpartition(".")[2], subject, queue)
        self.stats.append(stats)

        async def endpoint(request: Any, raw: NatsMessage) -> Any:
            return await _measured(stats, handle, request, _uuid(raw.correlation_id))

        # Read for the AsyncAPI document; the body itself was read by the decoder.
        endpoint.__name__ = stats.name
        endpoint.__doc__ = message.__doc__
        endpoint.__annotations__ |= {"request": message, "return": reply | Refused}
        subscriber = self.broker.subscriber(
            subject, queue=queue, decoder=_strictly(message, stats), max_workers=CONCURRENCY, title=subject
        )
        subscriber(endpoint)

    def take(
        self,
        subject: str,
        queue: str,
        message: type[Message],
        reply: type[BaseModel],
        take: "Take",
        data: Callable[[], dict[str, int]],
    ) -> None:
        """Take requests without waiting for what they come to: whoever takes one answers it later.

        FastStream subscribes, documents, and waits for answers when it stops; its own way to a handler costs more
        than all the rest of a command, so messages come here directly. `data` goes into what discovery tells.
        """
        stats = EndpointStats(subject.rpartition(".")[2], subject, queue, data=data)
        self.stats.append(stats)
        subscriber = self.broker.subscriber(subject, queue=queue, title=subject)
        subscriber(_described(stats.name, message, reply))

        under_way = _UnderWay(lambda: subscriber.lock)

        async def consume(raw: Msg) -> None:
            asked = Asked(raw, stats, under_way)
            if not subscriber.running:  # it is about to end: another process of the group will take it
                await asked.answer(refused(Unavailable(), _command_id(raw.data)))
                return
            try:
                take(message.model_validate_json(raw.data), asked)
            except ValidationError as error:
                await asked.answer(_unreadable(error, raw.data))
            except DomainError as refusal:
                await asked.answer(refused(refusal, _command_id(raw.data)))
            except Exception as error:  # noqa: BLE001  # the asker must hear something
                await asked.fail(error, _command_id(raw.data))

        subscriber.consume = consume  # type: ignore[method-assign,assignment]  # its subscription calls it


class _UnderWay:
    """Holds what FastStream waits for when it stops, as long as any request waits for its answer."""

    __slots__ = ("_held", "_lock", "_number")

    def __init__(self, lock: Callable[[], AbstractContextManager[Any]]) -> None:
        self._lock, self._number, self._held = lock, 0, ExitStack()

    def begin(self) -> None:
        self._number += 1
        if self._number == 1:
            self._held.enter_context(self._lock())

    def end(self) -> None:
        self._number -= 1
        if self._number == 0:
            self._held.close()


class Asked:
    """A request that waits for its answer."""

    __slots__ = ("_began", "_raw", "_stats", "_under_way")

    def __init__(self, raw: Msg, stats: EndpointStats, under_way: _UnderWay) -> None:
        stats.num_requests += 1
        under_way.begin()
        self._raw, self._stats, self._under_way = raw, stats, under_way
        self._began = time.perf_counter_ns()

    @property
    def correlation_id(self) -> UUID | None:
        """On whose behalf it is asked, where the asker says so."""
        headers = self._raw.headers
        return _uuid(headers.get("correlation_id")) if headers else None

    @property
    def caller(self) -> str | None:
        """The span of a trace on whose behalf it is asked, where the asker says so (W3C Trace Context)."""
        headers = self._raw.headers
        return headers.get(HEADER) if headers else None

    @property
    def began(self) -> int:
        """When it came, in nanoseconds since 1970."""
        return time.time_ns() - (time.perf_counter_ns() - self._began)

    async def answer(self, reply: BaseModel | dict[str, Any]) -> None:
        """Send the answer; a connection that is gone takes it along, and the asker asks again."""
        try:
            if self._raw.reply:
                await self._raw.respond(to_json(reply))
        except NatsError as error:
            log.warning("request.unanswered", request=self._stats.subject, error=type(error).__name__)
        finally:
            self._under_way.end()
            self._stats.ended(_outcome(reply), self._began)

    async def fail(self, error: Exception, command_id: UUID | None) -> None:
        """Tell the asker that it is not known; whoever watches the log hears why."""
        self.note_failure(error, command_id)
        await self.answer(refused(Unavailable(), command_id))

    def note_failure(self, error: Exception, command_id: UUID | None) -> None:
        """Count what broke, and let whoever watches the log hear why; the asker is answered by other means."""
        self._stats.num_errors += 1
        self._stats.last_error = type(error).__name__
        log.error("request.failed", request=self._stats.subject, command=str(command_id), exc_info=error)


Handle = Callable[[Any, UUID | None], Awaitable[BaseModel]]
Take = Callable[[Any, Asked], None]


def refusing() -> ExceptionMiddleware:
    """Answer what the decoder refused. FastStream would leave the asker without any reply."""
    middleware = ExceptionMiddleware()

    async def answer(error: ValidationError, raw: NatsMessage) -> Refused:
        return _unreadable(error, raw.body)

    middleware.add_handler(ValidationError, publish=True)(answer)
    return middleware


def _unreadable(error: ValidationError, body: bytes) -> Refused:
    problem = _problem(error.errors(include_url=False, include_input=False)[0])
    log.info("request.refused", code=problem.code, field=problem.field)
    return Refused(command_id=_command_id(body), error=problem)


def _described(name: str, message: type[Message], reply: type[BaseModel]) -> Callable[..., Any]:
    """Return what FastStream reads to write the AsyncAPI document."""

    async def endpoint(request: Any) -> Any:
        raise AssertionError(f"{request} was to be taken before it came here")

    endpoint.__name__ = name
    endpoint.__doc__ = message.__doc__
    endpoint.__annotations__ |= {"request": message, "return": reply | Refused}
    return endpoint


def _strictly(message: type[Message], stats: EndpointStats) -> Callable[[NatsMessage], Awaitable[Message]]:
    async def decode(raw: NatsMessage) -> Message:
        clear_contextvars()
        began = time.perf_counter_ns()
        try:
            return message.model_validate_json(raw.body)
        except ValidationError:
            # What is refused here comes to nobody who would count it.
            stats.num_requests += 1
            stats.ended("refused", began)
            raise

    return decode


async def _measured(
    stats: EndpointStats, handle: Handle, request: Message, correlation: UUID | None
) -> BaseModel:
    stats.num_requests += 1
    began = time.perf_counter_ns()
    bind_contextvars(**_ids(request, correlation))
    reply = await _handled(stats, handle, request, correlation)
    stats.ended(_outcome(reply), began)
    return reply


async def _handled(
    stats: EndpointStats, handle: Handle, request: Message, correlation: UUID | None
) -> BaseModel:
    try:
        return await handle(request, correlation)
    except DomainError as refusal:
        return refused(refusal, getattr(request, "command_id", None))
    except Exception as error:
        # The asker must hear something; whoever watches the log must hear why.
        stats.num_errors += 1
        stats.last_error = type(error).__name__
        log.exception("request.failed", request=stats.subject)
        return refused(Unavailable(), getattr(request, "command_id", None))


def _outcome(reply: BaseModel | dict[str, Any]) -> str:
    """Return what a request came to: ok, refused, or unavailable (ask again)."""
    if isinstance(reply, dict):
        error = reply.get("error")
        code = error["code"] if error else None
    else:
        code = reply.error.code if isinstance(reply, Refused) else None
    if code is None:
        return "ok"
    return "unavailable" if code == Unavailable.code else "refused"


def refused(refusal: DomainError, command_id: UUID | None) -> Refused:
    """Return a refusal as it is answered."""
    problem = Problem(code=refusal.code, message=str(refusal), field=refusal.field)
    return Refused(command_id=command_id, error=problem)


def _problem(error: ErrorDetails) -> Problem:
    named = error.get("ctx", {}).get("field")
    place = [str(part) for part in error["loc"]]
    if error["type"] == "extra_forbidden" and not _NAME.fullmatch(place[-1]):
        place.pop()  # not a misspelt field but anything at all: an address, or a megabyte
    return Problem(code="invalid_request", message=error["msg"], field=named or ".".join(place) or "body")


def _ids(request: Message, correlation: UUID | None) -> dict[str, str]:
    named = {
        "command": getattr(request, "command_id", None),
        "order": getattr(request, "order_id", None),
        "correlation_id": correlation,
    }
    return {key: str(value) for key, value in named.items() if value is not None}


def _command_id(body: bytes) -> UUID | None:
    """Return the command's id from a body that is wrong elsewhere, so that the asker can tell which it was."""
    try:
        return UUID(json.loads(body)["command_id"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
