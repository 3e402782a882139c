"""Money that is to go back: given events, then what waits for whom, and where each payout stands."""

import pytest

from bank_payments import PAYER_IBAN, in_review
from eventstore_helpers import (
    DAY,
    HOUR,
    NOON,
    a_vault,
    an_order,
    ask,
    details,
    erase,
    fold,
    issue,
    pay,
    projecting,
    record,
    start,
)
from vignettes.domain.account import Purpose
from vignettes.projections.checking import Checker
from vignettes.projections.payouts import PayoutsView

PRICE, OFFICIAL, FEE = 39_900, 30_000, 9_900
ACCOUNT = "CZ6508000000192000145399"
REFUND, SURPLUS = Purpose.REFUND, Purpose.SURPLUS


@pytest.fixture
def payouts(shared_database, shared_orders, vault):
    """Return the rows of an order or a bank payment, once the view knows all of it, proved by a fold from zero."""

    async def after(source, columns="payout_id, state, purpose, amount"):
        record(shared_orders, source)
        await fold(shared_database, vault, PayoutsView(vault))
        await proved(shared_database, source)
        query = f"""SELECT {columns} FROM read.payouts WHERE coalesce(order_id, payment_id) = %s
                    ORDER BY coalesce(approved_position, position), payout_id"""
        return ask(shared_database, query, source.id)

    return after


async def proved(database, source):
    keys = a_vault()
    async with await projecting(database) as connection:
        checked = await Checker(connection, [PayoutsView(keys)], keys).order(source.id)
    assert checked.drift == ()


def refunding(amount=None, at=NOON):
    """An order whose customer has asked for the money back."""
    order = pay(an_order(), amount, at)
    order.request_refund("customer", at + HOUR)
    return order


def approved(purpose=REFUND, order=None):
    order = order or refunding()
    order.approve_payout(purpose, ACCOUNT, NOON + 2 * HOUR)
    return order, next(reversed(order.payouts))


def with_bank():
    order, payout_id = approved()
    order.order_payout(payout_id, "F1", NOON + 3 * HOUR)
    return order, payout_id


async def test_an_order_that_owes_nothing_has_no_row(payouts):
    """Placed, paid, registered: most orders are not here at all."""
    assert await payouts(issue(start(pay(an_order())))) == []


async def test_a_refund_waits_for_an_approval_with_price_and_fee_apart(payouts):
    """The whole of it: as the order's price."""
    rows = await payouts(refunding(), "state, purpose, amount, official, fee, account, since, order_number")
    [(*told, number)] = rows
    assert told == ["to_approve", "refund", PRICE, OFFICIAL, FEE, None, NOON + HOUR]
    assert number.startswith("V")


async def test_of_a_part_the_official_price_goes_back_first(payouts):
    """What was paid in part is the authority's price as far as it goes; the fee is the rest."""
    assert await payouts(refunding(10_000), "amount, official, fee") == [(10_000, 10_000, 0)]
    assert await payouts(refunding(35_000), "amount, official, fee") == [(35_000, OFFICIAL, 5_000)]


async def test_surplus_waits_beside_a_refund(payouts):
    """Each by itself, and surplus is no part of the price."""
    order = refunding(45_000)
    rows = await payouts(order, "state, purpose, amount, official")
    assert sorted(rows, key=str) == sorted(
        [("to_approve", "refund", PRICE, OFFICIAL), ("to_approve", "surplus", 5_100, None)], key=str
    )


async def test_what_was_approved_is_a_payout_and_waits_for_a_file(payouts):
    """Where it goes is known now, and nothing waits for an approval any more."""
    order, payout_id = approved()
    columns = "payout_id, state, amount, account, file_id, since"
    assert await payouts(order, columns) == [
        (f"{order.number}-1", "approved", PRICE, ACCOUNT, None, NOON + 2 * HOUR)
    ]
    assert payout_id == f"{order.number}-1"


async def test_where_it_goes_is_sealed_in_the_table(payouts, shared_database):
    """As all that tells a person (decision 0015)."""
    order, _ = approved()
    await payouts(order)
    [stored] = ask(shared_database, "SELECT account FROM view.payouts WHERE source_id = %s", order.id)
    assert ACCOUNT.encode() not in bytes(stored)


async def test_a_payout_is_with_the_bank_once_it_is_in_a_file(payouts):
    """Also where that is heard of a batch later."""
    order, payout_id = approved()
    await payouts(order)
    order.order_payout(payout_id, "F1", NOON + 3 * HOUR)
    columns = "state, file_id, account, ordered_at, since"
    assert await payouts(order, columns) == [("with_bank", "F1", ACCOUNT, NOON + 3 * HOUR, NOON + 3 * HOUR)]


async def test_what_has_left_stays_with_its_file(payouts):
    """A file can be asked for again when all of it is paid out."""
    order, payout_id = with_bank()
    await payouts(order)
    order.confirm_refund(payout_id, order.refund, NOON + DAY)
    columns = "payout_id, state, file_id, account, since"
    assert await payouts(order, columns) == [(payout_id, "paid_out", "F1", ACCOUNT, NOON + DAY)]


async def test_what_another_service_has_paid_out_is_told_too(payouts):
    """Nobody approved it here, so nobody knows where it went."""
    order = refunding()
    order.confirm_refund("elsewhere-1", order.refund, NOON + DAY)
    assert await payouts(order, "payout_id, state, amount, account") == [
        ("elsewhere-1", "paid_out", PRICE, None)
    ]


