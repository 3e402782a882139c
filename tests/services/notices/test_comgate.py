"""Notices that are only a hint: what counts is what the provider answers, over real HTTP."""

import asyncio
from datetime import UTC, datetime
from urllib.parse import urlencode

import httpx
import pytest

from notices import SECRET, SIGNED_AT, asked_provider
from service import until
from vignettes.domain.money import Money
from vignettes.services.notices import Delivery, Notice, NoticeState, Refused
from vignettes.services.notices import comgate as module
from vignettes.services.notices.comgate import Account, Comgate
from vignettes.services.payments.importing import METHOD


def hint(payment_id="AB12-CD34", **changes):
    fields = {
        "merchant": "shop-1",
        "transId": payment_id,
        "secret": SECRET,
        "status": "PAID",
        "price": "1",
    } | changes
    return Delivery(
        {}, urlencode({name: value for name, value in fields.items() if value is not None}).encode()
    )


@pytest.fixture
async def asked():
    async with asked_provider() as provider:
        yield provider


@pytest.fixture
async def provider(asked):
    async with httpx.AsyncClient() as client:
        account = Account("shop-1", SECRET, asked.url)
        yield Comgate("comgate", account, client, lambda: float(SIGNED_AT), test=False)


async def refusal(provider, delivery):
    with pytest.raises(Refused) as refused:
        await provider.read(delivery)
    return refused.value


async def test_what_the_provider_answers_is_told_and_not_what_the_notice_says(provider, asked):
    asked.knows("AB12-CD34", status="PENDING")
    assert await provider.read(hint(refId="V9999999999", price="1")) == Notice(
        provider="comgate",
        payment_id="AB12-CD34",
        state=NoticeState.PENDING,
        amount=Money(39900, "CZK"),
        order_reference="V1234567802",
        method="card",
        occurred_at=datetime.fromtimestamp(SIGNED_AT, UTC),
        test=False,
        payer="Jana Nováková",
        payer_account="000000-0192000145/0800",
        line_reference=None,
    )
    assert asked.asked == [{"merchant": "shop-1", "transId": "AB12-CD34", "secret": SECRET}]


@pytest.mark.case(27)
@pytest.mark.parametrize(
    ("status", "state"),
    [("PENDING", "pending"), ("AUTHORIZED", "authorised"), ("PAID", "paid"), ("CANCELLED", "failed")],
)
async def test_each_status_has_its_state(provider, asked, status, state):
    asked.knows("AB12-CD34", status=status)
    assert (await provider.read(hint())).state == state


@pytest.mark.case(27)
async def test_a_test_payment_stands_for_no_money(provider, asked):
    asked.knows("AB12-CD34", test="true")
    assert (await provider.read(hint())).test


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("BANK_CZ_RB", "bank_transfer_via_provider"),
        ("CARD_CZ_CSOB_2", "card"),
        ("APPLEPAY_REDIRECT", "applepay"),
        ("", "other"),
    ],
)
async def test_the_method_is_told_without_the_bank(provider, asked, theirs, ours):
    asked.knows("AB12-CD34", method=theirs)
    assert (await provider.read(hint())).method == ours


async def test_a_transfer_is_the_customers_own_only_where_each_is_settled_singly(asked):
    """Else the next transfer of his that comes would be taken for what this notice has told of."""
    asked.knows("AB12-CD34", method="BANK_CZ_RB")
    async with httpx.AsyncClient() as client:
        account = Account("shop-1", SECRET, asked.url, "singly")
        singly = Comgate("comgate", account, client, lambda: float(SIGNED_AT), test=False)
        assert (await singly.read(hint())).method == METHOD


async def test_a_text_that_can_not_be_kept_does_not_hide_the_money(provider, asked):
    asked.knows("AB12-CD34", refId="x" * 201, payerName="Jana\r\nBcc: x", payerAcc="0" * 65)
    told = await provider.read(hint())
    assert (told.amount, told.order_reference, told.payer, told.payer_account) == (
        Money(39900, "CZK"),
        None,
        None,
        None,
    )


async def test_a_bare_hint_is_enough_to_ask(provider, asked):
    asked.knows("AB12-CD34")
    assert await provider.read(Delivery({}, b"transId=AB12-CD34"))


