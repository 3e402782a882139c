"""Money for an order: what counts, what is over, and when registration is due for it."""

import pytest

from domain.ordering import (
    CONSENT,
    Scenario,
    confirm_refund,
    correct,
    corrected,
    czk,
    event,
    expire,
    expired,
    issued,
    notice,
    noticed,
    paid,
    pay,
    placed,
    refund_confirmed,
    refund_requested,
    registration_started,
    start_at_once,
    trigger,
    wished,
)
from vignettes.domain import errors
from vignettes.domain.money import Money
from vignettes.domain.order import Order


@pytest.fixture
def order():
    return Scenario()


def test_an_order_keeps_the_price_of_the_day(order):
    """Official price and fee are two amounts from the first event on."""
    order.given(placed())
    assert (order.order.price.official, order.order.price.fee) == (czk(300), czk(99))
    order.then_status("awaiting_payment")


@pytest.mark.case(1)
def test_paid_in_the_evening_for_midnight(order):
    """Case 1: the twelve-hour mark has passed, so it is due after the grace, within five minutes."""
    order.given(placed(start="2026-07-02"))
    order.when(pay(at="2026-07-01 20:00"))
    order.then(event(Order.PaymentReceived))
    order.then_due("2026-07-01 20:01", "grace")


@pytest.mark.case(1)
def test_a_bank_line_that_comes_late_is_due_when_we_have_it(order):
    """Case 1: what arrived before we knew of it is due at once, not in the past."""
    order.given(placed(start="2026-07-02"))
    order.when(pay(at="2026-07-01 20:00", received="2026-07-01 17:00"))
    order.then_due("2026-07-01 20:00")


@pytest.mark.case(2)
def test_the_day_is_the_authoritys(order):
    """Case 2: half past eleven in Prague is the next day in Bucharest, so this start has passed."""
    order.given(placed(product="RO-10D", start="2026-07-01"))
    order.when(pay(at="2026-07-01 23:30"))
    order.then(event(Order.PaymentReceived), event(Order.OrderHeld, reason="start_passed"))


def test_paid_early_is_due_twelve_hours_before(order):
    """Promise 1."""
    order.given(placed(), paid())
    order.then_status("scheduled")
    order.then_due("2026-07-19 12:00", "lead")


@pytest.mark.case(17)
def test_the_same_payment_twice(order):
    """Case 17: one payment_id counts once, whenever the notice says it arrived."""
    order.given(placed(), paid(czk(399)))
    order.when(pay(czk(399), received="2026-07-01 09:00"))
    order.then_nothing()


@pytest.mark.case(17)
def test_a_payment_id_stands_for_one_amount(order):
    """Case 17: the same id with another amount is a mistake of the payer's side, never counted."""
    order.given(placed(), paid(czk(100)))
    order.when(pay(czk(299)))
    order.then_refused(errors.PaymentIdReused, field="payment_id")


@pytest.mark.case(20)
def test_a_second_payment(order):
    """Case 20: it is kept as surplus, and the order goes on."""
    order.given(placed(), paid())
    order.when(pay(czk(399), "bank-2"))
    order.then(
        event(Order.PaymentReceived), event(Order.SurplusSetAside, amount=czk(399), reason="not_awaited")
    )
    order.then_status("scheduled")


@pytest.mark.case(20)
def test_a_second_payment_after_the_vignette_holds_nothing(order):
    """Case 20: the start has passed by then, which must not put a finished order on hold."""
    order.given(placed(), paid(), registration_started(), issued())
    order.when(pay(czk(399), "bank-2", at="2026-08-05 10:00"))
    order.then(Order.PaymentReceived, Order.SurplusSetAside)
    order.then_status("issued")


@pytest.mark.case(21)
def test_too_little(order):
    """Case 21: it is not paid, and the exact rest is known."""
    order.given(placed())
    order.when(pay(czk(300)))
    order.then(event(Order.PaymentReceived))
    order.then_status("partially_paid")
    order.then_due(None)
    assert order.order.outstanding == czk(99)


