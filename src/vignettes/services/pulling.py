"""Consuming a stream by a durable pull consumer, which all processes of a role share."""

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

log = structlog.get_logger(__name__)

#: The pause before whatever failed is tried again: a fetch here, a message by its handler.
AGAIN_AFTER_SECONDS = 1.0
_BATCH = 50

Handler = Callable[[bytes, NatsMessage], Coroutine[Any, Any, None]]
"""Works on one message, and acknowledges it itself."""


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
                log.warning("consumer.interrupted", subjects=self.subject, error=type(error).__name__)
                await self._bind_again()
                continue
            async with asyncio.TaskGroup() as handling:
                for message in messages:
                    handling.create_task(cb(message))

    async def _bind_again(self) -> None:
        """Find the durable consumer again, or make it where its stream was made anew."""
        await asyncio.sleep(AGAIN_AFTER_SECONDS)
        try:
            found = await self.jetstream.pull_subscribe(
                self.subject.broker_address, config=self.config, **self.extra_options
            )
        except NatsError as error:
            log.warning("consumer.unavailable", subjects=self.subject, error=type(error).__name__)
            return
        self.subscription, former = found, self.subscription
        if former is not None:
            await former.unsubscribe()


def consume(broker: NatsBroker, stream: str, subjects: str, durable: str, handler: Handler) -> None:
    """Hand every message of these subjects to `handler`, from the stream's first on, until it acknowledges."""
    subscriber = broker.subscriber(
        subjects,
        # We create the streams ourselves: FastStream would merge a differing one in silence.
        stream=JStream(stream, declare=False),
        durable=durable,
        pull_sub=PullSub(batch_size=_BATCH, timeout=5.0),
        config=ConsumerConfig(ack_wait=30.0, max_ack_pending=1000),
        # Its default would reject on any exception, and the message would be gone.
        ack_policy=AckPolicy.MANUAL,
        decoder=_bytes,
        title=durable,
    )
    subscriber.__class__ = PatientPull  # the broker builds its own kinds only
    subscriber(handler)


async def _bytes(message: NatsMessage) -> bytes:
    return message.body
