"""Money that others take back: a bank, or a person who matched it wrongly. A CZ-10D costs 399 crowns."""

import pytest

from domain.ordering import (
    FIRST,
    SECOND,
    Scenario,
    accept_twin,
    approve,
    approved,
    confirm_refund,
    correct,
    corrected,
    czk,
    event,
    expire,
    expired,
    fail_payout,
    held_as_twin,
    issue,
    issued,
    noticed,
    order_out,
    ordered_out,
    outage,
    paid,
    pay,
    placed,
    refund_confirmed,
    refund_requested,
    refund_unanswered,
    registration_started,
    rejected,
    request_refund,
    reverse,
    reversed_,
    start_at_once,
    take_back,
    taken_back,
    trigger,
    wished,
)
from vignettes.domain import errors
from vignettes.domain.order import Order


@pytest.fixture
def order():
    return Scenario()


# --- before the start


@pytest.mark.case(28)
def test_a_reversal_before_the_start_suspends(order):
    """Case 28: nothing is due any more, and all of it is to be paid again."""
    order.given(placed(), paid())
    order.when(reverse())
    order.then(
        event(Order.PaymentReversed, payment_id="bank-1", amount=czk(399), surplus=czk(0), refund=None)
    )
    order.then_status("awaiting_payment")
    order.then_money(received=0, outstanding=399)
    order.then_due(None)


@pytest.mark.case(28)
def test_a_suspended_order_does_not_start(order):
    """Case 28: neither by the trigger that was on its way, nor by the customer, whose wish is kept."""
    order.given(placed(), paid(), reversed_(at="2026-07-19 11:59"))
    order.when(trigger(at="2026-07-19 12:00"))
    order.then_nothing()
    order.when(start_at_once())
    order.then(Order.StartWished)


@pytest.mark.case(28)
def test_a_suspended_order_that_is_paid_again_is_due_anew(order):
    """Case 28: under a new generation, so that triggers of the first plan are harmless."""
    order.given(placed(), paid(), reversed_(), paid(payment_id="bank-2", at="2026-07-05 10:00"))
    order.then_due("2026-07-19 12:00", "lead")
    order.when(trigger(generation=1, at="2026-07-19 12:00"))
    order.then_nothing()
    order.when(trigger())
    order.then(event(Order.RegistrationStarted, generation=2))


@pytest.mark.case(28)
def test_paid_again_too_late_the_customer_is_asked(order):
    """Cases 3, 28: the day has passed in the meantime."""
    order.given(placed(), paid(), reversed_(at="2026-07-10 10:00"))
    order.when(pay(payment_id="bank-2", at="2026-07-21 10:00"))
    order.then(Order.PaymentReceived, event(Order.OrderHeld, reason="start_passed"))


@pytest.mark.case(28)
def test_a_wish_outlives_a_reversal(order):
    """Case 36: whoever wanted the start at once still does."""
    order.given(placed(), wished(), paid(), reversed_(), paid(payment_id="bank-2", at="2026-07-05 10:00"))
    order.then_due("2026-07-05 10:00", "at_once")


@pytest.mark.case(28)
def test_a_question_that_was_open_is_still_open(order):
    """Case 48: a suspended twin that is paid again waits for its answer as before."""
    order.given(placed(), paid(), held_as_twin(), reversed_(), paid(payment_id="bank-2"))
    order.then_status("on_hold")
    order.when(accept_twin())
    order.then(Order.TwinAccepted)
    order.then_due("2026-07-19 12:00")


@pytest.mark.case(28)
def test_an_outage_that_was_announced_meanwhile_counts(order):
    """Case 15: the new plan is made with what is known when the money is there again."""
    announced = outage("2026-07-19 06:00", "2026-07-19 18:00")
    order.given(placed(), paid(), reversed_())
    order.when(pay(payment_id="bank-2", outages=[announced]))
    order.then(event(Order.OutageRegarded, outage=announced, in_passing=True), Order.PaymentReceived)
    assert order.order.deadline.outage == announced


@pytest.mark.case(28)
def test_a_part_that_is_taken_back(order):
    """Case 28: what is left counts, and the exact rest is known."""
    order.given(placed(), paid(czk(300)), paid(czk(99), "bank-2"))
    order.when(reverse("bank-2"))
    order.then(event(Order.PaymentReversed, amount=czk(99)))
    order.then_status("partially_paid")
    order.then_money(received=300, outstanding=99)


