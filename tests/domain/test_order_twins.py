"""Two paid orders for the same vehicle and period: the second waits for an answer (case 48)."""

from uuid import uuid4

import pytest

from domain.ordering import (
    OTHER_ORDER,
    Scenario,
    accept_twin,
    clock,
    correct,
    corrected,
    czk,
    event,
    held_as_twin,
    hold_as_twin,
    paid,
    pay,
    placed,
    refund_requested,
    registration_started,
    request_refund,
    start_at_once,
    trigger,
    twin_accepted,
)
from vignettes.domain import errors
from vignettes.domain.order import Order
from vignettes.domain.planning import TWIN

pytestmark = pytest.mark.case(48)


@pytest.fixture
def order():
    return Scenario()


def test_the_second_is_held(order):
    """Which order it resembles is on record; nothing is due for it until somebody answers."""
    order.given(placed(), paid())
    order.when(hold_as_twin(OTHER_ORDER))
    order.then(event(Order.OrderHeld, reason=TWIN, because_of=OTHER_ORDER))
    order.then_status("on_hold")
    order.then_due(None)


def test_held_twice(order):
    order.given(placed(), paid(), held_as_twin())
    order.when(hold_as_twin())
    order.then_nothing()


@pytest.mark.parametrize("past", [(), (paid(), registration_started()), (paid(), refund_requested())])
def test_only_what_waits_for_registration_is_held(order, past):
    """Unpaid it may never be registered; once started it is too late to ask."""
    order.given(placed(), *past)
    order.when(hold_as_twin())
    order.then_nothing()


def test_no_trigger_and_no_button_starts_it_meanwhile(order):
    """The authority would refuse it, or the customer would pay twice for one journey."""
    order.given(placed(), paid(), held_as_twin())
    order.when(trigger(at="2026-07-19 12:00"))
    order.then_nothing()
    order.when(start_at_once())
    order.then_refused(errors.OnHold, code="conflict")


def test_both_are_meant(order):
    """It goes on by a new generation, due as before."""
    order.given(placed(), paid(), held_as_twin())
    order.when(accept_twin(at="2026-07-10 09:00"))
    order.then(event(Order.TwinAccepted, twin=OTHER_ORDER))
    order.then_status("scheduled")
    order.then_due("2026-07-19 12:00", "lead")
    assert order.order.generation == 2


def test_what_was_answered_is_not_asked_again(order):
    """Not for this order or yet another one, as long as it is for the same vehicle and period."""
    order.given(placed(), paid(), held_as_twin(OTHER_ORDER), twin_accepted())
    for twin in (OTHER_ORDER, uuid4()):
        order.when(hold_as_twin(twin))
        order.then_nothing()


def test_after_a_correction_it_is_asked_again(order):
    """The answer was about other details."""
    order.given(placed(), paid(), held_as_twin(), twin_accepted(), corrected(plate="2AB2346"))
    order.when(hold_as_twin())
    order.then(event(Order.OrderHeld, reason=TWIN))


@pytest.mark.case(4)
def test_accepted_when_its_start_has_passed(order):
    """Cases 4, 48: one question is answered, the next one is which day instead."""
    order.given(placed(), paid(), held_as_twin())
    order.when(accept_twin(at="2026-07-21 09:00"))
    order.then(Order.TwinAccepted, event(Order.OrderHeld, reason="start_passed", because_of=None))
    order.then_status("on_hold")


def test_accepted_twice(order):
    """Whoever heard no reply asks again, and is not refused."""
    order.given(placed(), paid(), held_as_twin(), twin_accepted())
    order.when(accept_twin())
    order.then_nothing()


@pytest.mark.parametrize(
    "past",
    [(), (paid(),), (paid(at="2026-07-20 23:58"),), (paid(), held_as_twin(), refund_requested())],
)
def test_nothing_to_accept(order, past):
    order.given(placed(), *past)
    order.when(accept_twin())
    order.then_refused(errors.OrderClosed)


@pytest.mark.parametrize("changes", [{"plate": "2AB2346"}, {"start": "2026-08-05"}])
def test_a_correction_releases_it(order, changes):
    """It is for another vehicle or period now; whether it still is a twin is looked at anew."""
    order.given(placed(), paid(), held_as_twin())
    order.when(correct(**changes))
    order.then(Order.DetailsCorrected, Order.HoldReleased)
    order.then_status("scheduled")
    order.when(hold_as_twin(OTHER_ORDER))
    order.then(Order.OrderHeld)


@pytest.mark.case(20)
def test_more_money_is_no_answer(order):
    """Case 20 beside 48: a second payment is surplus, and the question stays."""
    order.given(placed(), paid(), held_as_twin())
    order.when(pay(czk(399), "bank-2"))
    order.then(Order.PaymentReceived, Order.SurplusSetAside)
    order.then_status("on_hold")


def test_the_money_can_be_asked_back(order):
    order.given(placed(), paid(), held_as_twin())
    order.when(request_refund())
    order.then(event(Order.RefundRequested, amount=czk(399)))


def test_a_start_once_it_was_accepted(order):
    order.given(placed(), paid(), held_as_twin(), twin_accepted())
    order.when(trigger(generation=1, at="2026-07-19 12:00"))
    order.then_nothing()
    order.when(trigger())
    order.then(event(Order.RegistrationStarted, generation=2, due_at=clock("2026-07-19 12:00")))
