"""Bank files over NATS, through the running service: matched, in review, known already, set aside."""

import base64
import io
from uuid import uuid4

import pytest

from bank_files import balance, camt053, entry, statement, transaction
from bank_imports import CSV_MAP, SAMPLES
from bank_payments import an_entry
from eventstore_helpers import ask
from service import until
from vignettes.domain.payment import payment_id_of
from vignettes.messages import bank_files
from vignettes.messages.replies import REPLY_OF
from vignettes.services import statements
from vignettes.services.payments.forms import form_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Desk:
    """Programs that have bank files."""

    def __init__(self, service, own_payments):
        self.service = service
        self.own_payments = own_payments

    async def take(self, file, name="statement.xml", **different):
        """Send a whole file."""
        told = {
            "command_id": str(uuid4()),
            "actor": "accounting",
            "file_name": name,
            "content": base64.b64encode(file).decode(),
            **different,
        }
        reply = await self.service.ask("payments.v1.import", **told)
        if reply["ok"]:
            REPLY_OF[bank_files.ImportFile].model_validate(reply)
        return reply

    async def taken(self, line):
        """Take one line, and return the payment that it is."""
        content = camt053(statement(line))
        assert (await self.take(content))["new"] == 1
        booked = next(statements.read(io.BytesIO(content)))
        return str(payment_id_of(booked.entry_id))

    async def place(self, payment_id, reverses):
        """Say what a reversal took back; return what is answered."""
        told = {
            "command_id": str(uuid4()),
            "actor": "ops:anna",
            "payment_id": payment_id,
            "reverses": reverses,
        }
        return await self.service.ask("payments.v1.place_reversal", **told)

    async def payment(self, payment_id, *statuses):
        """Return a payment, once it stands as wanted."""

        async def look():
            [payment] = (await self.service.ask("payments.v1.review", payment_id=payment_id))["payments"]
            return payment if payment["status"] in statuses else None

        return await until(look)

    async def decide(self, what, **body):
        reply = await self.service.ask(
            f"payments.v1.{what}", **{"command_id": str(uuid4()), "actor": "ops:anna", **body}
        )
        assert reply["ok"], reply
        return reply

    async def waiting(self):
        """Return what waits for a person, of what came in since the test began."""
        own = self.own_payments()
        waiting = (await self.service.ask("payments.v1.review"))["payments"]
        return [payment for payment in waiting if payment["payment_id"] in own]


@pytest.fixture
def desk(service, own_payments):
    return Desk(service, own_payments)


@pytest.fixture
def named():
    """Give what makes the bank's reference of a line this test's own: twice the same is the same line."""
    own = uuid4().hex[:8]
    return lambda reference: f"{reference}-{own}"


def paying(placed, reference):
    """Return the line of a transfer for an order, as its reply asked."""
    total = placed["price"]["total"]
    symbol = placed["payment"]["variable_symbol"]
    return entry(
        f"{total['amount'] / 100:.2f}", currency=total["currency"], reference=reference, day="2027-03-10",
        details=transaction(f"/VS{symbol}"),
    )  # fmt: skip


async def test_a_file_is_answered_with_what_became_of_its_entries(service, desk, named):
    """Matched and in review by the time of the answer; the same file again, under another name, is known."""
    placed = await service.place()
    rent = entry("50.00", side="DBIT", reference=named("RENT"))
    content = camt053(statement(paying(placed, named("PAY")), entry("1.00", reference=named("WHO")), rent))
    reply = await desk.take(content)
    counts = {name: reply[name] for name in ("entries", "new", "known", "matched", "in_review", "ignored")}
    assert counts == {"entries": 3, "new": 2, "known": 0, "matched": 1, "in_review": 1, "ignored": 1}
    await service.status(placed["order_id"], "scheduled")
    again = await desk.take(content, "renamed.xml")
    assert (again["state"], again["file_id"]) == ("imported", reply["file_id"])
    assert (again["new"], again["known"]) == (0, 2)
    assert await service.history(placed["order_id"]) == ["OrderPlaced", "PaymentReceived"]


