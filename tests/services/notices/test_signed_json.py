"""Notices in our own form: which are genuine, and what they may hold."""

from datetime import UTC, datetime

import pytest

from notices import SECRET, SIGNED_AT, encoded, notice, signature, signed
from vignettes.domain.money import Money
from vignettes.services.notices import Delivery, Notice, NoticeState, Refused
from vignettes.services.notices.signed_json import SignedJson

NEW_SECRET = "the secret of tomorrow"


@pytest.fixture
def clock():
    return [float(SIGNED_AT)]


@pytest.fixture
def provider(clock):
    return SignedJson("shop", [SECRET], 300, lambda: clock[0], test=False)


async def refusal(provider, delivery):
    with pytest.raises(Refused) as refused:
        await provider.read(delivery)
    return refused.value


async def test_a_signed_notice_is_read(provider):
    told = notice(payer="Jana Nováková", payer_account="CZ65", line_reference="9876543210")
    assert await provider.read(signed(told)) == Notice(
        provider="shop",
        payment_id="pay-1",
        state=NoticeState.PAID,
        amount=Money(39900, "CZK"),
        order_reference="V1234567802",
        method="card",
        occurred_at=datetime(2026, 11, 23, 9, 59, 58, tzinfo=UTC),
        test=False,
        payer="Jana Nováková",
        payer_account="CZ65",
        line_reference="9876543210",
    )


@pytest.mark.case(27)
@pytest.mark.parametrize("state", list(NoticeState))
async def test_every_state_is_passed_on_as_it_is(provider, state):
    """Authorised and pending are facts too; what pays is decided elsewhere."""
    assert (await provider.read(signed(notice(state=state)))).state is state


@pytest.mark.case(27)
async def test_a_test_notice_is_a_fact_that_stands_for_no_money(provider, clock):
    """Whether the notice says so, or the whole endpoint is for tests."""
    assert (await provider.read(signed(notice(test=True)))).test
    assert not (await provider.read(signed(notice()))).test
    for_tests = SignedJson("shop", [SECRET], 300, lambda: clock[0], test=True)
    assert (await for_tests.read(signed(notice()))).test


async def test_a_notice_may_name_no_order(provider):
    body = encoded(notice()).replace(b'"V1234567802"', b"null")
    assert (await provider.read(signed(body))).order_reference is None


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "signature_missing"),
        ("", "signature_missing"),
        ("nonsense", "signature_unreadable"),
        (f"t={SIGNED_AT}", "signature_unreadable"),
        ("v1=00", "signature_unreadable"),
        (f"t={SIGNED_AT},t={SIGNED_AT},v1=00", "signature_unreadable"),
        (f"t=-1,v1={'0' * 64}", "signature_unreadable"),
        (f"t={'9' * 5000},v1=00", "signature_unreadable"),
        (f"t={SIGNED_AT},v1=é", "signature_unreadable"),
        (f"t={SIGNED_AT},v1={'0' * 64}", "signature_wrong"),
        (f"t={SIGNED_AT},v0={'0' * 64},v1={'f' * 64}", "signature_wrong"),
    ],
)
async def test_a_signature_that_is_none_is_refused(provider, header, code):
    headers = {} if header is None else {"webhook-signature": header}
    found = await refusal(provider, Delivery(headers, encoded(notice())))
    assert (found.status, found.code) == (401, code)


async def test_a_signature_is_of_this_body_and_this_time_only(provider):
    body = encoded(notice())
    other = signature(encoded(notice(amount={"amount": 1, "currency": "CZK"})))
    later = signature(body).replace(str(SIGNED_AT), str(SIGNED_AT + 1))
    for header in (other, later, signature(body, "another secret of nobody")):
        assert (
            await refusal(provider, Delivery({"webhook-signature": header}, body))
        ).code == "signature_wrong"


@pytest.mark.parametrize("seconds", [-301, 301, -10_000_000, 10_000_000])
async def test_an_old_signature_and_one_from_the_future_are_refused(provider, clock, seconds):
    """Somebody who caught a notice must not send it when it suits him."""
    clock[0] += seconds
    found = await refusal(provider, signed(notice()))
    assert (found.status, found.code) == (401, "signature_out_of_time")


@pytest.mark.parametrize("seconds", [-300, 0, 300])
async def test_clocks_may_differ_by_the_tolerance(provider, clock, seconds):
    clock[0] += seconds
    assert await provider.read(signed(notice()))


async def test_a_secret_is_changed_without_losing_a_notice(clock):
    """We know both for a while, or the sender signs with both: either way each notice has one that we share."""
    turning = SignedJson("shop", [SECRET, NEW_SECRET], 300, lambda: clock[0], test=False)
    assert await turning.read(signed(notice(), SECRET))
    assert await turning.read(signed(notice(), NEW_SECRET))
    ours = SignedJson("shop", [NEW_SECRET], 300, lambda: clock[0], test=False)
    assert await ours.read(signed(notice(), SECRET, NEW_SECRET))
    assert (await refusal(ours, signed(notice(), SECRET))).code == "signature_wrong"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"extra": 1}, "extra"),
        ({"payment_id": None}, "payment_id"),
        ({"payment_id": "x\ny"}, "payment_id"),
        ({"state": "settled"}, "state"),
        ({"amount": {"amount": 0, "currency": "CZK"}}, "amount.amount"),
        ({"amount": {"amount": -1, "currency": "CZK"}}, "amount.amount"),
        ({"amount": {"amount": 399.0, "currency": "CZK"}}, "amount.amount"),
        ({"amount": {"amount": "39900", "currency": "CZK"}}, "amount.amount"),
        ({"amount": {"amount": 39900, "currency": "czk"}}, "amount.currency"),
        ({"occurred_at": "2026-11-23T09:59:58"}, "occurred_at"),
        ({"test": "false"}, "test"),
        ({"payer": "Bcc: x\r\n"}, "payer"),
        ({"payer_account": "0" * 65}, "payer_account"),
    ],
)
async def test_a_notice_of_another_form_is_refused_with_its_field(provider, changes, field):
    found = await refusal(provider, signed(notice(**changes)))
    assert (found.status, found.code, found.field) == (400, "invalid_request", field)
    assert "Bcc" not in str(found)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe{}",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        encoded(notice()).replace(b"39900", b"NaN"),
        encoded(notice()).replace(b"39900", b"Infinity"),
        encoded(notice()).replace(b"39900", b"1e400"),
        encoded(notice()).replace(b"39900", b"9" * 5000),
        encoded(notice()).replace(b'"test": false', b'"test": false, "test": true'),
        encoded(notice()).replace(b'"amount": 39900', b'"amount": 1, "amount": 39900'),
    ],
    ids=lambda body: body[:20].decode("latin1") + f" {len(body)}",
)
async def test_what_two_readers_could_take_for_two_things_is_refused(provider, body):
    """Names that stand twice, numbers that are none, and nesting without end; even well signed."""
    found = await refusal(provider, signed(body))
    assert (found.status, found.code) == (400, "invalid_request")
