"""Money all the way, through the running service: told of twice, counted once, gone back, seen on the statement."""

import base64
from uuid import uuid4

import pytest
import pytest_asyncio

from bank_files import camt053, entry, statement, transaction
from eventstore_helpers import ask
from service import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Bank:
    """What the bank's statements, a provider, and people tell the running service."""

    def __init__(self, service, own_payments):
        self.service = service
        self.own_payments = own_payments
        self._books = {}

    async def begin(self):
        """Put what a test before has left approved into a file, and note down the books."""
        await self.decide("pay_out", currency="CZK")
        self._books = await self._totals()

    async def statement(self, *entries):
        """Import a statement, and return what became of its entries."""
        told = {
            "command_id": str(uuid4()),
            "actor": "accounting",
            "file_name": "statement.xml",
            "content": base64.b64encode(camt053(statement(*entries, name=uuid4().hex))).decode(),
        }
        reply = await self.service.ask("payments.v1.import", **told)
        assert (reply["ok"], reply["state"]) == (True, "imported"), reply
        return reply

    async def notice(self, placed, **different):
        """Let a provider tell that an order is paid."""
        told = {
            "provider": "acme",
            "payment_id": uuid4().hex,
            "state": "paid",
            "amount": placed["price"]["total"],
            "order_reference": placed["payment"]["variable_symbol"],
            "method": "card",
            "occurred_at": (await self.service.now()).isoformat(),
            "test": False,
            **different,
        }
        return (await self.service.ask("payments.v1.notice", **told))["payment_id"]

    async def decide(self, what, **body):
        reply = await self.service.ask(
            f"payments.v1.{what}", **{"command_id": str(uuid4()), "actor": "ops:anna", **body}
        )
        assert reply["ok"], reply
        return reply

    async def payouts(self, placed, state):
        """Return what is listed of an order in this state."""
        listed = (await self.service.ask("payments.v1.payouts"))["payouts"]
        return [each for each in listed if (each["order_id"], each["state"]) == (placed["order_id"], state)]

    async def statuses(self, *expected):
        """Wait until the payments stand so, whichever is which."""

        async def look():
            return sorted(self.shown("status")) == sorted(expected)

        await until(look)

    def shown(self, columns, condition="true"):
        """Return what the view shows of this test's payments."""
        query = f"SELECT {columns} FROM read.bank_payments WHERE payment_id = ANY(%s::uuid[]) AND {condition}"
        return ask(self.service.settings.database_url, query, self.own_payments())

    async def books(self):
        """Return by how much the totals of the books, which must be equal, have changed since the test began."""
        return {name: amount - self._books[name] for name, amount in (await self._totals()).items()}

    async def _totals(self):
        reply = await self.service.ask("payments.v1.balance")
        assert reply["equal"]
        names = ("money_in", "matched", "in_review", "returned")
        return {name: sum(total[name] for total in reply["totals"]) for name in names}


@pytest_asyncio.fixture(loop_scope="module")
async def bank(service, own_payments):
    bank = Bank(service, own_payments)
    await bank.begin()
    return bank


def line(placed, *, text=None, **different):
    """Return the line of a transfer for an order, as its reply asked."""
    total = placed["price"]["total"]
    words = transaction(text or f"/VS{placed['payment']['variable_symbol']}")
    usual = {
        "currency": total["currency"],
        "reference": uuid4().hex[:16],
        "day": "2027-03-10",
        "details": words,
    }
    return entry(f"{total['amount'] / 100:.2f}", **{**usual, **different})


@pytest.mark.case(18)
@pytest.mark.parametrize("notice_first", [True, False])
async def test_a_notice_and_its_line_are_one_payment(service, bank, notice_first):
    """Whichever comes first: the payer was sent to the bank, and the line is of the same money."""
    placed = await service.place()
    for tells_notice in (notice_first, not notice_first):
        if tells_notice:
            await bank.notice(placed, method="bank_transfer")
        else:
            await bank.statement(line(placed))
        await service.status(placed["order_id"], "scheduled")
    await bank.statuses("matched", "line_of_notice")
    assert await service.history(placed["order_id"]) == ["OrderPlaced", "PaymentReceived"]
    total = placed["price"]["total"]["amount"]
    assert await bank.books() == {"money_in": total, "matched": total, "in_review": 0, "returned": 0}


@pytest.mark.case(18)
async def test_a_line_of_what_another_service_has_told_is_one_payment(service, bank):
    """The payment gateway told the order directly, by the id that the bank's line carries."""
    placed = await service.place()
    await service.pay(placed, payment_id="GATEWAY-17", method="bank_transfer")
    await service.status(placed["order_id"], "scheduled")
    await bank.statement(line(placed, reference="GATEWAY-17"))
    await bank.statuses("line_of_notice")
    total = placed["price"]["total"]["amount"]
    assert await bank.books() == {"money_in": total, "matched": total, "in_review": 0, "returned": 0}


@pytest.mark.case(18)
async def test_a_card_payment_and_a_transfer_are_two(service, bank):
    """The customer has paid twice: the second is for a person, who gives it back."""
    placed = await service.place()
    await bank.notice(placed, method="card")
    await service.status(placed["order_id"], "scheduled")
    await bank.statement(line(placed))
    await bank.statuses("matched", "in_review")