@pytest.mark.case(21)
def test_the_rest_completes_it(order):
    """Case 21: the deadline counts from the money that completed the price."""
    order.given(placed(start="2026-07-02"), paid(czk(300)))
    order.when(pay(czk(99), "bank-2", at="2026-07-01 20:00"))
    order.then(Order.PaymentReceived)
    order.then_due("2026-07-01 20:01", "grace")


@pytest.mark.case(22)
def test_too_much(order):
    """Case 22: it is processed, and the rest goes back."""
    order.given(placed())
    order.when(pay(czk(500)))
    order.then(event(Order.PaymentReceived), event(Order.SurplusSetAside, amount=czk(101), reason="overpaid"))
    order.then_status("scheduled")


@pytest.mark.case(24)
def test_another_currency(order):
    """Case 24: never converted, never counted: a person decides."""
    order.given(placed())
    order.when(pay(Money(1600, "EUR")))
    order.then_refused(errors.InvalidValue, field="amount.currency")


@pytest.mark.parametrize("amount", [0, -399])
def test_a_payment_is_above_zero(order, amount):
    """What takes money away is no payment."""
    order.given(placed())
    order.when(pay(czk(amount)))
    order.then_refused(errors.InvalidValue, field="amount.amount")


@pytest.mark.case(26)
def test_money_for_a_refunded_order(order):
    """Case 26: it never revives; the money is surplus."""
    order.given(placed(), paid(), refund_requested(), refund_confirmed(czk(399)))
    order.when(pay(czk(399), "bank-2"))
    order.then(
        event(Order.PaymentReceived), event(Order.SurplusSetAside, amount=czk(399), reason="not_awaited")
    )
    order.then_status("refunded")


@pytest.mark.case(26)
def test_money_for_an_expired_order(order):
    """Case 26: nothing about it looks paid, and no deadline begins."""
    order.given(placed(), expired(at="2026-08-04 00:00"))
    order.when(pay(czk(399), at="2026-08-04 10:00"))
    order.then(Order.PaymentReceived, Order.SurplusSetAside)
    order.then_status("expired")
    assert order.order.paid_at is None
    assert order.order.generation == 0


@pytest.mark.case(26)
def test_late_money_goes_back(order):
    """Case 26: the surplus of an expired order can be returned."""
    order.given(placed(), expired(at="2026-08-04 00:00"), paid(czk(399)))
    order.when(confirm_refund(czk(399)))
    order.then(event(Order.SurplusReturned, refund_id="out-1", amount=czk(399)))


@pytest.mark.case(27)
def test_a_notice_pays_for_nothing(order):
    """Case 27: authorised, pending and test money is a fact, and nothing more."""
    order.given(placed())
    order.when(notice(czk(399)))
    order.then(Order.PaymentNoticed)
    order.then_status("awaiting_payment")
    assert order.order.outstanding == czk(399)


@pytest.mark.case(27)
def test_a_notice_becomes_money(order):
    """Case 27: the same id, booked, counts."""
    order.given(placed(), noticed(czk(399)))
    order.when(pay(czk(399)))
    order.then(Order.PaymentReceived)
    order.then_status("scheduled")


@pytest.mark.case(17, 27)
@pytest.mark.parametrize("known", [noticed(czk(399)), paid(czk(399))])
def test_a_notice_that_says_nothing_new(order, known):
    """Cases 17, 27: repeated, or overtaken by the money itself."""
    order.given(placed(), known)
    order.when(notice(czk(399)))
    order.then_nothing()


@pytest.mark.case(36)
def test_start_before_payment_is_a_wish(order):
    """Case 36: kept with the consent; it fires when the money arrives."""
    order.given(placed())
    order.when(start_at_once(CONSENT))
    order.then(event(Order.StartWished, consent=CONSENT))
    order.then_status("awaiting_payment")


