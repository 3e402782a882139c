"""Money in, through the running service: matched with certainty, or a person's; undone, reversed, counted once."""

from datetime import datetime
from uuid import uuid4

import pytest

from service import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Money:
    """What providers and people tell the running service of money."""

    def __init__(self, service):
        self.service = service

    async def notice(self, placed, *, state="paid", **different):
        """Tell of a payment as a provider's notice does, for an order as its reply asked, or differently."""
        told = {
            "provider": "acme",
            "payment_id": str(uuid4()),
            "state": state,
            "amount": placed["price"]["total"],
            "order_reference": placed["payment"]["variable_symbol"],
            "method": "card",
            "occurred_at": (await self.service.now()).isoformat(),
            "test": False,
            **different,
        }
        reply = await self.service.ask("payments.v1.notice", **told)
        assert reply["ok"], reply
        return reply["payment_id"], told

    async def payment(self, payment_id, *statuses):
        """Return a payment, once it stands as wanted."""

        async def look():
            reply = await self.service.ask("payments.v1.review", payment_id=payment_id)
            if not reply["ok"]:
                return None
            [payment] = reply["payments"]
            return payment if payment["status"] in statuses else None

        return await until(look)

    async def queue(self):
        """Return what waits for a person."""
        return (await self.service.ask("payments.v1.review"))["payments"]

    async def decide(self, what, payment_id, **body):
        """Decide as a person does."""
        return await self.service.ask(
            f"payments.v1.{what}",
            **{"command_id": str(uuid4()), "actor": "ops:anna", "payment_id": payment_id, **body},
        )

    async def told(self, payment_id, *states):
        """Wait until the orders of a payment know of their shares."""

        async def look():
            [payment] = (await self.service.ask("payments.v1.review", payment_id=payment_id))["payments"]
            return {share["state"] for share in payment["shares"]} <= set(states) and payment

        return await until(look)


@pytest.fixture
def money(service):
    return Money(service)


async def test_a_payment_that_is_certain_finds_its_order(service, money):
    """Promise 4: the order is paid when the money has arrived, and its history tells by what."""
    placed = await service.place()
    payment_id, _ = await money.notice(placed)
    status = await service.status(placed["order_id"], "scheduled")
    assert status["received"] == placed["price"]["total"]["amount"]
    payment = await money.payment(payment_id, "matched")
    assert payment["reasons"] == ["reference_checks", "amount_exact", "currency_same", "order_waits"]


@pytest.mark.case(17)
async def test_the_same_notice_again_changes_nothing(service, money):
    placed = await service.place()
    payment_id, told = await money.notice(placed)
    await service.status(placed["order_id"], "scheduled")
    for _ in range(3):
        assert (await service.ask("payments.v1.notice", **told))["payment_id"] == payment_id
    assert await service.history(placed["order_id"]) == ["OrderPlaced", "PaymentReceived"]


@pytest.mark.case(27)
@pytest.mark.parametrize("how", [{"state": "authorised"}, {"state": "pending"}, {"test": True}])
async def test_what_is_only_announced_pays_for_nothing(service, money, how):
    """It is kept as a fact; arrived, the same payment counts."""
    placed = await service.place()
    payment_id, told = await money.notice(placed, **how)
    await money.payment(payment_id, "announced")
    assert await service.history(placed["order_id"]) == ["OrderPlaced"]
    await service.ask("payments.v1.notice", **{**told, "state": "paid", "test": False})
    await service.status(placed["order_id"], "scheduled")


@pytest.mark.case(26)
@pytest.mark.case(20)
async def test_a_second_payment_is_for_a_person_and_then_surplus(service, money):
    placed = await service.place()
    await money.notice(placed)
    await service.status(placed["order_id"], "scheduled")
    second, _ = await money.notice(placed)
    payment = await money.payment(second, "in_review")
    assert "order_paid" in payment["reasons"]
    number = placed["order_number"]
    assert payment["suggestions"][0]["orders"][0]["order_number"] == number
    assert (await money.decide("allocate", second, allocations=[{"order_number": number}]))["ok"]
    await money.told(second, "counted")

    async def surplus():
        return (await service.status(placed["order_id"], "scheduled"))["surplus"]

    assert await until(surplus) == placed["price"]["total"]["amount"]


@pytest.mark.case(21)
async def test_too_little_is_for_a_person_and_a_top_up_completes(service, money):
    placed = await service.place()
    total = placed["price"]["total"]
    part = {**total, "amount": total["amount"] - 100}
    first, _ = await money.notice(placed, amount=part)
    assert "underpaid" in (await money.payment(first, "in_review"))["reasons"]
    await money.decide("allocate", first, allocations=[{"order_id": placed["order_id"]}])
    await service.status(placed["order_id"], "partially_paid")
    await money.notice(placed, amount={**total, "amount": 100})
    await service.status(placed["order_id"], "scheduled")


