"""Money that came in: booked, matched or left to a person, given to orders and taken from them, sent back."""

from dataclasses import replace
from datetime import date

import pytest

from domain.banking import (
    ENTRY,
    FIRST,
    FOURTH,
    ID,
    NEXT_RETURN,
    NOTICE,
    ORDER_A,
    ORDER_B,
    ORDER_C,
    REASONS,
    RETURN,
    SECOND,
    SUGGESTION,
    THIRD,
    PaymentScenario,
    allocate,
    allocated,
    announced,
    approve_return,
    arrived,
    booked,
    confirm_return,
    counted,
    dismiss,
    erase,
    erased,
    fail_return,
    kept,
    match,
    matched,
    note_again,
    note_counted,
    note_kept,
    note_refused,
    note_released,
    order_return,
    queue,
    queued,
    reassign,
    reassignment_asked,
    recognise,
    recognised,
    refused,
    released,
    return_approved,
    return_failed,
    return_ordered,
    returned,
    reverse,
    reversed_,
    share,
    undo_recognition,
)
from domain.ordering import clock, czk, event
from vignettes.domain import errors
from vignettes.domain.money import Money
from vignettes.domain.payment import BankPayment, payment_id_of
from vignettes.domain.personal import DataClass

COUNTED = (booked(), matched(), counted())
#: One transfer for two orders, which both have their shares.
SPLIT = (
    booked(amount=czk(798)),
    queued(),
    allocated(share(ORDER_A), share(ORDER_B)),
    counted(FIRST),
    counted(SECOND),
)


@pytest.fixture
def money():
    return PaymentScenario()


# --- booked


def test_a_line_of_a_statement_waits_to_be_matched(money):
    money.given(booked())
    money.then_status("to_match")
    assert (money.payment.id, money.payment.arrived_at) == (ID, clock("2026-07-01 10:00"))


@pytest.mark.case(17)
def test_the_same_line_is_the_same_payment(money):
    """Case 17: from whatever file it is read."""
    assert payment_id_of(ENTRY.entry_id) == ID
    money.given(booked())
    money.when(note_again())
    money.then_nothing()


@pytest.mark.case(19)
def test_two_identical_lines_are_two_payments():
    """Case 19: the readers name them apart, and so they are."""
    assert payment_id_of(ENTRY.entry_id) != payment_id_of(ENTRY.entry_id[::-1])


@pytest.mark.case(17)
def test_the_same_name_stands_for_one_amount(money):
    """Case 17: with another one somebody is mistaken."""
    money.given(booked())
    money.when(note_again(amount=czk(400)))
    money.then_refused(errors.PaymentIdReused, field="amount")


@pytest.mark.case(27)
@pytest.mark.parametrize("past", [announced(), booked(test=True)])
def test_what_is_announced_or_a_test_pays_for_nothing(money, past):
    """Case 27: a fact, and nothing more, however often it is told."""
    money.given(past)
    money.then_status("announced")
    for command in (match(), queue(), note_again(booked=False), note_again(test=True)):
        money.when(command)
        money.then_nothing()


@pytest.mark.case(27)
def test_what_was_announced_arrives(money):
    """Case 27: once, on the day of its booking."""
    money.given(announced())
    money.when(note_again(at="2026-07-02 09:00", booked_on=date(2026, 7, 2)))
    money.then(event(BankPayment.PaymentArrived, booked_on=date(2026, 7, 2), amount=czk(399)))
    money.then_status("to_match")
    assert money.payment.arrived_at == clock("2026-07-02 09:00")
    assert money.payment.entry == replace(ENTRY, booked_on=date(2026, 7, 2))
    money.when(note_again())
    money.then_nothing()


@pytest.mark.case(27, 28)
def test_what_was_called_off_does_not_arrive(money):
    """Cases 27, 28: a failure told before the success it takes back."""
    money.given(announced(), reversed_())
    money.when(note_again())
    money.then_nothing()
    money.then_status("reversed")


@pytest.mark.case(28)
def test_a_reversal_whose_payment_is_not_known_is_no_money(money):
    """Case 28: it waits for a person to say which payment it takes back."""
    money.given(booked(credit=False, reversal=True))
    money.then_status("unplaced")
    for command in (match(), queue(), note_again(credit=False, reversal=True)):
        money.when(command)
        money.then_nothing()
    for command in (allocate(share()), approve_return(), reassign()):
        money.when(command)
        money.then_refused(errors.PaymentSettled)


