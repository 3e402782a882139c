"""The only place that builds anything: settings in, roles out."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol

import httpx
import nats
import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from vignettes.domain.schedule import Terms
from vignettes.eventstore.append import Appender
from vignettes.eventstore.connections import Role as DatabaseRole
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.orders import Orders
from vignettes.projections.deadlines import DeadlinesView
from vignettes.projections.emails import EmailsView
from vignettes.projections.follower import follow
from vignettes.projections.order_status import OrderStatusView
from vignettes.projections.view import View
from vignettes.runtime.settings import ConfigurationError, Settings, master_key
from vignettes.services import streams, triggers
from vignettes.services.asyncapi import document
from vignettes.services.authorities.http import TIMEOUT, HttpAuthority
from vignettes.services.calling import Calling
from vignettes.services.deadlines import Deadlines
from vignettes.services.deciding import Deciding, Payee
from vignettes.services.discovery import Discovery
from vignettes.services.edge import Endpoints, refusing
from vignettes.services.links import BodyHash, Links
from vignettes.services.mailing import Mailing
from vignettes.services.ordering import Ordering
from vignettes.services.publishing import PublishedView
from vignettes.services.reading import Reading
from vignettes.services.registration import Registration
from vignettes.services.web.app import create_app
from vignettes.services.web.serving import Web
from vignettes.services.writing import Sender, Writing

log = structlog.get_logger(__name__)

#: The roles of the service; the sandbox is one more, for local runs.
ROLES: Final = ("ordering", "projecting", "deadlines", "registration", "mailing", "publishing", "web")
SANDBOX: Final = "sandbox"
_APPEND_THREADS = 8


class NatsConnectionLost(Exception):
    """The connection to NATS was closed for good; this process ends, so that a new one may connect."""


class ClockIsShifted(ConfigurationError):
    """The database's clock was moved by a sandbox; a service on the system's clock does not start on it."""


class Running(Protocol):
    """A role of this process."""

    name: str

    async def run(self) -> None:
        """Work until cancelled."""


@dataclass(slots=True)
class Followers:
    """The role that keeps the views."""

    conninfo: str
    views: Sequence[View]
    name: str = "projecting"

    async def run(self) -> None:
        """Follow the log until cancelled."""
        await follow(self.conninfo, self.views)


@dataclass(slots=True)
class Process:
    """What the roles of one process share, and the roles that were built on it."""

    settings: Settings
    stack: AsyncExitStack
    broker: NatsBroker
    client: Client
    lost: asyncio.Event
    endpoints: Endpoints
    roles: list[Running] = field(default_factory=list)

    @property
    def database_url(self) -> str:
        """The database; `vignettes run` hands it to its children."""
        return needed(self.settings.database_url, "VIGNETTES_DATABASE_URL")

    def conninfo(self, role: DatabaseRole, name: str) -> str:
        """Return how one part connects to PostgreSQL."""
        return conninfo(self.database_url, role, name=f"vignettes {name}")

    async def pool(self, role: DatabaseRole, name: str, size: int) -> AsyncConnectionPool:
        """Open a pool that looks at each connection before it hands it out, and is closed with the process."""
        pool = AsyncConnectionPool(
            self.conninfo(role, name),
            min_size=1,
            max_size=size,
            open=False,
            timeout=5.0,
            kwargs={"autocommit": True},
            check=AsyncConnectionPool.check_connection,
        )
        return await self.stack.enter_async_context(pool)


def needed(value: str | None, name: str) -> str:
    """Return a setting that a role can't do without."""
    if value is None:
        raise ConfigurationError(
            f"{name} is not set: `vignettes run` starts what is missing, `serve` does not."
        )
    return value


def terms(settings: Settings) -> Terms:
    """Return the operator's own terms."""
    return Terms(
        lead=timedelta(hours=settings.lead_hours),
        grace=timedelta(seconds=settings.same_day_grace_seconds),
        unpaid_expiry=timedelta(days=settings.unpaid_expiry_days),
    )


def writing(settings: Settings, key: bytes) -> Writing:
    """Return who writes our mails."""
    return Writing(
        Links(settings.public_url, key), Payee(settings.payee_name, settings.payee_iban), sender(settings)
    )


