"""What a customer says to the service, one order after the other, and what must come back.

Bodies are templates: nothing that is drawn needs JSON's escapes, and a client that writes them cheaply leaves the
machine to the service. Every reply is read.
"""

import random
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic_core import from_json

from benchmarks import wishes

EVENTS_AN_ORDER = 4
_PLACE = (
    '{"command_id":"%s","actor":"benchmark","product":"%s","vehicle":{"country":"CZ","plate":"%s"},'
    '"valid_from":"%s","email":"%s","language":"en"}'
)
_RECEIVE_PAYMENT = (
    '{"command_id":"%s","actor":"benchmark","order_id":"%s","payment_id":"%s","amount":{"amount":%d,"currency":"%s"},"method":"card",'
    '"received_at":"%s"}'
)
_START_REGISTRATION = (
    '{"command_id":"%s","actor":"benchmark","order_id":"%s",'
    '"consent":{"kind":"immediate_performance","text_version":"2026-01","given_at":"%s"}}'
)
_RECORD_ISSUE = (
    '{"command_id":"%s","actor":"benchmark","order_id":"%s","generation":1,"number":"%s","reference":"%s",'
    '"valid_from":"%sT00:00:00+01:00","valid_until":"%sT00:00:00+01:00"}'
)


class Refused(Exception):
    """A command was not done, so a figure would count what did not happen."""


class Request(NamedTuple):
    """What is sent where, and as what it is counted."""

    subject: str
    body: bytes
    kind: str = ""


#: Yields a request, is sent the reply's body.
Dialogue = Generator[Request, bytes, None]


def order(rng: random.Random) -> Dialogue:
    """Place, pay, start, issue: four commands, four events. Raises Refused."""
    wish, now = wishes.of(rng), datetime.now(UTC).isoformat()

    def request(command: str, template: str, *values: object) -> Request:
        body = template % (wishes.an_id(rng), *values)
        return Request(f"orders.v1.{command}", body.encode(), command)

    placed = _done((
        yield request("place", _PLACE, wish.product, wish.plate, wish.valid_from, wish.email)
    ))  # fmt: skip
    number = placed["order_id"]
    amount, currency = placed["price"]["total"]["amount"], placed["price"]["total"]["currency"]
    _done(
        (yield request("receive_payment", _RECEIVE_PAYMENT, number, wish.payment_id, amount, currency, now))
    )
    _done((yield request("start_registration", _START_REGISTRATION, number, now)))
    outside = (wish.number, wish.reference, wish.valid_from, wish.valid_until)
    issued = _done((yield request("record_issue", _RECORD_ISSUE, number, *outside)))
    if (issued["status"], issued["version"]) != ("issued", EVENTS_AN_ORDER):
        raise Refused(f"An order ended otherwise than it should: {issued}")


def orders(rng: random.Random, again: Callable[[], bool]) -> Dialogue:
    """Order as long as `again`; an order that was begun is brought to its end."""
    while again():
        yield from order(rng)


def _done(body: bytes) -> dict[str, Any]:
    said: dict[str, Any] = from_json(body)
    if not said["ok"]:
        raise Refused(str(said["error"]))
    return said
