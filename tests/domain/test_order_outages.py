"""Announced outages: registration comes before them where it still can (case 15), and the ledger knows why."""

from uuid import uuid4

import pytest

from domain.ordering import (
    Scenario,
    clock,
    correct,
    corrected,
    details,
    disregard,
    disregarded,
    event,
    held_as_twin,
    lead_changed,
    outage,
    paid,
    pay,
    placed,
    refund_requested,
    regard,
    regarded,
    registration_started,
    trigger,
    twin_accepted,
    wished,
)
from vignettes.domain.order import Order
from vignettes.domain.outages import MARGIN

# An order of these examples begins on 20 July, and is due at noon of the 19th.
OVER_NOON = outage("2026-07-19 10:00", "2026-07-19 16:00")
AFTER_NOON = outage("2026-07-19 12:45", "2026-07-19 20:00")
IN_THE_MORNING = outage("2026-07-19 06:00", "2026-07-19 09:30")


@pytest.fixture
def order():
    return Scenario()


@pytest.mark.case(15)
def test_an_outage_over_the_due_time(order):
    """It is due an hour before the outage begins, and can be asked which one moved it, and from where."""
    order.given(placed(), paid())
    order.when(regard(OVER_NOON, at="2026-07-10 08:00"))
    order.then(event(Order.OutageRegarded, outage=OVER_NOON, in_passing=False))
    order.then_due("2026-07-19 09:00", "outage")
    deadline = order.order.deadline
    assert (deadline.outage, deadline.unmoved_at) == (OVER_NOON, clock("2026-07-19 12:00"))


@pytest.mark.case(15)
def test_an_outage_that_touches_the_hours_before_validity(order):
    """It begins within the hour after the due time: there would be no time left to try again."""
    order.given(placed(), paid())
    order.when(regard(AFTER_NOON))
    order.then(Order.OutageRegarded)
    order.then_due("2026-07-19 11:45", "outage")


@pytest.mark.case(15)
@pytest.mark.parametrize(
    "elsewhere",
    [
        outage("2026-07-19 13:00:01", "2026-07-19 20:00"),
        outage("2026-07-19 06:00", "2026-07-19 12:00"),
        outage("2026-07-19 10:00", "2026-07-19 16:00", country="SK"),
    ],
)
def test_an_outage_that_is_not_in_its_way(order, elsewhere):
    """It begins more than the margin later, is over by then, or is of another authority: nothing to record."""
    order.given(placed(), paid())
    order.when(regard(elsewhere))
    order.then_nothing()
    order.then_due("2026-07-19 12:00", "lead")


@pytest.mark.case(15)
def test_two_outages_in_a_row(order):
    """What moves before the second comes to lie in the first, and so before that too."""
    order.given(placed(), paid(), regarded(OVER_NOON))
    order.then_due("2026-07-19 09:00")
    order.when(regard(IN_THE_MORNING))
    order.then(Order.OutageRegarded)
    order.then_due("2026-07-19 05:00", "outage")
    assert order.order.deadline.unmoved_at == clock("2026-07-19 12:00")


@pytest.mark.case(15)
@pytest.mark.parametrize("announced", [(OVER_NOON, IN_THE_MORNING), (IN_THE_MORNING, OVER_NOON)])
def test_outages_that_were_announced_before_the_money(order, announced):
    """The order is planned ahead of them at once, in whatever order they were announced."""
    order.given(placed())
    order.when(pay(outages=announced))
    order.then(
        event(Order.OutageRegarded, outage=OVER_NOON, in_passing=True),
        event(Order.OutageRegarded, outage=IN_THE_MORNING, in_passing=True),
        Order.PaymentReceived,
    )
    order.then_due("2026-07-19 05:00", "outage")
    assert order.order.generation == 1


@pytest.mark.case(15)
def test_part_of_the_money_regards_no_outage(order):
    """There is no plan yet that it could move."""
    order.given(placed())
    order.when(pay(order.order.price.official, outages=[OVER_NOON]))
    order.then(Order.PaymentReceived)


@pytest.mark.case(15)
def test_the_same_outage_twice(order):
    order.given(placed(), paid(), regarded(OVER_NOON))
    order.when(regard(OVER_NOON))
    order.then_nothing()


@pytest.mark.case(15)
def test_an_outage_that_has_begun(order):
    """Nothing is before it any more: the authority is asked when it is due, until it answers again."""
    order.given(placed(), paid())
    order.when(regard(OVER_NOON, at="2026-07-19 10:00"))
    order.then_nothing()
    order.then_due("2026-07-19 12:00", "lead")


@pytest.mark.case(15)
def test_never_before_the_announcement(order):
    """Announced half an hour ahead, it is due now, and nobody is late for what was not known."""
    order.given(placed(), paid())
    order.when(regard(OVER_NOON, at="2026-07-19 09:30"))
    order.then(Order.OutageRegarded)
    order.then_due("2026-07-19 09:30", "outage")


@pytest.mark.case(15)
def test_never_before_the_money(order):
    """Paid in the last hour before the outage."""
    order.given(placed())
    order.when(pay(at="2026-07-19 09:40", outages=[OVER_NOON]))
    order.then_due("2026-07-19 09:40", "outage")


