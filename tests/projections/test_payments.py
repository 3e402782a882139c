"""The money of each order: given events, then bookings whose sums are what the order knows."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore_helpers import (
    DAY,
    HOUR,
    NOON,
    an_order,
    ask,
    details,
    fold,
    issue,
    pay,
    record,
    start,
    stories,
)
from vignettes.domain.account import Purpose
from vignettes.domain.errors import DomainError
from vignettes.eventstore.codec import Envelope, Recorded
from vignettes.projections.payments import PaymentsView

#: What a Czech ten-day vignette costs with our fee.
PRICE = 39_900


@pytest.fixture
def bookings(shared_database, shared_orders, vault):
    """Return the bookings of an order in the order of the log."""

    async def after(order, columns="direction, purpose, state, amount, surplus_set_aside, counted"):
        record(shared_orders, order)
        await fold(shared_database, vault, PaymentsView())
        query = f"SELECT {columns} FROM read.payments WHERE order_id = %s ORDER BY version"
        return ask(shared_database, query, order.id)

    return after


async def test_a_payment_is_booked_as_the_payer_side_tells_it(bookings, shared_orders):
    """Which money, how and when it arrived, and when that was recorded."""
    order = pay(an_order(), at=NOON + HOUR, payment_id="p-1", method="card", received_at=NOON)
    columns = "order_number, entry_id, method, currency, amount, received_at, recorded_at, version, position"
    assert await bookings(order, columns) == [
        (order.number, "p-1", "card", "CZK", PRICE, NOON, NOON + HOUR, 2, shared_orders.position_of(order.id))
    ]


async def test_an_order_without_money_has_no_booking(bookings):
    """Placed, corrected, expired: no money moved."""
    order = an_order()
    order.correct_details(details(5), NOON + HOUR)
    order.expire(NOON + 30 * DAY)
    assert await bookings(order) == []


async def test_what_was_noticed_counts_for_nothing(bookings):
    """Authorised, pending or a test: it is seen, and pays for nothing (case 27)."""
    assert await bookings(pay(an_order(), booked=False)) == [("in", "payment", "noticed", PRICE, 0, 0)]


async def test_what_was_noticed_is_booked_in_the_same_row(bookings):
    """One payment, first announced and then here: with the time of its booking."""
    order = pay(an_order(), booked=False, payment_id="p")
    await bookings(order)
    pay(order, at=NOON + DAY, payment_id="p")
    assert await bookings(order) == [("in", "payment", "booked", PRICE, 0, PRICE)]
    assert await bookings(order, "recorded_at, version") == [(NOON + DAY, 3)]


async def test_noticed_and_booked_within_one_batch_is_one_row(bookings):
    """However the log is read, one payment is one row."""
    order = pay(pay(an_order(), booked=False, payment_id="p"), payment_id="p", at=NOON + DAY)
    assert await bookings(order) == [("in", "payment", "booked", PRICE, 0, PRICE)]


async def test_money_in_parts_is_booked_in_parts(bookings):
    """All of it counts (case 21)."""
    assert await bookings(pay(pay(an_order(), 10_000), at=NOON + HOUR), "amount, counted") == [
        (10_000, 10_000),
        (29_900, 29_900),
    ]


async def test_what_is_over_is_set_aside_of_its_payment(bookings, shared_orders):
    """The payment that brought too much says how much of it is to go back (case 22)."""
    order = pay(pay(an_order(), 10_000), 40_000, NOON + HOUR)
    assert await bookings(order) == [
        ("in", "payment", "booked", 10_000, 0, 10_000),
        ("in", "payment", "booked", 40_000, 10_100, 29_900),
    ]
    assert (await bookings(order, "position"))[-1] == shared_orders.position_of(order.id)


async def test_what_is_over_may_be_heard_of_a_batch_later(bookings, shared_orders, vault):
    """The payment is in the view when its surplus comes."""
    order = pay(an_order(), 50_000)
    placed, paid, set_aside = order.collect_events()
    stored = [shared_orders.codec.to_stored_event(each) for each in (placed, paid)]
    shared_orders.log_recorder.insert_events(stored)
    assert await bookings(order, "amount, surplus_set_aside") == [(50_000, 0)]
    shared_orders.log_recorder.insert_events([shared_orders.codec.to_stored_event(set_aside)])
    assert await bookings(order, "amount, surplus_set_aside") == [(50_000, 10_100)]


async def test_money_that_nobody_waited_for_is_set_aside_whole(bookings):
    """A second payment for a paid order counts for nothing (case 20)."""
    order = pay(pay(an_order()), PRICE, NOON + HOUR)
    assert (await bookings(order))[1] == ("in", "payment", "booked", PRICE, PRICE, 0)


@pytest.mark.case(39)
async def test_surplus_of_a_cheaper_product_is_of_no_payment(bookings):
    """No money moved: it has a row of its own, and what the order costs less no longer counts (case 39)."""
    order = pay(an_order(details(7, "CZ-30D")))
    order.correct_details(details(7), NOON + HOUR)
    assert await bookings(order) == [
        ("in", "payment", "booked", 57_900, 0, 57_900),
        ("in", "correction", "booked", 0, 18_000, -18_000),
    ]
    assert (await bookings(order, "entry_id, method, received_at"))[1] == ("correction-4", None, None)


async def test_what_went_back_says_why(bookings):
    """First the surplus, then the price: each by the id of its pay-out."""
    order = pay(an_order(), 40_000)
    order.confirm_refund("surplus", order.account.surplus_open, NOON + HOUR)
    order.request_refund("customer", NOON + 2 * HOUR)
    order.confirm_refund("back", order.refund, NOON + 3 * HOUR)
    rows = await bookings(order, "direction, purpose, entry_id, state, amount, counted, recorded_at")
    assert rows[1:] == [
        ("out", "surplus", "surplus", "paid_out", 100, 0, NOON + HOUR),
        ("out", "refund", "back", "paid_out", PRICE, 0, NOON + 3 * HOUR),
    ]


async def test_a_payment_and_a_pay_out_may_have_the_same_id(bookings):
    """Two sides give ids: they do not meet."""
    order = pay(an_order(), payment_id="1")
    order.request_refund("customer", NOON + HOUR)
    order.confirm_refund("1", order.refund, NOON + HOUR)
    assert await bookings(order, "direction, entry_id, amount") == [("in", "1", PRICE), ("out", "1", PRICE)]


@pytest.mark.case(28)
async def test_a_reversal_is_a_booking_of_its_own(bookings):
    """What the bank has taken back counts no longer; by the id of the payment."""
    order = pay(an_order(), payment_id="p-1")
    order.reverse_payment("p-1", NOON + DAY)
    rows = await bookings(order, "direction, purpose, state, entry_id, amount, counted, recorded_at")
    assert rows == [
        ("in", "payment", "booked", "p-1", PRICE, PRICE, NOON),
        ("out", "reversal", "reversed", "p-1", PRICE, -PRICE, NOON + DAY),
    ]


@pytest.mark.case(30)
async def test_a_wrong_match_that_was_undone_is_told_by_its_own_name(bookings):
    """Nobody got that money back: it is for another order."""
    order = pay(an_order(), payment_id="p-1")
    order.take_back_payment("p-1", NOON + DAY)
    assert (await bookings(order))[1] == ("out", "taken_back", "reversed", PRICE, 0, -PRICE)


async def test_a_reversal_is_missed_first_where_money_was_to_spare(bookings):
    """What was set aside is less by it, and the order is paid as before."""
    order = pay(pay(an_order(), payment_id="p-1"), PRICE, NOON + HOUR, payment_id="p-2")
    order.reverse_payment("p-1", NOON + DAY)
    assert await bookings(order) == [
        ("in", "payment", "booked", PRICE, 0, PRICE),
        ("in", "payment", "booked", PRICE, PRICE, 0),
        ("out", "reversal", "reversed", PRICE, -PRICE, 0),
    ]


async def test_what_an_order_never_had_is_no_booking(bookings):
    """It was only noticed, or is not known at all."""
    order = pay(an_order(), booked=False, payment_id="p-1")
    order.reverse_payment("p-1", NOON + DAY)
    order.reverse_payment("unknown", NOON + DAY)
    assert await bookings(order) == [("in", "payment", "noticed", PRICE, 0, 0)]


@pytest.mark.parametrize("in_batches", [True, False])
async def test_a_payout_that_came_back_says_so(bookings, in_batches):
    """It is no money out any more."""
    order = pay(an_order())
    order.request_refund("customer", NOON + HOUR)
    order.confirm_refund("r-1", order.refund, NOON + HOUR)
    if in_batches:
        await bookings(order)
    order.fail_payout("r-1", NOON + DAY)
    assert (await bookings(order))[1] == ("out", "refund", "came_back", PRICE, 0, 0)


async def test_surplus_that_came_back_may_be_the_orders_again(bookings):
    """Sent back, the order's own payment reversed, and then the surplus comes back: it pays for the vignette."""
    order = pay(pay(an_order(), payment_id="p-1"), PRICE, NOON + HOUR, payment_id="p-2")
    start(order, NOON + HOUR)
    order.confirm_refund("s-1", order.account.surplus_open, NOON + 2 * HOUR)
    order.reverse_payment("p-1", NOON + DAY)
    order.fail_payout("s-1", NOON + 2 * DAY)
    assert order.account.credited.amount == PRICE
    rows = await bookings(order, "purpose, state, entry_id, surplus_set_aside, counted")
    assert rows[2:] == [
        ("surplus", "came_back", "s-1", 0, 0),
        ("reversal", "reversed", "p-1", 0, -PRICE),
        ("correction", "booked", "correction-8", -PRICE, PRICE),
    ]


