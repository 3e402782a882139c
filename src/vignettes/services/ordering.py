"""The ordering service: every command and query of an order, over NATS request/reply."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel

from vignettes.domain.errors import DomainError, OrderNotFound, Unavailable
from vignettes.domain.order import Order
from vignettes.eventstore.deciding import Command, Outcome, Reply
from vignettes.messages import commands, queries, replies
from vignettes.services.deciding import Deciding
from vignettes.services.edge import Asked, Endpoints, Handle, refused
from vignettes.services.grouping import GroupWriter, QueueFull, Settle
from vignettes.services.links import BodyHash, Links
from vignettes.services.reading import Reading
from vignettes.services.tracing import OFF, Tracing
from vignettes.services.tracing_commands import CommandTrace

log = structlog.get_logger(__name__)

QUEUE = "orders"
_NOT_THE_BODY = {"command_id", "actor"}


class Ordering:
    """Executes commands through the log, and answers what is asked about orders."""

    name = "ordering"

    def __init__(
        self,
        writer: GroupWriter,
        deciding: Deciding,
        links: Links,
        hashes: BodyHash,
        reading: Reading,
        tracing: Tracing = OFF,
    ) -> None:
        self._writer = writer
        self._deciding = deciding
        self._links = links
        self._hashes = hashes
        self._reading = reading
        self._trace = CommandTrace(tracing)

    def register(self, endpoints: Endpoints) -> None:
        """Answer every command and query of the published language."""
        for command in commands.COMMANDS:
            reply = replies.REPLY_OF[command]
            endpoints.take(command.subject, QUEUE, command, reply, self.take, self.stats)
        starts = commands.StartDueRegistrations
        endpoints.take(starts.subject, QUEUE, starts, replies.REPLY_OF[starts], self.take_starts, self.stats)
        answering: dict[type[queries.Query], Handle] = {
            queries.AskStatus: self._status,
            queries.AskHistory: self._history,
            queries.AskEmails: self._emails,
            queries.FindOrders: self._find,
        }
        for request, handle in answering.items():
            endpoints.answer(request.subject, QUEUE, request, replies.REPLY_OF[request], handle)

    async def run(self) -> None:
        """Live as long as the process: requests come by subscription."""
        await asyncio.Event().wait()

    async def end(self) -> None:
        """Let the commands under way come to their end; called when no more requests come in."""
        await self._writer.end()

    def stats(self) -> dict[str, int]:
        """Return how the writer fares."""
        return self._writer.stats()

    def take(self, message: commands.AnyCommand, asked: Asked) -> None:
        """Queue one command; its answer is the same however often it is asked. Raises QueueFull."""

        async def settle(outcome: Outcome) -> None:
            if isinstance(outcome, Reply):
                await self._tell(message, outcome, asked)
            elif isinstance(outcome, DomainError):
                log.info("command.refused", request=message.subject, code=outcome.code, **_ids(message))
                await asked.answer(refused(outcome, message.command_id))
            else:
                await asked.fail(outcome, message.command_id)

        self._writer.put(self._command(message, asked.correlation_id), settle)

    def take_starts(self, message: commands.StartDueRegistrations, asked: Asked) -> None:
        """Queue many starts, and answer them together: a burst of triggers has no time for a request each."""
        gathering = _Gathering(message.starts, asked, self._trace)
        for start in message.starts:
            try:
                self._writer.put(self._command(start, asked.correlation_id), gathering.settling(start))
            except QueueFull as full:
                gathering.note(start, full)
        gathering.begin()

    async def _tell(self, message: commands.AnyCommand, reply: Reply, asked: Asked) -> None:
        try:
            answer = self._answer(message, reply)
        except Exception as error:  # noqa: BLE001  # the asker must hear something, and the log why
            await asked.fail(error, message.command_id)
        else:
            await asked.answer(answer)
            self._trace.note(message, reply, asked)

    def _command(self, message: commands.AnyCommand, correlation: UUID | None) -> Command:
        decision = self._deciding.decision(message)

        def answer(order: Order) -> dict[str, Any]:
            common = {"order_number": order.number, "version": order.version, "status": str(order.status)}
            return {**common, **decision.extra(order)}

        return Command(
            command_id=message.command_id,
            payload_hash=self._hashes.of(_canonical(message)),
            actor=message.actor or "unnamed",
            order_id=decision.order_id,
            decide=decision.decide,
            answer=answer,
            private=decision.private,
            cover=decision.cover,
            payment_id=getattr(message, "payment_id", None),
            erases=isinstance(message, commands.EraseOrder),
            correlation_id=correlation,
        )

    def _answer(self, message: commands.AnyCommand, reply: Reply) -> dict[str, Any]:
        """Return the answer in the form of REPLY_OF; tests hold it against these, nobody else spends time on it."""
        if reply.refusal:
            log.info("command.refused", request=message.subject, code=reply.refusal["code"], **_ids(message))
            return {"ok": False, "command_id": reply.command_id, "error": reply.refusal}
        body = dict(self._told(reply, name, value) for name, value in reply.body.items())
        return {
            "ok": True,
            "command_id": reply.command_id,
            "order_id": reply.order_id,
            "order_number": body.pop("order_number"),
            "version": body.pop("version"),
            "position": reply.position,
            **body,
        }

    def _told(self, reply: Reply, name: str, value: Any) -> tuple[str, Any]:
        """Return a field as it is answered: a link is never stored, so its generation becomes one here."""
        if name == "link_generation" and reply.order_id:
            return "manage_url", self._links.manage(reply.order_id, value)
        return name, value

    async def _status(self, query: queries.AskStatus, _: UUID | None) -> BaseModel:
        order = await self._reading.status(query.order_id, query.order_number, query.min_position)
        if order is None:
            raise OrderNotFound(field="order_id" if query.order_id else "order_number")
        return order

    async def _history(self, query: queries.AskHistory, _: UUID | None) -> BaseModel:
        history = await asyncio.to_thread(self._reading.history, query.order_id, query.until, query.version)
        if history is None:
            raise OrderNotFound(field="order_id")
        return history

    async def _emails(self, query: queries.AskEmails, _: UUID | None) -> BaseModel:
        mails = await self._reading.emails(query.order_id)
        if mails is None:
            raise OrderNotFound(field="order_id")
        return mails

    async def _find(self, query: queries.FindOrders, _: UUID | None) -> BaseModel:
        return await self._reading.find(query.country, query.plate, query.email)


class _Gathering:
    """Starts that were asked for together; answered when the last of them has come to its end."""

    def __init__(
        self, starts: Sequence[commands.StartDueRegistration], asked: Asked, trace: CommandTrace
    ) -> None:
        self._starts = starts
        self._asked = asked
        self._trace = trace
        self._codes: dict[UUID, str | None] = {}
        self._left = len(starts)
        self._unavailable = 0
        self._faults: set[Exception] = set()
        self._all = asyncio.Event()

    def begin(self) -> None:
        """Answer once all is known."""
        self._answering = asyncio.create_task(self._answer(), name="starts")

    def settling(self, start: commands.StartDueRegistration) -> Settle:
        """Return what notes the outcome of one start."""

        async def settle(outcome: Outcome) -> None:
            self.note(start, outcome)
            if isinstance(outcome, Reply):
                self._trace.note(start, outcome, self._asked)

        return settle

    def note(self, start: commands.StartDueRegistration, outcome: Outcome) -> None:
        """Note what one start has come to."""
        self._codes[start.command_id] = self._code(start, outcome)
        self._unavailable += isinstance(outcome, Unavailable)
        self._left -= 1
        if not self._left:
            self._all.set()

    def _code(self, start: commands.StartDueRegistration, outcome: Outcome) -> str | None:
        if isinstance(outcome, Reply):
            return outcome.refusal["code"] if outcome.refusal else None
        if not isinstance(outcome, DomainError):
            self._note_once(outcome, start)
            return Unavailable.code
        if isinstance(outcome, Unavailable):
            why = type(outcome.__cause__ or outcome).__name__
            log.warning("start.unavailable", error=why, **_ids(start))
        return outcome.code

    def _note_once(self, fault: Exception, start: commands.StartDueRegistration) -> None:
        """Let a fault be heard of. Many starts may end by one and the same: its trace is long, and takes its time."""
        if fault not in self._faults:
            self._faults.add(fault)
            self._asked.note_failure(fault, start.command_id)

    async def _answer(self) -> None:
        await self._all.wait()
        if self._unavailable == len(self._starts):  # no order's own fault, so none of them is to blame
            await self._asked.answer(refused(Unavailable(), None))
            return
        outcomes = [
            replies.StartOutcome(command_id=each.command_id, ok=code is None, code=code)
            for each in self._starts
            for code in [self._codes[each.command_id]]
        ]
        await self._asked.answer(replies.Starts(outcomes=outcomes))


def _ids(message: commands.AnyCommand) -> dict[str, str]:
    named = {"command": message.command_id, "order": getattr(message, "order_id", None)}
    return {name: str(value) for name, value in named.items() if value is not None}


def _canonical(message: commands.AnyCommand) -> bytes:
    """Return the body as it counts for "the same command": without its id, and whoever passes it on.

    Hashes of it are kept for ever: fields of a message may be added, but keep their order and names.
    """
    body = message.model_dump_json(exclude=_NOT_THE_BODY, exclude_unset=True)
    return f"{message.subject} {body}".encode()
