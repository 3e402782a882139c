"""Cases that nobody asks for: a mail has come back (case 52), or money is owed that was taken back (case 28)."""

from collections.abc import Sequence
from typing import Any, LiteralString

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.domain.support_events import Channel, Particulars, Topic
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.support.cases import CaseWriter, Request, opening
from vignettes.services.support.looking import Looking, is_done
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
ACTOR = "support"
_BATCH = 100

# Called for, not open yet, and still so: an address may have been corrected meanwhile, a debt paid.
_CALLED: LiteralString = """
SELECT c.command_id, c.topic, o.order_id, o.order_number, o.language,
       CASE WHEN c.topic <> 'debt' THEN o.email END AS email
FROM view.case_calls c JOIN read.order_status o USING (order_id)
WHERE c.position > %(after)s AND NOT EXISTS (SELECT FROM view.support_cases s WHERE s.case_id = c.case_id)
  AND CASE c.topic WHEN 'debt' THEN o.owed > 0 WHEN 'mail_returned' THEN o.email_fails ELSE true END
  AND o.email IS NOT NULL AND NOT c.command_id::text = ANY(%(refused)s)
ORDER BY c.position LIMIT %(batch)s
"""
_REACHED = "SELECT coalesce(min(position), 0) FROM view.editions WHERE state = 'live' AND view = ANY(%s)"
_VIEWS = ["case_calls", "order_status", "support_cases"]

Row = dict[str, Any]


class Opening:
    """Opens what the log calls for. Safe to repeat, and side by side: the commands follow from what they are about."""

    name = "opening"

    def __init__(self, conninfo: str, writer: CaseWriter) -> None:
        self._writer = writer
        self._looking = Looking()
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Open until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        self._looking.begin()
        [reached] = await (await connection.execute(_REACHED, (_VIEWS,))).fetchone() or [0]
        rows = await self._called(connection)
        if await self._open(rows) and len(rows) < _BATCH:
            self._looking.after = reached
        return POLL_SECONDS

    async def _called(self, connection: AsyncConnection) -> list[Row]:
        wanted = {"after": self._looking.after, "refused": self._looking.refused, "batch": _BATCH}
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_CALLED, wanted)
            return await cursor.fetchall()

    async def _open(self, rows: Sequence[Row]) -> bool:
        """Open cases; tell whether none of them has to be asked for again at once."""
        asks = [opening(_request(row), row["command_id"], ACTOR) for row in rows]
        outcomes = await self._writer.execute_all(asks)
        opened = sum(is_done(outcome) for outcome in outcomes)
        if rows:
            log.info("cases.opened", cases=opened, left=len(rows) - opened)
        return self._looking.took([str(row["command_id"]) for row in rows], outcomes)


def _request(row: Row) -> Request:
    known = Particulars(order_id=row["order_id"], order_number=row["order_number"], email=row["email"])
    return Request(Topic(row["topic"]), Channel.SERVICE, known, row["language"])
