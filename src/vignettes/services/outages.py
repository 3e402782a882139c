"""Announced outages: put on record, withdrawn, listed; and known to whoever decides on orders."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from vignettes.domain.catalogue import ZONES
from vignettes.domain.errors import CommandIdReused, DomainError, InvalidValue
from vignettes.domain.outages import Outage
from vignettes.messages import outages, replies
from vignettes.services.edge import Endpoints
from vignettes.services.waking import CLOCK_CHANNEL, Worker

log = structlog.get_logger(__name__)

QUEUE = "orders"
#: Woken at each announcement.
CHANNEL = "outages"
#: Polling beneath it.
POLL_SECONDS = 2.0

_ANNOUNCE = """
INSERT INTO log.outages (outage_id, country, begins_at, ends_at, note, announced_by)
VALUES (%(outage_id)s, %(country)s, %(begins_at)s, %(ends_at)s, %(note)s, %(actor)s)
ON CONFLICT (outage_id) DO NOTHING
"""
_WITHDRAW = """
INSERT INTO log.outage_withdrawals (outage_id, command_id, withdrawn_by)
VALUES (%(outage_id)s, %(command_id)s, %(actor)s) ON CONFLICT DO NOTHING
"""
_ALREADY = "SELECT outage_id FROM log.outage_withdrawals WHERE command_id = %s"
_ONE = "SELECT * FROM read.outages WHERE outage_id = %s"
_LIST = """
SELECT * FROM read.outages
WHERE (%(all)s OR (withdrawn_at IS NULL AND ends_at > clock.now())) AND country = coalesce(%(country)s, country)
ORDER BY begins_at, country, outage_id
"""


class NoSuchOutage(DomainError):
    """No outage was announced under this id."""

    code = "not_found"


class OutageDesk:
    """Takes announcements and withdrawals, and answers what was announced."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    def register(self, endpoints: Endpoints) -> None:
        """Answer the three subjects."""
        for request, handle in (
            (outages.AnnounceOutage, self._announce),
            (outages.WithdrawOutage, self._withdraw),
            (outages.AskOutages, self._list),
        ):
            endpoints.answer(request.subject, QUEUE, request, replies.REPLY_OF[request], handle)

    async def _announce(self, asked: outages.AnnounceOutage, _: UUID | None) -> BaseModel:
        if asked.country not in ZONES:
            raise InvalidValue(f"We serve {', '.join(ZONES)}.", field="country")
        row = {"outage_id": asked.command_id, **asked.model_dump(exclude={"command_id"})}
        async with self._pool.connection() as connection:
            made = (await connection.execute(_ANNOUNCE, row)).rowcount
            kept = await _outage(connection, asked.command_id)
            await _wake(connection)
        if any(kept[name] != row[name] for name in ("country", "begins_at", "ends_at", "note")):
            raise CommandIdReused
        if made:
            log.info("outage.announced", outage=str(asked.command_id), country=asked.country)
        return replies.OutageOnRecord(**kept)

    async def _withdraw(self, asked: outages.WithdrawOutage, _: UUID | None) -> BaseModel:
        async with self._pool.connection() as connection:
            await _outage(connection, asked.outage_id)
            made = (await connection.execute(_WITHDRAW, asked.model_dump())).rowcount
            already = await (await connection.execute(_ALREADY, (asked.command_id,))).fetchone()
            if already not in {None, (asked.outage_id,)}:
                raise CommandIdReused
            await _wake(connection)
            kept = await _outage(connection, asked.outage_id)
        if made:
            log.info("outage.withdrawn", outage=str(asked.outage_id))
        return replies.OutageOnRecord(**kept)

    async def _list(self, asked: outages.AskOutages, _: UUID | None) -> BaseModel:
        async with self._pool.connection() as connection:
            rows = await _all(connection, country=asked.country, ended=asked.all)
        return replies.Outages(outages=[replies.OutageOnRecord(**row) for row in rows])


class KnownOutages:
    """The outages ahead, as whoever decides on orders knows them: read at once, and again when one is announced.

    What is decided before the news has come, the deadline service mends.
    """

    name = "outages"

    def __init__(self, conninfo: str) -> None:
        self._worker = Worker(self.name, conninfo, (CHANNEL, CLOCK_CHANNEL), self._read)
        self._known: tuple[Outage, ...] = ()

    def __call__(self) -> tuple[Outage, ...]:
        return self._known

    async def run(self) -> None:
        """Keep up until cancelled."""
        await self._worker.run()

    async def _read(self, connection: AsyncConnection) -> float:
        rows = await _all(connection, country=None, ended=False)
        self._known = tuple(
            Outage(row["outage_id"], row["country"], row["begins_at"], row["ends_at"]) for row in rows
        )
        return POLL_SECONDS


async def _outage(connection: AsyncConnection, outage_id: UUID) -> dict[str, Any]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        row = await (await cursor.execute(_ONE, (outage_id,))).fetchone()
    if row is None:
        raise NoSuchOutage(field="outage_id")
    return row


async def _all(connection: AsyncConnection, *, country: str | None, ended: bool) -> Sequence[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_LIST, {"country": country, "all": ended})
        return await cursor.fetchall()


async def _wake(connection: AsyncConnection) -> None:
    await connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))
