"""A client of Vignettes, as another service would write it: places an order, pays it, starts it, follows its events.

    python examples/client.py             # against `make run` on this machine

It needs nats-py alone. On servers of one's own it is told by the environment: NATS_URL (several with commas), NATS_NKEY
(the file of its seed), NATS_CA (the certificates that NATS' own is checked by), NATS_INBOX (below which answers come),
NATS_JETSTREAM (how the streams' interface is called in your account).
"""

import asyncio
import json
import os
import sqlite3
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

STREAM, EVENTS = "ORDERS", "orders.events.v1.>"
ATTEMPTS, PATIENCE_SECONDS, PAUSE_SECONDS = 6, 5.0, 0.3
#: After so long an event that was not acknowledged comes again.
ACK_WAIT_SECONDS = 30.0


class Refused(Exception):
    """The service has said no: nothing was recorded. `code` is stable, the text is for people."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code: str = error["code"]
        self.field: str | None = error.get("field")


class Unknown(Exception):
    """It is not known whether the command was recorded: keep it, and send it later with the same command_id."""


class Orders:
    """Asks the service. A command is asked again until its end is known; it is executed once."""

    def __init__(self, client: Client, actor: str) -> None:
        self._client = client
        self._actor = actor

    async def command(self, name: str, *, command_id: str | None = None, **body: Any) -> dict[str, Any]:
        """Return the reply. Keep the command_id beside your own record before you ask, if you may die meanwhile."""
        known = {"command_id": command_id or str(uuid4()), "actor": self._actor, **body}
        return await self._asked(f"orders.v1.{name}", json.dumps(known).encode())

    async def query(self, name: str, **body: Any) -> dict[str, Any]:
        """Return what is asked for."""
        return await self._asked(f"orders.v1.{name}", json.dumps(body).encode())

    async def _asked(self, subject: str, request: bytes) -> dict[str, Any]:
        for attempt in range(ATTEMPTS):
            try:
                answer = await self._client.request(subject, request, timeout=PATIENCE_SECONDS)
            except NatsError:  # nobody there, or no answer in time: it may have been recorded all the same
                pass
            else:
                reply: dict[str, Any] = json.loads(answer.data)
                if reply["ok"]:
                    return reply
                if reply["error"]["code"] != "unavailable":
                    raise Refused(reply["error"])
            await asyncio.sleep(PAUSE_SECONDS * 2**attempt)  # and then the very same bytes
        raise Unknown(subject)


class Handled:
    """What was done already: by ce-id, in the same transaction as what was done."""

    def __init__(self, path: str) -> None:
        self.database = sqlite3.connect(path)
        self.database.execute("CREATE TABLE IF NOT EXISTS handled (ce_id text PRIMARY KEY)")

    @contextmanager
    def once(self, ce_id: str) -> Iterator[bool]:
        """Tell whether an event is new. It is remembered together with what is written meanwhile, or neither is."""
        with self.database:  # commits at its end; whatever is raised within takes all of it back
            done = self.database.execute("INSERT OR IGNORE INTO handled VALUES (?)", (ce_id,))
            yield done.rowcount == 1


#: Does what an event asks for, by this very transaction, and tells whether to hear more.
Handler = Callable[[Msg, sqlite3.Connection], bool]


async def follow(client: Client, durable: str, handled: Handled, handle: Handler) -> None:
    """Have every event handled once, in the order of the stream, from the first on; later it goes on where it was.

    The stream delivers at least once: an event comes again when `handle` has failed, when its acknowledgement was
    lost, or when it was published again.
    """
    wanted = ConsumerConfig(
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=ACK_WAIT_SECONDS,
        max_ack_pending=500,
    )
    # An account of your own sees the streams' interface under another name.
    streams = client.jetstream(prefix=os.environ.get("NATS_JETSTREAM", "$JS.API"))
    # Where you may not make one, it is there already: whoever runs the service has made it for you.
    consumer = await streams.pull_subscribe(EVENTS, durable=durable, stream=STREAM, config=wanted)
    while True:
        try:
            fetched = await consumer.fetch(100, timeout=5)
        except TimeoutError:
            continue  # nothing has happened
        for message in fetched:
            with handled.once((message.headers or {})["ce-id"]) as new:
                more = handle(message, handled.database) if new else True
            await message.ack()  # only now: whatever was not handled comes again
            if not more:
                return


async def connected() -> Client:
    """Connect, and stay connected: nats-py would give up after 60 attempts."""
    known: dict[str, Any] = {"max_reconnect_attempts": -1, "name": "shop"}
    if seed := os.environ.get("NATS_NKEY"):
        known["nkeys_seed"] = seed
    if authorities := os.environ.get("NATS_CA"):
        # TLS before anything is said: nats-py would go on in plain text with whoever does not ask for it.
        known |= {"tls": ssl.create_default_context(cafile=authorities), "tls_handshake_first": True}
    if inbox := os.environ.get("NATS_INBOX"):
        known["inbox_prefix"] = inbox
    return await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222").split(","), **known)


async def main(state: str) -> None:
    """Sell one vignette, all the way."""
    client = await connected()
    orders = Orders(client, actor="shop")
    try:
        order = await orders.command("place", **an_order())
        print(f"{order['order_number']} is placed: {order['price']['total']}, page {order['manage_url']}")
        paid = await orders.command("receive_payment", **a_payment(order))
        print(f"It is paid, and due at {paid['due']}")
        await orders.command("start_registration", order_id=order["order_id"], consent=a_consent())
        await follow(client, "shop", Handled(state), until_issued(order["order_id"]))
    finally:
        await client.drain()


def until_issued(order_id: str) -> Handler:
    """Return what tells of one order until its vignette is there. Yours would write into the database it is given."""

    def handle(event: Msg, _database: sqlite3.Connection) -> bool:
        told = event.headers or {}
        if told["ce-subject"] != order_id:
            return True  # another order's
        print(f"{told['Vignettes-Position']:>6}  {told['ce-type']}")
        if told["ce-type"] != "vignette-issued":
            return True
        print(f"The vignette is {json.loads(event.data)['vignette_number']}")
        return False

    return handle


def an_order() -> dict[str, Any]:
    """Return what a customer wants: a vignette for ten days, a week ahead."""
    return {
        "product": "CZ-10D",
        "vehicle": {"country": "FR", "plate": f"AB-{uuid4().int % 1000:03}-CD"},
        "valid_from": (datetime.now(UTC).date() + timedelta(days=7)).isoformat(),
        "email": "driver@example.org",
        "language": "fr",
    }


def a_payment(order: dict[str, Any]) -> dict[str, Any]:
    """Return what a payment gateway tells: `payment_id` is its own, and unique; told twice, it counts once."""
    return {
        "order_id": order["order_id"],
        "payment_id": f"gateway-{uuid4()}",
        "amount": order["price"]["total"],
        "method": "card",
        "received_at": datetime.now(UTC).isoformat(),
    }


def a_consent() -> dict[str, Any]:
    """Return what the customer has agreed to expressly, by which text, and when."""
    return {
        "kind": "immediate_performance",
        "text_version": "2026-01",
        "given_at": datetime.now(UTC).isoformat(),
    }


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "handled.sqlite"))
