"""Whom a case concerned is forgotten with the order it belongs to; without one, some years after its end."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID, uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from vignettes.domain.personal import DataClass
from vignettes.domain.support_case import SupportCase
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.commanding import Ask
from vignettes.services.support.cases import Act, CaseWriter, on
from vignettes.services.support.looking import Looking, is_done
from vignettes.services.waking import CLOCK_CHANNEL, Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 5.0
ACTOR = "privacy"
_BATCH = 500

# Of orders that were erased since a position, and of cases that have changed since: what nobody waits for any more.
# And what is no order's, when its time is over. Of open cases those that the service opened itself, and that no
# customer has written to since.
_TO_FORGET: LiteralString = """
WITH erased AS (
    SELECT order_id FROM view.order_status WHERE (email IS NULL OR plate IS NULL) AND position > %(after)s
    UNION
    SELECT order_id FROM view.support_cases WHERE order_id IS NOT NULL AND position > %(after)s
), found AS (
    SELECT c.case_id, c.version, o.email IS NULL AS contact, o.plate IS NULL AS vehicle,
           greatest(o.position, c.position) AS position
    FROM erased JOIN view.order_status o USING (order_id) JOIN view.support_cases c USING (order_id)
    WHERE (c.state <> 'open' OR c.channel = 'service' AND c.messages = 1 AND o.email IS NULL)
      AND (o.email IS NULL AND NOT 'contact' = ANY(c.erased) OR o.plate IS NULL AND NOT 'vehicle' = ANY(c.erased))
    UNION ALL
    SELECT case_id, version, true, true, position FROM view.support_cases
    WHERE state <> 'open' AND order_id IS NULL AND cardinality(erased) < 2 AND updated_at < clock.now() - %(kept)s
)
SELECT case_id, version, contact, vehicle FROM found
WHERE NOT concat_ws(' ', case_id, version) = ANY(%(refused)s)
ORDER BY position LIMIT %(batch)s
"""
_REACHED = "SELECT coalesce(min(position), 0) FROM view.editions WHERE state = 'live' AND view = ANY(%s)"
_VIEWS = ["order_status", "support_cases"]


class Forgetting:
    """Erases cases after their orders, or after `kept`. Safe to repeat: what is erased is not found again."""

    name = "forgetting"

    def __init__(self, conninfo: str, writer: CaseWriter, kept: timedelta) -> None:
        self._writer = writer
        self._kept = kept
        self._looking = Looking()
        self._worker = Worker(self.name, conninfo, (VIEWS, CLOCK_CHANNEL), self._work)

    async def run(self) -> None:
        """Forget until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        self._looking.begin()
        [reached] = await (await connection.execute(_REACHED, (_VIEWS,))).fetchone() or [0]
        known = {"after": self._looking.after, "refused": self._looking.refused}
        wanted = {**known, "kept": self._kept, "batch": _BATCH}
        rows = await (await connection.execute(_TO_FORGET, wanted)).fetchall()
        if not rows or (await self._forget(rows) and len(rows) < _BATCH):
            self._looking.after = reached
        return POLL_SECONDS

    async def _forget(self, rows: Sequence[TupleRow]) -> bool:
        """Let cases go; tell whether none has to be asked again at once: those that were written to since are not."""
        outcomes = await self._writer.execute_all([_ask(*row) for row in rows])
        forgotten = sum(is_done(outcome) for outcome in outcomes)
        log.info("cases.forgotten", cases=forgotten, left=len(outcomes) - forgotten)
        return self._looking.took([f"{case_id} {version}" for case_id, version, *_ in rows], outcomes)


def _ask(case_id: UUID, version: int, contact: bool, vehicle: bool) -> Ask:
    classes = [each for each, gone in ((DataClass.CONTACT, contact), (DataClass.VEHICLE, vehicle)) if gone]
    # Refused as it stands, it may be granted when it has changed.
    command_id = uuid5(case_id, f"forget:{version}:{' '.join(classes)}")
    return on(case_id, command_id, _erase(classes), ACTOR, erases=True)


def _erase(classes: Collection[DataClass]) -> Act:
    def act(case: SupportCase, at: datetime) -> None:
        case.erase(classes, at)

    return act
