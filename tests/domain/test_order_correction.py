"""Corrections: possible until registration starts, and after it was rejected."""

from dataclasses import replace
from datetime import date

import pytest

from domain.ordering import (
    Scenario,
    correct,
    correct_email,
    corrected,
    czk,
    details,
    event,
    expired,
    issued,
    paid,
    pay,
    placed,
    refund_requested,
    registration_started,
    rejected,
    trigger,
    triggered,
    wished,
)
from vignettes.domain import catalogue, errors
from vignettes.domain.catalogue import PRODUCTS, Price
from vignettes.domain.order import Order


@pytest.fixture
def order():
    return Scenario()


def test_a_mistyped_plate(order):
    """Promise 7: what will be registered changes, the price stands."""
    order.given(placed(), paid())
    order.when(correct(plate="1AB 2346"))
    order.then(event(Order.DetailsCorrected, details=details(plate="1AB 2346"), price=order.order.price))
    order.then_due("2026-07-19 12:00")


def test_the_same_correction_twice(order):
    order.given(placed(), corrected(plate="1AB2346"))
    order.when(correct(plate="1AB2346"))
    order.then_nothing()


@pytest.mark.case(37, 40)
@pytest.mark.parametrize("further", [(), (issued(),)])
def test_a_correction_after_the_start_is_refused(order, further):
    """Cases 37, 40: the authority has the data by then; the driver is told the truth."""
    order.given(placed(), paid(), registration_started(), *further)
    order.when(correct(plate="1AB2346"))
    order.then_refused(errors.RegistrationAlreadyStarted, code="already_started")


@pytest.mark.case(40)
@pytest.mark.parametrize(
    ("product", "way_out"),
    [
        ("CZ-10D", "In Czechia the driver can correct it once, with the authorisation code."),
        ("HU-10D", "In Hungary the authority changes it against a fee."),
    ],
)
def test_the_refusal_says_what_the_country_still_allows(order, product, way_out):
    """Case 40, promise 7: the reason, and what the driver can still do in that country."""
    order.given(placed(product=product), paid(), registration_started())
    order.when(correct(plate="1AB2346"))
    order.then_refused(errors.RegistrationAlreadyStarted)
    assert str(order.refused) == f"{errors.RegistrationAlreadyStarted.__doc__} {way_out}"


@pytest.mark.case(40)
def test_no_country_lacks_its_way_out():
    """Case 40: a country that is added brings its own."""
    ways = {(each.country, each.still_possible) for each in PRODUCTS.values()}
    assert len(ways) == len({country for country, _ in ways}) == len({way for _, way in ways})


@pytest.mark.case(37)
def test_a_correction_that_won_the_race(order):
    """Case 37: the trigger that comes a moment later is for the old data, and changes nothing."""
    order.given(placed(), paid(), corrected(plate="1AB2346", at="2026-07-19 12:00"))
    order.when(trigger(generation=1))
    order.then_nothing()
    order.when(trigger())
    order.then(Order.RegistrationStarted)


@pytest.mark.parametrize("end", [(paid(), refund_requested()), (expired(at="2026-08-04 00:00"),)])
def test_an_order_that_ended_is_not_corrected(order, end):
    order.given(placed(), *end)
    order.when(correct(plate="1AB2346"))
    order.then_refused(errors.OrderClosed)


@pytest.mark.case(38)
def test_a_corrected_start_makes_the_old_trigger_harmless(order):
    """Case 38: a new generation, due by the new start."""
    order.given(placed(), paid(), corrected(start="2026-07-25"))
    order.then_due("2026-07-24 12:00")
    order.when(trigger(generation=1, at="2026-07-24 13:00"))
    order.then_nothing()


@pytest.mark.case(38)
def test_an_earlier_start_is_due_at_once(order):
    """Case 38: its mark has passed, but it is not late: the driver chose it only now."""
    order.given(placed(), paid(), corrected(start="2026-07-06", at="2026-07-05 15:00"))
    order.then_due("2026-07-05 15:00")


@pytest.mark.case(1)
def test_the_last_chance_is_not_prolonged(order):
    """Case 1: a correction within the grace leaves the five-minute promise alone."""
    order.given(placed(start="2026-07-02"), paid(at="2026-07-01 20:00:00"))
    order.when(correct(plate="1AB2346", at="2026-07-01 20:00:50"))
    order.then_due("2026-07-01 20:01:00")


def test_a_start_that_has_passed(order):
    order.given(placed())
    order.when(correct(start="2026-06-30"))
    order.then_refused(errors.InvalidValue, field="valid_from")


@pytest.fixture
def dearer_from_10_july(monkeypatch):
    """Let the authorities raise their prices by fifty crowns between the placing and the start."""

    def raised(known):
        dearer = Price(
            known.price_on(date(2026, 7, 1)).official + czk(50), known.price_on(date(2026, 7, 1)).fee
        )
        return replace(known, prices=(*known.prices, (date(2026, 7, 10), dearer)))

    czech = {code: raised(known) for code, known in PRODUCTS.items() if known.country == "CZ"}
    monkeypatch.setattr(catalogue, "PRODUCTS", {**PRODUCTS, **czech})