def sender(settings: Settings) -> Sender:
    """Return in whose name mails are sent."""
    return Sender(settings.mail_from, settings.support_email, settings.support_whatsapp)


def views(settings: Settings) -> list[View]:
    """Return the views of the service."""
    said = terms(settings)
    return [OrderStatusView(said), EmailsView(said, sender(settings).domain), DeadlinesView(said)]


def orders(settings: Settings) -> Orders:
    """Return the log of all orders."""
    return Orders(needed(settings.database_url, "VIGNETTES_DATABASE_URL"), pool_size=_APPEND_THREADS + 2)


@asynccontextmanager
async def process(settings: Settings, roles: Sequence[str]) -> AsyncIterator[Process]:
    """Build and start the given roles; when the block ends, they are drained and everything is closed."""
    unknown = set(roles) - {*ROLES, SANDBOX}
    if unknown:
        raise ConfigurationError(
            f"There is no role {', '.join(sorted(unknown))}; there are {', '.join((*ROLES, SANDBOX))}."
        )
    async with AsyncExitStack() as stack:
        lost = asyncio.Event()
        broker = NatsBroker(
            _servers(settings),
            middlewares=[refusing()],
            logger=None,
            **connection_options(lost, f"vignettes {' '.join(roles)}"),
        )
        client = await connect(settings, lost, f"vignettes {' '.join(roles)}")
        stack.push_async_callback(_close, client)
        built = Process(settings, stack, broker, client, lost, Endpoints(broker))
        await _check(built)
        await streams.ensure(client)
        for role in roles:
            built.roles.append(await _BUILDERS[role](built))
        await broker.start()
        stack.push_async_callback(broker.stop)
        for role in roles:
            discovery = Discovery(role, built.endpoints if _answers(role) else None, metadata=_metadata())
            await discovery.start(client)
            stack.push_async_callback(discovery.stop)
        yield built


async def serve(settings: Settings, roles: Sequence[str], stop: asyncio.Event) -> None:
    """Run roles until told to stop. Raises when one of them ends, or the connection to NATS is lost for good."""
    async with process(settings, roles) as built:
        log.info("roles.started", roles=list(roles))
        tasks = [asyncio.create_task(role.run(), name=role.name) for role in built.roles]
        watch = [asyncio.create_task(event.wait()) for event in (stop, built.lost)]
        done, _ = await asyncio.wait([*tasks, *watch], return_when=asyncio.FIRST_COMPLETED)
        for task in [*tasks, *watch]:
            task.cancel()
        await asyncio.gather(*tasks, *watch, return_exceptions=True)
        for task in done:
            if not task.cancelled():
                task.result()
        if built.lost.is_set():
            raise NatsConnectionLost(NatsConnectionLost.__doc__)
        log.info("roles.stopped", roles=list(roles))


def _servers(settings: Settings) -> list[str]:
    return needed(settings.nats_url, "VIGNETTES_NATS_URL").split(",")


def connection_options(lost: asyncio.Event, name: str, ending: asyncio.Event | None = None) -> dict[str, Any]:
    """Return how we stay connected: nats-py would give up after 60 attempts, and tell nobody."""
    ending = ending or asyncio.Event()

    async def disconnected() -> None:
        if not ending.is_set():
            log.warning("nats.disconnected")

    async def reconnected() -> None:
        log.info("nats.reconnected")

    async def closed() -> None:
        lost.set()

    async def failed(error: Exception) -> None:
        log.warning("nats.error", error=type(error).__name__)

    return {
        "name": name,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.5,
        "connect_timeout": 5,
        "ping_interval": 10,
        "max_outstanding_pings": 3,
        "disconnected_cb": disconnected,
        "reconnected_cb": reconnected,
        "closed_cb": closed,
        "error_cb": failed,
    }


async def connect(settings: Settings, lost: asyncio.Event, name: str) -> Client:
    """Return a connection of our own beside FastStream's, for requests, the streams and discovery."""
    return await nats.connect(_servers(settings), **connection_options(lost, name))


