"""Notices of Stripe, signed by its own library, in the form of its events."""

import socket
from datetime import UTC, datetime

import pytest
from stripe import WebhookSignature

from notices import SECRET, SIGNED_AT, encoded
from vignettes.domain.money import Money
from vignettes.services.notices import Delivery, Ignored, Notice, NoticeState, Refused
from vignettes.services.notices.stripe import Stripe

INTENT = {
    "id": "pi_3Oq1",
    "object": "payment_intent",
    "amount": 39900,
    "amount_capturable": 39900,
    "amount_received": 39900,
    "currency": "czk",
    "metadata": {"order_number": "V1234567802"},
    "payment_method_types": ["card"],
}
CHARGE = {
    "id": "ch_3Oq1",
    "object": "charge",
    "payment_intent": "pi_3Oq1",
    "amount": 39900,
    "amount_refunded": 10000,
    "currency": "czk",
    "metadata": {"order_number": "V1234567802"},
    "payment_method_details": {"type": "card", "card": {"last4": "4242"}},
}
DISPUTE = {
    "id": "dp_1",
    "object": "dispute",
    "charge": "ch_3Oq1",
    "payment_intent": "pi_3Oq1",
    "amount": 39900,
    "currency": "czk",
    "status": "needs_response",
}


def event(kind, found, **changes):
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28",
        "created": SIGNED_AT - 2,
        "livemode": True,
        "type": kind,
        "data": {"object": found},
        "request": {"id": None},
    } | changes


def signed(told, secret=SECRET, at=SIGNED_AT):
    body = told if isinstance(told, bytes) else encoded(told)
    header = WebhookSignature.generate_signature_header(body.decode(), secret, at)
    return Delivery({"stripe-signature": header}, body)


@pytest.fixture
def clock():
    return [float(SIGNED_AT)]


@pytest.fixture
def provider(clock, monkeypatch):
    def nowhere(*_args, **_kwargs):
        raise AssertionError("Stripe is asked nothing")

    monkeypatch.setattr(socket.socket, "connect", nowhere)
    return Stripe("stripe", [SECRET], 300, lambda: clock[0], test=False)


async def refusal(provider, delivery):
    with pytest.raises(Refused) as refused:
        await provider.read(delivery)
    return refused.value


async def test_a_payment_that_succeeded_is_read(provider):
    assert await provider.read(signed(event("payment_intent.succeeded", INTENT))) == Notice(
        provider="stripe",
        payment_id="pi_3Oq1",
        state=NoticeState.PAID,
        amount=Money(39900, "CZK"),
        order_reference="V1234567802",
        method="card",
        occurred_at=datetime.fromtimestamp(SIGNED_AT - 2, UTC),
        test=False,
        payer=None,
        payer_account=None,
        line_reference=None,
    )


@pytest.mark.case(27, 28)
@pytest.mark.parametrize(
    ("kind", "found", "state", "amount"),
    [
        ("payment_intent.processing", INTENT, "pending", 39900),
        (
            "payment_intent.amount_capturable_updated",
            INTENT | {"amount_capturable": 30000},
            "authorised",
            30000,
        ),
        ("payment_intent.succeeded", INTENT | {"amount_received": 20000}, "paid", 20000),
        ("payment_intent.payment_failed", INTENT | {"amount_received": 0}, "failed", 39900),
        ("payment_intent.canceled", INTENT, "failed", 39900),
        ("charge.refunded", CHARGE, "refunded", 10000),
        ("charge.dispute.created", DISPUTE, "reversed", 39900),
        ("charge.dispute.funds_withdrawn", DISPUTE, "reversed", 39900),
    ],
)
async def test_all_events_of_a_payment_are_about_the_same_payment(provider, kind, found, state, amount):
    told = await provider.read(signed(event(kind, found)))
    assert (told.payment_id, told.state, told.amount) == ("pi_3Oq1", state, Money(amount, "CZK"))


@pytest.mark.case(28)
@pytest.mark.parametrize("reference", ["V1234567802", None])
async def test_a_dispute_that_was_won_brings_money_of_its_own(provider, reference):
    """The payment that it took back stays so; each dispute of a charge brings its own."""
    metadata = {"order_number": reference} if reference else {}
    won = DISPUTE | {"status": "won", "metadata": metadata}
    told = await provider.read(signed(event("charge.dispute.funds_reinstated", won)))
    assert (told.payment_id, told.state) == ("ch_3Oq1:reinstated:dp_1", NoticeState.PAID)
    assert (told.amount, told.order_reference) == (Money(39900, "CZK"), reference)
    other = await provider.read(signed(event("charge.dispute.funds_reinstated", won | {"id": "dp_2"})))
    assert other.payment_id != told.payment_id