@pytest.mark.case(14)
@pytest.mark.usefixtures("dearer_from_10_july")
def test_the_customers_price_stands(order):
    """Case 14: placed before the change, it costs what was promised, whenever the money and the start come."""
    order.given(placed())
    order.when(pay(czk(399), at="2026-07-12 09:00"))
    order.then(Order.PaymentReceived)
    order.then_status("scheduled")
    order.when(trigger(at="2026-07-19 12:00"))
    order.then(Order.RegistrationStarted)
    assert order.order.price.total == czk(399)
    order.given(placed(at="2026-07-12 09:00"))
    assert order.order.price.total == czk(449)


@pytest.mark.case(14)
@pytest.mark.usefixtures("dearer_from_10_july")
@pytest.mark.parametrize("changes", [{"plate": "1AB2346"}, {"start": "2026-07-25"}])
def test_a_correction_leaves_the_customers_price(order, changes):
    """Case 14: another plate or day of the same product."""
    order.given(placed(), paid())
    order.when(correct(at="2026-07-12 09:00", **changes))
    order.then(event(Order.DetailsCorrected, price=order.order.price))
    order.then_status("scheduled")
    assert order.order.price.total == czk(399)


@pytest.mark.case(14, 39)
@pytest.mark.usefixtures("dearer_from_10_july")
def test_another_product_has_the_price_of_the_day(order):
    """Cases 14, 39: nobody was promised the old one of it."""
    order.given(placed(), paid())
    order.when(correct(product="CZ-30D", at="2026-07-12 09:00"))
    order.then(Order.DetailsCorrected)
    assert order.order.outstanding == czk(230)


@pytest.mark.case(39)
def test_a_cheaper_product(order):
    """Case 39: the difference is surplus."""
    order.given(placed(), paid())
    order.when(correct(product="CZ-1D"))
    order.then(
        event(Order.DetailsCorrected), event(Order.SurplusSetAside, amount=czk(70), reason="cheaper_product")
    )
    order.then_status("scheduled")


@pytest.mark.case(39)
def test_a_dearer_product(order):
    """Case 39: it waits for the exact rest."""
    order.given(placed(), paid())
    order.when(correct(product="CZ-30D"))
    order.then(Order.DetailsCorrected)
    order.then_status("partially_paid")
    order.then_due(None)
    assert order.order.outstanding == czk(180)


@pytest.mark.case(3, 4)
def test_a_new_start_releases_the_hold(order):
    """Cases 3, 4: the driver answered; due as if ordered so, never in the past."""
    order.given(placed(), paid(at="2026-07-20 23:58"))
    order.when(correct(start="2026-07-22", at="2026-07-21 15:00"))
    order.then(Order.DetailsCorrected, Order.HoldReleased)
    order.then_status("scheduled")
    order.then_due("2026-07-21 15:00")


@pytest.mark.case(4)
def test_another_plate_does_not_release_the_hold(order):
    """Case 4: the start is what is asked for."""
    order.given(placed(), paid(at="2026-07-20 23:58"))
    order.when(correct(plate="1AB2346", at="2026-07-21 15:00"))
    order.then(Order.DetailsCorrected)
    order.then_status("on_hold")


@pytest.mark.case(49)
def test_rejected_data_can_be_corrected(order):
    """Case 49: action is needed; what is corrected is tried again at once."""
    order.given(placed(), paid(), registration_started(), rejected(at="2026-07-19 13:00"))
    order.then_status("action_needed")
    order.then_due(None)
    order.when(correct(plate="1AB2346", at="2026-07-19 18:00"))
    order.then(Order.DetailsCorrected)
    order.then_due("2026-07-19 18:00")


@pytest.mark.case(49)
def test_rejected_long_before_the_mark_is_tried_again_at_once(order):
    """Case 49: the driver had asked for an early start, and still does."""
    order.given(placed(), wished(), paid(), triggered(), rejected())
    order.when(correct(plate="1AB2346", at="2026-07-02 10:00"))
    order.then_due("2026-07-02 10:00", "at_once")


@pytest.mark.case(49)
def test_a_trigger_from_before_the_rejection(order):
    """Cases 49, 53: it is of an old generation."""
    order.given(placed(), paid(), registration_started(), rejected(), corrected(plate="1AB2346"))
    order.when(trigger(generation=1))
    order.then_nothing()


@pytest.mark.case(4, 49)
def test_rejected_and_corrected_when_the_start_has_passed(order):
    """Cases 4, 49: another plate alone is not enough any more."""
    order.given(placed(), paid(), registration_started(), rejected())
    order.when(correct(plate="1AB2346", at="2026-07-21 10:00"))
    order.then(Order.DetailsCorrected, Order.OrderHeld)


@pytest.mark.parametrize("past", [(), (paid(), registration_started(), issued())])
def test_the_address_can_always_be_corrected(order, past):
    """Promise 8, case 33: the link is renewed, the old address is known."""
    order.given(placed(), *past)
    order.when(correct_email("d.river@example.org"))
    order.then(event(Order.EmailCorrected, email="d.river@example.org"))
    assert order.order.previous_email == "driver@example.org"
    assert order.order.link_generation == 2


def test_the_same_address_twice(order):
    order.given(placed())
    order.when(correct_email("driver@example.org"))
    order.then_nothing()
