"""What a good neighbour does when an order's personal data is erased: it lets go of its own copies."""

from datetime import datetime

import structlog
from faststream.nats import NatsBroker, NatsMessage
from pydantic import ValidationError

from vignettes.messages import events
from vignettes.sandbox.authority import AuthorityRegister
from vignettes.sandbox.inbox import Inbox
from vignettes.services import pulling

log = structlog.get_logger(__name__)

DURABLE = "sandbox-erasure"
_SUBJECTS = events.subject("personal-data-erased", ">")


class Forgetting:
    """Listens to erasures. One is acknowledged when it is done; done again, it changes nothing."""

    def __init__(self, register: AuthorityRegister, inbox: Inbox) -> None:
        self._register = register
        self._inbox = inbox

    def subscribe(self, broker: NatsBroker) -> None:
        """Consume every erasure there ever was, by one durable consumer."""
        pulling.consume(broker, events.STREAM, _SUBJECTS, DURABLE, self._forget)

    async def _forget(self, body: bytes, message: NatsMessage) -> None:
        try:
            erased = events.PersonalDataErased.model_validate_json(body)
            at = datetime.fromisoformat(message.headers["ce-time"])
        except (ValidationError, ValueError, KeyError):
            log.exception("erasure.unreadable")
            await message.reject()
            return
        try:
            self.forget(erased, at)
        except Exception:
            log.exception("erasure.failed", order=str(erased.order_id))
            await message.nack(delay=pulling.AGAIN_AFTER_SECONDS)
        else:
            log.info("erasure.done", order=str(erased.order_id), classes=erased.classes)
            await message.ack()

    def forget(self, erased: events.PersonalDataErased, at: datetime) -> None:
        """Let go of the order's mails, which hold data of both classes, and of its plate at the authority."""
        self._inbox.forget(erased.order_number, until=at)
        if "vehicle" in erased.classes:
            self._register.forget(str(erased.order_id))
