"""Passing commands to the ordering service over NATS, with the patience that its replies ask for."""

import asyncio
from typing import Any
from uuid import UUID

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import TypeAdapter

from vignettes.messages.commands import Command

log = structlog.get_logger(__name__)

_REPLY: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_ATTEMPTS = 5
_TIMEOUT = 5.0
_PAUSE = 0.2


class NoAnswer(Exception):
    """The ordering service did not answer; whether the command was recorded is not known."""


class Calling:
    """Sends a command until its end is known: asked again with the same command_id, it answers the same."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def command(self, command: Command, correlation: UUID | None = None) -> dict[str, Any]:
        """Return the reply, refusals included. Raises NoAnswer when asking again did not help."""
        body = command.model_dump_json(exclude_unset=True).encode()
        headers = {"correlation_id": str(correlation)} if correlation else None
        for attempt in range(_ATTEMPTS):
            try:
                answer = await self._client.request(command.subject, body, timeout=_TIMEOUT, headers=headers)
            except NatsError as error:
                log.warning("command.unanswered", **_named(command), error=type(error).__name__)
            else:
                reply = _REPLY.validate_json(answer.data)
                if reply["ok"] or reply["error"]["code"] != "unavailable":
                    return reply
            await asyncio.sleep(_PAUSE * 2**attempt)
        raise NoAnswer


def _named(command: Command) -> dict[str, str]:
    order_id = getattr(command, "order_id", None)
    return {"request": command.subject, "command": str(command.command_id), "order": str(order_id)}
