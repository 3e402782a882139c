"""Money on its way back: approved, in a file for the bank, seen on a statement, or brought back; once each."""

import pytest

from domain.ordering import (
    FIRST,
    SECOND,
    Command,
    Scenario,
    approve,
    approved,
    confirm_refund,
    correct,
    corrected,
    czk,
    event,
    expired,
    fail_payout,
    issued,
    order_out,
    ordered_out,
    paid,
    payout_failed,
    placed,
    refund_confirmed,
    refund_requested,
    registration_started,
    request_refund,
)
from vignettes.domain import errors
from vignettes.domain.account import Payout, Purpose
from vignettes.domain.order import Order
from vignettes.domain.personal import DataClass

ASKED = (placed(), paid(), refund_requested())
OVER = (placed(), paid(czk(500)))
REFUND = Payout(FIRST, Purpose.REFUND, czk(399))


@pytest.fixture
def order():
    return Scenario()


def test_a_refund_is_approved(order):
    """Under a name that the bank will show on its statement."""
    order.given(*ASKED)
    order.when(approve())
    order.then(event(Order.PayoutApproved, payout=REFUND, to_account="CZ65 0800"))
    order.then_status("refund_pending")


@pytest.mark.case(20, 22)
@pytest.mark.parametrize("further", [(), (registration_started(),), (registration_started(), issued())])
def test_a_surplus_is_approved_at_any_time(order, further):
    """Cases 20, 22: the order goes on."""
    order.given(*OVER, *further)
    order.when(approve("surplus"))
    order.then(event(Order.PayoutApproved, payout=Payout(FIRST, Purpose.SURPLUS, czk(101))))


@pytest.mark.parametrize(
    ("past", "purpose"),
    [
        ((), "refund"),
        ((), "surplus"),
        ((refund_requested(), approved()), "refund"),
        ((refund_requested(), approved(), ordered_out()), "refund"),
        ((refund_requested(), refund_confirmed(czk(399))), "refund"),
    ],
)
def test_what_is_not_open_is_not_approved(order, past, purpose):
    order.given(placed(), paid(), *past)
    order.when(approve(purpose))
    order.then_refused(errors.NotRefundable, field="purpose")


@pytest.mark.case(20)
def test_what_comes_later_is_approved_by_itself(order):
    """Case 20: a second surplus beside the first, each payout under its own name."""
    order.given(*OVER, approved("surplus"), paid(czk(50), "bank-2"))
    order.when(approve("surplus"))
    order.then(event(Order.PayoutApproved, payout=Payout(SECOND, Purpose.SURPLUS, czk(50))))


@pytest.mark.case(39)
def test_a_cheaper_product_beside_an_approved_payout(order):
    """Case 39: what the correction sets aside is open by itself; a dearer one asks for its own rest."""
    order.given(*OVER, approved("surplus"), corrected(product="CZ-1D"))
    order.when(approve("surplus"))
    order.then(event(Order.PayoutApproved, payout=Payout(SECOND, Purpose.SURPLUS, czk(70))))
    order.when(correct(product="CZ-30D"))
    order.then(Order.DetailsCorrected)
    order.then_money(received=500, surplus=171, outstanding=250)


def test_nobody_approves_for_an_account_that_can_not_be_kept(order):
    """The keys of an erased order are gone; its late money is for a person to reassign."""
    erase = Command(lambda it, now: it.erase(tuple(DataClass), now))
    order.given(placed(), expired(at="2026-08-04 00:00"), erase, paid(czk(399)))
    order.when(approve("surplus"))
    order.then_refused(errors.OrderClosed)


# --- into a file


def test_a_payout_is_put_into_a_file(order):
    order.given(*ASKED, approved())
    order.when(order_out())
    order.then(event(Order.PayoutOrdered, payout_id=FIRST, file_id="file-1"))


def test_into_the_same_file_twice(order):
    """Whoever made it was stopped half way."""
    order.given(*ASKED, approved(), ordered_out())
    order.when(order_out())
    order.then_nothing()


@pytest.mark.parametrize(
    "past",
    [
        (),
        (approved(), ordered_out(file_id="file-0")),
        (approved(), payout_failed()),
        (approved(), ordered_out(), refund_confirmed(czk(399), FIRST)),
        (approved(), refund_confirmed(czk(399), FIRST)),
        (approved(), refund_confirmed(czk(399), "by-hand")),
    ],
)
def test_into_no_other_file(order, past):
    """Not approved, in a file already, failed, or gone: also by hand, under another name."""
    order.given(*ASKED, *past)
    order.when(order_out())
    order.then_refused(errors.PaidOutAlready)


# --- gone


def test_the_statement_shows_the_refund(order):
    order.given(*ASKED, approved(), ordered_out())
    order.when(confirm_refund(czk(399), FIRST))
    order.then(event(Order.OrderRefunded, refund_id=FIRST, amount=czk(399)))
    order.then_status("refunded")
    assert order.order.has_ended


