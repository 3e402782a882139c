"""Money back: before the service is provided, once, and never beside a vignette."""

import pytest

from domain.ordering import (
    Scenario,
    confirm_refund,
    corrected,
    czk,
    event,
    expired,
    issue,
    issued,
    paid,
    placed,
    refund_confirmed,
    refund_requested,
    registration_started,
    rejected,
    request_refund,
    trigger,
)
from vignettes.domain import errors
from vignettes.domain.order import Order


@pytest.fixture
def order():
    return Scenario()


@pytest.mark.case(49)
@pytest.mark.parametrize("further", [(), (registration_started(), rejected())])
def test_before_the_service_is_provided(order, further):
    """Promise 10, case 49: until registration starts, or when it failed."""
    order.given(placed(), paid(), *further)
    order.when(request_refund("journey cancelled"))
    order.then(event(Order.RefundRequested, amount=czk(399), reason="journey cancelled"))
    order.then_status("refund_pending")


@pytest.mark.case(4)
def test_on_hold(order):
    """Case 4: a new date or the money."""
    order.given(placed(), paid(at="2026-07-20 23:58"))
    order.when(request_refund())
    order.then(event(Order.RefundRequested, amount=czk(399)))


def test_what_came_in_part(order):
    order.given(placed(), paid(czk(100)))
    order.when(request_refund())
    order.then(event(Order.RefundRequested, amount=czk(100)))


def test_requested_twice(order):
    order.given(placed(), paid(), refund_requested())
    order.when(request_refund())
    order.then_nothing()


@pytest.mark.case(41)
@pytest.mark.parametrize("further", [(), (issued(),)])
def test_not_once_registration_has_started(order, further):
    """Case 41: never both a refund and a vignette."""
    order.given(placed(), paid(), registration_started(), *further)
    order.when(request_refund())
    order.then_refused(errors.NotRefundable, code="not_refundable")


@pytest.mark.parametrize("past", [(), (expired(at="2026-08-04 00:00"),)])
def test_nothing_to_give_back(order, past):
    order.given(placed(), *past)
    order.when(request_refund())
    order.then_refused(errors.NotPaid)


@pytest.mark.case(41)
def test_a_refund_that_won_the_race(order):
    """Case 41: the trigger that comes a moment later starts nothing."""
    order.given(placed(), paid(), refund_requested(at="2026-07-19 12:00"))
    order.when(trigger())
    order.then_nothing()


def test_a_vignette_after_the_refund(order):
    """I3: the authority's late yes after a rejection is not silently added to a refund."""
    order.given(placed(), paid(), registration_started(), rejected(), refund_requested())
    order.when(issue())
    order.then_refused(errors.OrderClosed)


def test_the_money_has_left(order):
    order.given(placed(), paid(), refund_requested())
    order.when(confirm_refund(czk(399), "out-1"))
    order.then(event(Order.OrderRefunded, refund_id="out-1", amount=czk(399)))
    order.then_status("refunded")


def test_confirmed_twice(order):
    """The same refund_id records once, also where a surplus of that amount is open."""
    order.given(
        placed(), paid(), paid(czk(399), "bank-2"), refund_requested(), refund_confirmed(czk(399), "out-1")
    )
    order.when(confirm_refund(czk(399), "out-1"))
    order.then_nothing()
    order.when(confirm_refund(czk(399), "out-2"))
    order.then(event(Order.SurplusReturned, refund_id="out-2", amount=czk(399)))


@pytest.mark.case(20, 22)
def test_a_surplus_in_parts(order):
    """Cases 20, 22: each part by its own id, each once, never above what is over."""
    order.given(placed(), paid(czk(500)), refund_confirmed(czk(60), "out-1"))
    order.when(confirm_refund(czk(60), "out-1"))
    order.then_nothing()
    order.when(confirm_refund(czk(60), "out-2"))
    order.then_refused(errors.NotRefundable, field="amount")
    order.when(confirm_refund(czk(41), "out-2"))
    order.then(event(Order.SurplusReturned, amount=czk(41)))


def test_a_refund_id_stands_for_one_amount(order):
    order.given(placed(), paid(czk(500)), refund_confirmed(czk(60), "out-1"))
    order.when(confirm_refund(czk(41), "out-1"))
    order.then_refused(errors.InvalidValue, field="refund_id")


@pytest.mark.parametrize("amount", [399, 0, -1])
def test_money_that_nobody_owes(order, amount):
    order.given(placed(), paid())
    order.when(confirm_refund(czk(amount)))
    order.then_refused(errors.NotRefundable, field="amount")


@pytest.mark.case(39)
def test_refund_and_surplus_are_all_that_came_in(order):
    """Case 39: cheaper product, then cancelled: both parts add up to what was received."""
    order.given(
        placed(),
        paid(),
        corrected(product="CZ-1D"),
        refund_confirmed(czk(70), "out-1"),
        refund_requested(),
        refund_confirmed(czk(329), "out-2"),
    )
    order.when(confirm_refund(czk(1), "out-3"))
    order.then_refused(errors.NotRefundable)
