"""Triggers from the stream: each becomes a command, and is acknowledged only when its end is known."""

import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.js.api import ConsumerConfig
from pydantic import ValidationError
from structlog.contextvars import bind_contextvars, clear_contextvars

from vignettes.messages import events
from vignettes.services.calling import NoAnswer
from vignettes.services.registration import Registration

log = structlog.get_logger(__name__)

DURABLE = "registration"
_BATCH = 50
_AGAIN_AFTER_SECONDS = 1.0


def subscribe(broker: NatsBroker, registration: Registration) -> None:
    """Consume the triggers of every country by one durable consumer that all processes of this role share."""
    subscriber = broker.subscriber(
        events.TRIGGER_SUBJECTS,
        # We create the streams ourselves: FastStream would merge a differing one in silence.
        stream=JStream(events.TRIGGER_STREAM, declare=False),
        durable=DURABLE,
        pull_sub=PullSub(batch_size=_BATCH, timeout=5.0),
        config=ConsumerConfig(ack_wait=30.0, max_ack_pending=1000),
        # Its default would reject on any exception, and the trigger would be gone.
        ack_policy=AckPolicy.MANUAL,
        decoder=_bytes,
        title="triggers",
    )

    @subscriber
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
            await message.nack(delay=_AGAIN_AFTER_SECONDS)
        except Exception:
            log.exception("trigger.failed")
            await message.nack(delay=_AGAIN_AFTER_SECONDS)
        else:
            await message.ack()


async def _bytes(message: NatsMessage) -> bytes:
    return message.body
