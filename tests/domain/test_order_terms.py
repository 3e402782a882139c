"""By which terms an order is served: those of its placing, until the operator says otherwise."""

from datetime import timedelta

import pytest

from domain.ordering import (
    TERMS,
    Scenario,
    change_lead,
    clock,
    event,
    expired,
    issued,
    lead_changed,
    paid,
    placed,
    refund_requested,
    registration_started,
    trigger,
)
from vignettes.domain import errors
from vignettes.domain.order import Order
from vignettes.domain.schedule import Terms

DAY_AHEAD = Terms(lead=timedelta(hours=24))


@pytest.fixture
def order():
    return Scenario()


def test_another_lead(order):
    """Due by it from now on; the trigger of the plan before is harmless."""
    order.given(placed(), paid())
    order.when(change_lead(24))
    order.then(event(Order.TermsChanged, terms=DAY_AHEAD))
    order.then_due("2026-07-19 00:00", "lead")
    order.when(trigger(generation=1, at="2026-07-19 12:00"))
    order.then_nothing()


def test_the_same_lead_twice(order):
    order.given(placed(), paid(), lead_changed(24))
    order.when(change_lead(24))
    order.then_nothing()


def test_a_lead_that_has_passed_makes_it_due_now(order):
    """Nobody is late for a rule that is new."""
    order.given(placed(), paid())
    order.when(change_lead(24, at="2026-07-19 08:00"))
    order.then_due("2026-07-19 08:00")


def test_before_the_money(order):
    """There is no plan yet: the order keeps the lead for when there is one."""
    order.given(placed(), lead_changed(24))
    assert order.order.generation == 0
    order.given(placed(), lead_changed(24), paid())
    order.then_due("2026-07-19 00:00")


@pytest.mark.parametrize("further", [(), (issued(),)])
def test_once_registration_has_started(order, further):
    order.given(placed(), paid(), registration_started(), *further)
    order.when(change_lead(24))
    order.then_refused(errors.RegistrationAlreadyStarted)


@pytest.mark.parametrize("end", [(paid(), refund_requested()), (expired(at="2026-08-04 00:00"),)])
def test_an_order_that_ended(order, end):
    order.given(placed(), *end)
    order.when(change_lead(24))
    order.then_refused(errors.OrderClosed)


def test_what_if(order):
    """Asked about other terms, the order tells when it would be due, and stays as it is."""
    order.given(placed(), paid())
    assert order.order.deadline_under(DAY_AHEAD).due_at == clock("2026-07-19 00:00")
    assert order.order.deadline_under(TERMS) == order.order.deadline
    order.then_due("2026-07-19 12:00")
