"""Triggers from the stream: each becomes a command, and is acknowledged only when its end is known."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from faststream.nats.subscriber.usecases.stream_pull_subscriber import PullStreamSubscriber
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError
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


class PatientPull(PullStreamSubscriber):
    """FastStream's pull subscriber with another loop.

    Its own swallows a closed connection and fetches again at once, without a pause: the event loop stands still,
    and nobody ever hears that the connection is lost. A consumer that went with its stream it never makes again.
    """

    __slots__ = ()

    async def _consume_pull(self, cb: Callable[[Msg], Coroutine[Any, Any, Any]]) -> None:
        while self.running and self.subscription is not None:
            try:
                messages = await self.subscription.fetch(self.pull_sub.batch_size, self.pull_sub.timeout)
            except TimeoutError:
                continue  # nothing was due
            except ConnectionClosedError:
                return  # the process ends by it
            except NatsError as error:
                log.warning("triggers.interrupted", error=type(error).__name__)
                await self._bind_again()
                continue
            async with asyncio.TaskGroup() as handling:
                for message in messages:
                    handling.create_task(cb(message))

    async def _bind_again(self) -> None:
        """Find the durable consumer again, or make it where its stream was made anew."""
        await asyncio.sleep(_AGAIN_AFTER_SECONDS)
        try:
            found = await self.jetstream.pull_subscribe(
                self.subject.broker_address, config=self.config, **self.extra_options
            )
        except NatsError as error:
            log.warning("triggers.unavailable", error=type(error).__name__)
            return
        self.subscription, former = found, self.subscription
        if former is not None:
            await former.unsubscribe()


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

    subscriber.__class__ = PatientPull  # the broker builds its own kinds only

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
