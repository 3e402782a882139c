"""Passing commands to the ordering service over NATS, with the patience that its replies ask for."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import TypeAdapter

from vignettes.messages.commands import Command, StartDueRegistration, StartDueRegistrations
from vignettes.services import tracing

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
        headers = {"correlation_id": str(correlation)} if correlation else None
        return await self._asked(command, headers, _named(command))

    async def starts(self, starts: Sequence[StartDueRegistration]) -> list[str | None]:
        """Pass many starts together; return for each, in their order, the code of its refusal, or None.

        Raises NoAnswer when it is not known of any of them.
        """
        together = StartDueRegistrations(starts=tuple(starts))
        reply = await self._asked(together, None, {"starts": len(starts)})
        return [outcome.get("code") for outcome in reply["outcomes"]]

    async def _asked(
        self,
        message: Command | StartDueRegistrations,
        headers: dict[str, str] | None,
        named: dict[str, Any],
    ) -> dict[str, Any]:
        body = message.model_dump_json(exclude_unset=True).encode()
        told = {**(headers or {}), **tracing.headers()} or None
        for attempt in range(_ATTEMPTS):
            try:
                answer = await self._client.request(message.subject, body, timeout=_TIMEOUT, headers=told)
            except NatsError as error:
                log.warning(
                    "command.unanswered", request=message.subject, **named, error=type(error).__name__
                )
            else:
                reply = _REPLY.validate_json(answer.data)
                if reply["ok"] or reply["error"]["code"] != "unavailable":
                    return reply
            await asyncio.sleep(_PAUSE * 2**attempt)
        raise NoAnswer


def _named(command: Command) -> dict[str, str]:
    order_id = getattr(command, "order_id", None)
    return {"command": str(command.command_id), "order": str(order_id)}
