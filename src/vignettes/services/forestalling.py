"""What must be known of an order before it falls due: outages that it would run into, and others like it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.domain.outages import MARGIN
from vignettes.messages import commands
from vignettes.messages.forms import OutageForm
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.deadlines import Orderer
from vignettes.services.outages import CHANNEL as OUTAGES
from vignettes.services.waking import CLOCK_CHANNEL, Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
_BATCH = 500
#: Commands under way at a time: enough to share the transactions of the ordering service.
_TOGETHER = 50
#: Commands follow from what they are about: two processes that find the same ask the same.
_NAMESPACE = UUID("a3f2b6de-2b0e-5a57-9a0a-3b1e0a2f5b11")

# Who falls due within an outage or shortly before it, and was not told yet; and whom one that was withdrawn has moved.
_CONCERNED = """
SELECT o.outage_id, o.country, o.begins_at, o.ends_at, d.order_id, d.generation, o.withdrawn_at IS NOT NULL AS withdrawn
FROM read.outages o JOIN view.deadlines d ON d.country = o.country
LEFT JOIN effect.outages_told t
       ON (t.outage_id, t.order_id, t.generation, t.withdrawn)
        = (o.outage_id, d.order_id, d.generation, o.withdrawn_at IS NOT NULL)
WHERE d.purpose = 'registration' AND d.ended_at IS NULL AND t.order_id IS NULL AND o.ends_at > clock.now()
  AND CASE WHEN o.withdrawn_at IS NULL
           THEN d.outage_id IS DISTINCT FROM o.outage_id AND d.due_at >= o.begins_at - %s AND d.due_at < o.ends_at
           ELSE d.outage_id = o.outage_id END
ORDER BY d.due_at, d.order_id LIMIT %s
"""
_TOLD = """
INSERT INTO effect.outages_told (outage_id, order_id, generation, withdrawn)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::bool[]) ON CONFLICT DO NOTHING
"""
_SEEN = """
SELECT coalesce(min(position), 0) FROM view.editions
WHERE state = 'live' AND view IN ('deadlines', 'lookup', 'order_status')
"""
# Orders that were planned since, and another one for the same vehicle and period that was paid before.
_TWINS = """
SELECT a.order_id, d.generation, twin.order_id AS twin
FROM view.deadlines d
JOIN view.order_status a ON a.order_id = d.order_id
JOIN view.lookup l ON l.order_id = d.order_id AND l.kind = 'plate'
CROSS JOIN LATERAL (
    SELECT b.order_id FROM view.lookup m JOIN view.order_status b ON b.order_id = m.order_id
    WHERE m.digest = l.digest AND m.kind = 'plate' AND m.order_id <> l.order_id
      AND b.country = a.country AND a.starts_at <= b.ends_at AND b.starts_at <= a.ends_at
      AND b.status IN ('scheduled', 'registering', 'issued') AND (b.paid_at, b.order_id) < (a.paid_at, a.order_id)
    LIMIT 1
) AS twin
WHERE d.purpose = 'registration' AND d.ended_at IS NULL AND d.position > %s
"""

Row = dict[str, Any]


class OutageTelling:
    """Tells orders of announced outages that they would run into: the order itself decides what follows (case 15)."""

    name = "outages"

    def __init__(self, conninfo: str, orderer: Orderer) -> None:
        self._orderer = orderer
        self._worker = Worker(self.name, conninfo, (VIEWS, OUTAGES, CLOCK_CHANNEL), self._work)

    async def run(self) -> None:
        """Tell until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        while rows := await _rows(connection, _CONCERNED, (MARGIN, _BATCH)):
            told = await _in_parallel(self._orderer, rows, _regard)
            columns = ("outage_id", "order_id", "generation", "withdrawn")
            await connection.execute(_TOLD, [[row[name] for row in told] for name in columns])
            log.info("outage.told", orders=len(told))
            if len(told) < len(rows):
                break  # a refusal that may pass: asked again at the next look
        return POLL_SECONDS


class TwinTelling:
    """Has a second order for the same vehicle and period held, so that its customer is asked (case 48)."""

    name = "twins"

    def __init__(self, conninfo: str, orderer: Orderer) -> None:
        self._orderer = orderer
        self._seen = 0
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Look until cancelled. The first look is at all that is planned."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        row = await (await connection.execute(_SEEN)).fetchone()
        position = row[0] if row else 0
        if position > self._seen:
            rows = await _rows(connection, _TWINS, (self._seen,))
            if len(await _in_parallel(self._orderer, rows, _hold)) == len(rows):
                self._seen = position
        return POLL_SECONDS


async def _rows(connection: AsyncConnection, query: str, parameters: tuple[Any, ...]) -> Sequence[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query.encode(), parameters)
        return await cursor.fetchall()


async def _in_parallel(
    orderer: Orderer, rows: Sequence[Row], command: Callable[[Row], commands.Command]
) -> list[Row]:
    """Pass a command for each row, and return those that were answered for good."""
    under_way = asyncio.Semaphore(_TOGETHER)

    async def passed(row: Row) -> bool:
        async with under_way:
            reply = await orderer.command(command(row))
        if reply["ok"]:
            return True
        code = reply["error"]["code"]
        log.warning("order.not_told", order=str(row["order_id"]), code=code)
        return bool(code != "unavailable")

    answered = await asyncio.gather(*map(passed, rows))
    return [row for row, is_answered in zip(rows, answered, strict=True) if is_answered]


def _regard(row: Row) -> commands.RegardOutage:
    about = f"{row['outage_id']}:{row['order_id']}:{row['generation']}:{row['withdrawn']}"
    return commands.RegardOutage(
        command_id=uuid5(_NAMESPACE, about),
        actor="deadlines",
        order_id=row["order_id"],
        outage=OutageForm(
            id=row["outage_id"],
            country=row["country"],
            begins_at=row["begins_at"],
            ends_at=row["ends_at"],
        ),
        withdrawn=row["withdrawn"],
    )


def _hold(row: Row) -> commands.HoldAsTwin:
    about = f"{row['order_id']}:{row['twin']}:{row['generation']}"
    return commands.HoldAsTwin(
        command_id=uuid5(_NAMESPACE, about), actor="deadlines", order_id=row["order_id"], twin=row["twin"]
    )
