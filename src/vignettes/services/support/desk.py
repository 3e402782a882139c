"""The support desk: takes what people ask, and what others answer them; shows what waits."""

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from vignettes.domain import errors
from vignettes.domain.personal import DataClass
from vignettes.domain.support_case import parse_case_number
from vignettes.domain.support_events import Channel, Topic
from vignettes.messages import replies, support
from vignettes.services.commanding import Ask
from vignettes.services.edge import Endpoints
from vignettes.services.support.cases import Act, CaseWriter, Request, on, opening
from vignettes.services.support.particulars import Finding, particulars

QUEUE = "support"
#: By which name a customer's own words are in the history.
CUSTOMER = "customer"

_SHOWN = """
SELECT case_id, case_number, state, topic, channel, order_id, order_number, email, country, plate, ordered_on, language,
       left(message, 300) AS message, messages, answers, opened_at, open_since, closed_at, updated_at,
       returned
FROM read.support_cases
"""
# Whoever has waited longest is first; those that wait for the customer come after all that wait for us.
_CASES: LiteralString = (
    _SHOWN
    + """
WHERE state = ANY(%(states)s) AND (%(order_id)s::uuid IS NULL OR order_id = %(order_id)s)
ORDER BY open_since NULLS LAST, updated_at, case_id LIMIT %(limit)s
"""
)
_OPEN: LiteralString = "SELECT count(*) FROM view.support_cases WHERE state = 'open'"
_CASE: LiteralString = _SHOWN + "WHERE case_id = %s"
_NUMBERED: LiteralString = "SELECT case_id FROM view.support_cases WHERE case_number = %s LIMIT 2"
_THREAD: LiteralString = """
SELECT number, channel, text, written_at FROM read.support_messages WHERE case_id = %s ORDER BY number
"""
_MAILS: LiteralString = """
SELECT kind, state, called_at FROM read.emails WHERE order_id = %s ORDER BY position, kind
"""
_NOT_CLOSED = ["open", "answered"]

Row = dict[str, Any]
_Decision = support.AddMessage | support.AnswerCase | support.CloseCase | support.EraseCase
_Command = support.OpenCase | _Decision


class SupportDesk:
    """Answers the subjects of support."""

    def __init__(self, pool: AsyncConnectionPool, writer: CaseWriter) -> None:
        self._pool = pool
        self._writer = writer
        self._orders = Finding(pool)

    def register(self, endpoints: Endpoints) -> None:
        """Answer its subjects."""
        for request, handle in (
            (support.OpenCase, self._open),
            (support.AddMessage, self._add_message),
            (support.AnswerCase, self._answer),
            (support.CloseCase, self._close),
            (support.EraseCase, self._erase),
            (support.AskCases, self._cases),
            (support.AskCase, self._case),
        ):
            endpoints.answer(request.subject, QUEUE, request, replies.REPLY_OF[request], handle)

    async def _open(self, asked: support.OpenCase, _: UUID | None) -> BaseModel:
        request = Request(
            topic=Topic(asked.topic),
            channel=Channel(asked.channel),
            particulars=particulars(asked, await self._orders.order(asked.order_id, asked.order_number)),
            language=asked.language,
            message=asked.message,
        )
        # The digest is of what was asked, not of what we found: asked again a day later, it is the same.
        return await self._moved(opening(request, asked.command_id, asked.actor or CUSTOMER, _body(asked)))

    async def _add_message(self, asked: support.AddMessage, _: UUID | None) -> BaseModel:
        channel = Channel(asked.channel)
        return await self._decide(asked, lambda case, at: case.add_message(asked.message, channel, at))

    async def _answer(self, asked: support.AnswerCase, _: UUID | None) -> BaseModel:
        case_id = await self._id(asked)
        email, link_generation = await self._orders.address(case_id)
        return await self._decide(
            asked, lambda case, at: case.answer(asked.text, email, link_generation, at), case_id
        )

    async def _close(self, asked: support.CloseCase, _: UUID | None) -> BaseModel:
        return await self._decide(asked, lambda case, at: case.close(at))

    async def _erase(self, asked: support.EraseCase, _: UUID | None) -> BaseModel:
        return await self._decide(asked, lambda case, at: case.erase(tuple(DataClass), at), erases=True)

    async def _decide(
        self, asked: _Decision, act: Act, case_id: UUID | None = None, *, erases: bool = False
    ) -> BaseModel:
        named, actor = case_id or await self._id(asked), asked.actor or CUSTOMER
        return await self._moved(on(named, asked.command_id, act, actor, _body(asked), erases=erases))

    async def _moved(self, ask: Ask) -> BaseModel:
        reply = await self._writer.execute(ask)
        return support.CaseMoved(command_id=ask.command_id, position=reply.position, **reply.body)

    async def _cases(self, asked: support.AskCases, _: UUID | None) -> BaseModel:
        states = [asked.state] if asked.state else _NOT_CLOSED
        wanted = {"states": states, "order_id": asked.order_id, "limit": asked.limit}
        [waiting] = await self._rows(_OPEN, ())
        rows = await self._rows(_CASES, wanted)
        return support.Cases(cases=[support.CaseShown(**row) for row in rows], open=waiting["count"])

    async def _case(self, asked: support.AskCase, _: UUID | None) -> BaseModel:
        case_id = await self._id(asked)
        rows = await self._rows(_CASE, (case_id,))
        if not rows:
            raise errors.CaseNotFound(field="case_id")
        return support.CaseTold(
            case=support.CaseShown(**rows[0]),
            thread=[support.WrittenShown(**each) for each in await self._rows(_THREAD, (case_id,))],
            mails=[support.CaseMail(**each) for each in await self._rows(_MAILS, (case_id,))],
        )

    async def _id(self, asked: _Decision | support.AskCase) -> UUID:
        """Return the id of the case that is named by it, or by its number."""
        if asked.case_id:
            return asked.case_id
        number = parse_case_number(asked.case_number or "")
        if number is None:
            raise errors.InvalidValue("Its check digit is wrong.", field="case_number")
        rows = await self._rows(_NUMBERED, (number,))
        if not rows:
            raise errors.CaseNotFound(field="case_number")
        if len(rows) > 1:
            raise errors.SharedCaseNumber(field="case_number")
        found: UUID = rows[0]["case_id"]
        return found

    async def _rows(self, query: LiteralString, values: Sequence[Any] | Row) -> list[Row]:
        async with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, values)
            return await cursor.fetchall()


def _body(asked: _Command) -> bytes:
    return f"{asked.subject} {asked.model_dump_json(exclude={'command_id', 'actor'}, exclude_unset=True)}".encode()