@pytest.mark.case(28)
def test_a_surplus_stands_in_for_what_is_taken_back(order):
    """Cases 20, 28: paid twice, taken back once is paid; the plan stays as it was."""
    order.given(placed(), paid(), paid(czk(399), "bank-2"))
    order.when(reverse("bank-1", at="2026-07-02 10:00"))
    order.then(event(Order.PaymentReversed, amount=czk(399), surplus=czk(0)))
    order.then_money(received=399)
    order.then_due("2026-07-19 12:00", "lead")
    assert order.order.generation == 1


@pytest.mark.case(28)
def test_a_surplus_that_was_approved_stands_in_too(order):
    """Cases 20, 28: in no file yet, so its payout is off."""
    order.given(placed(), paid(), paid(czk(399), "bank-2"), approved("surplus"), reversed_())
    order.then_status("scheduled")
    order.when(order_out())
    order.then_refused(errors.PaidOutAlready)


@pytest.mark.case(28)
def test_a_surplus_that_went_back_can_not_stand_in(order):
    """Case 28: what was paid out of money that is gone is owed to us before the order is paid again."""
    order.given(placed(), paid(czk(500)), refund_confirmed(czk(101)))
    order.when(reverse())
    order.then(event(Order.PaymentReversed, amount=czk(500), surplus=czk(101)))
    order.then_status("awaiting_payment")
    order.then_money(received=0, outstanding=500, owed=101)


@pytest.mark.case(28)
def test_a_surplus_that_is_with_the_bank_may_come_back(order):
    """Cases 28, 29: it is as good as gone, until the bank says that it is not."""
    order.given(placed(), paid(czk(500)), approved("surplus"), ordered_out(), reversed_())
    order.then_money(received=0, surplus=101, outstanding=500, owed=101)
    order.when(fail_payout())
    order.then(event(Order.PayoutFailed, payout_id=FIRST, surplus=czk(0), refund=None))
    order.then_money(received=0, outstanding=399)


@pytest.mark.case(28)
@pytest.mark.parametrize("again", [reverse(), take_back()])
def test_taken_back_twice(order, again):
    """Case 28: whoever tells of it again."""
    order.given(placed(), paid(), reversed_())
    order.when(again)
    order.then_nothing()


@pytest.mark.case(28)
@pytest.mark.parametrize("gone", [reversed_(), taken_back()])
def test_a_payment_that_is_gone_never_counts_again(order, gone):
    """Cases 17, 28: an old file is imported again, a notice repeated."""
    order.given(placed(), paid(), gone)
    order.when(pay(czk(399)))
    order.then_nothing()
    order.then_status("awaiting_payment")


@pytest.mark.case(28)
@pytest.mark.parametrize("gone", [reversed_(), taken_back()])
@pytest.mark.parametrize("past", [(), (noticed(czk(399)),)])
def test_a_reversal_may_overtake_its_payment(order, past, gone):
    """Case 53: word of the money that comes after it changes nothing any more."""
    order.given(placed(), *past, gone)
    order.then_money(received=0, outstanding=399)
    order.when(pay(czk(399)))
    order.then_nothing()


@pytest.mark.case(28)
def test_a_reversal_of_another_payment_changes_no_money(order):
    """Case 53: it will not count, and what is here stays as it is, surplus included."""
    order.given(placed(), paid(czk(500)), corrected(product="CZ-30D"))
    order.when(reverse("bank-9"))
    order.then(event(Order.PaymentReversed, amount=czk(0), surplus=czk(101)))
    order.then_money(received=500, surplus=101, outstanding=180)


@pytest.mark.case(28)
def test_a_suspended_order_can_be_corrected(order):
    """Promise 7: nothing has started; a cheaper product may be paid by what is left."""
    order.given(placed(), paid(czk(330)), paid(czk(69), "bank-2"), reversed_("bank-2"))
    order.when(correct(product="CZ-1D"))
    order.then(event(Order.DetailsCorrected), event(Order.SurplusSetAside, amount=czk(1)))
    order.then_due("2026-07-19 12:00")