@given(
    st.lists(
        st.sampled_from(
            [
                "pay",
                "pay half",
                "reverse",
                "take back",
                "refund",
                "approve",
                "order",
                "confirm",
                "fail",
                "elsewhere",
                "start",
            ]
        ),
        max_size=14,
    )
)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_the_bookings_are_the_account(steps):
    """The sum of what counted is what the order is credited with, and what is out is what went back."""
    order = an_order(details(7, "SI-7D"))
    for number, step in enumerate(steps):
        with contextlib.suppress(DomainError):
            _happens(order, step, NOON + number * HOUR)
    rows = _booked(order)
    booked = [row for row in rows if row["state"] == "booked"]
    gone = [row for row in rows if row["state"] == "reversed"]
    counted = sum(row["amount"] - row["surplus_set_aside"] for row in booked)
    counted -= sum(row["amount"] + row["surplus_set_aside"] for row in gone)
    assert counted == order.account.credited.amount
    received = sum(row["amount"] for row in booked) - sum(row["amount"] for row in gone)
    assert received == order.account.received.amount
    out = sum(row["amount"] for row in rows if row["state"] == "paid_out")
    assert out == sum(each.amount for each in order.account.payouts.values())


def _happens(order, step, at):
    """Let one thing happen to an order, where it lets it."""
    live = [each for each in order.account.payments if each not in order.account.gone]
    match step:
        case "pay":
            pay(order, order.price.total.amount, at, payment_id=f"p-{at}")
        case "pay half":
            pay(order, order.price.total.amount // 2, at, payment_id=f"p-{at}")
        case "reverse" if live:
            order.reverse_payment(live[0], at)
        case "take back" if live:
            order.take_back_payment(live[-1], at)
        case "start":
            start(order, at)
        case _:
            _goes_back(order, step, at)


def _goes_back(order, step, at):
    payouts = list(order.payouts.values())
    match step:
        case "refund":
            order.request_refund("customer", at)
        case "approve":
            purpose = Purpose.SURPLUS if order.payable(Purpose.SURPLUS).amount > 0 else Purpose.REFUND
            order.approve_payout(purpose, "account", at)
        case "order" if payouts:
            order.order_payout(payouts[-1].payout_id, "F1", at)
        case "confirm" if payouts:
            order.confirm_refund(payouts[-1].payout_id, payouts[-1].amount, at)
        case "fail":
            known = [*order.payouts, *order.account.payouts]
            order.fail_payout(known[-1] if known else "none", at)
        case "elsewhere" if order.account.surplus_open.amount > 0:
            order.confirm_refund(f"e-{at}", order.account.surplus_open, at)


def _booked(order):
    """Return the rows that the view makes of an order's events, without a database."""
    view, rows, known = PaymentsView(), {}, None
    for position, event in enumerate(order.collect_events(), 1):
        recorded = Recorded(
            position,
            order.id,
            event.originator_version,
            type(event).__name__,
            event.timestamp,
            Envelope("test"),
            event,
        )
        noted = view.before(known)
        known = event.mutate(known)
        view.see(recorded, known, noted)
    for row in view._booked.values():
        rows[row["version"], row["purpose"]] = dict(row)
    for each in view._set_aside:
        rows[each["version"], "payment"]["surplus_set_aside"] = each["amount"]
    return list(rows.values())


async def test_the_sums_are_those_of_the_orders(shared_database, shared_orders, vault):
    """Received is what counts and what was set aside; what went back is told apart, for every order."""
    told = [*stories(), cheaper := pay(an_order(details(7, "CZ-30D"))), issue(start(pay(an_order(), 99_900)))]
    cheaper.correct_details(details(7), NOON + HOUR)
    record(shared_orders, *told)
    await fold(shared_database, vault, PaymentsView())
    sums = ask(
        shared_database,
        "SELECT order_id, sum(CASE state WHEN 'booked' THEN amount WHEN 'reversed' THEN -amount ELSE 0 END),"
        " sum(counted), sum(surplus_set_aside),"
        " coalesce(sum(amount) FILTER (WHERE purpose = 'surplus' AND state = 'paid_out'), 0),"
        " coalesce(sum(amount) FILTER (WHERE purpose = 'refund' AND state = 'paid_out'), 0)"
        " FROM read.payments WHERE order_id = ANY(%s) GROUP BY order_id",
        [order.id for order in told],
    )
    assert {order_id: tuple(map(int, rest)) for order_id, *rest in sums} == {
        order.id: (
            order.account.received.amount,
            order.account.credited.amount,
            order.account.surplus.amount,
            order.account.surplus_returned.amount,
            order.refund.amount if order.refunded else 0,
        )
        for order in told
    }


async def test_each_day_adds_up_in_each_currency(database, orders, vault):
    """What accounting asks: money in is what counts and what is to go back, and this went back."""
    czech, alpine = pay(an_order(), 40_000), pay(an_order(details(7, "SI-7D")), at=NOON + HOUR)
    czech.confirm_refund("surplus", czech.account.surplus_open, NOON + DAY)
    record(orders, czech, alpine)
    await fold(database, vault, PaymentsView())
    days = ask(
        database,
        "SELECT (recorded_at AT TIME ZONE 'UTC')::date - date '2026-06-01', currency,"
        " coalesce(sum(amount) FILTER (WHERE state = 'booked'), 0)::int, sum(counted)::int,"
        " sum(surplus_set_aside)::int, coalesce(sum(amount) FILTER (WHERE direction = 'out'), 0)::int"
        " FROM read.payments GROUP BY 1, 2 ORDER BY 1, 2",
    )
    assert days == [
        (0, "CZK", 40_000, 39_900, 100, 0),
        (0, "EUR", 1_990, 1_990, 0, 0),
        (1, "CZK", 0, 0, 0, 100),
    ]


def test_every_column_is_explained(shared_database):
    """Whoever reads it with SQL alone knows what each one means."""
    unexplained = ask(
        shared_database,
        "SELECT attname FROM pg_attribute WHERE attrelid = 'read.payments'::regclass AND attnum > 0"
        " AND col_description(attrelid, attnum) IS NULL",
    )
    assert unexplained == []
    assert ask(shared_database, "SELECT obj_description('read.payments'::regclass)") != [None]
