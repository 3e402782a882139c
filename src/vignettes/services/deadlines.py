"""The deadline service: emits a trigger for every deadline whose time has come, each once per generation."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString, Protocol
from uuid import uuid4

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.messages import commands
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.calling import NoAnswer
from vignettes.services.waking import CLOCK_CHANNEL, Worker

log = structlog.get_logger(__name__)

#: Polling beneath every wake-up; each time, all that is open is looked at, and not only what has changed.
POLL_SECONDS = 1.0
#: How many triggers go to the stream at once; the most that it takes in one batch.
BATCH = 1_000
#: How many orders are told of the end of their time in one transaction.
LIMITS_BATCH = 50
#: Below the time after which the database ends an idle transaction.
_TOLD_WITHIN = 20.0

#: A trigger that was acknowledged but led to nothing is sent again after this time, by the real clock: longer than the
#: stream remembers its Nats-Msg-Id, short enough to keep the five minutes.
AGAIN_SECONDS = 130.0

_NOW = """
SELECT clock.now() AS now,
       coalesce((SELECT position FROM view.editions WHERE view = 'deadlines' AND state = 'live'), 0) AS position
"""
_OPEN: LiteralString = """
FROM view.deadlines d LEFT JOIN effect.triggers t USING (order_id, purpose, generation)
WHERE d.ended_at IS NULL AND coalesce(t.emitted_at < clock_timestamp() - %(again)s * interval '1 s', true)
"""
_DUE: LiteralString = f"""
SELECT d.*, clock.now() AS now, t.emitted_at IS NOT NULL AS again {_OPEN}
  AND d.purpose = %(purpose)s AND d.due_at <= %(now)s
"""
# What was due before was looked at before: what is new has become due since, or was planned since.
_NEW: LiteralString = "AND (d.due_at > %(since)s OR d.position > %(position)s)"
# By the end of what one batch has claimed, the next one begins: none of them counts the others' rows again.
_CLAIM: LiteralString = """
AND (d.starts_at, d.due_at, d.order_id) > (%(after_start)s, %(after_due)s, %(after_order)s)
ORDER BY d.starts_at, d.due_at, d.order_id LIMIT %(batch)s FOR NO KEY UPDATE OF d SKIP LOCKED
"""
_FROM_THE_FIRST = {
    "after_start": "-infinity",
    "after_due": "-infinity",
    "after_order": "00000000-0000-0000-0000-000000000000",
}
_FIRED = """
INSERT INTO effect.triggers AS t (order_id, purpose, generation, fired_at, emitted_at)
SELECT *, clock.now(), clock_timestamp() FROM unnest(%s::uuid[], %s::text[], %s::int[])
ON CONFLICT (order_id, purpose, generation) DO UPDATE SET emitted_at = excluded.emitted_at, emissions = t.emissions + 1
"""
_LATE = "SELECT effect.note_lateness(%s, %s)"
# What is due and was told waits for its start: the next to look at lies ahead.
_NEXT = """
SELECT extract(epoch FROM min(due_at) - clock.now())::float8 FROM view.deadlines
WHERE ended_at IS NULL AND purpose = %s AND due_at > %s
"""

#: Who asks for what follows from deadlines, as the history names it.
_ACTOR = "deadlines"
#: How many orders that are told of the end of their time are under way at once.
_TOGETHER = 20

Row = dict[str, Any]

Tell = Callable[[Sequence[Row]], Awaitable[None]]
"""Tells whoever must know that these are due. Raises when it is not known that they do."""


class Orderer(Protocol):
    """Whoever passes a command to the ordering service."""

    async def command(self, command: commands.Command) -> dict[str, Any]:
        """Return the reply; raises when there is none."""


@dataclass(slots=True)
class _Looked:
    """Until when, and how far in the log, all that is open was looked at; and the last time by the real clock."""

    now: datetime | None = None
    position: int = 0
    at: float = 0.0


class Deadlines:
    """Claims what is due for one purpose, has it told, and remembers it as fired.

    What led to nothing (lost by the stream, refused for a moment) is told again while its row stands open. The claim's
    row locks are held until it was told: whoever dies in between leaves the row to the next one, and the stream and
    the order's generation make a second time harmless.
    """

    def __init__(self, conninfo: str, purpose: str, tell: Tell, batch: int) -> None:
        self.name = f"deadlines {purpose}"
        self._purpose = purpose
        self._tell = tell
        self._batch = batch
        self._looked = _Looked()
        self._worker = Worker(self.name, conninfo, (VIEWS, CLOCK_CHANNEL), self._work)

    async def run(self) -> None:
        """Fire what is due until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        clock = asyncio.get_running_loop().time()
        is_full = self._looked.now is None or clock - self._looked.at >= POLL_SECONDS
        now, position = await _seen(connection)
        await self._sweep(connection, now, is_full=is_full)
        self._looked = _Looked(now, position, clock if is_full else self._looked.at)
        row = await (await connection.execute(_NEXT, (self._purpose, now), prepare=True)).fetchone()
        seconds = row[0] if row else None
        return POLL_SECONDS if seconds is None else min(max(seconds, 0.0), POLL_SECONDS)

    async def _sweep(self, connection: AsyncConnection, now: datetime, *, is_full: bool) -> None:
        """Fire all that is due by `now`, earliest validity first."""
        wanted = {
            "purpose": self._purpose,
            "again": AGAIN_SECONDS,
            "now": now,
            "since": self._looked.now,
            "position": self._looked.position,
            "batch": self._batch,
            **_FROM_THE_FIRST,
        }
        claim = _DUE + _CLAIM if is_full else _DUE + _NEW + _CLAIM
        while last := await self._fire(connection, claim, wanted):
            wanted |= {
                "after_start": last["starts_at"],
                "after_due": last["due_at"],
                "after_order": last["order_id"],
            }

    async def _fire(self, connection: AsyncConnection, claim: LiteralString, wanted: Row) -> Row | None:
        """Fire one batch, and return its last row when there may be more."""
        async with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            due = await (await cursor.execute(claim, wanted)).fetchall()
            if not due:
                return None
            async with asyncio.timeout(_TOLD_WITHIN):
                await self._tell(due)
            keys = ("order_id", "purpose", "generation")
            await cursor.execute(_FIRED, [[row[key] for row in due] for key in keys])
            await cursor.execute(_LATE, (self._purpose, [row["due_at"] for row in due if not row["again"]]))
        _note(due)
        return due[-1] if len(due) == self._batch else None


