"""Bad input over NATS: a reply names what is wrong and quotes none of it, and the next message goes on."""

import json
from uuid import uuid4

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEDNESDAY = "2030-06-05T08:00:00+00:00"
NOBODY = "00000000-0000-4000-8000-000000000000"
CONSENT = {"kind": "immediate_performance", "text_version": "2030-01", "given_at": WEDNESDAY}
ORDER = {
    "command_id": str(uuid4()),
    "product": "CZ-10D",
    "vehicle": {"country": "CZ", "plate": "2A2 2345"},
    "valid_from": "2030-06-12",
    "email": "driver@example.com",
    "language": "en",
}
SECRET = "secret7731"
WRONG_VEHICLES = {"plate": f"{SECRET}Ж", "country": SECRET, "wheels": 4}


@pytest_asyncio.fixture(loop_scope="module")
async def service(service):
    """Begin on a Wednesday morning, whenever the tests are run."""
    await service.ask("sandbox.v1.clock", now=WEDNESDAY)
    return service


def code(reply):
    """Return a refusal as (code, field)."""
    assert reply["ok"] is False, reply
    return reply["error"]["code"], reply["error"]["field"]


def order(**different):
    return json.dumps({**ORDER, **different}).encode()


def paying(amount):
    rest = '"payment_id": "p", "method": "card", "received_at": "2030-06-05T08:00:00Z"'
    head = f'"command_id": "{NOBODY}", "order_id": "{NOBODY}"'
    return f'{{{head}, "amount": {{"amount": {amount}, "currency": "CZK"}}, {rest}}}'.encode()


WRONG_ORDERS = [
    ("body", f"not JSON {SECRET}".encode()),
    ("body", b""),
    ("body", b"\xff\xfe\x00"),
    ("body", b'["an", "array"]'),
    ("body", b"[" * 10_000 + b"]" * 10_000),
    ("body", b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    ("body", order(**{f"{SECRET}@example.com": 1})),
    ("body", order(**{"x" * 900_000: 1})),
    ("unknown", order(unknown=SECRET)),
    ("email", json.dumps({key: value for key, value in ORDER.items() if key != "email"}).encode()),
    ("email", order(email="x" * 900_000)),
    ("email", order(email=f"{SECRET}@@example.com")),
    ("email", order(email=f"Anna <{SECRET}@example.com>")),
    ("email", order(email=f"a@\u0661{SECRET}\u05d0.com")),
    ("email", order(email=f"{SECRET}@example.com\r\nBcc: all@example.com")),
    ("email", order(email=f"{SECRET}@example.com, other@example.com")),
    ("language", order(language="en\n")),
    ("actor", order(actor=f"{SECRET}\x00")),
    ("command_id", order(command_id=SECRET)),
    ("product", order(product=SECRET)),
    ("valid_from", order(valid_from=f"{SECRET}")),
    ("valid_from", order(valid_from="2030-06-04")),
    ("valid_from", order(valid_from="2030-02-30")),
    ("valid_from", order(valid_from="9999-12-31")),
    ("valid_from", order(valid_from="0001-01-01")),
    ("valid_from", order(product="AT-2M", valid_from="2030-06-15")),
    ("valid_from", order(product="BG-1D", valid_from="0001-01-01T00:00:00+14:00")),
    ("consents.0.kind", order(consents=[{**CONSENT, "kind": SECRET}])),
    *(
        (f"vehicle.{key}", order(vehicle={**ORDER["vehicle"], key: bad}))
        for key, bad in WRONG_VEHICLES.items()
    ),
]
WRONG_AMOUNTS = [
    "NaN",
    "Infinity",
    "1e400",
    "-1e400",
    "12.5",
    "1250.0",
    '"1250"',
    "true",
    "null",
    "1" + "0" * 40,
]


async def test_whatever_can_not_be_read_is_refused_by_field_and_the_next_message_goes_on(service):
    """Nothing of what was sent comes back: it may be somebody's address."""
    for field, body in WRONG_ORDERS:
        fresh = body.replace(ORDER["command_id"].encode(), str(uuid4()).encode())
        reply = await service.ask_raw("orders.v1.place", fresh)
        assert code(reply) == ("invalid_request", field), body[:200]
        assert SECRET not in json.dumps(reply)
    for amount in WRONG_AMOUNTS:
        reply = await service.ask_raw("orders.v1.receive_payment", paying(amount))
        assert code(reply) == ("invalid_request", "amount.amount"), amount
    assert (await service.place())["ok"]


async def test_money_from_outside_the_calendar_is_refused(service):
    """An instant that some zone can't show would stop whatever reckons with it."""
    placed = await service.place()
    for received_at in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        reply = await service.pay(placed, received_at=received_at)
        assert code(reply) == ("invalid_request", "received_at")