def test_a_line_that_is_none_of_our_money_is_closed_by_a_person(money):
    """Once; what came in can't be closed so."""
    money.given(booked(credit=False))
    money.when(dismiss())
    money.then(event(BankPayment.LineDismissed, note="rent of June"))
    money.then_status("dismissed")
    money.when(dismiss())
    money.then_nothing()


def test_what_came_in_and_is_no_customers_is_closed_by_a_person(money):
    """Interest, or the one transfer by which a provider settles many payments."""
    money.given(booked(), queued())
    money.when(dismiss())
    money.then(event(BankPayment.LineDismissed, note="rent of June"))
    money.then_status("dismissed")


@pytest.mark.parametrize("past", [(), (matched(),), (queued(), recognised())])
def test_what_does_not_wait_for_a_person_is_not_dismissed(money, past):
    money.given(booked(), *past)
    money.when(dismiss())
    money.then_refused(errors.PaymentSettled)


@pytest.mark.case(18, 30)
def test_a_line_that_was_taken_for_that_of_a_notice_is_money_of_its_own_again(money):
    """Cases 18, 30: the customer has paid twice; a person sees it."""
    money.given(booked(), queued(), recognised())
    money.when(undo_recognition())
    money.then(event(BankPayment.RecognitionUndone, note="paid twice"))
    money.then_status("in_review")
    money.when(undo_recognition())
    money.then_refused(errors.PaymentSettled)


@pytest.mark.case(27)
def test_what_was_authorised_may_arrive_in_part(money):
    """Case 27: what has arrived is what counts."""
    money.given(announced())
    money.when(note_again(amount=czk(300)))
    money.then(event(BankPayment.PaymentArrived, booked_on=ENTRY.booked_on, amount=czk(300)))
    assert money.payment.unallocated == czk(300)


@pytest.mark.case(55)
def test_money_whose_payer_was_erased_goes_back_by_hand(money):
    """Case 55: no account can be kept for it; words about him are not kept either."""
    money.given(*COUNTED, erased(), reassign(), released())
    money.when(approve_return())
    money.then_refused(errors.OrderClosed)
    money.when(dismiss())
    money.then(event(BankPayment.LineDismissed, note=None))


# --- matched, or left to a person


def test_certainty_matches(money):
    """With the reasons for it; the order is then told of its share."""
    money.given(booked())
    money.when(match())
    money.then(event(BankPayment.PaymentMatched, allocation=share(), reasons=REASONS))
    money.then_status("matched")
    money.then_shares("to_tell")


@pytest.mark.parametrize("wrong", [share(crowns=398), share(crowns=400)])
def test_a_match_is_of_all_the_money(money, wrong):
    money.given(booked())
    money.when(match(wrong))
    money.then_refused(errors.InvalidValue, field="allocations")


@pytest.mark.case(23, 24)
def test_doubt_is_left_to_a_person(money):
    """Cases 23, 24, promise 5: with ranked suggestions."""
    money.given(booked())
    money.when(queue(SUGGESTION))
    money.then(
        event(BankPayment.PaymentQueued, reasons=("amount_differs",), suggestions=(SUGGESTION,)),
    )
    money.then_status("in_review")
    money.then_unallocated(399)


@pytest.mark.parametrize("known", [queued(), matched(), reversed_()])
def test_it_is_looked_at_once(money, known):
    """Whatever was decided first holds; later a person decides."""
    money.given(booked(), known)
    for command in (match(), queue()):
        money.when(command)
        money.then_nothing()


@pytest.mark.case(25)
def test_a_person_splits(money):
    """Case 25: one transfer for two orders."""
    money.given(booked(amount=czk(798)), queued())
    money.when(allocate(share(ORDER_A), share(ORDER_B)))
    money.then(event(BankPayment.PaymentAllocated, allocations=(share(ORDER_A), share(ORDER_B))))
    money.then_status("matched")
    money.then_shares("to_tell", "to_tell")
    assert [each.share_id for each in money.payment.shares] == [FIRST, SECOND]


@pytest.mark.case(25)
@pytest.mark.parametrize(
    "wrong",
    [
        (),
        (share(ORDER_A, 398),),
        (share(ORDER_A, 200), share(ORDER_B, 200)),
        (share(ORDER_A, 500), share(ORDER_B, -101)),
        (share(ORDER_A, 399), share(ORDER_B, 0)),
        (share(ORDER_A, 200), share(ORDER_A, 199)),
        (replace(share(), amount=Money(39900, "EUR")),),
    ],
)
def test_shares_are_equal_to_it_in_sum(money, wrong):
    """Case 25: to the cent, each above zero, in its currency, one for each order."""
    money.given(booked(), queued())
    money.when(allocate(*wrong))
    money.then_refused(errors.InvalidValue, field="allocations")


