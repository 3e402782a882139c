"""The books: given what happened to money, then where it is, and all of it adds up after each event."""

from datetime import date

import pytest

from bank_payments import a_payment, an_entry, in_review, share_of
from eventstore_helpers import (
    DAY,
    HOUR,
    NOON,
    a_vault,
    an_order,
    ask,
    details,
    fold,
    issue,
    pay,
    projecting,
    record,
    start,
)
from vignettes.domain.account import Purpose
from vignettes.domain.details import Payment
from vignettes.domain.money import Money
from vignettes.domain.payment_events import Allocation
from vignettes.projections.books import BooksView
from vignettes.projections.checking import Checker

PRICE = 39_900
REVERSED_ON = date(2026, 6, 3)


@pytest.fixture
def books(shared_database, shared_orders, vault):
    """Return money in, matched, in review and returned of some orders and payments, proved event by event."""

    async def after(*sources):
        record(shared_orders, *sources)
        await fold(shared_database, vault, BooksView())
        ids = [source.id for source in sources]
        await proved(shared_database, ids)
        return sums(shared_database, ids)

    return after


def sums(database, ids):
    [found] = ask(
        database,
        "SELECT coalesce(sum(amount) FILTER (WHERE account = 'money_in'), 0)::int,"
        " coalesce(sum(amount) FILTER (WHERE account = 'matched'), 0)::int,"
        " coalesce(sum(amount) FILTER (WHERE account = 'in_review'), 0)::int,"
        " coalesce(sum(amount) FILTER (WHERE account = 'returned'), 0)::int"
        " FROM view.books WHERE source_id = ANY(%s)",
        ids,
    )
    return found


async def proved(database, ids):
    """Prove that the bookings of each event add up, and that a fold from zero makes the same."""
    unequal = ask(
        database,
        "SELECT source_id, version FROM view.books WHERE source_id = ANY(%s) GROUP BY source_id, version"
        " HAVING sum(CASE account WHEN 'money_in' THEN amount ELSE -amount END) <> 0",
        ids,
    )
    assert unequal == []
    async with await projecting(database) as connection:
        for each in ids:
            checked = await Checker(connection, [BooksView()], a_vault()).order(each)
            assert checked.drift == ()


def told(order, share, at=NOON):
    """Tell an order of its share, as its payment has it."""
    order.receive_payment(Payment(share.share_id, share.amount, "bank_transfer", at), at)


def matched(amount=PRICE, currency="CZK"):
    """An order that was paid by a transfer, and that transfer."""
    order, payment = an_order(), a_payment(amount, currency)
    payment.match(Allocation(order.id, payment.entry.amount), ["certain"], NOON)
    [share] = payment.shares
    told(order, share)
    payment.note_counted(share.share_id, NOON)
    return order, payment


def refund(order, refund_id="r-1", at=NOON + DAY):
    order.request_refund("customer", at)
    order.confirm_refund(refund_id, order.refund, at)
    return order


async def test_money_that_nobody_has_looked_at_is_in_review(books):
    """From its arrival on it is somewhere."""
    assert await books(a_payment(500)) == (500, 0, 500, 0)


@pytest.mark.case(27)
async def test_what_was_only_announced_is_no_money(books):
    """Pending, or a test; once it arrives it is."""
    payment = a_payment(500, booked=False)
    assert await books(payment, a_payment(600, test=True), pay(an_order(), booked=False)) == (0, 0, 0, 0)
    payment.note_again(an_entry(500, entry_id=payment.entry.entry_id), NOON + DAY)
    assert await books(payment) == (500, 0, 500, 0)


async def test_money_that_was_matched_is_its_orders(books):
    """Booked by its payment alone: its order was told of a share."""
    assert await books(*matched()) == (PRICE, PRICE, 0, 0)


async def test_money_that_an_order_was_told_of_directly_came_in_with_that_word(books):
    """No payment of ours knows of it."""
    assert await books(pay(an_order())) == (PRICE, PRICE, 0, 0)


