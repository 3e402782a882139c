"""Consuming a stream by a durable pull consumer, which all processes of a role share."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
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

HandlerOfMany = Callable[[Sequence[Msg]], Coroutine[Any, Any, None]]
"""Works on many messages, and acknowledges each; those that it leaves come again after a while."""

#: How many messages are handed over together at most.
MOST_TOGETHER = 400
#: How long those under way may take when we are told to stop.
_GRACE_SECONDS = 4.0


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
            await self._handle(messages, cb)

    async def _handle(self, messages: list[Msg], cb: Callable[[Msg], Coroutine[Any, Any, Any]]) -> None:
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


class TogetherPull(PatientPull):
    """Hands over all messages of a fetch together, as they came, and fetches the next ones meanwhile.

    FastStream's way to a handler costs more for one message than all that a start is.
    """

    #: What takes them.
    together: "HandlerOfMany"
    _under_way: asyncio.Task[None] | None = None

    async def _consume_pull(self, cb: Callable[[Msg], Coroutine[Any, Any, Any]]) -> None:
        try:
            await super()._consume_pull(cb)
        finally:
            if self._under_way is not None:
                await asyncio.wait({self._under_way}, timeout=_GRACE_SECONDS)

    async def _handle(self, messages: list[Msg], cb: Callable[[Msg], Coroutine[Any, Any, Any]]) -> None:  # noqa: ARG002  # the parent's
        if self._under_way is not None:
            await asyncio.wait({self._under_way})
        self._under_way = asyncio.create_task(self._hand_over(messages), name=f"{self.subject} together")

    async def _hand_over(self, messages: list[Msg]) -> None:
        """Let them be worked on. Whatever breaks in it, those that come after them are handed over as well."""
        try:
            await self.together(messages)
        except Exception:
            log.exception("consumer.handler_failed", subjects=self.subject, messages=len(messages))


def consume(broker: NatsBroker, stream: str, subjects: str, durable: str, handler: Handler) -> None:
    """Hand every message of these subjects to `handler`, from the stream's first on, until it acknowledges."""
    subscriber = _subscriber(broker, stream, subjects, durable, batch=_BATCH)
    subscriber.__class__ = PatientPull  # the broker builds its own kinds only
    subscriber(handler)


def consume_together(
    broker: NatsBroker, stream: str, subjects: str, durable: str, handler: HandlerOfMany
) -> None:
    """Hand the messages of these subjects to `handler` as many at a time as there are, up to 400."""

    async def taken(body: bytes) -> None:
        raise AssertionError(f"{len(body)} bytes were to be taken before they came here")

    subscriber = _subscriber(broker, stream, subjects, durable, batch=MOST_TOGETHER)
    subscriber.__class__ = TogetherPull
    subscriber.together = handler
    subscriber(taken)


def _subscriber(broker: NatsBroker, stream: str, subjects: str, durable: str, *, batch: int) -> Any:
    made = broker.subscriber(
        subjects,
        # We create the streams ourselves: FastStream would merge a differing one in silence.
        stream=JStream(stream, declare=False),
        durable=durable,
        pull_sub=PullSub(batch_size=batch, timeout=5.0),
        config=ConsumerConfig(ack_wait=30.0, max_ack_pending=2000),
        # Its default would reject on any exception, and the message would be gone.
        ack_policy=AckPolicy.MANUAL,
        decoder=_bytes,
        title=durable,
    )
    # It names the usual inbox, whatever the connection's is. Not told of any, nats-py takes the connection's.
    del made.extra_options["inbox_prefix"]
    return made


async def _bytes(message: NatsMessage) -> bytes:
    return message.body
