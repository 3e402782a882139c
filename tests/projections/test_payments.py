"""The money of each order: given events, then bookings whose sums are what the order knows."""

import pytest

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


async def test_the_sums_are_those_of_the_orders(shared_database, shared_orders, vault):
    """Received is what counts and what was set aside; what went back is told apart, for every order."""
    told = [*stories(), cheaper := pay(an_order(details(7, "CZ-30D"))), issue(start(pay(an_order(), 99_900)))]
    cheaper.correct_details(details(7), NOON + HOUR)
    record(shared_orders, *told)
    await fold(shared_database, vault, PaymentsView())
    sums = ask(
        shared_database,
        "SELECT order_id, coalesce(sum(amount) FILTER (WHERE state = 'booked'), 0), sum(counted),"
        " sum(surplus_set_aside), coalesce(sum(amount) FILTER (WHERE purpose = 'surplus'), 0),"
        " coalesce(sum(amount) FILTER (WHERE purpose = 'refund'), 0)"
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
