"""Triggers from the stream: each becomes a start, and is acknowledged only when what it came to is known."""

from collections.abc import Awaitable, Sequence
from uuid import uuid4

import structlog
from faststream.nats import NatsBroker
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import ValidationError

from vignettes.messages import events
from vignettes.messages.commands import StartDueRegistration
from vignettes.services import pulling
from vignettes.services.calling import Calling, NoAnswer

log = structlog.get_logger(__name__)

DURABLE = "registration"
#: How often a start is tried that is refused for itself, while others go through: for about a minute, and so to its
#: end before its deadline is sent again. The stream hands out only so many unsettled triggers: those of orders that
#: can't be read must not be all of them.
MOST_DELIVERIES = 7
_LONGEST_PAUSE_SECONDS = 30.0


def subscribe(broker: NatsBroker, ordering: Calling, actor: str) -> None:
    """Consume the triggers of every country by one durable consumer that all processes of this role share."""

    async def take(messages: Sequence[Msg]) -> None:
        """Start the registration of the orders that are due."""
        read = [(message, trigger) for message in messages if (trigger := await _read(message))]
        if not read:
            return
        starts = [_start(trigger, actor) for _, trigger in read]
        codes = await _codes(ordering, starts)
        if codes is None:
            for message, _ in read:
                await _said(message.nak(delay=pulling.AGAIN_AFTER_SECONDS))
            return
        for (message, _), start, code in zip(read, starts, codes, strict=True):
            await _settle(message, start, code)

    pulling.consume_together(broker, events.TRIGGER_STREAM, events.TRIGGER_SUBJECTS, DURABLE, take)


async def _read(message: Msg) -> events.Trigger | None:
    try:
        return events.Trigger.model_validate_json(message.data)
    except ValidationError:
        log.exception("trigger.unreadable")
        await _said(message.term())  # nobody will ever be able to read it; the deadline's row still stands
        return None


def _start(trigger: events.Trigger, actor: str) -> StartDueRegistration:
    """Return the command. Each attempt is a new one: the order itself makes repeats harmless."""
    return StartDueRegistration(
        command_id=uuid4(), order_id=trigger.order_id, generation=trigger.generation, actor=actor
    )


async def _codes(ordering: Calling, starts: Sequence[StartDueRegistration]) -> Sequence[str | None] | None:
    """Return what each has come to; None when nobody knows of any, which is no fault of theirs."""
    try:
        return await ordering.starts(starts)
    except NoAnswer:
        log.warning("triggers.delayed", triggers=len(starts))
    except Exception:
        log.exception("triggers.failed", triggers=len(starts))
    return None


async def _settle(message: Msg, start: StartDueRegistration, code: str | None) -> None:
    """Acknowledge what came to its end. An order that there is not will not be there by waiting."""
    if code is not None and code != "unavailable":
        log.error("trigger.refused", order=str(start.order_id), generation=start.generation, code=code)
    if code is None or code == "not_found":
        await _said(message.ack())
    else:
        await _again(message, start)


async def _again(message: Msg, start: StartDueRegistration) -> None:
    """Try this one a few times more, ever later. Then it ends: its deadline still stands, and is sent anew."""
    delivered = message.metadata.num_delivered
    if delivered >= MOST_DELIVERIES:
        log.error("trigger.given_up", order=str(start.order_id), generation=start.generation)
        await _said(message.ack())
    else:
        pause = pulling.AGAIN_AFTER_SECONDS * 2 ** (delivered - 1)
        await _said(message.nak(delay=min(pause, _LONGEST_PAUSE_SECONDS)))


async def _said(word: Awaitable[None]) -> None:
    """Tell the stream about one message. A word that is lost costs no more than its coming again."""
    try:
        await word
    except NatsError as error:
        log.warning("trigger.unsettled", error=type(error).__name__)