@pytest.mark.case(18)
async def test_the_banks_line_of_a_notice_is_not_counted_again(books):
    """One payment, whichever told of it first."""
    notice, line = a_payment(500), in_review(500)
    line.recognise(notice.id, ["names_the_notice"], NOON + DAY)
    assert await books(notice, line) == (500, 0, 500, 0)


@pytest.mark.case(25)
async def test_a_split_is_several_orders(books):
    """And what an order would not have is nobody's again."""
    payment, one, other = in_review(1_000, "CZK"), an_order(), an_order()
    split = [Allocation(one.id, Money(400, "CZK")), Allocation(other.id, Money(600, "CZK"))]
    payment.allocate(split, None, NOON)
    first, second = payment.shares
    told(one, first)
    assert await books(payment, one, other) == (1_000, 1_000, 0, 0)
    payment.note_refused(second.share_id, "not_found", NOON + HOUR)
    assert await books(payment, one, other) == (1_000, 400, 600, 0)


@pytest.mark.case(30)
async def test_a_wrong_match_that_is_undone_moves_nothing_in_or_out(books):
    """It is matched all the time, but for the moment in which no order has it."""
    wrong, payment = matched()
    right = an_order()
    [share] = payment.shares
    payment.reassign([Allocation(right.id, payment.entry.amount)], None, NOON + HOUR)
    wrong.take_back_payment(share.share_id, NOON + HOUR)
    payment.note_released(share.share_id, NOON + HOUR)
    told(right, payment.live_shares[0])
    assert await books(wrong, payment, right) == (PRICE, PRICE, 0, 0)
    payment.reassign([], None, NOON + 2 * HOUR)
    [share] = payment.live_shares
    right.take_back_payment(share.share_id, NOON + HOUR)
    payment.note_released(share.share_id, NOON + 2 * HOUR)
    assert await books(wrong, payment, right) == (PRICE, 0, PRICE, 0)


async def test_a_refund_is_returned_when_it_has_left(books):
    """Asked for and approved, the money is here."""
    order, payment = matched()
    order.request_refund("customer", NOON + HOUR)
    order.approve_payout(Purpose.REFUND, "account", NOON + HOUR)
    order.order_payout(f"{order.number}-1", "F1", NOON + HOUR)
    assert await books(order, payment) == (PRICE, PRICE, 0, 0)
    order.confirm_refund(f"{order.number}-1", order.refund, NOON + DAY)
    assert await books(order, payment) == (PRICE, 0, 0, PRICE)


async def test_a_payout_that_came_back_is_the_orders_again(books):
    """Confirmed, and then on the statement as a credit."""
    order, payment = matched()
    refund(order)
    order.fail_payout("r-1", NOON + 2 * DAY)
    assert await books(order, payment) == (PRICE, PRICE, 0, 0)


@pytest.mark.case(22)
async def test_surplus_that_went_back_is_returned(books):
    """The rest of the money is the order's."""
    order, payment = matched(40_000)
    order.confirm_refund("s-1", order.account.surplus_open, NOON + DAY)
    assert await books(order, payment) == (40_000, PRICE, 0, 100)


async def test_a_return_leaves_the_review(books):
    """Money that was no order's; and it is in review again when it has reached nobody."""
    payment = in_review(700)
    payment.approve_return(None, None, NOON + HOUR)
    payment.order_return(payment.payout_id, "F1", NOON + HOUR)
    assert await books(payment) == (700, 0, 700, 0)
    payment.confirm_return(payment.payout_id, REVERSED_ON, NOON + DAY)
    assert await books(payment) == (700, 0, 0, 700)
    payment.fail_return(payment.payout_id, NOON + 2 * DAY)
    assert await books(payment) == (700, 0, 700, 0)


@pytest.mark.case(28)
@pytest.mark.parametrize("has_started", [False, True])
async def test_a_reversal_takes_the_money_out_of_the_books(books, has_started):
    """Before the start and after it: what the driver owes us then is no money that is here."""
    order, payment = matched()
    if has_started:
        issue(start(order))
    [share] = payment.shares
    payment.reverse("entry", REVERSED_ON, NOON + DAY)
    order.reverse_payment(share.share_id, NOON + DAY)
    payment.note_released(share.share_id, NOON + DAY)
    assert await books(order, payment) == (PRICE, 0, 0, PRICE)
    direct = pay(an_order(), payment_id="p-1")
    direct.reverse_payment("p-1", NOON + DAY)
    assert await books(direct) == (PRICE, 0, 0, PRICE)


