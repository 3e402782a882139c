"""Orders are told of mails that came back: their page shows it, and support hears of it (case 52)."""

from contextlib import suppress
from typing import Any, LiteralString
from uuid import NAMESPACE_URL, UUID, uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.messages.commands import NoteReturnedMail
from vignettes.services.calling import Calling, NoAnswer
from vignettes.services.mails import OF_CASES
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
_ACTOR = "mailing"

_NEXT: LiteralString = """
SELECT message_id, order_id, kind, return_kind, return_status FROM effect.mails
WHERE returned_at IS NOT NULL AND return_noted_at IS NULL AND NOT kind = ANY(%s) ORDER BY returned_at LIMIT 50
"""
_NOTED: LiteralString = "UPDATE effect.mails SET return_noted_at = clock_timestamp() WHERE message_id = %s"


class ReturnTelling:
    """Passes each return to its order, under an id that follows from it: told twice, it is on record once."""

    def __init__(self, conninfo: str, ordering: Calling) -> None:
        self._ordering = ordering
        self._worker = Worker("return telling", conninfo, (), self._work)

    async def run(self) -> None:
        """Tell until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        async with connection.cursor(row_factory=dict_row) as cursor:
            rows = await (await cursor.execute(_NEXT, (list(OF_CASES),))).fetchall()  # support tells those
        with suppress(NoAnswer):  # it has said so, and is asked again
            for row in rows:
                await self._try(row)
                await connection.execute(_NOTED, (row["message_id"],))
        return POLL_SECONDS

    async def _try(self, row: dict[str, Any]) -> None:
        try:
            await self._tell(row)
        except NoAnswer:
            raise
        except Exception:  # it would fail for ever, and the others are told all the same
            log.exception("mail.return_untold", order=str(row["order_id"]))

    async def _tell(self, row: dict[str, Any]) -> None:
        reply = await self._ordering.command(_command(row))
        log.info("mail.return_told", order=str(row["order_id"]), ok=reply["ok"])


def _command(row: dict[str, Any]) -> NoteReturnedMail:
    said = {"status": row["return_status"]} if row["return_status"] else {}
    return NoteReturnedMail.model_validate(
        {
            "command_id": command_id(row["message_id"], row["return_kind"]),
            "actor": _ACTOR,
            "order_id": row["order_id"],
            "message_id": row["message_id"],
            "why": row["return_kind"],
            **said,
        }
    )


def command_id(message_id: str, why: str) -> UUID:
    """Return the id of the command by which a return is told."""
    return uuid5(NAMESPACE_URL, f"mid:{message_id} {why}")
