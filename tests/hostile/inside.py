"""Every subject that is answered, in this process: real reading, deciding and refusing, without servers.

Commands come as far as the log, whose place an order in each of its states takes; of what asks a database, only the
reading of the request is tried here.
"""

import asyncio
import copy
import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from nats.aio.msg import Msg
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from eventstore_helpers import MASTER, a_vault, stories
from hostile.bodies import SECRET
from vignettes.domain.order import Order
from vignettes.domain.references import number_from_serial
from vignettes.domain.schedule import Terms
from vignettes.eventstore.codec import OrderMapper
from vignettes.eventstore.deciding import Command, Outcome, Round
from vignettes.eventstore.journal import Seen
from vignettes.messages import commands
from vignettes.messages.replies import Refused
from vignettes.runtime.settings import EXAMPLE_IBAN
from vignettes.sandbox.control import Control
from vignettes.services import edge
from vignettes.services.asyncapi import contract
from vignettes.services.deciding import Deciding, Payee, Policy
from vignettes.services.edge import Endpoints
from vignettes.services.example_order import NUMBER, ORDER, ORDER_ID
from vignettes.services.examples import EXAMPLES
from vignettes.services.links import BodyHash, Links
from vignettes.services.ordering import Ordering

NOW = datetime(2026, 12, 11, 9, tzinfo=UTC)
_INBOX = "_INBOX.asked"
#: A refusal names a field and says a sentence; it is no place to send a message back.
_LONGEST_REFUSAL = 1_000
SANDBOX = {
    "sandbox.v1.clock": [{}, {"now": "2027-03-10T08:00:00Z"}, {"advance_seconds": 60.0}],
    "sandbox.v1.authority": [
        {},
        {"country": "CZ", "mode": "reject", "times": 2, "reason": "already_covered"},
        {"mode": "slow", "share": 0.3, "seed": 7},
        {"order_id": ORDER_ID, "valid_until": "2027-03-10T08:00:00Z"},
    ],
    "sandbox.v1.inbox": [{}, {"to": "driver@example.com", "order_number": NUMBER}],
    "sandbox.v1.bounce": [{"message_id": "<1@vignettes.example>", "kind": "hard"}],
}
SUBJECTS = [each.subject for each in contract().answered] + list(SANDBOX)
_REQUESTS = {each.subject: each.request for each in contract().answered}


_ORDERS: list[Order] = [ORDER, *stories()]


def examples(subject: str) -> list[dict[str, Any]]:
    """Return good requests on a subject, about orders in several states."""
    if subject in SANDBOX:
        return SANDBOX[subject]
    return examples_about(
        subject, [{"order_id": str(each.id), "order_number": each.number} for each in _ORDERS]
    )


def examples_about(subject: str, orders: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return good requests on a subject, about each of these orders where they are about any."""
    text = json.dumps(EXAMPLES[_REQUESTS[subject]])
    about = {
        text.replace(ORDER_ID, each["order_id"]).replace(NUMBER, each["order_number"]) for each in orders
    }
    return [json.loads(each) for each in sorted(about)]


def fresh(body: bytes) -> bytes:
    """Return a message with a command_id of its own, where it still has that of the examples."""
    known = EXAMPLES[commands.RecordIssue]["command_id"].encode()
    own = UUID(bytes=hashlib.sha256(body).digest()[:16])
    return body.replace(known, str(own).encode())


class _Subscriber:
    """Stands where FastStream's is: knows how a message is read, and who answers it."""

    running = True

    def __init__(self, decoder: Any) -> None:
        self.lock = nullcontext()
        self._decoder = decoder
        self._endpoint: Any = None

    def __call__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    async def consume(self, raw: Msg) -> None:
        message = SimpleNamespace(body=raw.data, correlation_id=None)
        try:
            request = await self._decoder(message)
        except ValidationError as error:
            reply = edge._unreadable(error, raw.data)
        else:
            reply = await self._endpoint(request, message)
        await raw.respond(to_json(reply))


class _Broker:
    """Keeps subscribers by their subjects."""

    def __init__(self) -> None:
        self.named: dict[str, _Subscriber] = {}

    def subscriber(self, subject: str, *, decoder: Any = None, **_: Any) -> _Subscriber:
        self.named[subject] = _Subscriber(decoder)
        return self.named[subject]


class _Accepting(Endpoints):
    """Reads requests, and accepts whatever can be read."""

    def answer(self, subject: str, queue: str, message: Any, reply: Any, _: Any) -> None:
        async def accept(_: Any, __: UUID | None) -> BaseModel:
            return reply.model_construct()

        super().answer(subject, queue, message, reply, accept)


class _Log:
    """Decides each command on an order as it was, and keeps nothing."""

    def __init__(self) -> None:
        self._vault = a_vault()
        self._codec = OrderMapper(self._vault)
        for order in _ORDERS:
            self._vault.create(order.id)
        self._vault.new_keys(order.id for order in _ORDERS)
        self.answering: set[asyncio.Task[None]] = set()

    def put(self, command: Command, settle: Callable[[Outcome], Any]) -> None:
        known = {order.id: order for order in _ORDERS}.get(command.order_id)
        at_hand = OrderedDict({known.id: copy.deepcopy(known)} if known else {})
        decided = Round(Seen(NOW), at_hand, self._vault, self._codec)
        decided.decide(0, command)
        outcome = decided.failed.get(0) or decided.decided[0].reply(1)
        self.answering.add(asyncio.get_running_loop().create_task(settle(outcome)))


class Inside:
    """Answers messages."""

    def __init__(self) -> None:
        self._broker = _Broker()
        self._endpoints = _Accepting(self._broker)
        self._log = _Log()
        deciding = Deciding(
            Policy(Terms()),
            Payee("Vignettes", EXAMPLE_IBAN),
            lambda: number_from_serial(1),
            tuple,
            lambda _: b"v",
        )
        Ordering(
            self._log, deciding, Links("https://vignettes.example", MASTER), BodyHash(MASTER), None
        ).register(self._endpoints)
        registered = {each.subject for each in self._endpoints.stats}
        for each in contract().answered:
            if each.subject not in registered:
                self._endpoints.answer(each.subject, each.queue, each.request, each.reply, None)
        Control(None, None, None, None).register(self._endpoints)

    async def ask(self, subject: str, body: bytes) -> bytes:
        """Send any bytes, and return the reply."""
        replied = _Replied()
        await self._broker.named[subject].consume(Msg(replied, subject, _INBOX, body))
        return await asyncio.wait_for(replied.body, 5)


class _Replied:
    """Stands where a message has its connection, and hears the answer."""

    def __init__(self) -> None:
        self.body: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def publish(self, subject: str, payload: bytes, **_: Any) -> None:
        assert subject == _INBOX
        self.body.set_result(payload)


def check(body: bytes, reply: bytes) -> str:
    """Hold a reply against what is promised of all; return the code of a refusal, or `ok`."""
    if json.loads(reply).get("ok", True):
        return "ok"
    told = Refused.model_validate_json(reply)
    assert told.error.code != "unavailable", "what can't be taken would be asked again for ever"
    assert told.error.code != "invalid_request" or told.error.field, told
    assert SECRET.encode() not in reply, reply
    assert len(reply) < _LONGEST_REFUSAL, reply
    assert told.command_id == _id_in(body), told
    return told.error.code


def _id_in(body: bytes) -> UUID | None:
    try:
        return UUID(json.loads(body)["command_id"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
