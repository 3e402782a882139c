"""One look at the whole of a running service, for `vignettes top`: what its views say, and who of it is there."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import psycopg
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.micro.service import EndpointStats
from psycopg import AsyncConnection
from psycopg.rows import class_row

from vignettes.domain.details import Status
from vignettes.eventstore.connections import READ_ONLY, conninfo
from vignettes.runtime.asking import service
from vignettes.runtime.doctoring.postgres import address
from vignettes.runtime.roles import ROLES
from vignettes.runtime.settings import ConfigurationError, Settings
from vignettes.services import discovery

_ORDERING: Final = "ordering"
_DATABASE_SECONDS, _NATS_SECONDS, _LISTEN_SECONDS = 3.0, 4.0, 0.3

_ORDERS = "SELECT status, count(*) FROM read.order_status GROUP BY status"
_VIEWS = """
SELECT view, events_behind, seconds_behind, orders_parked, orders_drifted,
       coalesce(heartbeat_at > clock_timestamp() - interval '5 s', false) AS is_held
FROM read.projection_lag ORDER BY view
"""
_WAITING = """
SELECT clock.now() AS now, (SELECT coalesce(max(head), 0) FROM read.projection_lag) AS head,
       d.next_due, d.late, d.latest, m.mails, m.oldest_called_at AS oldest_mail, b.in_review, b.unplaced,
       l.size AS head_size, l.at AS head_at, l.events_behind AS unsigned
FROM read.mails_waiting m, read.ledger_lag l,
     (SELECT min(due_at) FILTER (WHERE due_at >= clock.now()) AS next_due,
             count(*) FILTER (WHERE due_at < clock.now()) AS late,
             coalesce(clock.now() - min(due_at) FILTER (WHERE due_at < clock.now()), '0') AS latest
      FROM read.deadlines WHERE ended_at IS NULL AND purpose = 'registration') AS d,
     (SELECT count(*) FILTER (WHERE status = 'in_review') AS in_review,
             count(*) FILTER (WHERE status = 'unplaced') AS unplaced
      FROM read.bank_payments WHERE status IN ('in_review', 'unplaced')) AS b
"""
_AUTHORITIES = "SELECT country, state FROM read.authorities ORDER BY country"


@dataclass(frozen=True, slots=True)
class ViewLag:
    """How far a follower of the log is."""

    view: str
    events_behind: int
    seconds_behind: float
    orders_parked: int
    orders_drifted: int
    is_held: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is due, late, waits, or is signed. Times by the service's clock."""

    now: datetime
    head: int
    next_due: datetime | None
    late: int
    latest: timedelta
    mails: int
    oldest_mail: datetime | None
    in_review: int
    unplaced: int
    head_size: int
    head_at: datetime | None
    unsigned: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What the database says."""

    orders: Mapping[str, int]
    views: Sequence[ViewLag]
    waiting: Waiting
    authorities: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Role:
    """A role, how many processes of it answer, and how often those were started again."""

    name: str
    processes: int
    restarts: int


@dataclass(frozen=True, slots=True)
class There:
    """Who answers on NATS, and how many commands were recorded: in all, and in a second since the last look."""

    roles: Sequence[Role]
    commands: int
    commands_per_second: float | None


@dataclass(frozen=True, slots=True)
class Frame:
    """What one look has seen; None for the side that does not answer."""

    kept: Kept | None
    there: There | None
    seconds: float


@dataclass(slots=True)
class Looking:
    """Looks again and again over connections that are made anew when they break."""

    settings: Settings
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _database: AsyncConnection | None = None
    _client: Client | None = None
    _counted: tuple[float, int] | None = None

    async def close(self) -> None:
        """Give the connections back."""
        await self._drop()
        with suppress(NatsError, TimeoutError):
            await asyncio.wait_for(self._stack.aclose(), _NATS_SECONDS)

    async def look(self) -> Frame:
        """Look at both sides at the same time; neither waits long for one that does not answer."""
        began = time.monotonic()
        kept, there = await asyncio.gather(self._kept(), self._there())
        return Frame(kept, there, time.monotonic() - began)

    # --- the database

    async def _kept(self) -> Kept | None:
        try:
            async with asyncio.timeout(_DATABASE_SECONDS):
                return await _read(await self._connected())
        except (psycopg.Error, OSError, TimeoutError):
            await self._drop()
            return None

    async def _connected(self) -> AsyncConnection:
        if self._database is None:
            url, _ = address(self.settings)
            reading = conninfo(url, "vignettes_reader", name="vignettes top", options=READ_ONLY)
            # Prepared statements would outlive the editions that they were made for.
            self._database = await AsyncConnection.connect(reading, autocommit=True, prepare_threshold=None)
        return self._database

    async def _drop(self) -> None:
        if self._database is not None:
            await self._database.close()
            self._database = None

    # --- NATS

    async def _there(self) -> There | None:
        try:
            async with asyncio.timeout(_NATS_SECONDS):
                if self._client is None:
                    self._client = await self._stack.enter_async_context(service(self.settings))
                return await self._asked(self._client) if self._client.is_connected else None
        except (ConfigurationError, NatsError, OSError, TimeoutError):
            return None

    async def _asked(self, client: Client) -> There:
        everybody = await discovery.told(client, _LISTEN_SECONDS)
        ours = [each for each in everybody if each.name.startswith(discovery.PREFIX)]
        counts = Counter(each.name.removeprefix(discovery.PREFIX) for each in ours)
        restarts: Counter[str] = Counter()
        for each in ours:
            restarts[each.name.removeprefix(discovery.PREFIX)] += _number(
                (each.metadata or {}).get("restarts")
            )
        names = [*ROLES, *sorted(counts.keys() - set(ROLES))]
        ordering = [each for each in ours if each.name == discovery.service_name(_ORDERING)]
        commands = sum(_commands(each.endpoints) for each in ordering)
        return There(
            [Role(name, counts[name], restarts[name]) for name in names], commands, self._rate(commands)
        )

    def _rate(self, commands: int) -> float | None:
        now, before = time.monotonic(), self._counted
        self._counted = (now, commands)
        if before is None or commands < before[1]:  # the first look, or a process that was started again
            return None
        return (commands - before[1]) / max(now - before[0], 0.001)


async def _read(connection: AsyncConnection) -> Kept:
    orders: dict[str, int] = dict(await (await connection.execute(_ORDERS)).fetchall())
    async with connection.cursor(row_factory=class_row(ViewLag)) as cursor:
        views = await (await cursor.execute(_VIEWS)).fetchall()
    async with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        [waiting] = await (await cursor.execute(_WAITING)).fetchall()
    authorities: dict[str, str] = dict(await (await connection.execute(_AUTHORITIES)).fetchall())
    return Kept({status.value: orders.get(status, 0) for status in Status}, views, waiting, authorities)


def _commands(endpoints: Sequence[EndpointStats]) -> int:
    """Return how many commands a process has recorded; all its endpoints share one writer."""
    counts = (each.data.get("group_commands") for each in endpoints if each.data)
    return next((int(count) for count in counts if count is not None), 0)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
