"""A start at once within the time of withdrawal: asked for expressly, by which text, in which language, when."""

import pytest

from domain.ordering import (
    CONSENT,
    Scenario,
    event,
    paid,
    placed,
    start_at_once,
    trigger,
    wished,
)
from vignettes.domain import errors
from vignettes.domain.order import Order


@pytest.fixture
def order():
    return Scenario()


def test_a_start_without_it_is_refused_where_it_is_needed(order):
    """The order could still be withdrawn from: 14 days, to the second."""
    order.given(placed(), paid())
    order.when(start_at_once(at="2026-07-15 09:59:59", consent_needed=True))
    order.then_refused(errors.ConsentNeeded, code="invalid_request", field="consent")


def test_a_wish_without_it_is_refused_too(order):
    """It would start as soon as the money is there."""
    order.given(placed())
    order.when(start_at_once(consent_needed=True))
    order.then_refused(errors.ConsentNeeded)


def test_after_the_time_of_withdrawal_nobody_is_asked(order):
    order.given(placed(), paid())
    order.when(start_at_once(at="2026-07-15 10:00", consent_needed=True))
    order.then(Order.RegistrationStarted)


def test_it_comes_on_record_with_the_start(order):
    order.given(placed(), paid())
    order.when(start_at_once(CONSENT, consent_needed=True))
    order.then(event(Order.RegistrationStarted, consent=CONSENT))


def test_what_was_given_with_the_wish_counts_for_the_start(order):
    """Asked once, not again."""
    order.given(placed(), wished(CONSENT), paid())
    order.when(start_at_once(consent_needed=True))
    order.then(event(Order.RegistrationStarted, consent=None))
    assert order.order.consents == (CONSENT,)


def test_a_start_by_its_deadline_needs_none(order):
    """The customer chose the day; nothing is brought forward."""
    order.given(placed(start="2026-07-03"), paid())
    order.when(trigger(at="2026-07-02 12:00"))
    order.then(Order.RegistrationStarted)
