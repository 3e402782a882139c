"""Micro discovery (NATS ADR-32): who runs, what it answers, and how that goes."""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any, TypeVar

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.micro.service import (
    EndpointInfo,
    EndpointStats,
    ServiceInfo,
    ServicePing,
    ServiceStats,
    ServiceVerb,
    control_subject,
)
from nats.nuid import NUID

from vignettes.services import edge
from vignettes.services.subscribing import known

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

PREFIX = "vignettes-"
_DISTRIBUTION = "vignettes"
_NO_RESPONDERS = "503"


@cache
def _version() -> str:
    return version(_DISTRIBUTION)


def service_name(role: str) -> str:
    """Return the name by which discovery knows a role."""
    return f"{PREFIX}{role}"


class Discovery:
    """Answers $SRV.PING, INFO and STATS for one process: for everybody, for its role, and for itself alone.

    The service of nats.micro would answer the endpoints too; FastStream does, so only its forms are used.
    """

    def __init__(self, name: str, endpoints: edge.Endpoints | None, *, metadata: dict[str, str]) -> None:
        self._role = name
        self._name = service_name(name)
        self._id = NUID().next().decode()
        self._version = _version()
        self._endpoints = endpoints
        self._started = datetime.now(UTC)
        self._metadata = {
            "role": name,
            "pid": str(os.getpid()),
            "restarts": "0",
            "started": self._started.isoformat(timespec="milliseconds"),
            **metadata,
        }
        self._subscriptions: list[Subscription] = []

    @property
    def id(self) -> str:
        """What tells this process from others of its role."""
        return self._id

    async def start(self, client: Client) -> None:
        """Answer from now on: when this returns, the server knows it. Harmless when started."""
        if self._subscriptions:
            return
        for verb, tell in self._answers().items():
            for subject in self._subjects(verb):
                self._subscriptions.append(await client.subscribe(subject, cb=_answering(tell)))
        await known(client)

    async def stop(self) -> None:
        """Answer no more. Harmless when stopped, or when the connection has ended before."""
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()

    def ping(self) -> ServicePing:
        """Return who this is."""
        return ServicePing(self._id, self._name, self._version, self._metadata)

    def info(self) -> ServiceInfo:
        """Return who this is, and what it answers."""
        return ServiceInfo(
            name=self._name,
            id=self._id,
            version=self._version,
            description=f"The {self._role} role of the e-vignette seller",
            endpoints=[EndpointInfo(s.name, s.subject, s.queue_group) for s in self._served()],
            metadata=self._metadata,
        )

    def stats(self) -> ServiceStats:
        """Return who this is, and how often and how fast it answered since it was started."""
        return ServiceStats(
            id=self._id,
            name=self._name,
            version=self._version,
            started=self._started,
            endpoints=[_stats(served) for served in self._served()],
            metadata=self._metadata,
        )

    def _answers(self) -> dict[ServiceVerb, Callable[[], dict[str, Any]]]:
        return {
            ServiceVerb.PING: lambda: self.ping().to_dict(),
            ServiceVerb.INFO: lambda: self.info().to_dict(),
            ServiceVerb.STATS: lambda: self.stats().to_dict(),
        }

    def _subjects(self, verb: ServiceVerb) -> tuple[str, str, str]:
        return (
            control_subject(verb),
            control_subject(verb, self._name),
            control_subject(verb, self._name, self._id),
        )

    def _served(self) -> list[edge.EndpointStats]:
        return self._endpoints.stats if self._endpoints else []


async def present(client: Client, timeout: float = 0.3) -> list[ServicePing]:  # noqa: ASYNC109  # how long to listen, not to wait
    """Return everybody who answers a ping within `timeout` seconds, in the order of names and ids."""
    answers = await _asked(client, control_subject(ServiceVerb.PING), ServicePing.from_dict, timeout)
    return sorted(answers, key=lambda ping: (ping.name, ping.id))


async def told(client: Client, timeout: float = 0.3) -> list[ServiceStats]:  # noqa: ASYNC109  # as above
    """Return what everybody tells of itself within `timeout` seconds, in the order of names and ids."""
    answers = await _asked(client, control_subject(ServiceVerb.STATS), ServiceStats.from_dict, timeout)
    return sorted(answers, key=lambda stats: (stats.name, stats.id))


async def _asked(
    client: Client,
    subject: str,
    read: Callable[[dict[str, Any]], Answer],
    timeout: float,  # noqa: ASYNC109  # as above
) -> list[Answer]:
    inbox = await client.subscribe(client.new_inbox())
    found: list[Answer] = []
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await client.publish(subject, reply=inbox.subject)
                await _gather(inbox, read, found)
    finally:
        await inbox.unsubscribe()
    return found


async def _gather(inbox: Subscription, read: Callable[[dict[str, Any]], Answer], found: list[Answer]) -> None:
    """Take in answers until cancelled, or until the server says that nobody will answer."""
    async for answer in inbox.messages:
        if (answer.headers or {}).get("Status") == _NO_RESPONDERS:
            return
        try:
            found.append(read(_named(json.loads(answer.data))))
        except (ValueError, TypeError, KeyError, AttributeError):
            # Discovery is open to every program on this server; one that answers nonsense hides nobody else.
            log.warning("discovery.unreadable_answer")


def _named(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer, if it says by texts who it is of: all of them are put in order by these."""
    if not all(isinstance(answer[key], str) for key in ("name", "id")):
        raise TypeError(type(answer))
    return answer


def _answering(tell: Callable[[], dict[str, Any]]) -> Callable[[Msg], Any]:
    async def answer(message: Msg) -> None:
        if message.reply:
            await message.respond(json.dumps(tell()).encode())

    return answer


def _stats(served: edge.EndpointStats) -> EndpointStats:
    more: dict[str, Any] = served.data() if served.data else {}
    if timings := served.timings.told():
        more = {**more, "timings": timings}
    return EndpointStats(
        name=served.name,
        subject=served.subject,
        queue_group=served.queue_group,
        num_requests=served.num_requests,
        num_errors=served.num_errors,
        processing_time=served.processing_time,
        average_processing_time=served.processing_time // max(served.num_requests, 1),
        last_error=served.last_error,
        data=more or None,
    )