@pytest.mark.case(28)
def test_a_suspended_order_has_nothing_to_give_back(order):
    """Case 29: the bank has given it back already."""
    order.given(placed(), paid(), reversed_())
    order.when(request_refund())
    order.then_refused(errors.NotPaid)


@pytest.mark.case(28)
@pytest.mark.parametrize("past", [(paid(),), (paid(czk(500)), refund_confirmed(czk(101)))])
def test_a_suspended_order_ends_when_nobody_pays(order, past):
    """Also one whose surplus had gone back: there is nothing to return."""
    order.given(placed(), *past, reversed_())
    order.when(expire(at="2026-08-04 00:00"))
    order.then(Order.OrderExpired)


@pytest.mark.case(28)
def test_another_currency_after_all_the_money_is_gone(order):
    """Nothing of the old currency is left, so the order is simply priced in euros."""
    order.given(placed(), paid(), reversed_())
    order.when(correct(product="SK-10D"))
    order.then(Order.DetailsCorrected)
    assert order.order.outstanding.currency == "EUR"


@pytest.mark.case(28)
def test_a_debt_keeps_its_currency(order):
    """What went back in crowns is owed in crowns."""
    order.given(placed(), paid(czk(500)), refund_confirmed(czk(101)), reversed_())
    order.when(correct(product="SK-10D"))
    order.then_refused(errors.InvalidValue, field="product")


# --- after the start


@pytest.mark.case(28)
@pytest.mark.parametrize("further", [(), (issued(),)])
def test_a_reversal_after_the_start_is_a_debt(order, further):
    """Case 28: the vignette stays, or is still to come; what it costs is owed to us."""
    order.given(placed(), paid(), registration_started(), *further)
    status = order.order.status
    order.when(reverse())
    order.then(event(Order.PaymentReversed, amount=czk(399)))
    order.then_status(status)
    order.then_money(received=0, outstanding=399, owed=399)
    assert not order.order.has_ended


@pytest.mark.case(28)
def test_the_vignette_comes_in_spite_of_a_debt(order):
    order.given(placed(), paid(), registration_started(), reversed_())
    order.when(issue())
    order.then(Order.VignetteIssued)


@pytest.mark.case(28)
def test_an_order_with_a_debt_does_not_expire(order):
    """Case 28: the vignette stays, however long nobody pays."""
    order.given(placed(), paid(), registration_started(), issued(), reversed_())
    order.when(expire(at="2026-09-01 00:00"))
    order.then_nothing()


@pytest.mark.case(28)
def test_a_debt_that_is_paid(order):
    """Case 28: by any payment; nothing starts or is planned again."""
    order.given(placed(), paid(), registration_started(), issued(), reversed_())
    order.when(pay(czk(400), "bank-2"))
    order.then(event(Order.PaymentReceived), event(Order.SurplusSetAside, amount=czk(1), reason="overpaid"))
    order.then_money(received=400, surplus=1)
    assert order.order.generation == 1


@pytest.mark.case(28)
def test_a_debt_is_paid_by_a_surplus_first(order):
    """Case 28: what is to go back stands in for what was taken back."""
    order.given(placed(), paid(czk(500)), paid(czk(100), "bank-2"), registration_started())
    order.when(reverse("bank-2"))
    order.then(event(Order.PaymentReversed, surplus=czk(101)))
    order.then_money(received=500, surplus=101)


@pytest.mark.case(28)
def test_a_payout_that_comes_back_pays_the_debt(order):
    """Case 28: as much of it as is owed."""
    order.given(placed(), paid(), paid(czk(500), "bank-2"), approved("surplus"), ordered_out())
    order.given(registration_started(), reversed_())
    order.then_money(received=500, surplus=500, outstanding=399, owed=399)
    order.when(fail_payout())
    order.then(event(Order.PayoutFailed, surplus=czk(101)))
    order.then_money(received=500, surplus=101)


@pytest.mark.case(28)
def test_a_rejected_order_without_its_money_is_no_debt(order):
    """Cases 28, 49: nothing was provided; the customer may pay and correct, in this order or the other."""
    order.given(placed(), paid(), registration_started(), reversed_(), rejected())
    order.then_money(received=0, outstanding=399)
    order.given(paid(payment_id="bank-2"))
    order.then_status("action_needed")
    order.when(correct(plate="2AB2345"))
    order.then(Order.DetailsCorrected)
    order.then_status("scheduled")


