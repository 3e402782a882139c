"""What is written to the customer: links that were lost, and mails that came back."""

import pytest

from domain.ordering import (
    OTHER_ORDER,
    Scenario,
    ask_for_link,
    clock,
    email_corrected,
    event,
    link_asked_for,
    mail_returned,
    placed,
    return_mail,
)
from vignettes.domain import errors
from vignettes.domain.details import LinkedOrder, Status
from vignettes.domain.order import Order
from vignettes.domain.personal import DataClass

OTHER = LinkedOrder(
    OTHER_ORDER, "V1000000064", "AT-10D", clock("2026-07-20"), clock("2026-06-30"), Status.SCHEDULED, 2
)


@pytest.fixture
def order():
    return Scenario()


@pytest.mark.case(32)
def test_a_link_that_was_lost_is_mailed_with_those_of_the_same_customer(order):
    """Case 32: several orders, one mail."""
    order.given(placed())
    order.when(ask_for_link([OTHER]))
    order.then(event(Order.LinkRequested, others=(OTHER,), by_reference=False))


@pytest.mark.case(31)
def test_whoever_opens_the_page_by_the_reference_is_told_of(order):
    """Case 31: the address may be wrong, or it may not."""
    order.given(placed())
    order.when(ask_for_link(by_reference=True))
    order.then(event(Order.LinkRequested, by_reference=True))


@pytest.mark.case(31)
def test_whoever_has_asked_for_the_link_cannot_keep_the_opening_secret(order):
    """A stranger who knows plate, day and reference would ask for the link first, and then open the page."""
    order.given(placed(), link_asked_for(at="2026-07-01 10:00"))
    order.when(ask_for_link(at="2026-07-01 10:01", by_reference=True))
    order.then(event(Order.LinkRequested, by_reference=True))
    order.when(ask_for_link(at="2026-07-01 10:02", by_reference=True))
    order.then_nothing()


def test_nobodys_mailbox_is_filled(order):
    """At most one in ten minutes, and five in a day."""
    order.given(placed(), link_asked_for(at="2026-07-01 10:00"))
    order.when(ask_for_link(at="2026-07-01 10:09"))
    order.then_nothing()
    order.given(*[link_asked_for(at=f"2026-07-01 {hour}:00") for hour in (11, 12, 13, 14)])
    order.when(ask_for_link(at="2026-07-02 09:59"))
    order.then_nothing()
    order.when(ask_for_link(at="2026-07-02 10:00"))
    order.then(Order.LinkRequested)


def test_nobody_is_written_to_once_erased(order):
    order.given(placed())
    order.order.expire(clock("2026-09-01"))
    order.order.erase([DataClass.CONTACT], clock("2026-09-01"))
    order.order.collect_events()
    order.when(ask_for_link(at="2026-09-02 10:00"))
    order.then_nothing()


@pytest.mark.case(52)
def test_a_mail_that_came_back_is_kept_once(order):
    """Case 52: the page tells of it until the address is corrected."""
    order.given(placed())
    order.when(return_mail())
    order.then(event(Order.MailReturned, mail_version=1, mail_kind="placed", why="permanent", status="5.1.1"))
    assert order.order.email_fails
    order.when(return_mail(why="complaint", status=None))
    order.then_nothing()


@pytest.mark.case(52)
def test_a_corrected_address_is_not_blamed_for_the_one_before(order):
    """Nor for the mail that told the old address of it."""
    order.given(placed(), mail_returned(), email_corrected("new@example.org"))
    assert not order.order.email_fails
    order.given(mail_returned(version=3, kind="address_changed"))
    assert not order.order.email_fails
    order.given(mail_returned(version=3, kind="placed"))
    assert order.order.email_fails


def test_a_complaint_is_no_failure(order):
    order.given(placed())
    order.when(return_mail(why="complaint", status=None))
    order.then(event(Order.MailReturned, why="complaint"))
    assert not order.order.email_fails


def test_a_mail_that_was_never_called_for_did_not_come_back(order):
    order.given(placed())
    order.when(return_mail(version=2))
    order.then_refused(errors.InvalidValue, field="message_id")
