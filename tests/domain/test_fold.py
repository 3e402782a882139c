"""Folding: an order from its events, as it was when they were decided, and no other way."""

from uuid import UUID

import pytest
from eventsourcing.domain import OriginatorIDError, OriginatorVersionError

from domain.ordering import ORDER_ID, clock, czk, details
from vignettes.domain.details import Payment, Vignette
from vignettes.domain.order import Order

AT, LATER = clock("2026-07-01 12:00"), clock("2026-07-01 13:00")


def placed(order_id=ORDER_ID):
    return Order.place(
        order_id, number="V1", details=details(), email="driver@example.com", language="en", at=AT
    )


@pytest.fixture
def history():
    """What happened to an order up to its vignette: placed, paid, started, issued."""
    order = placed()
    order.receive_payment(Payment("bank-1", czk(399), "card", AT), AT)
    order.start_at_once(None, AT)
    order.record_issue(Vignette("CZ1", "ref", AT, LATER), order.generation, LATER)
    return order.collect_events()


def folded(events):
    order = None
    for each in events:
        order = each.mutate(order)
    return order


def test_an_order_is_what_its_events_say(history):
    """The same state, version and times as where it was decided."""
    order = folded(history)
    decided = placed()
    for each in history[1:]:
        each.mutate(decided)
    decided.collect_events()
    assert order == decided
    assert (order.version, order.created_on, order.modified_on) == (4, AT, LATER)
    assert order.vignette.number == "CZ1"


def test_an_event_out_of_turn_is_refused(history):
    """One left out, one told twice: the order stays as it was."""
    order = folded(history[:2])
    before = dict(vars(order))
    for wrong in (history[1], history[3]):
        with pytest.raises(OriginatorVersionError):
            wrong.mutate(order)
    assert vars(order) == before


def test_an_event_of_another_order_is_refused(history):
    """Streams are never mixed."""
    with pytest.raises(OriginatorIDError):
        history[1].mutate(placed(UUID(int=1)))


def test_an_order_begins_once_and_with_its_placing(history):
    """Neither another event first, nor a second beginning."""
    with pytest.raises(AssertionError):
        history[1].mutate(None)
    with pytest.raises(AssertionError):
        history[0].mutate(folded(history[:2]))
    second = Order.OrderPlaced(**{**vars(history[0]), "originator_version": 2})
    with pytest.raises(AssertionError):
        second.mutate(folded(history[:1]))
