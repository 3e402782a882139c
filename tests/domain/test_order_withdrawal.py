"""Withdrawal from the contract: until registration starts, acknowledged, and the money goes back."""

import pytest

from domain.ordering import (
    Scenario,
    clock,
    czk,
    event,
    expired,
    issued,
    paid,
    pay,
    placed,
    refund_requested,
    registration_started,
    rejected,
    withdraw,
    withdrawn,
)
from vignettes.domain import errors
from vignettes.domain.order import Order


@pytest.fixture
def order():
    return Scenario()


@pytest.mark.parametrize("further", [(), (registration_started(), rejected())])
def test_a_paid_order_is_withdrawn_from_and_its_money_goes_back(order, further):
    """2011/83/EU, Art. 9 and 11a; promise 10."""
    order.given(placed(), paid(), *further)
    order.when(withdraw("A. Driver"))
    order.then(
        event(Order.OrderWithdrawn, name="A. Driver"),
        event(Order.RefundRequested, amount=czk(399), reason="withdrawn"),
    )
    order.then_status("refund_pending")
    assert order.order.withdrawn_at == order.now


def test_what_came_in_part_goes_back_as_well(order):
    order.given(placed(), paid(czk(100)))
    order.when(withdraw())
    order.then(Order.OrderWithdrawn, event(Order.RefundRequested, amount=czk(100)))


def test_an_unpaid_order_is_closed_and_awaits_nothing(order):
    order.given(placed())
    order.when(withdraw())
    order.then(event(Order.OrderWithdrawn, name=None))
    order.then_status("expired")
    order.then_money(received=0, outstanding=0)


@pytest.mark.case(26)
def test_money_that_arrives_later_goes_back(order):
    """Case 26: it never revives."""
    order.given(placed(), withdrawn())
    order.when(pay(czk(399)))
    order.then(Order.PaymentReceived, event(Order.SurplusSetAside, amount=czk(399), reason="not_awaited"))
    order.then_status("expired")


def test_the_second_time_changes_nothing(order):
    order.given(placed(), paid(), withdrawn("A. Driver", at="2026-07-02 09:00"))
    order.when(withdraw("A. B. Driver", at="2026-07-02 09:01"))
    order.then_nothing()
    assert order.order.withdrawn_at == clock("2026-07-02 09:00")


@pytest.mark.case(41)
@pytest.mark.parametrize("further", [(), (issued(),)])
def test_not_once_registration_has_started(order, further):
    """Case 41: the service is being provided, at the customer's express request or when it was due."""
    order.given(placed(), paid(), registration_started(), *further)
    order.when(withdraw())
    order.then_refused(errors.NotRefundable, code="not_refundable")


def test_whoever_has_asked_for_the_money_back_may_declare_it_all_the_same(order):
    """The acknowledgement is due, and the money goes back once."""
    order.given(placed(), paid(), refund_requested())
    order.when(withdraw())
    order.then(Order.OrderWithdrawn)
    order.then_status("refund_pending")


def test_what_has_expired_is_not_withdrawn_from(order):
    order.given(placed(), expired(at="2026-09-01 00:00"))
    order.when(withdraw())
    order.then_refused(errors.OrderClosed, code="conflict")