async def test_a_charge_without_an_intent_is_a_payment_by_itself(provider):
    told = await provider.read(signed(event("charge.refunded", CHARGE | {"payment_intent": None})))
    assert told.payment_id == "ch_3Oq1"


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("invoice.paid", {"id": "in_1"}),
        ("charge.dispute.created", DISPUTE | {"status": "warning_needs_response"}),
        ("payment_intent.amount_capturable_updated", INTENT | {"amount_capturable": 0}),
    ],
)
async def test_events_that_tell_of_no_money_are_ignored(provider, kind, found):
    """Another type; an inquiry, which takes no money back; nothing that could be captured any more."""
    assert await provider.read(signed(event(kind, found))) == Ignored(kind)


@pytest.mark.case(27)
async def test_an_event_in_test_mode_stands_for_no_money(provider, clock):
    succeeded = event("payment_intent.succeeded", INTENT)
    assert (await provider.read(signed(succeeded | {"livemode": False}))).test
    for_tests = Stripe("stripe", [SECRET], 300, lambda: clock[0], test=True)
    assert (await for_tests.read(signed(succeeded))).test


@pytest.mark.parametrize(
    ("currency", "theirs", "ours"),
    [
        ("eur", 1250, 1250),
        ("huf", 555000, 555000),
        ("jpy", 500, 500),
        ("isk", 500, 5),
        ("ugx", 500, 5),
        ("mga", 5, 500),
    ],
)
async def test_amounts_are_read_in_the_minor_units_of_each_currency(provider, currency, theirs, ours):
    """Yen have none; what Stripe counts otherwise than ISO 4217 is reckoned over."""
    found = INTENT | {"currency": currency, "amount_received": theirs}
    told = await provider.read(signed(event("payment_intent.succeeded", found)))
    assert told.amount == Money(ours, currency.upper())


@pytest.mark.parametrize(
    ("types", "method"),
    [(["card"], "card"), (["sepa_debit"], "sepa_debit"), (["card", "link"], "other"), ([], "other")],
)
async def test_the_method_is_told_where_there_is_only_one(provider, types, method):
    found = INTENT | {"payment_method_types": types}
    assert (await provider.read(signed(event("payment_intent.succeeded", found)))).method == method


@pytest.mark.parametrize("reference", ["x" * 201, "a\nb", ""])
async def test_a_reference_that_can_not_be_kept_does_not_hide_the_money(provider, reference):
    found = INTENT | {"metadata": {"order_number": reference}}
    assert (await provider.read(signed(event("payment_intent.succeeded", found)))).order_reference is None


@pytest.mark.parametrize("seconds", [-301, 301])
async def test_an_old_signature_and_one_from_the_future_are_refused(provider, clock, seconds):
    clock[0] += seconds
    found = await refusal(provider, signed(event("payment_intent.succeeded", INTENT)))
    assert (found.status, found.code) == (401, "signature_out_of_time")


async def test_what_is_not_signed_with_a_secret_of_ours_is_refused(provider):
    delivery = signed(event("payment_intent.succeeded", INTENT), "another secret of nobody")
    changed = Delivery(signed(b"{}").headers, encoded(event("payment_intent.succeeded", INTENT)))
    for each in (delivery, changed, Delivery(signed(b"{}").headers, b"\xff\xfe")):
        assert (await refusal(provider, each)).code == "signature_wrong"
    assert (await refusal(provider, Delivery({}, b"{}"))).code == "signature_missing"


async def test_an_old_and_a_new_secret_are_known_for_a_while(clock):
    turning = Stripe("stripe", [SECRET, "the secret of tomorrow"], 300, lambda: clock[0], test=False)
    for secret in (SECRET, "the secret of tomorrow"):
        assert await turning.read(signed(event("payment_intent.succeeded", INTENT), secret))


@pytest.mark.parametrize(
    ("told", "field"),
    [
        (b"{}", "type"),
        (event("payment_intent.succeeded", {}), "data.object.id"),
        (
            event("payment_intent.succeeded", INTENT | {"amount_received": "39900"}),
            "data.object.amount_received",
        ),
        (
            event("payment_intent.succeeded", INTENT | {"currency": "isk", "amount_received": 50}),
            "data.object.amount",
        ),
        (event("charge.refunded", {"id": "ch_1"}), "data.object.payment_intent"),
        (event("payment_intent.succeeded", INTENT | {"passed_over": float("nan")}), "body"),
        (encoded(event("payment_intent.succeeded", INTENT))[:-1] + b',"livemode":false}', "body"),
    ],
)
async def test_an_event_of_another_form_is_refused(provider, told, field):
    found = await refusal(provider, signed(told))
    assert (found.status, found.field) == (400, field)
