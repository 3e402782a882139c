"""Cases are told of their mails that came back: whoever waits for the answer has not got it."""

from typing import Any, LiteralString
from uuid import uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.services.commanding import Ask
from vignettes.services.mails import OF_CASES
from vignettes.services.support.cases import CaseWriter, on
from vignettes.services.support.looking import Looking, is_done
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
ACTOR = "mailing"

_RETURNED: LiteralString = """
SELECT m.message_id, m.order_id AS case_id, e.version, m.kind, m.return_kind, m.return_status
FROM effect.mails m JOIN view.emails e USING (message_id)
WHERE m.returned_at IS NOT NULL AND m.return_noted_at IS NULL AND m.kind = ANY(%(kinds)s)
  AND NOT m.message_id = ANY(%(refused)s)
ORDER BY m.returned_at LIMIT 50
"""
_NOTED: LiteralString = (
    "UPDATE effect.mails SET return_noted_at = clock_timestamp() WHERE message_id = ANY(%s)"
)

Row = dict[str, Any]


class Returning:
    """Passes each return to its case, under an id that follows from it: told twice, it is on record once."""

    name = "returning"

    def __init__(self, conninfo: str, writer: CaseWriter) -> None:
        self._writer = writer
        self._looking = Looking()
        self._worker = Worker(self.name, conninfo, (), self._work)

    async def run(self) -> None:
        """Tell until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        self._looking.begin()
        wanted = {"kinds": list(OF_CASES), "refused": self._looking.refused}
        async with connection.cursor(row_factory=dict_row) as cursor:
            rows = await (await cursor.execute(_RETURNED, wanted)).fetchall()
        if rows:
            outcomes = await self._writer.execute_all([_ask(row) for row in rows])
            mails = [row["message_id"] for row in rows]
            self._looking.took(mails, outcomes)
            told = [each for each, outcome in zip(mails, outcomes, strict=True) if is_done(outcome)]
            await connection.execute(_NOTED, (told,))
            log.info("cases.returns_told", mails=len(told), left=len(mails) - len(told))
        return POLL_SECONDS


def _ask(row: Row) -> Ask:
    mail = (row["version"], row["kind"], row["return_kind"], row["return_status"])
    command_id = uuid5(row["case_id"], f"returned:{row['message_id']}")
    return on(row["case_id"], command_id, lambda case, at: case.note_returned_mail(*mail, at), ACTOR)