@pytest.mark.parametrize("past", [(), (matched(),), (reversed_(),), (queued(), return_approved())])
def test_only_what_waits_for_a_person_is_allocated(money, past):
    money.given(booked(), *past)
    money.when(allocate(share()))
    money.then_refused(errors.PaymentSettled)


# --- a line of what a notice has told of


@pytest.mark.case(18)
@pytest.mark.parametrize("past", [(), (queued(),)])
def test_a_line_of_a_notice_is_recognised(money, past):
    """Case 18: it is one payment, so this one is nobody's any more."""
    money.given(booked(), *past)
    money.when(recognise())
    money.then(event(BankPayment.LineRecognised, notice=NOTICE, reasons=("names_the_notice",)))
    money.then_status("line_of_notice")
    money.when(recognise())
    money.then_nothing()


@pytest.mark.case(18)
@pytest.mark.parametrize("past", [(matched(),), (recognised(ORDER_A),), (queued(), return_approved())])
def test_what_has_counted_is_no_line_of_a_notice(money, past):
    """Case 18: nor is a line of two of them."""
    money.given(booked(), *past)
    money.when(recognise())
    money.then_refused(errors.PaymentSettled)


@pytest.mark.case(18)
def test_no_payment_is_its_own_notice(money):
    money.given(booked())
    money.when(recognise(ID))
    money.then_refused(errors.InvalidValue, field="notice")


@pytest.mark.case(28)
def test_a_reversal_is_placed_like_a_line(money):
    """Case 28: by a person, with the payment that it takes back."""
    money.given(booked(credit=False, reversal=True))
    money.when(recognise())
    money.then(event(BankPayment.LineRecognised, notice=NOTICE))


# --- what orders answer


def test_an_order_has_its_share(money):
    money.given(booked(), matched())
    money.when(note_counted())
    money.then(event(BankPayment.PaymentCounted, share_id=FIRST))
    money.then_shares("counted")
    money.when(note_counted())
    money.then_nothing()


@pytest.mark.case(23)
def test_an_order_would_not_have_its_share(money):
    """Case 23: the money is without an order again, and a person's to look at."""
    money.given(booked(), matched())
    money.when(note_refused())
    money.then(event(BankPayment.ShareRefused, share_id=FIRST, code="conflict"))
    money.then_status("in_review")
    money.then_unallocated(399)
    assert money.payment.reasons == ("order_refused_conflict",)
    money.when(note_refused())
    money.then_nothing()


@pytest.mark.case(25)
def test_one_of_two_orders_would_not_have_its_share(money):
    """Case 25: the other keeps its own; the rest is for a third one."""
    money.given(booked(amount=czk(798)), queued(), allocated(share(ORDER_A), share(ORDER_B)), counted(FIRST))
    money.when(note_refused(SECOND))
    money.then(event(BankPayment.ShareRefused, share_id=SECOND))
    money.then_status("in_review")
    money.then_shares("counted", "gone")
    money.then_unallocated(399)
    money.when(allocate(share(ORDER_C)))
    money.then(BankPayment.PaymentAllocated)
    money.then_status("matched")


@pytest.mark.case(25)
def test_what_an_order_has_of_it_is_not_returned(money):
    """Case 25: as long as one has a share of it, the rest goes back through an order."""
    money.given(booked(amount=czk(798)), queued(), allocated(share(ORDER_A), share(ORDER_B)))
    money.given(counted(FIRST), refused(SECOND))
    money.when(approve_return())
    money.then_refused(errors.PaymentSettled)


def test_an_answer_about_no_share_of_it(money):
    money.given(booked(), matched())
    money.when(note_counted("bank-payment:another:1"))
    money.then_refused(errors.InvalidValue, field="share_id")


# --- a wrong match undone


