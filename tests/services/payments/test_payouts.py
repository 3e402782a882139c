"""Money back, through the running service: approved, put into a file for the bank once, and never twice."""

import asyncio
import base64
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from lxml import etree

from bank_payments import PAYER_IBAN
from eventstore_helpers import ask
from service import running_service, until
from vignettes.services.payments import paying_out
from vignettes.services.payments.pain001 import NAMESPACE
from vignettes.services.payments.paying_out import PayingOut

pytestmark = pytest.mark.asyncio(loop_scope="module")

ELSEWHERE = "CZ6508000000192000145399"
PRICE = {"amount": 39_900, "currency": "CZK"}


class MoneyBack:
    """What the bank and people tell the running service."""

    def __init__(self, service):
        self.service = service

    async def transfer(self, placed, amount=None, account=PAYER_IBAN):
        """Pay an order by a bank transfer that a statement shows, and wait for its order to have it."""
        before = (await self.service.status(placed["order_id"]))["received"]
        amount = amount or placed["price"]["total"]["amount"]
        entry = {
            "entry_id": uuid4().hex,
            "account": ELSEWHERE,
            "booked_on": "2027-03-10",
            "amount": amount,
            "currency": placed["price"]["total"]["currency"],
            "credit": True,
            "reversal": False,
            "booked": True,
            "variable_symbol": placed["payment"]["variable_symbol"],
            "counterparty": "Jana Nováková",
            "counterparty_account": account,
        }
        file = {"digest": 2 * uuid4().hex, "name": "test.xml", "format": "camt"}
        booked = await self.service.ask("payments.v1.book", actor="test", file=file, entries=[entry])
        [payment_id] = booked["payment_ids"]
        payment = await self.payment(payment_id)
        if payment["status"] == "in_review":
            order = [{"order_id": placed["order_id"]}]
            decided = await self.decide("allocate", payment_id=payment_id, allocations=order)
            assert decided["ok"], decided

        async def look():
            return (await self.service.status(placed["order_id"]))["received"] == before + amount

        await until(look)
        return payment_id

    async def payment(self, payment_id):
        """Return a payment, once it was looked at."""

        async def look():
            reply = await self.service.ask("payments.v1.review", payment_id=payment_id)
            payment = reply["payments"][0] if reply["ok"] else None
            return payment if payment and payment["status"] != "to_match" else None

        return await until(look)

    async def refunding(self, account=PAYER_IBAN):
        """Return an order that was paid by a transfer, and whose customer wants the money back."""
        placed = await self.service.place()
        await self.transfer(placed, account=account)
        await self.service.command("request_refund", order_id=placed["order_id"])
        await self.payouts(placed, "to_approve")
        return placed

    async def approved(self):
        placed = await self.refunding()
        reply = await self.approve(placed)
        assert reply["ok"], reply
        await self.payouts(placed, "approved")
        return placed

    async def decide(self, what, **body):
        """Ask as a person does, under a new command_id unless one is given."""
        asked = {"command_id": str(uuid4()), "actor": "ops:anna", **body}
        return await self.service.ask(f"payments.v1.{what}", **asked)

    async def approve(self, placed, purpose="refund", **different):
        return await self.decide(
            "approve", **{"order_id": placed["order_id"], "purpose": purpose, **different}
        )

    async def pay_out(self, **different):
        return await self.decide("pay_out", **{"currency": "CZK", **different})

    async def payouts(self, placed, *states):
        """Return what is under way of an order, once it is in one of these states."""

        async def look():
            listed = await self.service.ask("payments.v1.payouts")
            of_order = [each for each in listed["payouts"] if each["order_id"] == placed["order_id"]]
            return of_order if {each["state"] for each in of_order} == set(states) else None

        return await until(look)


@pytest_asyncio.fixture(loop_scope="module")
async def money(service):
    """What a test before has left approved is in a file by then."""
    money = MoneyBack(service)
    for currency in ("CZK", "EUR"):
        assert (await money.pay_out(currency=currency))["ok"]
    return money


def ids_in(reply):
    document = etree.fromstring(base64.b64decode(reply["content"]))
    return [each.text for each in document.iter(f"{{{NAMESPACE}}}EndToEndId")]


