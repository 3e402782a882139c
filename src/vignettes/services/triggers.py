"""Triggers from the stream: each becomes a start, and is acknowledged only when what it came to is known."""

from collections.abc import Sequence
from uuid import uuid4

import structlog
from faststream.nats import NatsBroker
from nats.aio.msg import Msg
from pydantic import ValidationError

from vignettes.messages import events
from vignettes.messages.commands import StartDueRegistration
from vignettes.services import pulling
from vignettes.services.calling import Calling, NoAnswer

log = structlog.get_logger(__name__)

DURABLE = "registration"


def subscribe(broker: NatsBroker, ordering: Calling, actor: str) -> None:
    """Consume the triggers of every country by one durable consumer that all processes of this role share."""

    async def take(messages: Sequence[Msg]) -> None:
        """Start the registration of the orders that are due."""
        read = [(message, trigger) for message in messages if (trigger := await _read(message))]
        if read:
            starts = [_start(trigger, actor) for _, trigger in read]
            for (message, _), start, code in zip(read, starts, await _codes(ordering, starts), strict=True):
                await _settle(message, start, code)

    pulling.consume_together(broker, events.TRIGGER_STREAM, events.TRIGGER_SUBJECTS, DURABLE, take)


async def _read(message: Msg) -> events.Trigger | None:
    try:
        return events.Trigger.model_validate_json(message.data)
    except ValidationError:
        log.exception("trigger.unreadable")
        await message.term()  # nobody will ever be able to read it; the deadline's row still stands
        return None


def _start(trigger: events.Trigger, actor: str) -> StartDueRegistration:
    """Return the command. Each attempt is a new one: the order itself makes repeats harmless."""
    return StartDueRegistration(
        command_id=uuid4(), order_id=trigger.order_id, generation=trigger.generation, actor=actor
    )


async def _codes(ordering: Calling, starts: Sequence[StartDueRegistration]) -> Sequence[str | None]:
    try:
        return await ordering.starts(starts)
    except NoAnswer:
        log.warning("triggers.delayed", triggers=len(starts))
    except Exception:
        log.exception("triggers.failed", triggers=len(starts))
    return ["unavailable"] * len(starts)


async def _settle(message: Msg, start: StartDueRegistration, code: str | None) -> None:
    """Acknowledge what came to its end. An order that there is not will not be there by waiting."""
    if code is not None and code != "unavailable":
        log.error("trigger.refused", order=str(start.order_id), generation=start.generation, code=code)
    if code is None or code == "not_found":
        await message.ack()
    else:
        await message.nak(delay=pulling.AGAIN_AFTER_SECONDS)