@pytest.mark.parametrize(
    ("delivery", "status", "code"),
    [
        (hint(secret="another secret of nobody"), 401, "secret_wrong"),
        (hint(merchant="shop-2"), 400, "invalid_request"),
        (hint(payment_id=None), 400, "invalid_request"),
        (hint(payment_id="../admin"), 400, "invalid_request"),
        (hint(payment_id="x" * 65), 400, "invalid_request"),
        (Delivery({}, b""), 400, "invalid_request"),
        (Delivery({}, b"transId=A&transId=B"), 400, "invalid_request"),
        (Delivery({}, b"transId=%ff"), 400, "invalid_request"),
        (Delivery({}, b"a=1&" * 10_000), 400, "invalid_request"),
    ],
)
async def test_a_forged_or_broken_hint_leads_to_no_question(provider, asked, delivery, status, code):
    found = await refusal(provider, delivery)
    assert (found.status, found.code) == (status, code)
    assert asked.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        {"code": "1400"},
        {"code": "1500", "message": "unexpected error"},
        {"merchant": "shop-2"},
        {"transId": "ZZ99-ZZ99"},
        {"status": "SETTLED"},
        {"price": "-1"},
        {"price": "1_000"},
        {"curr": "Kč"},
        {"test": ""},
        {"label": "x" * 100_000},
        b"<html>busy</html>",
        b"code=0&code=0",
        b"x" * 100_000,
    ],
    ids=lambda answer: str(answer)[:40],
)
async def test_an_answer_that_is_none_makes_the_provider_notify_again(provider, asked, answer):
    asked.knows("AB12-CD34", **(answer if isinstance(answer, dict) else {}))
    if isinstance(answer, bytes):
        asked.answers["AB12-CD34"] = answer
    found = await refusal(provider, hint())
    assert (found.status, found.code) == (503, "provider_unavailable")


async def test_a_provider_that_fails_or_is_gone_makes_it_notify_again(provider, asked):
    asked.knows("AB12-CD34")
    asked.status = 500
    assert (await refusal(provider, hint())).status == 503
    async with httpx.AsyncClient() as client:
        nobody = Comgate(
            "comgate", Account("shop-1", SECRET, "http://127.0.0.1:1/"), client, lambda: 0, test=False
        )
        assert (await refusal(nobody, hint())).status == 503


async def test_a_provider_that_never_answers_is_not_waited_for_long(provider, asked, monkeypatch):
    monkeypatch.setattr(module, "ASK_SECONDS", 0.05)
    asked.knows("AB12-CD34")
    asked.gate.clear()
    async with asyncio.timeout(2):
        assert (await refusal(provider, hint())).status == 503


async def test_a_hundred_notices_of_one_payment_lead_to_two_questions(provider, asked):
    """One under way, and one for all who came meanwhile."""
    asked.knows("AB12-CD34")
    asked.gate.clear()
    first = asyncio.create_task(provider.read(hint()))

    async def is_asked():
        return asked.asked

    await until(is_asked)
    others = [asyncio.create_task(provider.read(hint())) for _ in range(100)]
    await asyncio.sleep(0)
    asked.gate.set()
    assert {told.state for told in await asyncio.gather(first, *others)} == {NoticeState.PAID}
    assert len(asked.asked) == 2


async def test_an_answer_on_its_way_is_not_taken_for_the_answer_to_a_later_notice(provider, asked):
    """It may have been given before the payment changed: who notifies meanwhile has a question of its own."""
    asked.knows("AB12-CD34", status="PENDING")
    asked.gate.clear()
    first = asyncio.create_task(provider.read(hint()))

    async def is_asked():
        return asked.asked

    await until(is_asked)
    asked.knows("AB12-CD34", status="PAID")
    later = asyncio.create_task(provider.read(hint()))
    await asyncio.sleep(0)
    asked.gate.set()
    assert [(await each).state for each in (first, later)] == [NoticeState.PENDING, NoticeState.PAID]


async def test_who_hangs_up_takes_no_answer_away_from_others(provider, asked):
    asked.knows("AB12-CD34")
    asked.gate.clear()
    gone, stays = (asyncio.create_task(provider.read(hint())) for _ in range(2))

    async def is_asked():
        return asked.asked

    await until(is_asked)
    gone.cancel()
    asked.gate.set()
    assert (await stays).state is NoticeState.PAID


async def test_a_flood_of_hints_is_turned_away(provider, asked):
    """Questions go out eight at a time; who would wait too long is told to come again."""
    asked.gate.clear()
    reads = [asyncio.create_task(provider.read(hint(f"FLOOD-{n}"))) for n in range(200)]

    async def some_are_asked():
        return len(asked.asked) >= 8

    await until(some_are_asked)
    assert len(asked.asked) == 8
    assert sum(each.done() for each in reads) == 200 - 64
    asked.gate.set()
    ended = await asyncio.gather(*reads, return_exceptions=True)
    assert {each.status for each in ended} == {503}
