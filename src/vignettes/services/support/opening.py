"""Cases that nobody asks for: a mail has come back (case 52), or money is owed that was taken back (case 28)."""

import time
from collections.abc import Sequence
from typing import Any, LiteralString

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.domain.support_events import Channel, Particulars, Topic
from vignettes.eventstore.deciding import Reply
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.support.cases import CaseWriter, Request, opening
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
#: How often all calls are looked at, and not only those that came since.
_ALL_SECONDS = 3600.0
ACTOR = "support"
_BATCH = 100

# Called for, not open yet, and still so: an address may have been corrected meanwhile, a debt paid.
_CALLED: LiteralString = """
SELECT c.command_id, c.topic, o.order_id, o.order_number, o.language,
       CASE WHEN c.topic <> 'debt' THEN o.email END AS email
FROM view.case_calls c JOIN read.order_status o USING (order_id)
WHERE c.position > %(after)s AND NOT EXISTS (SELECT FROM view.support_cases s WHERE s.case_id = c.case_id)
  AND CASE c.topic WHEN 'debt' THEN o.owed > 0 WHEN 'mail_returned' THEN o.email_fails ELSE true END
  AND o.email IS NOT NULL
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
        self._after = 0
        self._look_at_all = 0.0
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Open until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        if time.monotonic() > self._look_at_all:
            self._after, self._look_at_all = 0, time.monotonic() + _ALL_SECONDS
        [reached] = await (await connection.execute(_REACHED, (_VIEWS,))).fetchone() or [0]
        rows = await _called(connection, self._after)
        if await self._open(rows) == len(rows) < _BATCH:
            self._after = reached
        return POLL_SECONDS

    async def _open(self, rows: Sequence[Row]) -> int:
        """Return how many cases are open now; the others are asked for again."""
        asks = [opening(_request(row), row["command_id"], ACTOR) for row in rows]
        outcomes = await self._writer.execute_all(asks)
        opened = sum(isinstance(outcome, Reply) for outcome in outcomes)
        if rows:
            log.info("cases.opened", cases=opened, left=len(rows) - opened)
        return opened


def _request(row: Row) -> Request:
    known = Particulars(order_id=row["order_id"], order_number=row["order_number"], email=row["email"])
    return Request(Topic(row["topic"]), Channel.SERVICE, known, row["language"])


async def _called(connection: AsyncConnection, after: int) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_CALLED, {"after": after, "batch": _BATCH})
        return await cursor.fetchall()
