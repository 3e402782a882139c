"""The publisher: brings the log to the stream ORDERS as CloudEvents, each at least once, with an id of its own."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from nats.errors import BadSubjectError, MaxPayloadError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from opentelemetry.trace import SpanKind
from psycopg import AsyncConnection

from vignettes.domain.order import Order
from vignettes.eventstore.codec import Recorded
from vignettes.messages import events
from vignettes.projections.view import Definition, Edition, Interrupted
from vignettes.services.telling import event_type, told
from vignettes.services.tracing import HEADER, OFF, Tracing

SOURCE = "/vignettes/orders"
#: How many messages may wait for their acknowledgements, and how long: each is synced to the disk.
_AT_A_TIME = 100
_ACKNOWLEDGED_WITHIN = 5.0


#: The header that tells an event's position in the log.
POSITION = "Vignettes-Position"
_COUNT = "UPDATE effect.published SET messages = messages + %s, position = greatest(position, %s)"

#: A follower without tables: what it has published can't be built anew, and is not published again.
DEFINITION = Definition("published", 1)
#: Subject, headers and body.
Message = tuple[str, dict[str, str], bytes]


class PublishedView:
    """A follower whose rows are messages: its position moves only when the stream has acknowledged them all."""

    definition = DEFINITION

    def __init__(self, jetstream: JetStreamContext, tracing: Tracing = OFF) -> None:
        self._jetstream = jetstream
        self._tracing = tracing
        self._noted: list[tuple[Recorded, int]] = []
        self._waiting: list[Message] = []

    def before(self, order: Order | None) -> None:
        """Need nothing."""

    def see(self, event: Recorded, order: Order, noted: Any) -> None:  # noqa: ARG002  # the protocol's
        self._waiting.append(message(event, order))
        if self._tracing.is_on:
            self._waiting[-1][1][HEADER] = self._tracing.traceparent(event.order_id, _span(event))
            self._noted.append((event, time.time_ns()))

    async def settle(self) -> None:
        """Publish in order, and wait for every acknowledgement; one that is missing repeats the batch."""
        try:
            for first in range(0, len(self._waiting), _AT_A_TIME):
                async with asyncio.timeout(_ACKNOWLEDGED_WITHIN):
                    await self._publish(self._waiting[first : first + _AT_A_TIME])
        except (MaxPayloadError, BadSubjectError):
            raise  # never to be published: it waits alone, as what a view can't digest
        except (NatsError, TimeoutError) as error:
            self._give_up()
            raise Interrupted(f"{Interrupted.__doc__} {type(error).__name__}.") from error

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:  # noqa: ARG002  # the protocol's
        """Count what the stream has acknowledged, each event once: what it must hold from now on."""
        if self._waiting:
            last = int(self._waiting[-1][1][POSITION])
            await connection.execute(_COUNT, (len(self._waiting), last), prepare=True)
        for event, began in self._noted:
            self._note(event, began)
        self.forget()

    def _note(self, event: Recorded, began: int) -> None:
        self._tracing.note(
            f"publish {event_type(event)}",
            event.order_id,
            _span(event),
            began=began,
            parent=event.envelope.command_id or event.order_id,
            kind=SpanKind.PRODUCER,
            attributes={"vignettes.position": event.position, "vignettes.version": event.version},
        )

    async def _publish(self, messages: Sequence[Message]) -> None:
        # Without wait_stall: with it nats-py turns a cancellation into an error, and we would not stop.
        acknowledgements = [
            await self._jetstream.publish_async(subject, body, stream=events.STREAM, headers=head)
            for subject, head, body in messages
        ]
        await asyncio.gather(*acknowledgements)

    def _give_up(self) -> None:
        """Wait for no acknowledgement any more.

        nats-py has 4,000 places for them, and keeps for ever that of a message which it failed to send.
        """
        for waiting in list(self._jetstream._publish_async_futures.values()):  # noqa: SLF001  # no other way to it
            waiting.cancel()

    def forget(self) -> None:
        self._waiting.clear()
        self._noted.clear()


def _span(event: Recorded) -> str:
    return f"event {event.order_id}:{event.version}"


def message(event: Recorded, order: Order) -> Message:
    """Return what is published of an event; `order` as it is after it."""
    kind = event_type(event)
    body = told(event, order).model_dump_json().encode()
    return events.subject(kind, order.id), headers(event, kind), body


def headers(event: Recorded, kind: str) -> dict[str, str]:
    """Return the CloudEvents 1.0 attributes in binary mode. The id is the same whenever it is published again."""
    identity = f"{event.order_id}:{event.version}"
    return {
        "ce-specversion": "1.0",
        "ce-id": identity,
        "ce-source": SOURCE,
        "ce-type": kind,
        "ce-time": event.recorded_at.isoformat(),
        "ce-subject": str(event.order_id),
        "content-type": "application/json",
        "Nats-Msg-Id": identity,
        POSITION: str(event.position),
    }
