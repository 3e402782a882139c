"""Notices of one payment, in whatever order they come: nothing counts twice, and nothing is lost."""

import asyncio
from datetime import UTC, datetime
from itertools import permutations

import pytest

from bank_imports import a_bank, happened
from bank_payments import an_entry
from eventstore_helpers import NOON
from vignettes.domain.money import Money
from vignettes.domain.payment import BankPayment, payment_id_of
from vignettes.messages.forms import Amount
from vignettes.messages.payments import TakeNotice
from vignettes.services.commanding import RefusedByRules
from vignettes.services.payments.booking import on
from vignettes.services.payments.notices import NoticeDesk, entry_of

WHOLE = 10_000
#: What a payment can be left as, beside the events that lead there.
KINDS = {
    "PaymentBooked": "booked",
    "PaymentArrived": "arrived",
    "PaymentReversed": "reversed",
    "PaymentQueued": "in review",
    "LineRecognised": "closed",
}


def notice(state, amount=WHOLE, currency="CZK", **different):
    told = {
        "provider": "acme",
        "payment_id": "pay-1",
        "state": state,
        "amount": Amount(amount=amount, currency=currency),
        "order_reference": "V6562305984",
        "method": "card",
        "occurred_at": datetime(2026, 6, 1, 10, tzinfo=UTC),
        "test": False,
    }
    return TakeNotice(**(told | different))


class Provider:
    """Tells the desk of payments, as the web service passes it on, and reads the log."""

    def __init__(self, bank):
        self.bank = bank
        NoticeDesk(bank.writer).register(self)

    def answer(self, *subject):
        self._take = subject[-1]

    async def tells(self, state, amount=WHOLE, **different):
        await self._take(notice(state, amount, **different), None)

    def payments(self):
        """Return what happened to each payment: its events after the booking, by its amount and way, in order."""
        return sorted(self._told(events) for events in happened(self.bank.database).values())

    @staticmethod
    def _told(events):
        [(_, first), *later] = events
        entry = first["entry"]
        way = "in" if entry.credit and entry.booked else "announced" if entry.credit else "out"
        arrived = [said["amount"].amount for kind, said in later if kind == "PaymentArrived"]
        return (way, arrived[-1] if arrived else entry.amount.amount, [KINDS[kind] for kind, _ in later])


@pytest.fixture
async def provider(database):
    async with a_bank(database) as bank:
        yield Provider(bank)


@pytest.mark.case(28)
async def test_what_goes_back_whole_is_reversed_once(provider):
    for state in ("paid", "reversed", "reversed", "paid"):
        await provider.tells(state)
    assert provider.payments() == [("in", WHOLE, ["reversed"])]


async def test_what_goes_back_in_part_is_for_a_person(provider):
    """The payment counts on: how much of the order that takes back is not for us to say."""
    await provider.tells("paid")
    await provider.tells("refunded", 3_000)
    assert provider.payments() == [("in", WHOLE, []), ("out", 3_000, [])]


async def test_of_each_part_only_what_is_new_is_told(provider):
    """Providers tell all that went back so far: 30, then 60, are 60."""
    await provider.tells("paid")
    for amount in (3_000, 6_000, 3_000, 6_000):
        await provider.tells("refunded", amount)
    assert provider.payments() == [("in", WHOLE, []), ("out", 3_000, []), ("out", 3_000, [])]


@pytest.mark.parametrize("order", list(permutations((3_000, 6_000, 9_000))))
async def test_parts_that_overtake_each_other_are_the_same_money(provider, order):
    """One after the other, and all at once."""
    for payment_id in ("pay-1", "pay-2"):
        await provider.tells("paid", payment_id=payment_id)
    for amount in order:
        await provider.tells("refunded", amount)
    await asyncio.gather(*(provider.tells("refunded", amount, payment_id="pay-2") for amount in order))
    assert sum(amount for way, amount, _ in provider.payments() if way == "out") == 2 * 9_000