@pytest.mark.case(28)
def test_a_rejected_order_without_its_money_ends(order):
    """Case 49: unanswered, there is nothing to give back."""
    order.given(placed(), paid(), registration_started(), rejected(), reversed_())
    order.when(refund_unanswered(at="2026-07-20 13:00"))
    order.then(Order.OrderExpired)
    order.then_status("expired")


# --- while a refund is under way


@pytest.mark.case(29)
def test_a_reversal_of_what_is_to_be_refunded(order):
    """Case 29: the bank was quicker; there is nothing left to pay out."""
    order.given(placed(), paid(), refund_requested())
    order.when(reverse())
    order.then(event(Order.PaymentReversed, amount=czk(399), surplus=czk(0), refund=czk(0)))
    order.then_status("refunded")
    order.then_money(received=0, refund=0)
    order.when(approve())
    order.then_refused(errors.NotRefundable, field="purpose")
    order.when(confirm_refund(czk(399)))
    order.then_refused(errors.NotRefundable)


@pytest.mark.case(29)
def test_a_reversal_of_a_part_of_what_is_to_be_refunded(order):
    """Case 29: the rest goes back as before."""
    order.given(placed(), paid(czk(300)), paid(czk(99), "bank-2"), refund_requested(), reversed_("bank-2"))
    order.then_money(received=300, refund=300)
    order.when(confirm_refund(czk(399)))
    order.then_refused(errors.NotRefundable)
    order.when(confirm_refund(czk(300)))
    order.then(event(Order.OrderRefunded, amount=czk(300)))


@pytest.mark.case(29)
def test_a_reversal_after_the_payout_was_approved(order):
    """Case 29: it never gets into a file."""
    order.given(placed(), paid(), refund_requested(), approved(), reversed_())
    order.when(order_out())
    order.then_refused(errors.PaidOutAlready)
    order.then_money(received=0, refund=0)


@pytest.mark.case(29)
def test_a_reversal_after_the_payout_was_approved_in_part(order):
    """Case 29: what is left is approved anew, under a name of its own."""
    order.given(placed(), paid(czk(300)), paid(czk(99), "bank-2"), refund_requested(), approved())
    order.given(reversed_("bank-2"), approved())
    order.when(order_out(FIRST))
    order.then_refused(errors.PaidOutAlready)
    order.when(order_out(SECOND))
    order.then(event(Order.PayoutOrdered, payout_id=SECOND))


@pytest.mark.case(29)
def test_a_reversal_while_the_payout_is_with_the_bank(order):
    """Case 29: nobody can stop it, so it is a debt; and no second payout is made."""
    order.given(placed(), paid(), refund_requested(), approved(), ordered_out())
    order.when(reverse())
    order.then(event(Order.PaymentReversed, refund=czk(399)))
    order.then_money(received=0, owed=399, refund=399)
    order.when(approve())
    order.then_refused(errors.NotRefundable)
    order.when(confirm_refund(czk(399), FIRST))
    order.then(event(Order.OrderRefunded, refund_id=FIRST))
    order.then_money(received=0, owed=399, refund=399)
    assert not order.order.has_ended


@pytest.mark.case(29)
def test_a_reversal_while_the_payout_is_with_the_bank_which_then_fails(order):
    """Case 29: what the bank brings back is not paid out a second time."""
    order.given(placed(), paid(), refund_requested(), approved(), ordered_out(), reversed_())
    order.when(fail_payout())
    order.then(event(Order.PayoutFailed, refund=czk(0)))
    order.then_status("refunded")
    order.then_money(received=0, refund=0)


@pytest.mark.case(29)
def test_a_reversal_after_the_refund(order):
    """Case 29: a debt, which a payment settles; only what is above it goes back."""
    order.given(placed(), paid(), refund_requested(), refund_confirmed(czk(399)))
    order.when(reverse())
    order.then_money(received=0, owed=399, refund=399)
    order.when(pay(czk(500), "bank-2"))
    order.then(event(Order.PaymentReceived), event(Order.SurplusSetAside, amount=czk(101)))
    order.then_money(received=500, surplus=101, refund=399)