async def test_a_payout_that_has_reached_nobody_is_to_be_approved_anew(payouts):
    """The failed one stays, with its file, and another follows under another id."""
    order, payout_id = with_bank()
    await payouts(order)
    order.fail_payout(payout_id, NOON + DAY)
    assert await payouts(order) == [
        (payout_id, "failed", "refund", PRICE),
        (None, "to_approve", "refund", PRICE),
    ]
    order.approve_payout(REFUND, ACCOUNT, NOON + 2 * DAY)
    assert await payouts(order) == [
        (payout_id, "failed", "refund", PRICE),
        (f"{order.number}-2", "approved", "refund", PRICE),
    ]


async def test_a_payout_may_come_back_after_it_was_confirmed(payouts):
    """The statement has shown it leave, and another one shows it come back."""
    order, payout_id = with_bank()
    order.confirm_refund(payout_id, order.refund, NOON + DAY)
    await payouts(order)
    order.fail_payout(payout_id, NOON + 2 * DAY)
    assert [row[1] for row in await payouts(order)] == ["failed", "to_approve"]


@pytest.mark.case(29)
@pytest.mark.parametrize("in_batches", [True, False])
async def test_a_reversal_withdraws_what_is_approved_and_in_no_file(payouts, in_batches):
    """Nothing of it is to go back any more: the payer has it (case 29)."""
    order = pay(an_order(), payment_id="p-1")
    order.request_refund("customer", NOON + HOUR)
    order, payout_id = approved(order=order)
    if in_batches:
        await payouts(order)
    order.reverse_payment("p-1", NOON + DAY)
    assert await payouts(order) == [(payout_id, "withdrawn", "refund", PRICE)]


@pytest.mark.case(29)
async def test_a_reversal_of_a_part_leaves_the_rest_to_be_approved(payouts):
    """What was approved was more than is owed now."""
    order = pay(pay(an_order(), 10_000, payment_id="p-1"), payment_id="p-2")
    order.request_refund("customer", NOON + HOUR)
    order, payout_id = approved(order=order)
    await payouts(order)
    order.reverse_payment("p-1", NOON + DAY)
    assert await payouts(order) == [
        (payout_id, "withdrawn", "refund", PRICE),
        (None, "to_approve", "refund", 29_900),
    ]


@pytest.mark.case(29)
async def test_a_reversal_does_not_stop_what_is_with_the_bank(payouts):
    """It can't be: the money is owed to us."""
    order, payout_id = with_bank()
    [payment_id] = order.account.payments
    order.reverse_payment(payment_id, NOON + DAY)
    assert await payouts(order) == [(payout_id, "with_bank", "refund", PRICE)]


async def test_a_return_is_told_from_its_approval_on(payouts):
    """Money that is no order's: before, it is in the review queue."""
    payment = in_review(700)
    assert await payouts(payment) == []
    payment.approve_return(None, None, NOON + HOUR)
    columns = "payout_id, state, purpose, order_id, payment_id, amount, official, account, name"
    assert await payouts(payment, columns) == [
        (payment.payout_id, "approved", "return", None, payment.id, 700, None, PAYER_IBAN, "Jana Nováková")
    ]
    payment.order_return(payment.payout_id, "F2", NOON + 2 * HOUR)
    assert await payouts(payment, "state, file_id, ordered_at") == [("with_bank", "F2", NOON + 2 * HOUR)]
    payment.confirm_return(payment.payout_id, payment.entry.booked_on, NOON + DAY)
    assert await payouts(payment, "state, file_id, since") == [("paid_out", "F2", NOON + DAY)]


async def test_a_return_that_failed_is_in_review_again(payouts):
    """And approved anew under another id."""
    payment = in_review(700)
    payment.approve_return(None, None, NOON + HOUR)
    first = payment.payout_id
    payment.order_return(first, "F2", NOON + 2 * HOUR)
    await payouts(payment)
    payment.fail_return(first, NOON + DAY)
    payment.approve_return(PAYER_IBAN, None, NOON + 2 * DAY)
    assert await payouts(payment) == [
        (first, "failed", "return", 700),
        (payment.payout_id, "approved", "return", 700),
    ]


async def test_a_reversed_payment_is_not_returned_as_well(payouts):
    """Its return is withdrawn where it is in no file; in one it is owed to us."""
    waiting, gone = in_review(700), in_review(800)
    for payment in (waiting, gone):
        payment.approve_return(None, None, NOON + HOUR)
    gone.order_return(gone.payout_id, "F3", NOON + 2 * HOUR)
    for payment in (waiting, gone):
        payment.reverse("entry", payment.entry.booked_on, NOON + DAY)
    assert [row[1] for row in await payouts(waiting)] == ["withdrawn"]
    assert [row[1] for row in await payouts(gone)] == ["with_bank"]


async def test_an_erased_order_keeps_its_payouts_without_the_account(payouts, shared_database, shared_orders):
    """What left is the books'; where it went is gone."""
    order, payout_id = with_bank()
    order.confirm_refund(payout_id, order.refund, NOON + DAY)
    await payouts(order)
    erase(shared_database, shared_orders, order)
    assert await payouts(order, "state, amount, account") == [("paid_out", PRICE, None)]
    assert ask(shared_database, "SELECT account FROM view.payouts WHERE source_id = %s", order.id) == [None]


async def test_amounts_are_in_the_currency_of_the_order(payouts):
    """EUR for Slovenia."""
    order = pay(an_order(details(7, "SI-7D")))
    order.request_refund("customer", NOON + HOUR)
    [(currency, amount, official, fee)] = await payouts(order, "currency, amount, official, fee")
    assert (currency, amount) == ("EUR", official + fee)


def test_every_column_is_explained(shared_database):
    """Whoever reads it with SQL alone knows what each one means."""
    unexplained = ask(
        shared_database,
        "SELECT attname FROM pg_attribute WHERE attrelid = 'read.payouts'::regclass AND attnum > 0"
        " AND col_description(attrelid, attnum) IS NULL",
    )
    assert unexplained == []
