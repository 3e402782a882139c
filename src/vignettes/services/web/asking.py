"""Asking other roles over NATS on behalf of somebody who waits for a page."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import TypeAdapter

from vignettes.messages.audit import (
    AskAuditedHistory,
    AskHeads,
    AskLooks,
    ExportBundle,
    FindAudited,
    ProveHistory,
)
from vignettes.messages.commands import AnyCommand
from vignettes.messages.links import AskDocument, OpenPage, RequestLink
from vignettes.messages.ops import ResendMail, RetryParked
from vignettes.messages.payments import (
    Allocate,
    ApproveRefund,
    AskReview,
    DismissLine,
    PayOut,
    PlaceReversal,
    ReturnPayment,
)
from vignettes.messages.queries import AskHistory
from vignettes.messages.support import AnswerCase, AskCase, CloseCase, OpenCase
from vignettes.services.calling import NoAnswer

log = structlog.get_logger(__name__)

#: Who looks at a page that does not come tries again; they are told that they may.
PATIENCE_SECONDS = 4.0
_REPLY: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


_OfMoney = Allocate | ApproveRefund | DismissLine | PayOut | PlaceReversal | ReturnPayment
Duty = AnyCommand | _OfMoney | AnswerCase | CloseCase | ResendMail | RetryParked
"""What people on duty command."""

Looked = AskCase | AskReview | AskHistory
"""What they look up."""

Audited = FindAudited | AskAuditedHistory | ProveHistory | ExportBundle | AskHeads | AskLooks
"""What auditors look at; each look is on record before it is answered."""

Asked = Duty | Looked | Audited | RequestLink | OpenPage | AskDocument | OpenCase
Ask = Callable[[Asked], Awaitable[dict[str, Any]]]
"""Asks once, and returns the reply, refusals included. Raises NoAnswer where none comes in time."""


class Asking:
    """Asks over NATS, and waits so many seconds for an answer."""

    def __init__(self, client: Client, patience: float = PATIENCE_SECONDS) -> None:
        self._client = client
        self._patience = patience

    async def __call__(self, message: Asked) -> dict[str, Any]:
        """Ask, and count the service that is too busy, or does not know whether it is done, as no answer."""
        body = message.model_dump_json(exclude_none=True).encode()
        try:
            answer = await self._client.request(message.subject, body, timeout=self._patience)
        except NatsError as error:
            log.warning("page.unanswered", request=message.subject, error=type(error).__name__)
            raise NoAnswer from None
        reply = _REPLY.validate_json(answer.data)
        if not reply["ok"] and reply["error"]["code"] == "unavailable":
            raise NoAnswer
        return reply