async def test_a_refund_goes_back_to_where_it_came_from_and_into_one_file(service, money):
    """Asked for, approved, in a file, shown by the statement: and the same file whenever it is asked for."""
    placed = await money.refunding()
    [waiting] = await money.payouts(placed, "to_approve")
    official, fee = placed["price"]["official"], placed["price"]["fee"]
    assert (waiting["amount"], waiting["official"], waiting["fee"]) == (PRICE, official, fee)
    command_id = str(uuid4())
    reply = await money.approve(placed, command_id=command_id)
    payout_id = f"{placed['order_number']}-1"
    assert reply["payouts"] == [{"payout_id": payout_id, "purpose": "refund", "amount": PRICE}]
    [approved] = await money.payouts(placed, "approved")
    assert (approved["account"], approved["payout_id"]) == (PAYER_IBAN, payout_id)
    assert await money.approve(placed, command_id=command_id) == reply

    file = await money.pay_out(command_id=command_id)
    assert (file["payouts"], file["total"], ids_in(file)) == (1, PRICE, [payout_id])
    assert file["file_id"] == f"F{UUID(command_id).hex}"
    await money.payouts(placed, "with_bank")
    assert await money.pay_out(command_id=command_id) == file
    empty = await money.pay_out()
    assert (empty["file_id"], empty["payouts"], empty["content"]) == (None, 0, None)
    reused = await money.pay_out(command_id=command_id, currency="EUR")
    assert reused["error"]["code"] == "command_id_reused"

    confirmed = {"refund_id": payout_id, "amount": PRICE, "order_id": placed["order_id"]}
    assert (await service.command("confirm_refund", **confirmed))["status"] == "refunded"
    later = await money.approved()
    assert await money.pay_out(command_id=command_id) == file
    assert ids_in(await money.pay_out()) == [f"{later['order_number']}-1"]


@pytest.mark.thorough
async def test_a_person_names_the_account_where_it_is_not_certain(service, money):
    """Paid by card, or from two accounts: refused with the field and the way out; and an account must be one."""
    by_card = await service.place()
    await service.pay(by_card)
    await service.command("request_refund", order_id=by_card["order_id"])
    await money.payouts(by_card, "to_approve")
    refused = (await money.approve(by_card))["error"]
    assert (refused["code"], refused["field"]) == ("invalid_request", "account")
    assert "name the one" in refused["message"]
    wrong = (await money.approve(by_card, account=PAYER_IBAN[:-1] + "2"))["error"]
    assert (wrong["code"], wrong["field"]) == ("invalid_request", "account")
    assert (await money.approve(by_card, account=ELSEWHERE))["ok"]

    shared = await service.place()
    await money.transfer(shared, 10_000)
    await money.transfer(shared, 29_900, account=ELSEWHERE)
    await service.command("request_refund", order_id=shared["order_id"])
    await money.payouts(shared, "to_approve")
    refused = (await money.approve(shared))["error"]
    assert (refused["field"], "2 accounts" in refused["message"]) == ("account", True)
    named = {"order_id": None, "order_number": shared["order_number"], "account": "19-2000145399/0800"}
    assert (await money.approve(shared, **named))["ok"]
    [approved] = await money.payouts(shared, "approved")
    assert approved["account"] == ELSEWHERE
    nothing = await money.approve(shared, "surplus", account=ELSEWHERE)
    assert (nothing["error"]["code"], nothing["error"]["field"]) == ("not_refundable", "purpose")


@pytest.mark.case(20)
@pytest.mark.case(22)
async def test_surplus_goes_back_to_who_paid_too_much(service, money):
    """Another account than that of the order's own money."""
    placed = await service.place()
    await money.transfer(placed)
    await money.transfer(placed, 5_000, account=ELSEWHERE)
    await money.payouts(placed, "to_approve")
    assert (await money.approve(placed, "surplus"))["ok"]
    [approved] = await money.payouts(placed, "approved")
    assert (approved["purpose"], approved["account"]) == ("surplus", ELSEWHERE)


@pytest.mark.thorough
async def test_money_that_is_no_orders_is_in_the_same_file(service, money):
    """Sent back by a person from the review queue, each payout in the order of its approval."""
    placed = await money.approved()
    stray = await service.place()
    await money.transfer(stray)
    await service.command("request_refund", order_id=stray["order_id"])
    entry = await unnamed(money)
    wrong = await money.decide("return", payment_id=entry, account="somewhere")
    assert (wrong["error"]["code"], wrong["error"]["field"]) == ("invalid_request", "account")
    assert (await money.decide("return", payment_id=entry))["ok"]
    rows = await until(lambda: listed(service, "return"))
    file = await money.pay_out()
    assert ids_in(file) == [f"{placed['order_number']}-1", rows[0]["payout_id"]]
    assert file["total"]["amount"] == PRICE["amount"] + 700


async def unnamed(money):
    entry = {
        "entry_id": uuid4().hex,
        "account": ELSEWHERE,
        "booked_on": "2027-03-10",
        "amount": 700,
        "currency": "CZK",
        "credit": True,
        "reversal": False,
        "booked": True,
        "counterparty": "Ľubomír Ďurďa",
        "counterparty_account": PAYER_IBAN,
    }
    file = {"digest": "f" * 64, "name": "test.xml", "format": "camt"}
    booked = await money.service.ask("payments.v1.book", actor="test", file=file, entries=[entry])
    payment = await money.payment(booked["payment_ids"][0])
    assert payment["status"] == "in_review"
    return payment["payment_id"]


async def listed(service, purpose):
    rows = (await service.ask("payments.v1.payouts"))["payouts"]
    return [each for each in rows if each["purpose"] == purpose]


