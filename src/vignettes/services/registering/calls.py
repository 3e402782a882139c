"""Calling a person: when time gets short without an answer on record, or what the authority holds can't be right."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import class_row

from vignettes.messages.commands import CallPerson
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.calling import Calling, NoAnswer
from vignettes.services.registering.answers import ACTOR
from vignettes.services.waking import CLOCK_CHANNEL, Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
_BATCH = 50

_DUE = """
SELECT r.order_id, r.started_at, r.generation, r.country, r.act_by,
       coalesce(r.call_why, CASE WHEN r.state IN ('sending', 'unknown') THEN 'outcome_unknown'
                                 WHEN a.state <> 'closed' THEN 'authority_down' ELSE 'not_registered' END) AS why
FROM effect.registrations r JOIN view.order_status o USING (order_id)
LEFT JOIN effect.authorities a ON a.country = r.country
WHERE r.called_at IS NULL AND r.call_at <= clock.now()
  AND (r.call_why IS NOT NULL OR (r.state IN ('waiting', 'sending', 'unknown')
                                  AND o.status = 'registering' AND o.started_at = r.started_at))
ORDER BY r.act_by LIMIT %s
"""
_CALLED = """
UPDATE effect.registrations SET called_at = clock.now()
WHERE order_id = %s AND started_at = %s AND called_at IS NULL
"""


Why = Literal["outcome_unknown", "authority_down", "not_registered", "registered_otherwise"]


@dataclass(frozen=True, slots=True)
class Due:
    """A registration that a person must be called for."""

    order_id: UUID
    started_at: datetime
    generation: int
    country: str
    act_by: datetime
    why: Why

    def command(self) -> CallPerson:
        """Return the call. Its id follows from the start: told by several processes it is on record once."""
        return CallPerson(
            command_id=uuid5(self.order_id, f"call a person for {self.started_at.isoformat()}"),
            order_id=self.order_id,
            generation=self.generation,
            why=self.why,
            act_by=self.act_by,
            actor=ACTOR,
        )


class CallsForAPerson:
    """Calls for each start once, however long it takes, and beside the calls to authorities."""

    def __init__(self, conninfo: str, ordering: Calling) -> None:
        self._ordering = ordering
        self._worker = Worker("calls for a person", conninfo, (VIEWS, CLOCK_CHANNEL), self._work)

    async def run(self) -> None:
        """Call until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        async with connection.cursor(row_factory=class_row(Due)) as cursor:
            due = await (await cursor.execute(_DUE, (_BATCH,))).fetchall()
        for each in due:
            await self._call(connection, each)
        return POLL_SECONDS

    async def _call(self, connection: AsyncConnection, due: Due) -> None:
        called = {"order": str(due.order_id), "country": due.country, "why": due.why}
        log.error("registration.person_called", **called, act_by=due.act_by.isoformat())
        try:
            reply = await self._ordering.command(due.command())
        except NoAnswer:
            log.warning("registration.call_unrecorded", **called)
            return
        if not reply["ok"]:
            # Another process may have told another reason a moment ago; or it is over. Either way it stands in the log.
            log.warning("registration.call_refused", **called, code=reply["error"]["code"])
        await connection.execute(_CALLED, (due.order_id, due.started_at))
