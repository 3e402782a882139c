"""Asking other roles over NATS on behalf of somebody who waits for a page."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import TypeAdapter

from vignettes.messages.commands import AnyCommand
from vignettes.messages.links import AskDocument, OpenPage, RequestLink
from vignettes.messages.support import OpenCase
from vignettes.services.calling import NoAnswer

log = structlog.get_logger(__name__)

#: Who looks at a page that does not come tries again; they are told that they may.
PATIENCE_SECONDS = 4.0
_REPLY: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


Asked = AnyCommand | RequestLink | OpenPage | AskDocument | OpenCase
Ask = Callable[[Asked], Awaitable[dict[str, Any]]]
"""Asks once, and returns the reply, refusals included. Raises NoAnswer where none comes in time."""


class Asking:
    """Asks over NATS."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __call__(self, message: Asked) -> dict[str, Any]:
        """Ask, and count the service that is too busy, or does not know whether it is done, as no answer."""
        body = message.model_dump_json(exclude_none=True).encode()
        try:
            answer = await self._client.request(message.subject, body, timeout=PATIENCE_SECONDS)
        except NatsError as error:
            log.warning("page.unanswered", request=message.subject, error=type(error).__name__)
            raise NoAnswer from None
        reply = _REPLY.validate_json(answer.data)
        if not reply["ok"] and reply["error"]["code"] == "unavailable":
            raise NoAnswer
        return reply