async def test_a_file_that_does_not_add_up_counts_for_nothing(service, desk, named):
    placed = await service.place()
    balances = balance("OPBD", "0.00") + balance("CLBD", "0.01")
    reply = await desk.take(camt053(statement(paying(placed, named("PAY")), balances=balances)))
    assert (reply["ok"], reply["state"], reply["new"]) == (True, "set_aside", 0)
    assert "does not add up" in reply["reason"]
    assert desk.own_payments() == []


@pytest.mark.parametrize(
    ("different", "field"),
    [
        ({"content": "AAA"}, "content"),
        ({"content": "@@@"}, "content"),
        ({"csv_map": "columns = 1"}, "csv_map"),
        ({"csv_map": "="}, "csv_map"),
        ({"encoding": "klingon"}, "encoding"),
        ({"format": "pdf"}, "format"),
    ],
)
async def test_what_is_wrong_with_the_request_names_the_field(desk, different, field):
    reply = await desk.take(b"x", **different)
    assert (reply["ok"], reply["error"]["field"]) == (False, field)


async def test_a_csv_file_comes_with_its_map(desk):
    [csv] = [sample for sample in SAMPLES if sample.name == "account.csv"]
    reply = await desk.take(csv.content, csv.name, csv_map=CSV_MAP)
    assert (reply["state"], reply["entries"], reply["in_review"]) == ("imported", 2, 2)


@pytest.mark.parametrize(
    ("field", "value"), [("booked_on", "0001-01-01"), ("booked_on", "9999-12-31"), ("amount", 10**15 + 1)]
)
async def test_an_entry_that_no_bank_books_is_refused_with_its_field(service, field, value):
    told = form_of(an_entry()).model_dump(mode="json") | {field: value}
    file = {"digest": "0" * 64, "name": "x", "format": "camt"}
    reply = await service.ask("payments.v1.book", actor="a", file=file, entries=[told])
    assert (reply["ok"], reply["error"]["field"]) == (False, f"entries.0.{field}")


async def test_why_a_file_was_set_aside_is_told_with_it_and_only_then(service):
    file = {"digest": "0" * 64, "name": "x", "format": "camt"}
    for state, reason in (("set_aside", None), ("imported", "why")):
        told = {"actor": "a", "file": file, "state": state, "reason": reason}
        reply = await service.ask("payments.v1.note_file", **told)
        assert reply["error"]["field"] == "reason"


@pytest.mark.case(28)
async def test_a_payment_that_the_bank_takes_back_is_taken_from_its_order(service, desk, named):
    """In one file with it: whoever looks at the order sees that it is not paid."""
    placed = await service.place()
    total = placed["price"]["total"]["amount"] / 100
    taken_back = entry(
        f"{total:.2f}", side="DBIT", reference=named("PAY"), day="2027-03-10", more="<RvslInd>true</RvslInd>"
    )
    reply = await desk.take(camt053(statement(paying(placed, named("PAY")), taken_back)))
    assert (reply["entries"], reply["reversals"]) == (2, 1)
    await service.status(placed["order_id"], "awaiting_payment")

    async def nothing_waits():
        return await desk.waiting() == []

    await until(nothing_waits)


@pytest.mark.case(18, 28)
async def test_a_person_places_a_reversal_of_a_notices_line_on_the_notices_payment(service, desk, named):
    """That is the one that counts for the order; and what was taken back once is not taken back again."""
    placed = await service.place()
    total, at = placed["price"]["total"], (await service.now()).isoformat()
    told = {
        "provider": "acme", "payment_id": "17", "state": "paid", "amount": total, "method": "bank_transfer",
        "order_reference": placed["payment"]["variable_symbol"], "occurred_at": at, "test": False,
    }  # fmt: skip
    notice = (await service.ask("payments.v1.notice", **told))["payment_id"]
    await service.status(placed["order_id"], "scheduled")
    line = await desk.taken(paying(placed, named("PAY")))
    await desk.payment(line, "line_of_notice")
    first, second = [await desk.taken(taken_back(total, named(each))) for each in ("R1", "R2")]
    await desk.decide("place_reversal", payment_id=first, reverses=line)
    await desk.payment(notice, "reversed")
    await service.status(placed["order_id"], "awaiting_payment")
    again = await desk.place(second, line)
    assert again["error"]["code"] == "conflict"
    await desk.payment(second, "unplaced")


