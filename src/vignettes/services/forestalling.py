"""What must be known of an order before it falls due: outages that it would run into, and others like it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID, uuid4, uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.domain.outages import MARGIN
from vignettes.messages import commands
from vignettes.messages.forms import OutageForm
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.calling import NoAnswer
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

# Who falls due within an outage, or shortly before it.
_ANNOUNCED: LiteralString = """
SELECT o.outage_id, o.country, o.begins_at, o.ends_at, d.order_id, d.generation, d.due_at, false AS withdrawn
FROM read.outages o JOIN view.deadlines d
  ON d.country = o.country AND d.due_at >= o.begins_at - %(margin)s AND d.due_at < o.ends_at
WHERE d.purpose = 'registration' AND d.ended_at IS NULL AND d.outage_id IS DISTINCT FROM o.outage_id
  AND o.withdrawn_at IS NULL AND o.ends_at > clock.now()
"""
# Whom an outage that will not take place has brought forward.
_WITHDRAWN: LiteralString = """
SELECT o.outage_id, o.country, o.begins_at, o.ends_at, d.order_id, d.generation, d.due_at, true AS withdrawn
FROM read.outages o JOIN view.deadlines d ON d.outage_id = o.outage_id
WHERE d.purpose = 'registration' AND d.ended_at IS NULL AND o.withdrawn_at IS NOT NULL AND o.ends_at > clock.now()
"""
# From where the last look ended: what could not be told then must not hide what comes after it.
_UNTOLD: LiteralString = """
  AND NOT EXISTS (SELECT FROM effect.outages_told t
                  WHERE t.outage_id = o.outage_id AND t.order_id = d.order_id AND t.generation = d.generation
                    AND t.withdrawn = %(withdrawn)s)
  AND (d.due_at, d.order_id) > (%(after_due)s, %(after_order)s)
ORDER BY d.due_at, d.order_id LIMIT %(batch)s
"""
_FROM_THE_FIRST = {"after_due": "-infinity", "after_order": "00000000-0000-0000-0000-000000000000"}
_TOLD = """
INSERT INTO effect.outages_told (outage_id, order_id, generation, withdrawn)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::int[], %s::bool[]) ON CONFLICT DO NOTHING
"""
_SEEN = """
SELECT coalesce(min(position), 0) FROM view.editions
WHERE state = 'live' AND view IN ('deadlines', 'lookup', 'order_status')
"""
# Orders that were planned since, with another one for the same vehicle and period. Of two that wait the one that was
# paid later is held; one that waits is held for one that has started.
_TWINS = """
SELECT CASE WHEN twin.is_later THEN twin.order_id ELSE a.order_id END AS order_id,
       CASE WHEN twin.is_later THEN a.order_id ELSE twin.order_id END AS twin, d.generation, d.position
FROM view.deadlines d
JOIN view.order_status a ON a.order_id = d.order_id
JOIN view.lookup l ON l.order_id = d.order_id AND l.kind = 'plate'
CROSS JOIN LATERAL (
    SELECT b.order_id, b.status = 'scheduled' AND (b.paid_at, b.order_id) > (a.paid_at, a.order_id) AS is_later
    FROM view.lookup m JOIN view.order_status b ON b.order_id = m.order_id
    WHERE m.digest = l.digest AND m.kind = 'plate' AND m.order_id <> l.order_id
      AND b.country = a.country AND a.starts_at <= b.ends_at AND b.starts_at <= a.ends_at
      AND b.status IN ('scheduled', 'registering', 'issued')
) AS twin
WHERE d.purpose = 'registration' AND d.ended_at IS NULL AND d.position > %s
"""
# Whoever is held for an order whose money has gone back, or was taken back.
_LEFT_ALONE = """
SELECT a.order_id, a.held_because_of AS twin, a.generation
FROM view.order_status a JOIN view.order_status b ON b.order_id = a.held_because_of
WHERE a.status = 'on_hold'
  AND b.status IN ('awaiting_payment', 'partially_paid', 'refund_pending', 'refunded', 'expired')
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
        for withdrawn, concerned in ((False, _ANNOUNCED), (True, _WITHDRAWN)):
            wanted = {"margin": MARGIN, "batch": _BATCH, "withdrawn": withdrawn, **_FROM_THE_FIRST}
            while rows := await _rows(connection, concerned + _UNTOLD, wanted):
                told = await _in_parallel(self._orderer, rows, _regard)
                columns = ("outage_id", "order_id", "generation", "withdrawn")
                await connection.execute(_TOLD, [[row[name] for row in told] for name in columns])
                log.info("outage.told", orders=len(told), left=len(rows) - len(told))
                wanted |= {"after_due": rows[-1]["due_at"], "after_order": rows[-1]["order_id"]}
        return POLL_SECONDS


class TwinTelling:
    """Has a second order for the same vehicle and period held, so that its customer is asked (case 48)."""

    name = "twins"

    def __init__(self, conninfo: str, orderer: Orderer) -> None:
        self._orderer = orderer
        self._seen = 0
        self._again: list[Row] = []
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Look until cancelled. The first look is at all that is planned."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        row = await (await connection.execute(_SEEN)).fetchone()
        position = row[0] if row else 0
        if position > self._seen:
            self._again += await _rows(connection, _TWINS, (self._seen,))
            self._seen = position
        told = await _in_parallel(self._orderer, self._again, _hold)
        self._again = [row for row in self._again if row not in told]
        await _in_parallel(self._orderer, await _rows(connection, _LEFT_ALONE, ()), _release)
        return POLL_SECONDS


async def _rows(
    connection: AsyncConnection, query: LiteralString, parameters: Sequence[Any] | Mapping[str, Any]
) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchall()


async def _in_parallel(
    orderer: Orderer, rows: Sequence[Row], command: Callable[[Row], commands.Command]
) -> list[Row]:
    """Pass a command for each row, and return those that were answered; a refusal is an answer."""
    under_way = asyncio.Semaphore(_TOGETHER)

    async def passed(row: Row) -> bool:
        try:
            async with under_way:
                reply = await orderer.command(command(row))
        except NoAnswer:
            log.warning("order.not_told", order=str(row["order_id"]))
            return False
        if not reply["ok"]:
            log.warning("order.refused", order=str(row["order_id"]), code=reply["error"]["code"])
        return True

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


def _release(row: Row) -> commands.ReleaseTwin:
    return commands.ReleaseTwin(
        command_id=uuid4(), actor="deadlines", order_id=row["order_id"], twin=row["twin"]
    )
