"""Registration: started once, by its deadline or by the driver, and how it ends."""

from datetime import timedelta

import pytest

from domain.ordering import (
    CONSENT,
    Scenario,
    clock,
    corrected,
    event,
    issue,
    issued,
    paid,
    placed,
    refund_requested,
    refund_unanswered,
    registration_started,
    reject,
    rejected,
    start_at_once,
    started_at_once,
    trigger,
    wished,
)
from vignettes.domain import errors
from vignettes.domain.order import Order


@pytest.fixture
def order():
    return Scenario()


def test_it_starts_when_due(order):
    """Promise 1."""
    order.given(placed(), paid())
    order.when(trigger(at="2026-07-19 12:00"))
    order.then(event(Order.RegistrationStarted, rule="lead", due_at=clock("2026-07-19 12:00"), generation=1))
    order.then_status("registering")


@pytest.mark.case(53)
def test_a_trigger_too_early(order):
    """Case 53: it changes nothing; the right one will come."""
    order.given(placed(), paid())
    order.when(trigger(at="2026-07-19 11:59:59"))
    order.then_nothing()


@pytest.mark.case(16)
def test_a_trigger_repeated(order):
    """Cases 16, 53: each once."""
    order.given(placed(), paid(), registration_started())
    order.when(trigger())
    order.then_nothing()


@pytest.mark.case(16)
def test_an_overdue_trigger_after_our_outage(order):
    """Case 16: it fires at once, with the time when it was due on record."""
    order.given(placed(), paid())
    order.when(trigger(at="2026-07-20 03:00"))
    order.then(event(Order.RegistrationStarted, due_at=clock("2026-07-19 12:00")))


@pytest.mark.case(16)
def test_overdue_into_the_days_of_cover(order):
    """Case 16: the driver is on the road; what is left of ten days is registered at once."""
    order.given(placed(), paid())
    order.when(trigger(at="2026-07-21 03:00"))
    order.then(event(Order.RegistrationStarted, due_at=clock("2026-07-19 12:00")))


@pytest.mark.case(4, 16)
def test_overdue_for_more_than_the_whole_cover(order):
    """Cases 4, 16: there is nothing left to register; the driver is asked."""
    order.given(placed(), paid())
    order.when(trigger(at="2026-07-30 00:00:01"))
    order.then(event(Order.OrderHeld, reason="start_passed"))
    order.when(trigger())
    order.then_nothing()


@pytest.mark.parametrize("past", [(), (wished(),), (paid(), refund_requested())])
def test_no_trigger_starts_what_is_not_paid(order, past):
    """I3: without money no registration, and none once it is on its way back."""
    order.given(placed(), *past)
    order.when(trigger(at="2026-07-19 12:00"))
    order.then_nothing()


def test_start_at_once(order):
    """Promise 3: long before the deadline."""
    order.given(placed(), paid())
    order.when(start_at_once(CONSENT))
    order.then(event(Order.RegistrationStarted, rule="at_once", consent=CONSENT))
    assert order.order.consents == (CONSENT,)


@pytest.mark.case(35)
@pytest.mark.parametrize("further", [(), (issued(),)])
def test_start_pressed_twice(order, further):
    """Case 35: the same answer, nothing more on record."""
    order.given(placed(), paid(), started_at_once(), *further)
    order.when(start_at_once())
    order.then_nothing()


@pytest.mark.case(13)
def test_start_before_the_authority_sells_it(order):
    """Case 13: told when it will be."""
    order.given(placed(start="2026-10-20"), paid())
    order.when(start_at_once())
    order.then_refused(errors.TooEarly)


@pytest.mark.case(3, 4)
@pytest.mark.parametrize("moment", ["2026-07-20 23:58", "2026-07-21 10:00"])
def test_start_at_once_for_a_day_that_has_passed(order, moment):
    """Cases 3, 4: refused even before the order is on hold."""
    order.given(placed(), paid())
    order.when(start_at_once(at=moment))
    order.then_refused(errors.OnHold)