def asking(orderer: Orderer, command: type[commands.ExpireOrder | commands.RefundUnanswered]) -> Tell:
    """Return what passes a command for each order whose time is over.

    One that is refused, or that nobody answers, is an alarm and comes again; the others go on.
    """
    together = asyncio.Semaphore(_TOGETHER)

    async def ask(row: Row) -> None:
        asked = command(command_id=uuid4(), order_id=row["order_id"], actor=_ACTOR)
        try:
            async with together:
                reply = await orderer.command(asked)
            refusal = None if reply["ok"] else reply["error"]["code"]
        except NoAnswer:
            refusal = "unanswered"
        if refusal:
            log.error("deadline.refused", order=str(row["order_id"]), purpose=row["purpose"], code=refusal)

    async def tell(rows: Sequence[Row]) -> None:
        await asyncio.gather(*map(ask, rows))

    return tell


async def _seen(connection: AsyncConnection) -> tuple[datetime, int]:
    row = await (await connection.execute(_NOW, prepare=True)).fetchone()
    assert row is not None  # noqa: S101  # a SELECT without FROM has one row; for the type only
    return row[0], row[1]


def _note(rows: Sequence[Row]) -> None:
    """Log what has fired: what is alone by its order, a burst by its size; the ledger has each of them."""
    late: timedelta = max(row["now"] - row["due_at"] for row in rows)
    what: Row = {"purpose": rows[0]["purpose"], "late_ms": round(late.total_seconds() * 1000, 1)}
    if len(rows) == 1:
        what |= {"order": str(rows[0]["order_id"]), "rule": rows[0]["rule"]}
    if again := sum(row["again"] for row in rows):
        log.warning("deadline.fired_again", deadlines=len(rows), again=again, **what)
    else:
        log.info("deadline.fired", deadlines=len(rows), **what)
