"""The publisher: brings the log to the stream ORDERS as CloudEvents, each at least once, with an id of its own."""

import asyncio
from typing import Any

from nats.js import JetStreamContext
from psycopg import AsyncConnection

from vignettes.domain.order import Order
from vignettes.domain.schedule import Terms
from vignettes.eventstore.codec import Recorded
from vignettes.messages import events
from vignettes.services.telling import event_type, told

SOURCE = "/vignettes/orders"
_ACKNOWLEDGED_WITHIN = 5.0


class PublishedView:
    """A follower whose rows are messages: its position moves only when the stream has acknowledged them all."""

    name = "published"

    def __init__(self, jetstream: JetStreamContext, terms: Terms) -> None:
        self._jetstream = jetstream
        self._terms = terms
        self._waiting: list[tuple[str, dict[str, str], bytes]] = []

    def before(self, order: Order | None) -> None:
        """Need nothing."""

    def see(self, event: Recorded, order: Order, noted: Any) -> None:  # noqa: ARG002  # the protocol's
        kind = event_type(event)
        body = told(event, order, self._terms).model_dump_json().encode()
        self._waiting.append((events.subject(kind, order.id), headers(event, kind), body))

    async def write(self, connection: AsyncConnection) -> None:  # noqa: ARG002  # the protocol's
        """Publish in order, and wait for every acknowledgement; one that is missing repeats the batch."""
        acknowledgements = []
        async with asyncio.timeout(_ACKNOWLEDGED_WITHIN):
            for subject, head, body in self._waiting:
                # Without wait_stall: with it nats-py turns a cancellation into an error, and we would not stop.
                acknowledgement = await self._jetstream.publish_async(
                    subject, body, stream=events.STREAM, headers=head
                )
                acknowledgements.append(acknowledgement)
            await asyncio.gather(*acknowledgements)
        self.forget()

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