async def test_a_reversal_is_placed_on_money_that_came_in_only(service, desk, named):
    """Not on itself, on another reversal, on what was announced; and a line of a notice is no reversal."""
    placed = await service.place()
    total = placed["price"]["total"]
    await service.pay(placed, payment_id="GATEWAY-17", method="bank_transfer")
    await service.status(placed["order_id"], "scheduled")
    line = await desk.taken(paying(placed, "GATEWAY-17"))
    await desk.payment(line, "line_of_notice")
    amount = {"amount": f"{total['amount'] / 100:.2f}", "currency": total["currency"], "day": "2027-03-10"}
    announced = await desk.taken(entry(**amount, reference=named("A"), status="<Sts><Cd>PDNG</Cd></Sts>"))
    other = await desk.taken(entry(**amount, reference=named("B")))
    first, second = [await desk.taken(taken_back(total, named(each))) for each in ("R1", "R2")]
    for target in (first, second, announced):
        refused = (await desk.place(first, target))["error"]
        assert (refused["code"], refused["field"]) == ("invalid_request", "reverses")
    assert "orders.v1.reverse_payment" in (await desk.place(first, line))["error"]["message"]
    assert (await desk.place(line, other))["error"]["field"] == "payment_id"
    await desk.payment(other, "in_review")
    for _ in range(2):
        assert (await desk.place(first, other))["ok"]
    await desk.payment(other, "reversed")


def taken_back(total, reference):
    """Return the line of a reversal that names nothing."""
    reversed_ = "<RvslInd>true</RvslInd>"
    return entry(
        f"{total['amount'] / 100:.2f}", currency=total["currency"], side="DBIT", reference=reference,
        day="2027-03-11", more=reversed_,
    )  # fmt: skip


async def test_a_return_is_confirmed_by_its_line_and_taken_back_by_another(service, desk, named):
    """Read again after it has come back, the first line confirms nothing anew."""
    await desk.take(camt053(statement(entry("1.00", reference=named("WHO"), details=transaction()))))
    [waiting] = await desk.waiting()
    payment_id = waiting["payment_id"]
    await desk.decide("return", payment_id=payment_id)
    payout_id = await with_bank(service, desk)
    left = camt053(
        statement(entry("1.00", side="DBIT", reference=named("OUT"), details=transaction(payout_id)))
    )
    assert (await desk.take(left))["payouts"] == 1
    await desk.payment(payment_id, "returned")
    back = entry(
        "1.00", reference=named("BACK"), more="<RvslInd>true</RvslInd>", details=transaction(payout_id)
    )
    assert (await desk.take(camt053(statement(back))))["payouts"] == 1
    await desk.payment(payment_id, "in_review")
    again = await desk.take(left)
    assert (again["payouts"], again["new"]) == (1, 0)
    assert (await desk.payment(payment_id, "in_review"))["reasons"] == ["return_failed"]


