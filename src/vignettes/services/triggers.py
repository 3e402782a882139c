"""Triggers from the stream: each becomes a command, and is acknowledged only when its end is known."""

import structlog
from faststream.nats import NatsBroker, NatsMessage
from pydantic import ValidationError
from structlog.contextvars import bind_contextvars, clear_contextvars

from vignettes.messages import events
from vignettes.services import pulling
from vignettes.services.calling import NoAnswer
from vignettes.services.registration import Registration

log = structlog.get_logger(__name__)

DURABLE = "registration"


def subscribe(broker: NatsBroker, registration: Registration) -> None:
    """Consume the triggers of every country by one durable consumer that all processes of this role share."""

    async def trigger(body: bytes, message: NatsMessage) -> None:
        """Start the registration of an order that is due."""
        clear_contextvars()
        try:
            due = events.Trigger.model_validate_json(body)
        except ValidationError:
            log.exception("trigger.unreadable")
            await message.reject()  # nobody will ever be able to read it; the deadline's row still stands
            return
        bind_contextvars(order=str(due.order_id), generation=due.generation)
        try:
            await registration.start_due(due.order_id, due.generation)
        except NoAnswer:
            log.warning("trigger.delayed")
            await message.nack(delay=pulling.AGAIN_AFTER_SECONDS)
        except Exception:
            log.exception("trigger.failed")
            await message.nack(delay=pulling.AGAIN_AFTER_SECONDS)
        else:
            await message.ack()

    pulling.consume(broker, events.TRIGGER_STREAM, events.TRIGGER_SUBJECTS, DURABLE, trigger)
