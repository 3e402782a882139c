"""What people on duty may let the service try again: mails that are put off, and orders that wait in a view.

Neither is an event of an order: who asked is kept beside the log, with the answer, so that a repeated command is
answered as the first time and does nothing.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, LiteralString
from uuid import UUID

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from vignettes.domain.corresponding import COMPLAINT, TO_OLD_ADDRESS
from vignettes.domain.errors import CommandIdReused, MailNotFound, MailSettled
from vignettes.eventstore.recorder import CHANNEL as LOG
from vignettes.messages import ops, replies
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.projections.parking import WANT
from vignettes.services.edge import Endpoints

log = structlog.get_logger(__name__)

MAILS_QUEUE, VIEWS_QUEUE = "mails", "projections"

_BEFORE: LiteralString = "SELECT subject, about, outcome FROM effect.interventions WHERE command_id = %s"
_ONE_AT_A_TIME: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_KEEP: LiteralString = """
INSERT INTO effect.interventions (command_id, subject, about, outcome, actor) VALUES (%s, %s, %s, %s, %s)
"""
_NOTIFY: LiteralString = "SELECT pg_notify(%s, %s)"

_MAIL: LiteralString = """
SELECT m.order_id, m.sent_at, m.returned_at, m.return_kind, m.again_at,
       e.recipient IS NULL OR k.contact_view IS NULL AS is_erased,
       e.kind <> %(to_old)s AND EXISTS (
           SELECT FROM view.order_status o WHERE o.order_id = e.order_id AND o.email IS DISTINCT FROM e.recipient
       ) AS is_replaced
FROM effect.mails m LEFT JOIN view.emails e USING (message_id) LEFT JOIN personal.keys k ON k.order_id = m.order_id
WHERE m.message_id = %(message_id)s FOR UPDATE OF m
"""
# One that has left before is sent once more; a return that follows is told to its order like the first.
_AT_ONCE: LiteralString = """
UPDATE effect.mails
SET retry_at = NULL, failing_since = NULL, soft_returns = 0, returned_at = NULL, return_kind = NULL,
    return_status = NULL, return_noted_at = NULL,
    again_at = CASE WHEN sent_at IS NOT NULL THEN clock_timestamp() END
WHERE message_id = %s
"""

_Asked = ops.ResendMail | ops.RetryParked
_Do = Callable[[AsyncConnection], Awaitable[dict[str, Any]]]


class MailDesk:
    """Answers who wants a mail tried at once (the role that sends them)."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    def register(self, endpoints: Endpoints) -> None:
        """Answer its subject."""
        asked = ops.ResendMail
        endpoints.answer(asked.subject, MAILS_QUEUE, asked, replies.REPLY_OF[asked], self._resend)

    async def _resend(self, asked: ops.ResendMail, _: UUID | None) -> BaseModel:
        async def resend(connection: AsyncConnection) -> dict[str, Any]:
            order_id = await _to_be_sent(connection, asked.message_id)
            await connection.execute(_AT_ONCE, (asked.message_id,))
            await connection.execute(_NOTIFY, (VIEWS, "mailing"))
            return {"message_id": asked.message_id, "order_id": str(order_id)}

        outcome = await _once(self._pool, asked, resend)
        return ops.MailToBeSent(command_id=asked.command_id, **outcome)


class ViewsDesk:
    """Answers who wants parked orders tried again (the role that writes the views)."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    def register(self, endpoints: Endpoints) -> None:
        """Answer its subject."""
        asked = ops.RetryParked
        endpoints.answer(asked.subject, VIEWS_QUEUE, asked, replies.REPLY_OF[asked], self._retry)

    async def _retry(self, asked: ops.RetryParked, _: UUID | None) -> BaseModel:
        async def retry(connection: AsyncConnection) -> dict[str, Any]:
            wanted = await connection.execute(WANT, {"view": asked.view, "order": asked.order_id})
            await connection.execute(_NOTIFY, (LOG, "retry"))
            return {"orders": wanted.rowcount}

        outcome = await _once(self._pool, asked, retry)
        return ops.RetryWanted(command_id=asked.command_id, **outcome)


async def _once(pool: AsyncConnectionPool, asked: _Asked, do: _Do) -> dict[str, Any]:
    """Do it and keep who asked, in one transaction; a command that is known is answered as before.

    Raises CommandIdReused for another request under the same id, and what `do` refuses with.
    """
    about = json.loads(asked.model_dump_json(exclude={"command_id", "actor"}))
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(_ONE_AT_A_TIME, (str(asked.command_id),))
        async with connection.cursor(row_factory=dict_row) as cursor:
            before = await (await cursor.execute(_BEFORE, (asked.command_id,))).fetchone()
        if before is not None:
            if (before["subject"], before["about"]) != (asked.subject, about):
                raise CommandIdReused
            known: dict[str, Any] = before["outcome"]
            return known
        outcome = await do(connection)
        kept = (asked.command_id, asked.subject, Jsonb(about), Jsonb(outcome), asked.actor)
        await connection.execute(_KEEP, kept)
    log.info("intervention.made", request=asked.subject, command=str(asked.command_id))
    return outcome


async def _to_be_sent(connection: AsyncConnection, message_id: str) -> UUID:
    """Return whose mail it is. Raises MailNotFound, and MailSettled for one that is not to be sent any more."""
    question = {"message_id": message_id, "to_old": TO_OLD_ADDRESS}
    async with connection.cursor(row_factory=dict_row) as cursor:
        mail = await (await cursor.execute(_MAIL, question)).fetchone()
    if mail is None:
        raise MailNotFound(field="message_id")
    if why := _settled(mail):
        raise MailSettled(why, field="message_id")
    order_id: UUID = mail["order_id"]
    return order_id


def _settled(mail: dict[str, Any]) -> str | None:
    """Return why a mail is not to be tried, or None."""
    if mail["is_erased"]:
        return "Nobody is left to write to: the address was erased."
    if mail["return_kind"] == COMPLAINT:
        return "Whoever got it called it spam."
    if mail["sent_at"] and mail["is_replaced"]:
        return "The address was corrected since, and the current mails went there."
    if mail["sent_at"] and not mail["returned_at"] and not mail["again_at"]:
        return "It has left, and did not come back."
    return None
