"""The only place that builds anything: settings in, running roles out."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import psycopg
import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.errors import ConnectionClosedError
from psycopg import AsyncConnection

from vignettes.eventstore.migrations import pending
from vignettes.messages import events
from vignettes.runtime.link import Link, connect, needed, servers
from vignettes.runtime.nats_access import NatsAccess
from vignettes.runtime.process import Process
from vignettes.runtime.roles import ANSWERING, BUILDERS, ROLES, SANDBOX
from vignettes.runtime.settings import ConfigurationError, Settings
from vignettes.runtime.telemetry import tracing
from vignettes.services import streams
from vignettes.services.discovery import Discovery
from vignettes.services.edge import Endpoints, refusing

log = structlog.get_logger(__name__)

#: How long requests under way may take once we are told to stop.
_GRACE_SECONDS = 5.0
#: The streams that a role writes or reads. It starts without another's, which it may neither need nor create.
_STREAMS_OF: Final = {
    "deadlines": events.TRIGGER_STREAM,
    "registration": events.TRIGGER_STREAM,
    "publishing": events.STREAM,
    "auditing": events.HEAD_STREAM,
    SANDBOX: events.STREAM,
}


class NatsConnectionLost(Exception):
    """The connection to NATS was closed for good; this process ends, so that a new one may connect."""


class SchemaIsOld(ConfigurationError):
    """The database's schema is older than this code: run `vignettes migrate`."""


class ClockIsShifted(ConfigurationError):
    """The database's clock was moved by a sandbox; a service on the system's clock does not start on it."""


@asynccontextmanager
async def process(settings: Settings, roles: Sequence[str]) -> AsyncIterator[Process]:
    """Build and start the given roles; when the block ends, they are drained and everything is closed."""
    if unknown := set(roles) - BUILDERS.keys():
        raise ConfigurationError(
            f"There is no role {', '.join(sorted(unknown))}; there are {', '.join(BUILDERS)}."
        )
    async with AsyncExitStack() as stack:
        link, name = Link(), f"vignettes {' '.join(roles)}"
        client = await connect(settings, link, name)
        stack.push_async_callback(_close, client)
        broker = NatsBroker(
            servers(settings),
            middlewares=[refusing()],
            logger=None,
            graceful_timeout=_GRACE_SECONDS,
            **link.options(name),
            **NatsAccess.of(settings).broker_options(),
        )
        traced = await stack.enter_async_context(tracing(settings, roles))
        built = Process(settings, stack, link, client, Endpoints(broker), traced)
        await asyncio.to_thread(_refuse_old_schema, settings)
        await _refuse_shifted_clock(built)
        await _ensure_streams(built, roles)
        answered: dict[str, Endpoints] = {}
        for role in roles:
            others = len(built.endpoints.stats)
            built.roles.append(await BUILDERS[role](built))
            answered[role] = Endpoints(broker, built.endpoints.stats[others:])
        await broker.start()
        stack.push_async_callback(_stop, broker)
        for role in roles:
            await _announce(built, role, answered[role])
        stack.callback(link.ending.set)
        yield built


async def serve(settings: Settings, roles: Sequence[str], stop: asyncio.Event) -> None:
    """Run roles until told to stop. Raises when one of them ends, or the connection to NATS is lost for good."""
    async with process(settings, roles) as built:
        log.info("roles.started", roles=list(roles))
        tasks = [asyncio.create_task(role.run(), name=role.name) for role in built.roles]
        watch = [asyncio.create_task(event.wait()) for event in (stop, built.link.lost)]
        done, _ = await asyncio.wait([*tasks, *watch], return_when=asyncio.FIRST_COMPLETED)
        for task in [*tasks, *watch]:
            task.cancel()
        await asyncio.gather(*tasks, *watch, return_exceptions=True)
        for task in done:
            task.result()
        if built.link.lost.is_set():
            raise NatsConnectionLost(NatsConnectionLost.__doc__)
    log.info("roles.stopped", roles=list(roles))


async def _ensure_streams(built: Process, roles: Sequence[str]) -> None:
    names = {_STREAMS_OF[role] for role in roles if role in _STREAMS_OF}
    await streams.ensure(built.client, built.settings.nats_replicas, names)


async def _announce(built: Process, role: str, answered: Endpoints) -> None:
    endpoints = answered if role in ANSWERING else None
    restarts = os.environ.get("VIGNETTES_RESTARTS", "0")
    discovery = Discovery(role, endpoints, metadata={"restarts": restarts})
    await discovery.start(built.client)
    built.stack.push_async_callback(discovery.stop)


async def _stop(broker: NatsBroker) -> None:
    try:
        await broker.stop()
    except* ConnectionClosedError:
        log.warning("nats.closed")  # what it would have drained is gone with the connection


async def _close(client: Client) -> None:
    if not client.is_closed:
        await client.drain()


def _refuse_old_schema(settings: Settings) -> None:
    with psycopg.connect(
        needed(settings.database_url, "VIGNETTES_DATABASE_URL"), connect_timeout=5
    ) as connection:
        if missing := pending(connection):
            raise SchemaIsOld(f"{SchemaIsOld.__doc__} Missing: {', '.join(m.name for m in missing)}.")


async def _refuse_shifted_clock(built: Process) -> None:
    async with await AsyncConnection.connect(built.conninfo("vignettes_reader", "check")) as connection:
        row = await (await connection.execute("SELECT ahead <> '0' FROM clock.shift")).fetchone()
    if row == (True,) and built.settings.clock == "system":
        raise ClockIsShifted(
            f"{ClockIsShifted.__doc__} Use another data directory, or VIGNETTES_CLOCK=movable."
        )


__all__ = ["ROLES", "SANDBOX", "ClockIsShifted", "NatsConnectionLost", "process", "serve"]
