"""Letting go of who ordered, and for which vehicle: once nothing is owed any more (case 55)."""

import pytest

from domain.ordering import ORDER_ID, clock, czk, details
from vignettes.domain.details import Payment, Vignette
from vignettes.domain.errors import OrderClosed, OrderUnderWay
from vignettes.domain.order import Order
from vignettes.domain.personal import DataClass

AT = clock("2026-07-01 12:00")
CONTACT, VEHICLE = DataClass.CONTACT, DataClass.VEHICLE


def placed():
    return Order.place(
        ORDER_ID, number="V1", details=details(), email="driver@example.com", language="en", at=AT
    )


def paid(amount=399):
    order = placed()
    order.receive_payment(Payment("bank-1", czk(amount), "card", AT), AT)
    return order


def started(amount=399):
    order = paid(amount)
    order.start_at_once(None, AT)
    return order


def issued(amount=399):
    order = started(amount)
    order.record_issue(Vignette("CZ1", "ref", AT, AT), order.generation, AT)
    return order


def rejected():
    order = started()
    order.record_rejection("other", "plate 1AB2345 unknown", order.generation, AT)
    return order


def refund_pending():
    order = paid()
    order.request_refund("I am Eva", AT)
    return order


def refunded():
    order = refund_pending()
    order.confirm_refund("out-1", order.refund, AT)
    return order


@pytest.mark.parametrize("under_way", [placed, paid, started, rejected, refund_pending, lambda: issued(500)])
def test_an_order_under_way_keeps_what_is_needed_for_it(under_way):
    """Something is owed still: a vignette, the money, or a surplus."""
    order = under_way()
    with pytest.raises(OrderUnderWay):
        order.erase(tuple(DataClass), AT)
    assert order.email == "driver@example.com"


@pytest.mark.parametrize("ended", [issued, refunded])
def test_an_order_that_has_ended_lets_go_of_all_that_is_personal(ended):
    """What it was and how it ended stays; who and which vehicle does not."""
    order = ended()
    before = (order.status, order.price, order.account, order.details.start, order.details.vehicle.country)
    order.erase(tuple(DataClass), AT)
    assert (order.email, order.previous_email) == (None, None)
    assert (order.details.vehicle.plate, order.details.vehicle.normal, order.rejection) == (None, None, None)
    after = (order.status, order.price, order.account, order.details.start, order.details.vehicle.country)
    assert after == before


def test_one_class_is_erased_and_the_other_stays():
    """The address is gone, the plate is kept for a fine that may still come."""
    order = issued()
    order.erase([CONTACT], AT)
    assert (order.email, order.details.vehicle.plate) == (None, "1AB2345")
    order.erase([CONTACT, VEHICLE], AT)
    assert order.details.vehicle.plate is None
    assert [each.classes for each in order.collect_events()[-2:]] == [(CONTACT,), (VEHICLE,)]


def test_erased_twice_is_recorded_once():
    """The same command again says the same."""
    order = issued()
    order.erase(tuple(DataClass), AT)
    version = order.version
    order.erase(tuple(DataClass), AT)
    assert order.version == version


def test_nobody_is_given_a_new_address_after_the_contact_was_erased():
    """There is no key any more that could keep it."""
    order = issued()
    order.erase([CONTACT], AT)
    with pytest.raises(OrderClosed):
        order.correct_email("new@example.com", AT)
    issued_only = issued()
    issued_only.erase([VEHICLE], AT)
    issued_only.correct_email("new@example.com", AT)
    assert issued_only.email == "new@example.com"


def test_a_rejection_is_one_even_when_its_words_are_gone():
    """Replayed after an erasure, the reason reads as null; where the order stood then does not change."""
    order = started()
    order.record_rejection("other", None, order.generation, AT)
    assert order.status == "action_needed"