@pytest.mark.case(18, 19, 20)
async def test_a_notice_has_one_line(service, bank):
    """Two equal lines in one statement: one is the notice's, the other was paid twice, and a person sees it."""
    placed = await service.place()
    await bank.notice(placed, method="bank_transfer")
    await service.status(placed["order_id"], "scheduled")
    await bank.statement(line(placed), line(placed))
    await bank.statuses("matched", "line_of_notice", "in_review")
    total = placed["price"]["total"]["amount"]
    assert await bank.books() == {"money_in": 2 * total, "matched": total, "in_review": total, "returned": 0}


@pytest.mark.case(18, 30)
async def test_what_was_taken_for_a_line_by_mistake_is_a_persons_again(service, bank):
    """The match is undone without an order."""
    placed = await service.place()
    await bank.notice(placed, method="bank_transfer")
    await service.status(placed["order_id"], "scheduled")
    await bank.statement(line(placed))
    await bank.statuses("matched", "line_of_notice")
    [payment_id] = bank.shown("payment_id", "status = 'line_of_notice'")
    await bank.decide("reassign", payment_id=str(payment_id), allocations=[])
    await bank.statuses("matched", "in_review")


@pytest.mark.case(23)
async def test_a_mistyped_reference_is_for_a_person(service, bank):
    """The amount is right, the check digit wrong; the order that was meant is suggested first."""
    placed = await service.place()
    symbol = placed["payment"]["variable_symbol"]
    mistyped = f"{symbol[:-1]}{(int(symbol[-1]) + 1) % 10}"
    await bank.statement(line(placed, text=f"/VS{mistyped}"))
    [payment_id] = bank.own_payments()
    [payment] = (await service.ask("payments.v1.review", payment_id=payment_id))["payments"]
    assert "check_digit_wrong" in payment["reasons"]
    assert payment["suggestions"][0]["orders"][0]["order_number"] == placed["order_number"]
    assert await service.history(placed["order_id"]) == ["OrderPlaced"]


@pytest.mark.thorough
async def test_what_a_line_says_of_its_payer_is_forgotten_with_the_order(service, bank):
    """Also where the money was counted by a notice."""
    placed = await service.place()
    await bank.notice(placed, method="bank_transfer")
    await service.status(placed["order_id"], "scheduled")
    await bank.statement(line(placed))
    await bank.statuses("matched", "line_of_notice")
    await service.command("start_registration", order_id=placed["order_id"])
    await service.status(placed["order_id"], "issued")
    await service.command("erase", order_id=placed["order_id"])

    async def forgotten():
        return bank.shown("num_nonnulls(remittance, counterparty, counterparty_account)") == [0, 0]

    await until(forgotten)


async def refunded_by_file(service, bank, placed):
    """Ask for the money back, approve it, and put it into a file; return its id as the bank will show it."""
    await service.command("request_refund", order_id=placed["order_id"])
    await until(lambda: bank.payouts(placed, "to_approve"))
    approved = await bank.decide("approve", order_id=placed["order_id"], purpose="refund")
    await until(lambda: bank.payouts(placed, "approved"))
    file = await bank.decide("pay_out", currency="CZK")
    assert file["payouts"] == 1
    return approved["payouts"][0]["payout_id"]


def payout(placed, payout_id, **different):
    """Return the bank's line of a payout of ours."""
    words = transaction(payout_id).replace("Dbtr", "Cdtr")
    return line(placed, details=words, **{"side": "DBIT", **different})


@pytest.mark.case(29)
async def test_a_refund_is_confirmed_by_the_statement_and_brought_back_by_another(service, bank):
    """Paid out once; returned by the payer's bank it is owed again, and can be paid out anew."""
    placed = await service.place()
    total = placed["price"]["total"]["amount"]
    await bank.statement(line(placed))
    await service.status(placed["order_id"], "scheduled")
    payout_id = await refunded_by_file(service, bank, placed)
    shown = payout(placed, payout_id)
    await bank.statement(shown)
    await service.status(placed["order_id"], "refunded")
    assert await bank.books() == {"money_in": total, "matched": 0, "in_review": 0, "returned": total}
    await bank.statement(payout(placed, payout_id, side="CRDT", more="<RvslInd>true</RvslInd>"))
    await service.status(placed["order_id"], "refund_pending")
    assert await bank.books() == {"money_in": total, "matched": total, "in_review": 0, "returned": 0}
    await bank.statement(shown)  # once more: what failed is not confirmed by what was known before
    again = await bank.decide("approve", order_id=placed["order_id"], purpose="refund")
    assert again["payouts"][0]["payout_id"] != payout_id
    await until(lambda: bank.payouts(placed, "approved"))  # else the next test can not put it out of its way


@pytest.mark.case(29)
async def test_a_reversal_while_a_refund_is_with_the_bank_is_a_debt(service, bank):
    """The file has left, and the payer's bank takes the money back as well: no second refund, and it is owed to us."""
    placed = await service.place()
    total = placed["price"]["total"]["amount"]
    await bank.statement(line(placed, reference="TAKEN"))
    await service.status(placed["order_id"], "scheduled")
    payout_id = await refunded_by_file(service, bank, placed)
    await bank.statement(line(placed, reference="TAKEN", side="DBIT", more="<RvslInd>true</RvslInd>"))

    async def owed():
        return (await service.status(placed["order_id"]))["owed"]

    assert await until(owed) == total
    assert (await bank.decide("pay_out", currency="CZK"))["payouts"] == 0
    await bank.statement(payout(placed, payout_id))
    await service.status(placed["order_id"], "refunded")
    assert await bank.books() == {"money_in": total, "matched": -total, "in_review": 0, "returned": 2 * total}