@pytest.mark.case(25)
async def test_one_transfer_for_two_orders_is_split_by_a_person(service, money):
    """The sums are equal, or it is refused with the field."""
    one, other = await service.place(), await service.place()
    total = one["price"]["total"]
    both = {**total, "amount": 2 * total["amount"]}
    text = f"{one['order_number']} {other['order_number']}"
    payment_id, _ = await money.notice(one, amount=both, order_reference=text)
    payment = await money.payment(payment_id, "in_review")
    assert "several_references" in payment["reasons"]
    wrong = [{"order_id": one["order_id"], "amount": total}, {"order_id": other["order_id"], "amount": both}]
    refused = await money.decide("allocate", payment_id, allocations=wrong)
    assert (refused["error"]["code"], refused["error"]["field"]) == ("invalid_request", "allocations")
    split = [{"order_id": each["order_id"], "amount": total} for each in (one, other)]
    assert (await money.decide("allocate", payment_id, allocations=split))["ok"]
    for each in (one, other):
        await service.status(each["order_id"], "scheduled")


@pytest.mark.case(24)
async def test_another_currency_is_for_a_person_and_no_order_takes_it(service, money):
    placed = await service.place()
    payment_id, _ = await money.notice(placed, amount={"amount": 1000, "currency": "EUR"})
    assert "currency_differs" in (await money.payment(payment_id, "in_review"))["reasons"]
    refused = await money.decide("allocate", payment_id, allocations=[{"order_id": placed["order_id"]}])
    assert refused["error"]["field"] == "allocations"


@pytest.mark.case(30)
async def test_a_wrong_match_is_undone_by_compensating_events(service, money):
    """The first order waits again; the second one is paid by the same money."""
    wrong, right = await service.place(), await service.place()
    payment_id, _ = await money.notice(wrong)
    await service.status(wrong["order_id"], "scheduled")
    await money.told(payment_id, "counted")
    moved = await money.decide("reassign", payment_id, allocations=[{"order_id": right["order_id"]}])
    assert moved["ok"], moved
    await service.status(right["order_id"], "scheduled")
    await service.status(wrong["order_id"], "awaiting_payment")
    assert (await service.history(wrong["order_id"]))[-1] == "PaymentTakenBack"


async def test_money_on_its_way_back_is_not_reassigned(service, money):
    """Its order refuses to let go: the payment stays where it is, and says why."""
    placed, other = await service.place(), await service.place()
    payment_id, _ = await money.notice(placed)
    await service.status(placed["order_id"], "scheduled")
    await money.told(payment_id, "counted")
    await service.command("request_refund", order_id=placed["order_id"])
    await money.decide("reassign", payment_id, allocations=[{"order_id": other["order_id"]}])
    payment = await money.payment(payment_id, "matched")
    assert payment["reasons"] == ["order_refused_conflict"]
    assert await service.history(other["order_id"]) == ["OrderPlaced"]


@pytest.mark.case(28)
async def test_a_charge_back_before_the_start_suspends(service, money):
    """The order waits for money again, and what was due starts nothing."""
    placed = await service.place()
    _, told = await money.notice(placed)
    await service.status(placed["order_id"], "scheduled")
    await service.ask("payments.v1.notice", **{**told, "state": "reversed"})
    await service.status(placed["order_id"], "awaiting_payment")
    await service.advance(days=7)
    assert await service.registrations() == []


@pytest.mark.case(28)
async def test_a_charge_back_after_the_start_is_a_debt(service, money):
    """The vignette stays; what is owed is shown."""
    placed = await service.place()
    _, told = await money.notice(placed)
    await service.status(placed["order_id"], "scheduled")
    await service.command("start_registration", order_id=placed["order_id"])
    await service.status(placed["order_id"], "issued")
    await service.ask("payments.v1.notice", **{**told, "state": "reversed"})

    async def owed():
        row = await service.status(placed["order_id"], "issued")
        return row["owed"]

    assert await until(owed) == placed["price"]["total"]["amount"]


async def test_a_charge_back_that_overtakes_its_payment(service, money):
    """Notices come in any order: what was taken back never counts."""
    placed = await service.place()
    payment_id, told = await money.notice(placed, state="reversed")
    await money.payment(payment_id, "reversed")
    await service.ask("payments.v1.notice", **{**told, "state": "paid"})
    assert (await money.payment(payment_id, "reversed"))["arrived_at"] is None
    assert await service.history(placed["order_id"]) == ["OrderPlaced"]


async def test_money_in_time_is_measured_from_its_arrival(service, money):
    """What a person allocates an hour later arrived an hour before."""
    placed = await service.place()
    payment_id, _ = await money.notice(placed, order_reference=None)
    arrived = (await money.payment(payment_id, "in_review"))["arrived_at"]
    await service.advance(hours=1)
    await money.decide("allocate", payment_id, allocations=[{"order_id": placed["order_id"]}])
    status = await service.status(placed["order_id"], "scheduled")
    assert datetime.fromisoformat(status["paid_at"]) == datetime.fromisoformat(arrived)


async def test_who_has_paid_is_forgotten_with_the_order(service, money):
    """An erasure destroys the keys of the order's payments too: their words are null for ever."""
    placed = await service.place()
    payment_id, _ = await money.notice(
        placed, payer="Jana Nováková", payer_account="CZ6508000000192000145399"
    )
    await service.status(placed["order_id"], "scheduled")
    await money.told(payment_id, "counted")
    await service.command("start_registration", order_id=placed["order_id"])
    await service.status(placed["order_id"], "issued")
    assert (await service.command("erase", order_id=placed["order_id"]))["ok"]

    async def forgotten():
        payment = await money.payment(payment_id, "matched")
        return payment["counterparty"] is None and payment["remittance"] is None

    await until(forgotten)