@pytest.mark.case(13, 15)
def test_never_before_the_authority_sells(order):
    """The sale opens on 20 June at midnight, forty minutes before the outage begins."""
    early = outage("2026-06-20 00:40", "2026-06-21 00:00")
    order.given(placed(at="2026-06-01 10:00"), paid(), lead_changed(24 * 40))
    order.when(regard(early))
    order.then_nothing()
    order.then_due("2026-06-20 00:00", "window")


@pytest.mark.case(13, 15)
def test_an_outage_at_the_opening_of_the_sale(order):
    """It can't be forestalled: nothing is sold before."""
    order.given(placed(at="2026-06-01 10:00"), wished(), paid())
    order.then_due("2026-06-20 00:00", "window")
    order.when(regard(outage("2026-06-19 23:00", "2026-06-20 06:00")))
    order.then_nothing()


@pytest.mark.case(1, 15)
def test_the_grace_is_given_up_for_an_outage_that_begins_within_it(order):
    """Paid for today: a minute to correct is worth less than the vignette."""
    order.given(placed(start="2026-07-02"))
    soon = outage("2026-07-01 20:00:30", "2026-07-02 06:00")
    order.when(pay(at="2026-07-01 20:00", outages=[soon]))
    order.then(Order.OutageRegarded, Order.PaymentReceived)
    order.then_due("2026-07-01 20:00", "outage")


@pytest.mark.case(1, 15)
def test_the_grace_is_kept_before_an_outage_that_begins_after_it(order):
    """Within the margin, but after the minute: the last chance to correct stays."""
    order.given(placed(start="2026-07-02"))
    order.when(pay(at="2026-07-01 20:00", outages=[outage("2026-07-01 20:01:01", "2026-07-02 06:00")]))
    order.then(Order.PaymentReceived)
    order.then_due("2026-07-01 20:01", "grace")


@pytest.mark.case(15)
def test_a_correction_looks_at_outages_too(order):
    """The new start runs into one that the old one did not."""
    later = outage("2026-07-24 11:30", "2026-07-24 18:00")
    order.given(placed(), paid())
    order.when(correct(start="2026-07-25", outages=[later, OVER_NOON]))
    order.then(
        event(Order.OutageRegarded, outage=later, in_passing=True),
        event(Order.DetailsCorrected, details=details(start="2026-07-25")),
    )
    order.then_due("2026-07-24 10:30", "outage")


@pytest.mark.case(15, 39)
def test_a_correction_that_waits_for_money_looks_at_none(order):
    """The top-up does."""
    order.given(placed(), paid())
    order.when(correct(product="CZ-30D", outages=[OVER_NOON]))
    order.then(Order.DetailsCorrected)
    order.when(pay(payment_id="bank-2", outages=[OVER_NOON]))
    order.then(Order.OutageRegarded, Order.PaymentReceived)
    order.then_due("2026-07-19 09:00", "outage")


@pytest.mark.case(15)
def test_a_start_that_moves_out_of_the_way(order):
    """The outage is still known, and moves nothing any more."""
    order.given(placed(), paid(), regarded(OVER_NOON), corrected(start="2026-07-25"))
    order.then_due("2026-07-24 12:00", "lead")


@pytest.mark.case(15)
def test_an_outage_that_was_withdrawn(order):
    """It is due as if there had been none, by a new generation."""
    order.given(placed(), paid(), regarded(OVER_NOON))
    order.when(disregard(OVER_NOON))
    order.then(event(Order.OutageDisregarded, outage_id=OVER_NOON.id))
    order.then_due("2026-07-19 12:00", "lead")
    assert order.order.generation == 3


@pytest.mark.case(15)
def test_withdrawn_twice_or_never_regarded(order):
    order.given(placed(), paid(), regarded(OVER_NOON), disregarded(OVER_NOON))
    order.when(disregard(OVER_NOON))
    order.then_nothing()
    order.when(disregard(AFTER_NOON))
    order.then_nothing()


@pytest.mark.case(15, 38)
def test_the_trigger_of_the_time_before(order):
    """It is of an old generation by then; the one of the earlier time starts it."""
    order.given(placed(), paid(), regarded(OVER_NOON))
    order.when(trigger(generation=1, at="2026-07-19 12:00"))
    order.then_nothing()
    order.when(trigger(at="2026-07-19 09:00"))
    order.then(
        event(Order.RegistrationStarted, rule="outage", due_at=clock("2026-07-19 09:00"), generation=2)
    )


@pytest.mark.case(15)
@pytest.mark.parametrize("past", [(), (paid(), registration_started()), (paid(), refund_requested())])
def test_what_waits_for_no_registration_regards_none(order, past):
    order.given(placed(), *past)
    order.when(regard(OVER_NOON, at="2026-07-18 09:00"))
    order.then_nothing()
    order.when(disregard(OVER_NOON))
    order.then_nothing()


@pytest.mark.case(15, 48)
def test_what_was_regarded_before_a_hold_counts_after_it(order):
    order.given(placed(), paid(), regarded(OVER_NOON), held_as_twin(uuid4()), twin_accepted())
    order.then_due("2026-07-19 09:00", "outage")


@pytest.mark.case(15)
def test_what_if_is_asked_with_the_outages_known(order):
    """Other terms, the same announced outage."""
    order.given(placed(), paid(), regarded(OVER_NOON))
    asked = order.order.deadline_under(order.order.terms)
    assert asked == order.order.deadline
    assert asked.due_at == OVER_NOON.begins_at - MARGIN
