"""The ordering service: every command and query of an order, over NATS request/reply."""

import asyncio
import contextvars
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel
from structlog.contextvars import bind_contextvars

from vignettes.domain.errors import OrderNotFound
from vignettes.domain.order import Order
from vignettes.eventstore.append import Appender, Command, Reply
from vignettes.messages import commands, queries, replies
from vignettes.services.deciding import Deciding
from vignettes.services.edge import Endpoints, Handle
from vignettes.services.links import BodyHash, Links
from vignettes.services.reading import Reading

log = structlog.get_logger(__name__)

QUEUE = "orders"


class Ordering:
    """Executes commands through the log, and answers what is asked about orders."""

    name = "ordering"

    def __init__(
        self,
        appender: Appender,
        deciding: Deciding,
        links: Links,
        hashes: BodyHash,
        reading: Reading,
        *,
        threads: int,
    ) -> None:
        self._appender = appender
        self._deciding = deciding
        self._links = links
        self._hashes = hashes
        self._reading = reading
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="append")

    def register(self, endpoints: Endpoints) -> None:
        """Answer every command and query of the published language."""
        answering: dict[type[commands.Command | queries.Query], Handle] = {
            **dict.fromkeys(commands.COMMANDS, self.execute),
            queries.AskStatus: self._status,
            queries.AskHistory: self._history,
            queries.AskEmails: self._emails,
        }
        for request, handle in answering.items():
            endpoints.answer(request.subject, QUEUE, request, replies.REPLY_OF[request], handle)

    async def run(self) -> None:
        """Live as long as the process: requests come by subscription."""
        await asyncio.Event().wait()

    def close(self) -> None:
        """Let the commands under way end; called when no more requests come in."""
        self._threads.shutdown(wait=True)

    async def execute(self, message: commands.AnyCommand, correlation: UUID | None = None) -> BaseModel:
        """Execute one command and return its answer, the same however often it is asked."""
        context = contextvars.copy_context()  # so that the thread's log lines carry the ids too
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, context.run, self._execute, message, correlation
        )

    def _execute(self, message: commands.AnyCommand, correlation: UUID | None) -> BaseModel:
        decision = self._deciding.decision(message)
        if decision.order_id:
            bind_contextvars(order=str(decision.order_id))

        def answer(order: Order) -> dict[str, Any]:
            common = {"order_number": order.number, "version": order.version, "status": str(order.status)}
            return {**common, **decision.extra(order)}

        reply = self._appender.execute(
            Command(
                command_id=message.command_id,
                payload_hash=self._hashes.of(_canonical(message)),
                actor=message.actor or "unnamed",
                order_id=decision.order_id,
                decide=decision.decide,
                answer=answer,
                correlation_id=correlation,
            )
        )
        return self._answer(message, reply)

    def _answer(self, message: commands.AnyCommand, reply: Reply) -> BaseModel:
        if reply.refusal:
            log.info("command.refused", request=message.subject, code=reply.refusal["code"])
            return replies.Refused(command_id=reply.command_id, error=replies.Problem(**reply.refusal))
        body = dict(reply.body)
        if reply.order_id and (generation := body.pop("link_generation", None)):
            body["manage_url"] = self._links.manage(reply.order_id, generation)
        log.info("command.done", request=message.subject, order=str(reply.order_id), status=body["status"])
        return replies.REPLY_OF[type(message)].model_validate(
            {"command_id": reply.command_id, "order_id": reply.order_id, "position": reply.position, **body}
        )

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


def _canonical(message: commands.AnyCommand) -> bytes:
    """Return the body as it counts for "the same command": without its id, and whoever passes it on."""
    body = message.model_dump(mode="json", exclude={"command_id", "actor"}, exclude_unset=True)
    return json.dumps([message.subject, body], sort_keys=True, ensure_ascii=False).encode()