async def _close(client: Client) -> None:
    if not client.is_closed:
        await client.drain()


async def _check(built: Process) -> None:
    """Refuse what would go wrong later: a shifted clock under a service that goes by the system's."""
    async with await AsyncConnection.connect(built.conninfo("vignettes_reader", "check")) as connection:
        row = await (await connection.execute("SELECT ahead <> '0' FROM clock.shift")).fetchone()
    if row == (True,) and built.settings.clock == "system":
        raise ClockIsShifted(
            f"{ClockIsShifted.__doc__} Use another data directory, or VIGNETTES_CLOCK=movable."
        )


def _answers(role: str) -> bool:
    return role in {"ordering", SANDBOX}


def _metadata() -> dict[str, str]:
    return {"restarts": os.environ.get("VIGNETTES_RESTARTS", "0")}


async def _ordering(built: Process) -> Running:
    settings, key = built.settings, master_key(built.settings)
    log_of_orders = orders(settings)
    built.stack.callback(log_of_orders.close)
    pool = await built.pool("vignettes_writer", "queries", 8)
    ordering = Ordering(
        Appender(log_of_orders),
        Deciding(terms(settings), Payee(settings.payee_name, settings.payee_iban), log_of_orders.next_number),
        Links(settings.public_url, key),
        BodyHash(key),
        Reading(pool, log_of_orders, writing(settings, key)),
        threads=_APPEND_THREADS,
    )
    ordering.register(built.endpoints)
    return ordering


async def _projecting(built: Process) -> Running:
    return Followers(built.conninfo("vignettes_projector", "projecting"), views(built.settings))


async def _publishing(built: Process) -> Running:
    view = PublishedView(built.client.jetstream(), terms(built.settings))
    return Followers(built.conninfo("vignettes_projector", "publishing"), [view], name="publishing")


async def _deadlines(built: Process) -> Running:
    url = built.conninfo("vignettes_projector", "deadlines")
    return Deadlines(url, built.client.jetstream(), Calling(built.client))


async def _registration(built: Process) -> Running:
    url = needed(built.settings.authority_url, "VIGNETTES_AUTHORITY_URL")
    web = await built.stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=TIMEOUT))
    pool = await built.pool("vignettes_projector", "registration pool", 8)
    registration = Registration(
        built.conninfo("vignettes_projector", "registration"), pool, HttpAuthority(web), Calling(built.client)
    )
    triggers.subscribe(built.broker, registration)
    return registration


async def _mailing(built: Process) -> Running:
    smtp_url = needed(built.settings.smtp_url, "VIGNETTES_SMTP_URL")
    return Mailing(
        built.conninfo("vignettes_projector", "mailing"),
        smtp_url,
        writing(built.settings, master_key(built.settings)),
    )


async def _web(built: Process) -> Running:
    pool = await built.pool("vignettes_reader", "web", 4)
    expected = [*ROLES, SANDBOX] if built.settings.sandbox else list(ROLES)
    app = create_app(built.client, expected, pool, document)
    return Web(app, built.settings.http_port)


async def _sandbox(built: Process) -> Running:
    # Imported here only: a service in production never loads the stand-ins.
    from vignettes.sandbox.clock import MovableClock  # noqa: PLC0415
    from vignettes.sandbox.world import World  # noqa: PLC0415

    settings = built.settings
    if not settings.sandbox:
        raise ConfigurationError("The role sandbox needs VIGNETTES_SANDBOX=true.")
    clock = MovableClock(built.conninfo("vignettes_owner", "sandbox"), movable=settings.clock == "movable")
    world = World(
        settings.data_dir / "sandbox",
        clock,
        authority_port=settings.sandbox_authority_port,
        smtp_port=settings.sandbox_smtp_port,
    )
    world.register(built.endpoints)
    return world


_BUILDERS: Final[dict[str, Callable[[Process], Awaitable[Running]]]] = {
    "ordering": _ordering,
    "projecting": _projecting,
    "deadlines": _deadlines,
    "registration": _registration,
    "mailing": _mailing,
    "publishing": _publishing,
    "web": _web,
    SANDBOX: _sandbox,
}