async def test_parts_that_become_the_whole_wait_for_nobody(provider):
    await provider.tells("paid")
    for amount in (3_000, 6_000, WHOLE):
        await provider.tells("refunded", amount)
    await provider.tells("refunded", 3_000)  # late
    closed = ("out", 3_000, ["closed"])
    assert provider.payments() == [("in", WHOLE, ["reversed"]), closed, closed]


@pytest.mark.case(28)
async def test_what_was_refunded_and_then_charged_back_is_not_lost(provider):
    """It went back twice: the second time is for a person, and the provider hears that we know."""
    for state in ("paid", "refunded", "reversed", "reversed"):
        await provider.tells(state)
    assert provider.payments() == [("in", WHOLE, ["reversed"]), ("out", WHOLE, [])]


@pytest.mark.case(28)
async def test_what_is_counted_by_the_banks_line_is_for_a_person(provider):
    """The notice's own payment counts for nothing then: to reverse it would reach no order."""
    await provider.tells("paid")
    known = payment_id_of(entry_of(notice("paid")).entry_id)
    line = BankPayment.book(an_entry(), "statement", "bank_transfer", NOON).id
    await provider.bank.writer.execute(
        on(known, line, lambda payment, at: payment.recognise(line, ("names_the_notice",), at), "matching")
    )
    await provider.tells("reversed")
    assert provider.payments() == [("in", WHOLE, ["closed"]), ("out", WHOLE, [])]


async def test_a_charge_back_that_overtakes_its_payment_takes_it_back(provider):
    await provider.tells("reversed")
    await provider.tells("paid")
    assert provider.payments() == [("announced", WHOLE, ["reversed"])]


async def test_a_refund_of_a_part_that_overtakes_its_payment_hides_no_money(provider):
    """What came then is a person's to look at, once; what more goes back of it too."""
    await provider.tells("refunded", 3_000)
    for _ in range(2):
        await provider.tells("paid")
    came = ("in", WHOLE, ["in review"])
    assert provider.payments() == [("announced", 3_000, ["reversed"]), came]
    for amount in (5_000, 3_000, 5_000):
        await provider.tells("refunded", amount)
    assert provider.payments() == [("announced", 3_000, ["reversed"]), came, ("out", 2_000, [])]


@pytest.mark.case(27)
async def test_what_was_authorised_may_arrive_in_part(provider):
    await provider.tells("authorised")
    await provider.tells("paid", 4_000)
    await provider.tells("refunded", 4_000)
    assert provider.payments() == [("announced", 4_000, ["arrived", "reversed"])]


@pytest.mark.case(27)
@pytest.mark.parametrize(
    "late", [{"state": "authorised"}, {"state": "pending"}, {"state": "paid", "test": True}]
)
async def test_what_was_announced_of_money_that_is_here_is_no_contradiction(provider, late):
    """Notices come in any order: what was authorised is often more than what is taken."""
    await provider.tells("paid", 4_000)
    await provider.tells(**late)
    assert provider.payments() == [("in", 4_000, [])]


@pytest.mark.parametrize("before", [[], [("refunded", 3_000)]])
async def test_two_amounts_that_are_told_to_have_come_are_a_contradiction(provider, before):
    for state, amount in (*before, ("paid", WHOLE)):
        await provider.tells(state, amount)
    with pytest.raises(RefusedByRules) as refused:
        await provider.tells("paid", WHOLE - 1)
    assert refused.value.code == "conflict"


async def test_a_reversal_of_a_test_takes_nothing_back(provider):
    await provider.tells("paid")
    await provider.tells("reversed", test=True)
    assert provider.payments() == [("in", WHOLE, [])]


async def test_another_currency_is_never_reckoned_with(provider):
    """A person looks at it."""
    await provider.tells("paid")
    for currency in ("EUR", "CZK", "EUR"):
        await provider.tells("reversed", currency=currency)
    told = happened(provider.bank.database)
    assert {events[0][1]["entry"].amount for events in told.values()} == {
        Money(WHOLE, "CZK"),
        Money(WHOLE, "EUR"),
    }
