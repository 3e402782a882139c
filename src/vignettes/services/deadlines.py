"""The deadline service: emits a trigger for every deadline whose time has come, each once per generation."""

from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

import structlog
from nats.js import JetStreamContext
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.messages import commands, events
from vignettes.services.waking import CLOCK_CHANNEL, VIEW_CHANNEL, Worker

log = structlog.get_logger(__name__)

#: Polling beneath every wake-up.
POLL_SECONDS = 1.0
_BATCH = 200
_ACKNOWLEDGED_WITHIN = 5.0

_CLAIM = """
SELECT d.*, clock.now() AS now FROM view.deadlines d
WHERE d.ended_at IS NULL AND d.due_at <= clock.now()
  AND NOT EXISTS (SELECT FROM effect.triggers t
                  WHERE (t.order_id, t.purpose, t.generation) = (d.order_id, d.purpose, d.generation))
ORDER BY d.starts_at, d.due_at
LIMIT %s FOR UPDATE OF d SKIP LOCKED
"""
_FIRED = """
INSERT INTO effect.triggers (order_id, purpose, generation, fired_at)
SELECT *, clock.now() FROM unnest(%s::uuid[], %s::text[], %s::int[])
ON CONFLICT DO NOTHING
"""
_NEXT = """
SELECT extract(epoch FROM min(d.due_at) - clock.now())::float8 FROM view.deadlines d
WHERE d.ended_at IS NULL
  AND NOT EXISTS (SELECT FROM effect.triggers t
                  WHERE (t.order_id, t.purpose, t.generation) = (d.order_id, d.purpose, d.generation))
"""


class Orderer(Protocol):
    """Whoever passes a command to the ordering service."""

    async def command(self, command: commands.Command) -> dict[str, Any]:
        """Return the reply; raises when there is none."""


class Deadlines:
    """Claims what is due, tells the stream (or the ordering service), and remembers it as fired.

    The claim's row locks are held until the stream has acknowledged: whoever dies in between leaves the row to
    the next one, and the stream and the order's generation make a second trigger harmless.
    """

    name = "deadlines"

    def __init__(self, conninfo: str, jetstream: JetStreamContext, orderer: Orderer) -> None:
        self._jetstream = jetstream
        self._orderer = orderer
        self._worker = Worker(self.name, conninfo, (VIEW_CHANNEL, CLOCK_CHANNEL), self._work)

    async def run(self) -> None:
        """Fire what is due until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        while await self._fire(connection) == _BATCH:
            pass
        cursor = await connection.execute(_NEXT)
        (seconds,) = await cursor.fetchone() or (None,)
        return POLL_SECONDS if seconds is None else min(max(seconds, 0.0), POLL_SECONDS)

    async def _fire(self, connection: AsyncConnection) -> int:
        async with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            due = await (await cursor.execute(_CLAIM, (_BATCH,))).fetchall()
            for row in due:
                await self._tell(row)
            keys = ("order_id", "purpose", "generation")
            await cursor.execute(_FIRED, [[row[key] for row in due] for key in keys])
        return len(due)

    async def _tell(self, row: dict[str, Any]) -> None:
        late: timedelta = row["now"] - row["due_at"]
        log.info(
            "deadline.fired",
            order=str(row["order_id"]),
            purpose=row["purpose"],
            rule=row["rule"],
            late_ms=_ms(late),
        )
        if row["purpose"] == "expiry":
            await self._orderer.command(
                commands.ExpireOrder(command_id=uuid4(), order_id=row["order_id"], actor=self.name)
            )
        else:
            await self._publish(row)

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


def _ms(late: timedelta) -> float:
    return round(late.total_seconds() * 1000, 1)