@pytest.mark.case(29)
@pytest.mark.parametrize("is_direct", [False, True])
async def test_money_that_left_twice_is_owed_to_us(books, is_direct):
    """Refunded, and taken back as well: returned is more than came in, and what the order has is less than nothing."""
    if is_direct:
        order = refund(pay(an_order(), payment_id="p-1"))
        order.reverse_payment("p-1", NOON + 2 * DAY)
        assert await books(order) == (PRICE, -PRICE, 0, 2 * PRICE)
        return
    order, payment = matched()
    refund(order)
    [share] = payment.shares
    payment.reverse("entry", REVERSED_ON, NOON + 2 * DAY)
    order.reverse_payment(share.share_id, NOON + 2 * DAY)
    assert await books(order, payment) == (PRICE, -PRICE, 0, 2 * PRICE)


async def test_a_return_that_was_reversed_as_well_is_owed_to_us(books):
    """It is no order's: less than nothing is in review."""
    payment = in_review(700)
    payment.approve_return(None, None, NOON)
    payment.order_return(payment.payout_id, "F1", NOON)
    payment.confirm_return(payment.payout_id, REVERSED_ON, NOON)
    payment.reverse("entry", REVERSED_ON, NOON + DAY)
    assert await books(payment) == (700, 0, -700, 1_400)


async def test_a_reversed_payment_that_is_heard_of_again_stays_out(books):
    """What was taken back never counts again, whoever tells of it."""
    order = pay(an_order(), payment_id="p-1")
    order.reverse_payment("p-1", NOON + DAY)
    pay(order, PRICE, NOON + DAY, payment_id="p-1")
    assert await books(order) == (PRICE, 0, 0, PRICE)


async def test_a_reversal_of_what_an_order_never_had_is_nothing(books):
    """Its share was on the way to it when the bank took the payment back."""
    order, payment = an_order(), a_payment(PRICE, "CZK")
    payment.match(Allocation(order.id, payment.entry.amount), ["certain"], NOON)
    [share] = payment.shares
    payment.reverse("entry", REVERSED_ON, NOON + HOUR)
    order.reverse_payment(share.share_id, NOON + HOUR)
    told(order, share)
    assert await books(order, payment) == (PRICE, 0, 0, PRICE)


async def test_days_and_currencies_add_up_apart(database, orders, vault):
    """By the day on which it was recorded, in UTC."""
    euro, crowns = in_review(700), in_review(900, "CZK")
    euro.approve_return(None, None, NOON)
    euro.order_return(euro.payout_id, "F1", NOON)
    euro.confirm_return(euro.payout_id, REVERSED_ON, NOON + DAY)
    order = an_order(details(7))
    told(order, share_of(crowns, order, at=NOON + 2 * DAY), NOON + 2 * DAY)
    record(orders, euro, crowns, order)
    await fold(database, vault, BooksView())
    rows = ask(
        database,
        "SELECT day - date '2026-06-01', currency, money_in::int, matched::int, in_review::int, returned::int"
        " FROM read.books ORDER BY 1, 2",
    )
    assert rows == [
        (0, "CZK", 900, 0, 900, 0),
        (0, "EUR", 700, 0, 700, 0),
        (1, "EUR", 0, 0, -700, 700),
        (2, "CZK", 0, 900, -900, 0),
    ]


def test_every_column_is_explained(shared_database):
    """Whoever reads it with SQL alone knows what each one means."""
    unexplained = ask(
        shared_database,
        "SELECT attrelid::regclass || '.' || attname FROM pg_attribute WHERE attnum > 0"
        " AND attrelid IN ('read.books'::regclass) AND col_description(attrelid, attnum) IS NULL",
    )
    assert unexplained == []