async def test_a_payout_that_the_bank_carried_out_twice_is_a_persons(service, desk, named):
    """The second line is money that nobody has ordered; so is a second one that came back."""
    await desk.take(camt053(statement(entry("1.00", reference=named("WHO"), details=transaction()))))
    [waiting] = await desk.waiting()
    await desk.decide("return", payment_id=waiting["payment_id"])
    words = transaction(await with_bank(service, desk))
    back = "<RvslInd>true</RvslInd>"
    for side, more, status in (("DBIT", "", "returned"), ("CRDT", back, "in_review")):
        for reference, new in (("FIRST", 0), ("SECOND", 1), ("FIRST", 0)):
            line = entry("1.00", side=side, reference=named(reference), more=more, details=words)
            reply = await desk.take(camt053(statement(line)))
            assert (reply["payouts"], reply["new"]) == (1, new)
        await desk.payment(waiting["payment_id"], status)
    assert sorted(each["status"] for each in await desk.waiting()) == ["in_review", "in_review", "unplaced"]


@pytest.mark.thorough
async def test_a_refund_that_left_after_it_was_told_to_have_failed_is_a_persons(service, desk, named):
    """The customer may have it twice. Where the bank shows that it came back, its way there is no news."""
    for came_back in (False, True):
        placed = await service.place()
        await desk.take(camt053(statement(paying(placed, named(f"PAY{came_back}")))))
        payout_id = await refund(service, desk, placed)
        amount = f"{placed['price']['total']['amount'] / 100:.2f}"
        back = entry(
            amount,
            reference=named(f"BACK{came_back}"),
            more="<RvslInd>true</RvslInd>",
            details=transaction(payout_id),
        )
        if came_back:
            assert (await desk.take(camt053(statement(back))))["new"] == 0
        else:
            await service.command("fail_payout", order_id=placed["order_id"], payout_id=payout_id)
        await failed(service, payout_id)
        left = entry(amount, side="DBIT", reference=named(f"OUT{came_back}"), details=transaction(payout_id))
        reply = await desk.take(camt053(statement(left)))
        assert (reply["payouts"], reply["new"]) == (1, int(not came_back))


@pytest.mark.thorough
async def test_a_refund_is_confirmed_by_its_line(service, desk, named):
    """Of another amount it is nobody's, and waits for a person."""
    placed = await service.place()
    await desk.take(camt053(statement(paying(placed, named("PAY")))))
    await service.status(placed["order_id"], "scheduled")
    payout_id = await refund(service, desk, placed)
    total = placed["price"]["total"]["amount"]
    for amount, state in ((total - 1, "refund_pending"), (total, "refunded")):
        line = entry(
            f"{amount / 100:.2f}",
            side="DBIT",
            reference=named(f"OUT{amount}"),
            details=transaction(payout_id),
        )
        reply = await desk.take(camt053(statement(line)))
        assert (reply["payouts"], reply["in_review"]) == (1, int(amount != total))
        await service.status(placed["order_id"], state)


async def refund(service, desk, placed):
    """Put the refund of an order into a file for the bank, and return its id."""
    await service.status(placed["order_id"], "scheduled")
    await service.command("request_refund", order_id=placed["order_id"], reason="changed my mind")
    await service.status(placed["order_id"], "refund_pending")
    await desk.decide(
        "approve", order_id=placed["order_id"], purpose="refund", account="DE89370400440532013000"
    )
    return await with_bank(service, desk)


async def failed(service, payout_id):
    """Wait until a payout is known to have failed."""
    row = "SELECT payout_id FROM view.payouts WHERE payout_id = %s AND state = 'failed'"

    async def look():
        return ask(service.settings.database_url, row, payout_id)

    await until(look)


async def with_bank(service, desk):
    """Put the one payout that is approved into a file for the bank, and return its id."""

    async def look():
        payouts = (await service.ask("payments.v1.payouts"))["payouts"]
        return [each for each in payouts if each["state"] == "approved"]

    [approved] = await until(look)
    payout_id = approved["payout_id"]
    reply = await desk.decide("pay_out", currency=approved["amount"]["currency"])
    assert reply["payouts"] == 1

    async def ordered():
        payouts = (await service.ask("payments.v1.payouts"))["payouts"]
        return [each for each in payouts if (each["payout_id"], each["state"]) == (payout_id, "with_bank")]

    await until(ordered)
    return payout_id