@pytest.mark.case(30)
def test_a_wrong_match_is_undone(money):
    """Case 30: first the order lets go of it, then it is for another."""
    money.given(*COUNTED)
    money.when(reassign(share(ORDER_B)))
    money.then(event(BankPayment.ReassignmentAsked, allocations=(share(ORDER_B),)))
    money.then_status("reassigning")
    money.then_shares("to_take_back")
    money.when(note_released())
    money.then(
        event(BankPayment.ShareReleased, share_id=FIRST),
        event(BankPayment.PaymentAllocated, allocations=(share(ORDER_B),)),
    )
    money.then_status("matched")
    money.then_shares("gone", "to_tell")


@pytest.mark.case(30)
def test_a_wrong_match_is_undone_for_nobody_yet(money):
    """Case 30: a person finds out later what it was for."""
    money.given(*COUNTED, reassignment_asked())
    money.when(note_released())
    money.then(BankPayment.ShareReleased)
    money.then_status("in_review")
    money.when(allocate(share(ORDER_A)))
    money.then(BankPayment.PaymentAllocated)
    assert (
        money.payment.shares[-1].share_id == SECOND
    )  # another payment to the order, which has let go of the first


@pytest.mark.case(30)
def test_a_match_that_no_order_knows_of_yet_is_undone(money):
    """Case 30: the order is asked to let go all the same, so that it never counts it later."""
    money.given(booked(), matched())
    money.when(reassign())
    money.then(BankPayment.ReassignmentAsked)
    money.then_shares("to_take_back")
    for late in (note_counted(), note_refused()):
        money.when(late)
        money.then_nothing()


@pytest.mark.case(25, 30)
def test_a_split_is_undone(money):
    """Cases 25, 30: it is for others when the last order has let go."""
    money.given(*SPLIT, reassignment_asked(share(ORDER_C, 798)))
    money.when(note_released(SECOND))
    money.then(BankPayment.ShareReleased)
    money.then_status("reassigning")
    money.when(note_released(FIRST))
    money.then(
        BankPayment.ShareReleased, event(BankPayment.PaymentAllocated, allocations=(share(ORDER_C, 798),))
    )
    money.then_shares("gone", "gone", "to_tell")


@pytest.mark.case(30)
def test_an_order_that_can_not_let_go_keeps_it(money):
    """Case 30: its money is on its way back through the order."""
    money.given(*COUNTED, reassignment_asked(share(ORDER_B)))
    money.when(note_kept())
    money.then(event(BankPayment.ReassignmentRefused, share_id=FIRST, code="conflict"))
    money.then_status("matched")
    money.then_shares("counted")
    money.when(note_kept())
    money.then_nothing()


@pytest.mark.case(25, 30)
@pytest.mark.parametrize("answers", [(released(FIRST), kept(SECOND)), (kept(SECOND), released(FIRST))])
def test_one_of_two_orders_can_not_let_go(money, answers):
    """Cases 25, 30: what the other has left is a person's to look at, whoever answers first."""
    money.given(*SPLIT, reassignment_asked(share(ORDER_C, 798)), *answers)
    money.then_status("in_review")
    money.then_shares("gone", "counted")
    money.then_unallocated(399)
    money.when(allocate(share(ORDER_C)))
    money.then(BankPayment.PaymentAllocated)
    money.then_status("matched")


@pytest.mark.case(25, 30)
def test_what_is_left_of_a_split_is_undone_too(money):
    """Cases 25, 30: also when a part of it waits for a person already."""
    money.given(booked(amount=czk(798)), queued(), allocated(share(ORDER_A), share(ORDER_B)))
    money.given(counted(FIRST), refused(SECOND))
    money.when(reassign(share(ORDER_C, 798)))
    money.then(BankPayment.ReassignmentAsked)
    money.then_shares("to_take_back", "gone")


@pytest.mark.case(30)
@pytest.mark.parametrize(
    "past", [(), (queued(),), (matched(), reassignment_asked()), (reversed_(),), (recognised(),)]
)
def test_only_what_orders_have_is_reassigned(money, past):
    money.given(booked(), *past)
    money.when(reassign(share(ORDER_B)))
    money.then_refused(errors.PaymentSettled)


@pytest.mark.case(25, 30)
def test_what_is_reassigned_is_all_of_it(money):
    money.given(*SPLIT)
    money.when(reassign(share(ORDER_C)))
    money.then_refused(errors.InvalidValue, field="allocations")


# --- taken back