@pytest.mark.case(36)
def test_a_wish_fires_on_arrival(order):
    """Case 36: due when the money is there, without the grace."""
    order.given(placed(), wished(), paid(at="2026-07-02 08:00"))
    order.then_due("2026-07-02 08:00", "at_once")
    order.when(trigger())
    order.then(event(Order.RegistrationStarted, rule="at_once"))


@pytest.mark.case(35, 36)
def test_a_wish_twice(order):
    """Cases 35, 36: one wish."""
    order.given(placed(), wished())
    order.when(start_at_once())
    order.then_nothing()


@pytest.mark.case(3, 4)
def test_paid_after_the_last_day_to_start(order):
    """Cases 3, 4: the driver is asked rather than sold a day that has passed."""
    order.given(placed())
    order.when(pay(at="2026-07-20 23:59"))
    order.then(event(Order.PaymentReceived), event(Order.OrderHeld, reason="start_passed"))
    order.then_status("on_hold")
    order.then_due(None)


def test_an_unpaid_order_ends(order):
    """Some days after the start that nobody paid for."""
    order.given(placed())
    order.when(expire(at="2026-08-04 00:00"))
    order.then(Order.OrderExpired)
    order.then_status("expired")


@pytest.mark.parametrize("past", [(paid(),), (expired(at="2026-08-04 00:00"),)])
def test_what_is_paid_or_ended_does_not_expire(order, past):
    order.given(placed(), *past)
    order.when(expire(at="2026-09-01 00:00"))
    order.then_nothing()


def test_too_early_to_expire(order):
    order.given(placed())
    order.when(expire(at="2026-08-03 23:59:59"))
    order.then_nothing()


@pytest.mark.case(21)
def test_money_that_came_in_part_goes_back(order):
    """Case 21: what nobody completed is returned when the order ends."""
    order.given(placed(), paid(czk(300)))
    order.when(expire(at="2026-08-04 00:00"))
    order.then(event(Order.OrderExpired), event(Order.RefundRequested, amount=czk(300), reason="expired"))
    order.then_status("refund_pending")


@pytest.mark.case(39)
def test_a_cheaper_product_may_be_paid_by_the_part(order):
    """Case 39: what came in covers it now, so it is scheduled and due."""
    order.given(placed(), paid(czk(330)))
    order.when(correct(product="CZ-1D"))
    order.then(
        event(Order.DetailsCorrected), event(Order.SurplusSetAside, amount=czk(1), reason="cheaper_product")
    )
    order.then_due("2026-07-19 12:00")


@pytest.mark.case(39)
def test_the_rest_for_a_dearer_product(order):
    """Case 39: top-up first; the old deadline is gone, the new one begins with the top-up."""
    order.given(placed(), paid(), corrected(product="CZ-30D"))
    order.then_status("partially_paid")
    order.when(pay(czk(180), "bank-2"))
    order.then(Order.PaymentReceived)
    order.then_due("2026-07-19 12:00")


@pytest.mark.case(39)
def test_back_to_what_was_paid(order):
    """Case 39: dearer and back again is paid once more, by the money that never left."""
    order.given(placed(), paid(), corrected(product="CZ-30D"))
    order.when(correct(product="CZ-10D"))
    order.then(Order.DetailsCorrected)
    order.then_status("scheduled")
    order.then_due("2026-07-19 12:00")


def test_another_currency_before_payment(order):
    """Nothing has come in, so the order is simply priced in euros now."""
    order.given(placed(), noticed(czk(399), "card-1"))
    order.when(correct(product="SK-10D"))
    order.then(Order.DetailsCorrected)
    assert order.order.outstanding == Money(1470, "EUR")


def test_another_currency_after_payment(order):
    """Money is never converted: refund first, then order anew."""
    order.given(placed(), paid(czk(100)))
    order.when(correct(product="SK-10D"))
    order.then_refused(errors.InvalidValue, field="product")
