"""What the authority says besides yes: covered already, nothing for too long, and other days than before."""

import pytest

from domain.ordering import (
    Scenario,
    call_person,
    change_validity,
    clock,
    correct,
    czk,
    event,
    issued,
    paid,
    person_called,
    placed,
    registration_started,
    reject,
    rejected,
    request_refund,
    started_at_once,
    validity_changed,
)
from vignettes.domain import errors
from vignettes.domain.order import Order


@pytest.fixture
def order():
    return Scenario()


# --- covered already (case 47)


@pytest.mark.case(47)
def test_a_vehicle_that_is_covered_already(order):
    """Nothing is tried again by itself; the customer is asked, and told why."""
    order.given(placed(), paid(), registration_started())
    order.when(reject("covered until 1 August", code="already_covered"))
    order.then(event(Order.RegistrationRejected, code="already_covered", reason="covered until 1 August"))
    order.then_status("action_needed")
    order.then_due(None)
    assert order.order.rejection_code == "already_covered"
    assert order.order.can_be_refunded
    assert order.order.can_be_corrected


@pytest.mark.case(47)
def test_the_money_for_a_vehicle_that_is_covered_already(order):
    """It is offered back, all of it."""
    order.given(placed(), paid(), registration_started(), rejected(code="already_covered"))
    order.when(request_refund())
    order.then(event(Order.RefundRequested, amount=czk(399)))
    order.then_status("refund_pending")


@pytest.mark.case(47)
def test_another_plate_than_the_one_that_is_covered(order):
    """The reason belongs to the data that were refused."""
    order.given(placed(), paid(), registration_started(), rejected(code="already_covered"))
    order.when(correct(plate="1AB2346", at="2026-07-19 13:00"))
    order.then_due("2026-07-19 13:00")
    assert (order.order.rejection_code, order.order.rejection) == (None, None)


# --- a call for a person


def test_a_person_is_called(order):
    """The order says why and until when somebody must act; it waits for the authority all the same."""
    order.given(placed(), paid(), registration_started())
    order.when(call_person("authority_down", at="2026-07-19 14:00"))
    order.then(
        event(Order.PersonCalled, why="authority_down", act_by=clock("2026-07-19 18:00"), generation=1)
    )
    order.then_status("registering")
    assert order.order.person_called_at == clock("2026-07-19 14:00")
    assert order.order.act_by == clock("2026-07-19 18:00")


def test_a_person_is_called_once_for_each_start(order):
    """Whatever else goes wrong with it; the next start may call again."""
    order.given(placed(), paid(), registration_started(), person_called())
    order.when(call_person("authority_down"))
    order.then_nothing()
    order.given(rejected(), started_at_once())
    assert order.order.person_called_at is None
    order.when(call_person())
    order.then(event(Order.PersonCalled, generation=2))


@pytest.mark.parametrize(
    "past",
    [(), (paid(),), (paid(), registration_started(), issued()), (paid(), registration_started(), rejected())],
)
def test_nobody_is_called_where_no_registration_is_under_way(order, past):
    order.given(placed(), *past)
    order.when(call_person())
    order.then_nothing()


def test_nobody_is_called_for_a_start_that_is_over(order):
    order.given(placed(), paid(), registration_started(), rejected(), started_at_once())
    order.when(call_person(generation=1))
    order.then_nothing()


# --- other days than before (case 51)


@pytest.mark.case(51)
def test_the_authority_changes_the_validity_later(order):
    """What it says wins over what it said; the vignette is the same."""
    order.given(placed(), paid(), registration_started(), issued())
    order.when(change_validity("2026-07-20", "2026-07-30 23:59:59", at="2026-07-25 10:00"))
    order.then(
        event(Order.ValidityChanged, valid_from=clock("2026-07-20"), valid_until=clock("2026-07-30 23:59:59"))
    )
    order.then_status("issued")
    kept = order.order.vignette
    assert (kept.number, kept.valid_until) == ("CZ26-1", clock("2026-07-30 23:59:59"))


@pytest.mark.case(51)
def test_the_validity_that_it_has_already(order):
    """As it was issued, or as it was changed: it is asked daily, and changes rarely."""
    order.given(placed(), paid(), registration_started(), issued())
    order.when(change_validity("2026-07-20", "2026-07-29 23:59:59"))
    order.then_nothing()
    order.given(validity_changed())
    order.when(change_validity())
    order.then_nothing()


@pytest.mark.case(51)
@pytest.mark.parametrize("past", [(), (paid(),), (paid(), registration_started())])
def test_no_validity_without_a_vignette(order, past):
    order.given(placed(), *past)
    order.when(change_validity())
    order.then_refused(errors.OrderClosed)