@pytest.mark.case(28)
@pytest.mark.parametrize(
    "past", [(booked(), matched()), COUNTED, (*COUNTED, reassignment_asked(share(ORDER_B)))]
)
def test_a_reversal_is_told_to_the_order(money, past):
    """Case 28: whatever it knows by then; what follows it decides itself, and nobody else gets the money."""
    money.given(*past)
    money.when(reverse())
    money.then(event(BankPayment.PaymentReversed, reversal="reversal-1", reversed_on=date(2026, 7, 9)))
    money.then_status("reversed")
    money.then_shares("to_reverse")
    money.when(note_released())
    money.then(BankPayment.ShareReleased)
    money.then_status("reversed")
    money.then_shares("gone")


@pytest.mark.case(28)
def test_a_reversal_is_told_to_each_order(money):
    """Cases 25, 28."""
    money.given(*SPLIT, reversed_())
    money.then_shares("to_reverse", "to_reverse")


@pytest.mark.case(17, 28)
def test_a_reversal_comes_once(money):
    """Cases 17, 28: told again it is the same; another one is not of this payment."""
    money.given(*COUNTED, reversed_())
    money.when(reverse())
    money.then_nothing()
    money.when(reverse("reversal-2"))
    money.then_refused(errors.PaymentSettled)


@pytest.mark.case(28)
@pytest.mark.parametrize("late", [note_counted(), note_refused(), note_kept()])
def test_an_answer_that_comes_after_the_reversal(money, late):
    """Case 28: the order is told of it anyway."""
    money.given(booked(), matched(), reversed_())
    money.when(late)
    money.then_nothing()
    money.then_shares("to_reverse")


@pytest.mark.case(18, 28)
def test_a_line_of_a_notice_that_is_taken_back(money):
    """Cases 18, 28: it is on record; the notice's payment is the one that its orders know."""
    money.given(booked(), recognised())
    money.when(reverse())
    money.then(BankPayment.PaymentReversed)
    money.then_status("line_of_notice")


# --- sent back


@pytest.mark.case(26)
def test_what_is_nobodys_goes_back(money):
    """Case 26: to the account that it came from, unless a person names another."""
    money.given(booked(), queued())
    money.when(approve_return())
    money.then(
        event(BankPayment.ReturnApproved, payout_id=RETURN, to_account=ENTRY.counterparty_account),
    )
    money.then_status("return_pending")
    money.when(approve_return())
    money.then_refused(errors.PaymentSettled)


def test_a_return_is_known_by_its_name_alone():
    """It fits the banks' 35 characters, and no other payment has it."""
    assert len(RETURN) <= 35
    assert RETURN.isascii()


def test_the_account_of_the_payer_is_named_where_it_is_not_known(money):
    money.given(booked(counterparty_account=None), queued())
    money.when(approve_return())
    money.then_refused(errors.InvalidValue, field="account")
    money.when(approve_return("CZ58"))
    money.then(event(BankPayment.ReturnApproved, to_account="CZ58"))


@pytest.mark.parametrize("past", [(), (matched(),), (recognised(),), (reversed_(),)])
def test_only_what_waits_for_a_person_is_returned(money, past):
    money.given(booked(), *past)
    money.when(approve_return())
    money.then_refused(errors.PaymentSettled)


def test_a_return_is_put_into_one_file(money):
    money.given(booked(), queued(), return_approved())
    money.when(order_return())
    money.then(event(BankPayment.ReturnOrdered, payout_id=RETURN, file_id="file-1"))
    money.when(order_return())
    money.then_nothing()
    money.when(order_return(file_id="file-2"))
    money.then_refused(errors.PaidOutAlready)


def test_the_statement_shows_the_return(money):
    money.given(booked(), queued(), return_approved(), return_ordered())
    money.when(confirm_return())
    money.then(event(BankPayment.PaymentReturned, payout_id=RETURN, returned_on=date(2026, 7, 10)))
    money.then_status("returned")
    money.when(confirm_return())
    money.then_nothing()


def test_a_return_that_was_made_by_hand_gets_into_no_file(money):
    money.given(booked(), queued(), return_approved(), returned())
    money.when(order_return())
    money.then_refused(errors.PaidOutAlready)


@pytest.mark.parametrize("further", [(), (return_ordered(),), (return_ordered(), returned())])
def test_a_return_that_reached_nobody_is_a_persons_again(money, further):
    """It may be for an order after all, or go to another account, under another name."""
    money.given(booked(), queued(), return_approved(), *further)
    money.when(fail_return())
    money.then(event(BankPayment.ReturnFailed, payout_id=RETURN))
    money.then_status("in_review")
    money.when(fail_return())
    money.then_nothing()
    money.when(order_return())
    money.then_refused(errors.InvalidValue, field="payout_id")
    money.when(approve_return("CZ58"))
    money.then(event(BankPayment.ReturnApproved, payout_id=NEXT_RETURN))