@pytest.mark.case(4)
def test_start_while_on_hold(order):
    """Case 4: choose a new start first."""
    order.given(placed(), paid(at="2026-07-20 23:58"))
    order.when(start_at_once())
    order.then_refused(errors.OnHold)


@pytest.mark.case(41)
def test_start_after_a_refund_was_requested(order):
    """Case 41: the refund won."""
    order.given(placed(), paid(), refund_requested())
    order.when(start_at_once())
    order.then_refused(errors.OrderClosed)


def test_the_authority_confirms(order):
    order.given(placed(), paid(), registration_started())
    order.when(issue())
    order.then(Order.VignetteIssued)
    order.then_status("issued")


@pytest.mark.case(46)
def test_confirmed_twice(order):
    """Case 46: exactly one vignette."""
    order.given(placed(), paid(), registration_started(), issued())
    order.when(issue())
    order.then_nothing()


@pytest.mark.case(46)
def test_another_vignette_for_the_same_order(order):
    """Case 46: that would be a second one: a person must look."""
    order.given(placed(), paid(), registration_started(), issued())
    order.when(issue("CZ26-2"))
    order.then_refused(errors.OrderClosed)


@pytest.mark.parametrize("past", [(), (paid(),), (paid(), registration_started(), rejected())])
def test_no_vignette_without_a_registration_under_way(order, past):
    """I3."""
    order.given(placed(), *past)
    order.when(issue())
    order.then_refused(errors.OrderClosed)


@pytest.mark.case(49)
def test_the_authority_refuses(order):
    """Case 49: the driver must act, and nothing is due until then."""
    order.given(placed(), paid(), registration_started())
    order.when(reject("plate_not_accepted"))
    order.then(event(Order.RegistrationRejected, reason="plate_not_accepted"))
    order.then_status("action_needed")
    order.then_due(None)


@pytest.mark.case(53)
def test_refused_twice(order):
    """Case 53."""
    order.given(placed(), paid(), registration_started(), rejected())
    order.when(reject())
    order.then_nothing()


def test_refused_after_it_confirmed(order):
    """A vignette stays a vignette."""
    order.given(placed(), paid(), registration_started(), issued())
    order.when(reject())
    order.then_refused(errors.OrderClosed)


@pytest.mark.case(49)
def test_the_second_attempt_is_another_generation(order):
    """Case 49: each attempt can be told from the one before."""
    order.given(placed(), paid(), registration_started(), rejected(), corrected(plate="1AB2346"))
    order.when(trigger())
    order.then(event(Order.RegistrationStarted, generation=3))
    order.then_status("registering")


@pytest.mark.case(49)
def test_started_again_with_the_same_data(order):
    """Case 49: the authority may have erred; the driver may insist."""
    order.given(placed(), paid(), registration_started(), rejected())
    order.when(start_at_once())
    order.then(event(Order.RegistrationStarted, generation=2))


@pytest.mark.case(49)
@pytest.mark.parametrize(
    ("rejected_at", "answer_by"),
    [("2026-07-19 12:01", "2026-07-20 12:01"), ("2026-07-19 13:00", "2026-07-20 13:00")],
)
def test_the_money_of_a_rejection_goes_back_when_nobody_answers(order, rejected_at, answer_by):
    """By the start of validity, and after a day at the earliest (case 49)."""
    order.given(placed(), paid(), registration_started(), rejected(at=rejected_at))
    early = (clock(answer_by) - timedelta(seconds=1)).strftime("%Y-%m-%d %H:%M:%S")
    order.when(refund_unanswered(at=early))
    order.then_nothing()
    order.when(refund_unanswered(at=answer_by))
    order.then(event(Order.RefundRequested, reason="unanswered"))
    order.then_status("refund_pending")


@pytest.mark.case(49)
def test_a_rejection_that_was_answered_keeps_the_money(order):
    """A correction is an answer: it is tried again (case 49)."""
    order.given(placed(), paid(), registration_started(), rejected(), corrected(plate="2AB2345"))
    order.when(refund_unanswered(at="2026-08-20 00:00"))
    order.then_nothing()
