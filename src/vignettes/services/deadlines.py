"""The deadline service: emits a trigger for every deadline whose time has come, each once per generation."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

import structlog
from nats.js import JetStreamContext
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from structlog.contextvars import bound_contextvars

from vignettes.messages import commands, events
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.waking import CLOCK_CHANNEL, Worker

log = structlog.get_logger(__name__)

#: Polling beneath every wake-up.
POLL_SECONDS = 1.0
_BATCH = 200
_ACKNOWLEDGED_WITHIN = 5.0
#: Below the time after which the database ends an idle transaction.
_TOLD_WITHIN = 20.0

#: A trigger that was acknowledged but led to nothing is sent again after this time, by the real clock: longer than the
#: stream remembers its Nats-Msg-Id, short enough to keep the five minutes.
AGAIN_SECONDS = 130.0

_OPEN = """
FROM view.deadlines d LEFT JOIN effect.triggers t USING (order_id, purpose, generation)
WHERE d.ended_at IS NULL AND coalesce(t.emitted_at < clock_timestamp() - %(again)s * interval '1 s', true)
"""
_CLAIM = f"""
SELECT d.*, clock.now() AS now, t.emitted_at IS NOT NULL AS again {_OPEN}
  AND d.purpose = %(purpose)s AND d.due_at <= clock.now()
ORDER BY d.starts_at, d.due_at
LIMIT %(batch)s FOR UPDATE OF d SKIP LOCKED
"""
_FIRED = """
INSERT INTO effect.triggers AS t (order_id, purpose, generation, fired_at, emitted_at)
SELECT *, clock.now(), clock_timestamp() FROM unnest(%s::uuid[], %s::text[], %s::int[])
ON CONFLICT (order_id, purpose, generation) DO UPDATE SET emitted_at = excluded.emitted_at, emissions = t.emissions + 1
"""
_NEXT = "SELECT extract(epoch FROM min(d.due_at) - clock.now())::float8" + _OPEN  # noqa: S608  # both are constants of this file


Tell = Callable[[dict[str, Any]], Awaitable[None]]


class Orderer(Protocol):
    """Whoever passes a command to the ordering service."""

    async def command(self, command: commands.Command) -> dict[str, Any]:
        """Return the reply; raises when there is none."""


class Deadlines:
    """Claims what is due, tells the stream (or the ordering service), and remembers it as fired.

    A trigger that led to nothing (lost by the stream, refused for a moment) is sent again while its row stands open.
    The claim's row locks are held until the stream has acknowledged: whoever dies in between leaves the row to
    the next one, and the stream and the order's generation make a second trigger harmless.
    """

    name = "deadlines"

    def __init__(self, conninfo: str, jetstream: JetStreamContext, orderer: Orderer) -> None:
        self._jetstream = jetstream
        self._orderer = orderer
        self._worker = Worker(self.name, conninfo, (VIEWS, CLOCK_CHANNEL), self._work)

    async def run(self) -> None:
        """Fire what is due until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        for purpose, tell, batch in (("registration", self._publish, _BATCH), ("expiry", self._expire, 1)):
            while await self._fire(connection, purpose, tell, batch) == batch:
                pass
        row = await (await connection.execute(_NEXT, {"again": AGAIN_SECONDS})).fetchone()
        seconds = row[0] if row else None
        return POLL_SECONDS if seconds is None else min(max(seconds, 0.0), POLL_SECONDS)

    async def _fire(self, connection: AsyncConnection, purpose: str, tell: Tell, batch: int) -> int:
        claim = {"purpose": purpose, "batch": batch, "again": AGAIN_SECONDS}
        async with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            due = await (await cursor.execute(_CLAIM, claim)).fetchall()
            for row in due:
                with bound_contextvars(order=str(row["order_id"])):
                    _note(row)
                    async with asyncio.timeout(_TOLD_WITHIN):
                        await tell(row)
            keys = ("order_id", "purpose", "generation")
            await cursor.execute(_FIRED, [[row[key] for row in due] for key in keys])
        return len(due)

    async def _expire(self, row: dict[str, Any]) -> None:
        """Tell the ordering service. A refusal is an alarm, and comes again."""
        reply = await self._orderer.command(
            commands.ExpireOrder(command_id=uuid4(), order_id=row["order_id"], actor=self.name)
        )
        if not reply["ok"]:
            log.error("expiry.refused", code=reply["error"]["code"])

    async def _publish(self, row: dict[str, Any]) -> None:
        trigger = events.Trigger(
            order_id=row["order_id"],
            generation=row["generation"],
            due_at=row["due_at"],
            rule=row["rule"],
            emitted_at=row["now"],
        )
        await self._jetstream.publish(
            events.trigger_subject(row["country"]),
            trigger.model_dump_json().encode(),
            timeout=_ACKNOWLEDGED_WITHIN,
            stream=events.TRIGGER_STREAM,
            headers={"Nats-Msg-Id": message_id(row["order_id"], row["generation"])},
        )


def message_id(order_id: UUID, generation: int) -> str:
    """Return the id by which the stream knows a trigger that was sent twice."""
    return f"{order_id}:{generation}"


def _note(row: dict[str, Any]) -> None:
    late: timedelta = row["now"] - row["due_at"]
    late_ms = round(late.total_seconds() * 1000, 1)
    say = log.warning if row["again"] else log.info
    event = "deadline.fired_again" if row["again"] else "deadline.fired"
    say(event, purpose=row["purpose"], rule=row["rule"], late_ms=late_ms)