@pytest.mark.case(17)
def test_word_of_the_return_comes_after_word_that_it_failed(money):
    """Cases 17, 53: files in the wrong order, or one of them again."""
    money.given(booked(), queued(), return_approved(), return_ordered(), return_failed())
    money.when(confirm_return())
    money.then_nothing()
    money.then_status("in_review")


@pytest.mark.parametrize("command", [order_return("P0-1"), confirm_return("P0-1")])
def test_a_return_of_another_name(money, command):
    money.given(booked(), queued(), return_approved())
    money.when(command)
    money.then_refused(errors.InvalidValue, field="payout_id")


@pytest.mark.case(29)
def test_a_reversal_before_the_return_is_in_a_file(money):
    """Case 29: it would leave twice, so it never gets into one."""
    money.given(booked(), queued(), return_approved(), reversed_())
    money.then_status("reversed")
    money.when(order_return())
    money.then_refused(errors.PaidOutAlready)


@pytest.mark.case(29)
@pytest.mark.parametrize("further", [(), (returned(),)])
def test_a_reversal_when_the_return_is_with_the_bank(money, further):
    """Case 29: it is on record what has left, and that it was taken back as well."""
    money.given(booked(), queued(), return_approved(), return_ordered(), *further)
    money.when(reverse())
    money.then(BankPayment.PaymentReversed)
    money.then_status("reversed")
    money.when(confirm_return())
    money.then(*[] if further else [BankPayment.PaymentReturned])
    assert money.payment.returned


@pytest.mark.case(29)
def test_a_return_that_fails_after_the_reversal(money):
    """Case 29: there is nothing to send back any more."""
    money.given(booked(), queued(), return_approved(), return_ordered(), reversed_(), return_failed())
    money.then_status("reversed")
    money.when(approve_return())
    money.then_refused(errors.PaymentSettled)


# --- erased


@pytest.mark.case(55)
@pytest.mark.parametrize(
    "past",
    [
        COUNTED,
        (booked(), recognised()),
        (booked(), reversed_()),
        (booked(), queued(), return_approved(), return_ordered(), returned()),
        (announced(),),
    ],
)
def test_who_paid_is_let_go_of(money, past):
    """Case 55: once nobody needs to know; the money is on record as it was."""
    money.given(*past)
    money.when(erase())
    money.then(event(BankPayment.PersonalDataErased, classes=(DataClass.CONTACT, DataClass.VEHICLE)))
    payment = money.payment
    assert (payment.entry.counterparty, payment.entry.remittance, payment.to_account) == (None, None, None)
    assert (payment.entry.amount, payment.entry.variable_symbol) == (czk(399), "9922747891")
    money.when(erase(DataClass.CONTACT))
    money.then_nothing()


@pytest.mark.case(55)
@pytest.mark.parametrize(
    "past",
    [
        (),
        (matched(),),
        (queued(),),
        (matched(), counted(), reassignment_asked()),
        (queued(), return_approved()),
    ],
)
def test_who_paid_is_needed_while_it_is_under_way(money, past):
    """Case 55: a person may have to ask whom it is from."""
    money.given(booked(), *past)
    money.when(erase())
    money.then_refused(errors.OrderUnderWay)


def test_a_reversal_after_the_erasure(money):
    """The bank does not ask."""
    money.given(*COUNTED, erased())
    money.when(reverse())
    money.then(BankPayment.PaymentReversed)
    money.then_shares("to_reverse")


def test_shares_have_names_of_their_own(money):
    """However often it was reassigned: no order takes a new share for one that it has let go of."""
    money.given(*COUNTED, reassignment_asked(share(ORDER_B)), released(FIRST), counted(SECOND))
    money.given(reassignment_asked(share(ORDER_A)), released(SECOND), counted(THIRD))
    money.given(reassignment_asked(share(ORDER_B)), released(THIRD))
    assert [each.share_id for each in money.payment.shares] == [FIRST, SECOND, THIRD, FOURTH]
    money.then_shares("gone", "gone", "gone", "to_tell")


def test_what_arrives_late_is_matched_like_any_other(money):
    money.given(announced(), arrived())
    money.when(match())
    money.then(BankPayment.PaymentMatched)