@pytest.mark.case(29)
def test_a_refund_that_comes_back_after_its_reversal(order):
    """Case 29: the debt is settled by it, and nothing is to be given back any more."""
    order.given(placed(), paid(), refund_requested(), approved(), ordered_out())
    order.given(refund_confirmed(czk(399), FIRST), reversed_())
    order.when(fail_payout())
    order.then(event(Order.PayoutFailed, refund=czk(0)))
    order.then_status("refunded")
    order.then_money(received=0, refund=0)


@pytest.mark.case(29)
def test_a_surplus_is_missed_before_the_refund(order):
    """Case 29: paid twice and cancelled; what the bank takes back is not paid out again, whichever it was."""
    order.given(placed(), paid(), paid(czk(399), "bank-2"), refund_requested())
    order.when(reverse("bank-1"))
    order.then(event(Order.PaymentReversed, surplus=czk(0), refund=czk(399)))
    order.then_money(received=399, refund=399)


@pytest.mark.case(29)
def test_a_surplus_that_is_with_the_bank_makes_the_refund_less(order):
    """Case 29: both together are never more than what is here."""
    order.given(placed(), paid(), paid(czk(101), "bank-2"), approved("surplus"), ordered_out())
    order.given(refund_requested())
    order.when(reverse("bank-2"))
    order.then(event(Order.PaymentReversed, surplus=czk(101), refund=czk(298)))


@pytest.mark.case(26, 29)
def test_an_expired_order_whose_late_money_is_taken_back(order):
    """Cases 26, 29: it was to go back; the bank has done it."""
    order.given(placed(), expired(at="2026-08-04 00:00"), paid(czk(399)))
    order.when(reverse())
    order.then(event(Order.PaymentReversed, surplus=czk(0)))
    order.then_money(received=0)
    assert order.order.has_ended


# --- matched wrongly


@pytest.mark.case(30)
def test_a_wrong_match_undone_before_the_start(order):
    """Case 30: the order stands as if the money had never come."""
    order.given(placed(), paid())
    order.when(take_back())
    order.then(event(Order.PaymentTakenBack, payment_id="bank-1", amount=czk(399), surplus=czk(0)))
    order.then_status("awaiting_payment")
    order.then_money(received=0, outstanding=399)
    order.then_due(None)


@pytest.mark.case(30)
def test_a_wrong_match_undone_after_the_start(order):
    """Cases 28, 30: whoever drives by this vignette has not paid for it."""
    order.given(placed(), paid(), registration_started(), issued())
    order.when(take_back())
    order.then_status("issued")
    order.then_money(received=0, outstanding=399, owed=399)


@pytest.mark.case(30)
@pytest.mark.parametrize(
    "on_its_way",
    [
        (refund_requested(),),
        (refund_requested(), approved()),
        (refund_requested(), approved(), ordered_out()),
        (refund_requested(), refund_confirmed(czk(399))),
    ],
)
def test_money_that_is_on_its_way_back_can_not_be_taken_back(order, on_its_way):
    """Case 30: it would leave twice, to two payers."""
    order.given(placed(), paid(), *on_its_way)
    order.when(take_back())
    order.then_refused(errors.RefundUnderWay)


@pytest.mark.case(30)
@pytest.mark.parametrize(
    "further", [(), (ordered_out(),), (ordered_out(), refund_confirmed(czk(101), FIRST))]
)
def test_money_whose_surplus_is_on_its_way_back_can_not_be_taken_back(order, further):
    """Cases 22, 30: from the approval on."""
    order.given(placed(), paid(czk(500)), approved("surplus"), *further)
    order.when(take_back())
    order.then_refused(errors.RefundUnderWay)


@pytest.mark.case(26, 30)
def test_a_wrong_match_to_a_refunded_order(order):
    """Cases 26, 30: the money that was over is for others; the refund is not touched."""
    order.given(placed(), paid(), refund_requested(), paid(czk(399), "bank-2"))
    order.when(take_back("bank-2"))
    order.then(event(Order.PaymentTakenBack, amount=czk(399), surplus=czk(0)))
    order.then_money(received=399, refund=399)
    order.when(confirm_refund(czk(399)))
    order.then(Order.OrderRefunded)
