"""The publisher: brings the log to the stream ORDERS as CloudEvents, each at least once, with an id of its own."""

import asyncio
from collections.abc import Sequence
from typing import Any

from nats.errors import BadSubjectError, MaxPayloadError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from psycopg import AsyncConnection

from vignettes.domain.order import Order
from vignettes.eventstore.codec import Recorded
from vignettes.messages import events
from vignettes.projections.view import Definition, Edition, Interrupted
from vignettes.services.telling import event_type, told

SOURCE = "/vignettes/orders"
#: How many messages may wait for their acknowledgements, and how long: each is synced to the disk.
_AT_A_TIME = 100
_ACKNOWLEDGED_WITHIN = 5.0


#: A follower without tables: what it has published can't be built anew, and is not published again.
DEFINITION = Definition("published", 1)


class PublishedView:
    """A follower whose rows are messages: its position moves only when the stream has acknowledged them all."""

    definition = DEFINITION

    def __init__(self, jetstream: JetStreamContext) -> None:
        self._jetstream = jetstream
        self._waiting: list[tuple[str, dict[str, str], bytes]] = []

    def before(self, order: Order | None) -> None:
        """Need nothing."""

    def see(self, event: Recorded, order: Order, noted: Any) -> None:  # noqa: ARG002  # the protocol's
        kind = event_type(event)
        body = told(event, order).model_dump_json().encode()
        self._waiting.append((events.subject(kind, order.id), headers(event, kind), body))

    async def settle(self) -> None:
        """Publish in order, and wait for every acknowledgement; one that is missing repeats the batch."""
        try:
            for first in range(0, len(self._waiting), _AT_A_TIME):
                async with asyncio.timeout(_ACKNOWLEDGED_WITHIN):
                    await self._publish(self._waiting[first : first + _AT_A_TIME])
        except (MaxPayloadError, BadSubjectError):
            raise  # never to be published: it waits alone, as what a view can't digest
        except (NatsError, TimeoutError) as error:
            raise Interrupted(f"{Interrupted.__doc__} {type(error).__name__}.") from error

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:  # noqa: ARG002  # the protocol's
        """Have nothing left to write."""
        self.forget()

    async def _publish(self, messages: Sequence[tuple[str, dict[str, str], bytes]]) -> None:
        # Without wait_stall: with it nats-py turns a cancellation into an error, and we would not stop.
        acknowledgements = [
            await self._jetstream.publish_async(subject, body, stream=events.STREAM, headers=head)
            for subject, head, body in messages
        ]
        await asyncio.gather(*acknowledgements)

    def forget(self) -> None:
        self._waiting.clear()


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
        "Vignettes-Position": str(event.position),
    }