@pytest.mark.case(22)
def test_the_statement_shows_the_surplus(order):
    """Case 22: told apart from a refund of the same amount by its name."""
    order.given(placed(), paid(), paid(czk(399), "bank-2"), approved("surplus"), refund_requested())
    order.when(confirm_refund(czk(399), FIRST))
    order.then(event(Order.SurplusReturned, refund_id=FIRST))
    order.when(approve("refund"))
    order.then(event(Order.PayoutApproved, payout=Payout(SECOND, Purpose.REFUND, czk(399))))


@pytest.mark.case(17)
def test_the_statement_is_read_twice(order):
    order.given(*ASKED, approved(), ordered_out(), refund_confirmed(czk(399), FIRST))
    order.when(confirm_refund(czk(399), FIRST))
    order.then_nothing()


def test_a_payout_stands_for_one_amount(order):
    order.given(placed(), paid(czk(500)), refund_requested(), approved())
    order.when(confirm_refund(czk(101), FIRST))
    order.then_refused(errors.InvalidValue, field="refund_id")


def test_word_of_another_payout_while_one_is_with_the_bank(order):
    """It may be the same money under a name that we do not know: a person finds out."""
    order.given(*ASKED, approved(), ordered_out())
    order.when(confirm_refund(czk(399), "by-hand"))
    order.then_refused(errors.PaidOutAlready, field="refund_id")


def test_a_part_that_was_returned_by_hand_while_the_whole_is_with_the_bank(order):
    """What is in the file is not there to be returned otherwise."""
    order.given(*OVER, approved("surplus"), ordered_out())
    order.when(confirm_refund(czk(60), "by-hand"))
    order.then_refused(errors.NotRefundable, field="amount")


@pytest.mark.case(22)
def test_a_part_that_was_returned_by_hand_before_the_whole_is_with_the_bank(order):
    """Case 22: the payout of the whole is off, the rest can be approved."""
    order.given(*OVER, approved("surplus"), refund_confirmed(czk(60), "by-hand"))
    order.when(order_out())
    order.then_refused(errors.PaidOutAlready)
    order.when(approve("surplus"))
    order.then(event(Order.PayoutApproved, payout=Payout(SECOND, Purpose.SURPLUS, czk(41))))


@pytest.mark.case(22)
def test_a_part_that_was_returned_by_hand_beside_a_payout_of_the_rest(order):
    """Case 22: there is enough for both."""
    order.given(*OVER, approved("surplus"), paid(czk(60), "bank-2"), refund_confirmed(czk(60), "by-hand"))
    order.when(order_out())
    order.then(Order.PayoutOrdered)


def test_an_order_does_not_end_while_money_is_on_its_way(order):
    """Case 55: a person may have to ask its customer for an account."""
    order.given(*OVER, registration_started(), issued(), approved("surplus"), ordered_out())
    assert not order.order.has_ended
    order.given(refund_confirmed(czk(101), FIRST))
    assert order.order.has_ended


# --- come back


def test_a_payout_that_failed_is_open_again(order):
    """Before the statement has shown it."""
    order.given(*ASKED, approved(), ordered_out())
    order.when(fail_payout())
    order.then(event(Order.PayoutFailed, payout_id=FIRST, surplus=czk(0), refund=czk(399)))
    order.then_status("refund_pending")
    order.when(approve())
    order.then(event(Order.PayoutApproved, payout=Payout(SECOND, Purpose.REFUND, czk(399))))


@pytest.mark.parametrize("name", [FIRST, "by-hand"])
def test_a_refund_that_comes_back_later_is_open_again(order, name):
    """After the statement has shown it, as the account was closed: the order has not ended after all."""
    order.given(*ASKED, approved(), refund_confirmed(czk(399), name))
    order.when(fail_payout(name))
    order.then(event(Order.PayoutFailed, payout_id=name, refund=czk(399)))
    order.then_status("refund_pending")
    order.then_money(received=399, refund=399)
    assert not order.order.has_ended


@pytest.mark.case(22)
def test_a_surplus_that_comes_back_later_is_open_again(order):
    order.given(*OVER, approved("surplus"), ordered_out(), refund_confirmed(czk(101), FIRST))
    order.when(fail_payout())
    order.then(event(Order.PayoutFailed, surplus=czk(101), refund=None))
    order.then_money(received=500, surplus=101)


def test_a_payout_fails_once(order):
    order.given(*ASKED, approved(), ordered_out(), payout_failed())
    order.when(fail_payout())
    order.then_nothing()


def test_a_payout_that_nobody_made_can_not_fail(order):
    order.given(*ASKED)
    order.when(fail_payout())
    order.then_nothing()


@pytest.mark.case(17)
def test_word_that_it_left_comes_after_word_that_it_came_back(order):
    """Cases 17, 53: files in the wrong order, or one of them again."""
    order.given(*ASKED, approved(), ordered_out(), payout_failed())
    order.when(confirm_refund(czk(399), FIRST))
    order.then_nothing()
    order.then_status("refund_pending")


def test_a_refund_is_asked_for_once_even_when_its_payout_failed(order):
    order.given(*ASKED, approved(), ordered_out(), payout_failed())
    order.when(request_refund())
    order.then_nothing()