@pytest.mark.thorough
async def test_whoever_asks_at_once_or_after_a_crash_gets_the_same_file(service, money, monkeypatch):
    """Half of it was on record when the process died; what was approved since is for another file."""
    first = [await money.approved() for _ in range(3)]
    command_id, order = str(uuid4()), PayingOut._order

    async def dies(self, payout, asked):
        if payout.order_id == UUID(first[1]["order_id"]):
            raise ConnectionError
        return await order(self, payout, asked)

    with monkeypatch.context() as patched:
        patched.setattr(PayingOut, "_order", dies)
        died = await money.pay_out(command_id=command_id)
        assert died["error"]["code"] == "unavailable"
    later = await money.approved()
    files = await asyncio.gather(*(money.pay_out(command_id=command_id) for _ in range(4)))
    assert all(each == files[0] for each in files)
    assert ids_in(files[0]) == [f"{each['order_number']}-1" for each in first]
    assert ids_in(await money.pay_out()) == [f"{later['order_number']}-1"]
    filed = ask(
        service.settings.database_url,
        "SELECT count(*), count(DISTINCT payout_id) FROM read.payouts WHERE state = 'with_bank'"
        " AND order_id = ANY(%s::uuid[])",
        [each["order_id"] for each in (*first, later)],
    )
    assert filed == [(4, 4)]


@pytest.mark.thorough
async def test_nobody_gets_a_file_that_is_not_settled(money, monkeypatch):
    """While the view is behind, the answer is to ask again; then it is the whole file."""
    placed = [await money.approved() for _ in range(2)]
    monkeypatch.setattr(paying_out, "PATIENCE_SECONDS", 0)
    command_id, refused = str(uuid4()), []

    async def look():
        reply = await money.pay_out(command_id=command_id)
        refused.append(reply.get("error", {}).get("code"))
        return reply if reply["ok"] else None

    file = await until(look)
    assert ids_in(file) == [f"{each['order_number']}-1" for each in placed]
    assert set(refused) <= {None, "unavailable"}


@pytest.mark.thorough
async def test_two_files_at_once_share_nothing(money):
    """Each payout is in one of them."""
    placed = [await money.approved() for _ in range(4)]
    files = await asyncio.gather(*(money.pay_out() for _ in range(3)))
    together = [payout for file in files if file.get("content") for payout in ids_in(file)]
    assert sorted(together) == sorted(f"{each['order_number']}-1" for each in placed)


@pytest.mark.thorough
async def test_more_than_a_file_takes_is_for_the_next_one(money, monkeypatch):
    """The oldest go first, and asked again it is the same."""
    monkeypatch.setattr(paying_out, "MOST", 2)
    placed = [await money.approved() for _ in range(3)]
    command_id = str(uuid4())
    file = await money.pay_out(command_id=command_id)
    assert ids_in(file) == [f"{each['order_number']}-1" for each in placed[:2]]
    assert await money.pay_out(command_id=command_id) == file
    assert ids_in(await money.pay_out()) == [f"{placed[2]['order_number']}-1"]


@pytest.mark.case(29)
async def test_what_was_reversed_since_its_approval_is_in_no_file(service, money):
    """The payer has it: nothing is left to pay out (case 29)."""
    placed = await service.place()
    await service.pay(placed, payment_id="p-1")
    await service.command("request_refund", order_id=placed["order_id"])
    assert (await money.approve(placed, account=ELSEWHERE))["ok"]
    await money.payouts(placed, "approved")
    await service.command("reverse_payment", order_id=placed["order_id"], payment_id="p-1")
    assert (await money.pay_out())["payouts"] == 0


@pytest.mark.thorough
async def test_small_refunds_are_approved_by_policy(database, nats_server, tmp_path):
    """Up to its amount, in its currency, to the account that the money came from; the rest is a person's."""
    allowed = {"refunds_approved_up_to": "EUR 50, CZK 399.00"}
    async with running_service(database, nats_server.url, tmp_path / "data", **allowed) as service:
        money = MoneyBack(service)
        large = await service.place(product="CZ-30D")
        await money.transfer(large)
        by_card = await service.place()
        await service.pay(by_card)
        for placed in (large, by_card):
            await service.command("request_refund", order_id=placed["order_id"])
            await money.payouts(placed, "to_approve")
        small = await service.place()
        await money.transfer(small)
        await service.command("request_refund", order_id=small["order_id"])
        [approved] = await money.payouts(small, "approved")
        assert approved["account"] == PAYER_IBAN
        [actor] = ask(
            database,
            "SELECT convert_from(state, 'UTF8')::jsonb ->> 'by' FROM log.events"
            " WHERE topic = 'order.payout-approved.v1'",
        )
        assert actor == "policy"
        for placed in (large, by_card):
            await money.payouts(placed, "to_approve")


@pytest.mark.thorough
async def test_a_file_can_not_be_made_again_once_who_got_it_was_erased(service, money):
    """It is told so, in place of a file that differs."""
    placed = await money.approved()
    command_id = str(uuid4())
    file = await money.pay_out(command_id=command_id)
    [payout_id] = ids_in(file)
    await service.command("confirm_refund", order_id=placed["order_id"], refund_id=payout_id, amount=PRICE)
    assert (await service.command("erase", order_id=placed["order_id"]))["ok"]

    async def look():
        again = await money.pay_out(command_id=command_id)
        return again.get("error")

    assert (await until(look))["code"] == "conflict"
