"""A case of support: opened with whatever is known, answered, closed, opened again by the customer, forgotten."""

from datetime import timedelta
from uuid import uuid4

import pytest

from domain.ordering import clock, event
from domain.supporting import (
    CASE_ID,
    EMAIL,
    KNOWN,
    MESSAGE,
    NUMBER,
    CaseScenario,
    answer,
    answered,
    came_back,
    close,
    closed,
    come_back,
    erase,
    erased,
    opened,
    opened_by_us,
    write,
    written,
)
from vignettes.domain.errors import CaseForgotten, CaseIsClosed, CaseUnderWay, NoAddress
from vignettes.domain.personal import DataClass
from vignettes.domain.references import parse_number
from vignettes.domain.support_case import SupportCase, case_id_of, case_number, parse_case_number
from vignettes.domain.support_events import Channel, Particulars, Topic


@pytest.fixture
def case():
    return CaseScenario()


# --- opening


@pytest.mark.case(56)
@pytest.mark.parametrize("message", [None, "Help!"])
def test_a_request_that_lacks_every_particular_is_still_a_case(case, message):
    case.given(opened(particulars=Particulars(), channel=Channel.FORM, message=message))
    case.then_status("open")
    assert (case.case.number, case.case.particulars.email, case.case.language) == (NUMBER, None, "cs")


def test_what_is_known_is_kept(case):
    case.given(opened())
    assert (case.case.topic, case.case.channel, case.case.particulars) == (
        Topic.QUESTION,
        Channel.PAGE,
        KNOWN,
    )
    case.then_thread(MESSAGE)


@pytest.mark.case(52)
def test_nobody_has_to_ask_for_a_case(case):
    """A mail that came back is one, without a word of the customer."""
    case.given(opened_by_us(Topic.MAIL_RETURNED))
    case.then_status("open")
    case.then_thread(None)


# --- its number


def test_the_number_follows_from_the_case_and_the_case_from_the_command():
    command_id = uuid4()
    assert case_id_of(command_id) == case_id_of(command_id) != case_id_of(uuid4())
    assert case_number(CASE_ID) == case_number(CASE_ID) == NUMBER


@pytest.mark.parametrize(
    "form", ["C{}", "c{}", "{}", " C-{0[0]}{0[1]}{0[2]} {0[3]}{0[4]}{0[5]}.{0[6]}{0[7]}{0[8]} "]
)
def test_a_number_is_read_however_it_was_typed(form):
    assert parse_case_number(form.format(NUMBER[1:])) == NUMBER


def test_a_digit_misheard_is_noticed():
    """Each digit by each other one: the check finds all of them."""
    digits = NUMBER[1:]
    for place in range(9):
        for wrong in set("0123456789") - {digits[place]}:
            assert parse_case_number(digits[:place] + wrong + digits[place + 1 :]) is None


@pytest.mark.parametrize(
    "text", ["", "C", NUMBER + "0", NUMBER[:-1], "CC" + NUMBER[1:], "C12345678x", "٣" * 9]
)
def test_what_is_no_number_is_none(text):
    assert parse_case_number(text) is None


def test_a_case_number_is_never_taken_for_an_orders():
    """Money is matched by these: a payer who names the case has not named an order."""
    numbers = [case_number(uuid4()) for _ in range(500)]
    assert not any(parse_number(form) for number in numbers for form in (number, number[1:]))


# --- answering


def test_an_answer_goes_to_the_address_and_is_the_customers_turn_then(case):
    case.given(opened())
    case.when(answer("Correct it."))
    case.then(event(SupportCase.CaseAnswered, text="Correct it.", email=EMAIL, link_generation=1))
    case.then_status("answered")
    case.then_thread(MESSAGE, "Correct it.")


def test_the_same_answer_twice_is_one(case):
    case.given(opened(), answered("Correct it."))
    case.when(answer("Correct it."))
    case.then_nothing()


def test_another_answer_is_another(case):
    case.given(opened(), answered("Correct it."))
    case.when(answer("Or call us."))
    case.then(SupportCase.CaseAnswered)


def test_the_same_words_answer_a_new_question(case):
    case.given(opened(), answered("Yes."), written("Really?"))
    case.when(answer("Yes."))
    case.then(SupportCase.CaseAnswered)


def test_an_answer_needs_an_address(case):
    """The refusal tells the way out: by the way it came, then close."""
    case.given(opened(particulars=Particulars()))
    case.when(answer(email=None))
    case.then_refused(NoAddress)
    assert "close the case" in str(case.refused)


def test_a_closed_case_is_answered_no_more(case):
    case.given(opened(), closed())
    case.when(answer())
    case.then_refused(CaseIsClosed)


# --- writing again


def test_a_message_makes_an_answered_case_open(case):
    case.given(opened(), answered())
    case.when(write("And by when?"))
    case.then(event(SupportCase.MessageAdded, message="And by when?", channel=Channel.MAIL))
    case.then_status("open")


def test_the_same_message_twice_is_one(case):
    case.given(opened(), written("And by when?"))
    case.when(write("And by when?"))
    case.then_nothing()


def test_what_was_asked_already_is_news_after_the_answer(case):
    case.given(opened(), answered())
    case.when(write(MESSAGE))
    case.then(SupportCase.MessageAdded)


def test_a_message_opens_a_closed_case_again(case):
    case.given(opened(), answered(), closed())
    case.when(write("It did not work."))
    case.then(SupportCase.CaseReopened, SupportCase.MessageAdded)
    case.then_status("open")


def test_who_writes_again_waits_since_the_first_unanswered_message(case):
    case.given(opened(at="2026-07-02 09:00"), written("Hello?", at="2026-07-02 11:00"))
    assert case.case.open_since == clock("2026-07-02 09:00")
    case.given(answered(at="2026-07-02 12:00"))
    assert case.case.open_since is None
    case.given(written("One more thing", at="2026-07-03 08:00"))
    assert case.case.open_since == clock("2026-07-03 08:00")


# --- closing


@pytest.mark.parametrize("before", [(), (answered(),)])
def test_a_case_is_closed_answered_or_not(case, before):
    case.given(opened(), *before)
    case.when(close())
    case.then(SupportCase.CaseClosed)
    case.then_status("closed")


def test_closed_twice_is_closed_once(case):
    case.given(opened(), closed())
    case.when(close())
    case.then_nothing()


# --- what comes back


def test_an_answer_that_comes_back_opens_the_case(case):
    """Whoever waits for it has not got it."""
    case.given(opened(), answered())
    case.when(come_back(2, at="2026-07-03 08:00"))
    said = {"mail_version": 2, "mail_kind": "case_answered", "why": "permanent", "status": "5.1.1"}
    case.then(event(SupportCase.AnswerReturned, **said))
    case.then_status("open")
    assert (case.case.returned, case.case.open_since) == ("permanent", clock("2026-07-03 08:00"))


def test_a_case_that_was_closed_is_open_again_by_it(case):
    case.given(opened(), answered(), closed())
    case.when(come_back(2))
    case.then(SupportCase.CaseReopened, SupportCase.AnswerReturned)
    case.then_status("open")


def test_an_acknowledgement_that_comes_back_is_told_while_nothing_else_was_written(case):
    case.given(opened(at="2026-07-02 09:00"))
    case.when(come_back(1, "case_opened", at="2026-07-02 11:00"))
    case.then(SupportCase.AnswerReturned)
    assert (case.case.returned, case.case.open_since) == ("permanent", clock("2026-07-02 09:00"))


@pytest.mark.parametrize(
    ("before", "version"),
    [
        ((answered("Yes."), answered("Or no.")), 2),
        ((answered(), came_back(2)), 2),
        ((closed(),), 1),
        ((answered(), erased()), 2),
    ],
    ids=["answered again since", "told already", "closed unanswered", "forgotten"],
)
def test_what_came_back_in_vain_changes_nothing(case, before, version):
    case.given(opened(), *before)
    case.when(come_back(version))
    case.then_nothing()


def test_the_next_answer_is_not_returned(case):
    case.given(opened(), answered("Yes."), came_back(2))
    case.when(answer("Yes."))
    case.then(SupportCase.CaseAnswered)
    case.then_status("answered")
    assert case.case.returned is None


# --- forgetting


def test_where_nobody_has_asked_forgetting_ends_the_case(case):
    """It was opened by ourselves: without the person nothing is left to be done."""
    case.given(opened_by_us())
    case.when(erase())
    case.then(SupportCase.CaseClosed, SupportCase.PersonalDataErased)
    case.then_status("closed")


@pytest.mark.parametrize(("before", "classes"), [((written(),), ()), ((), (DataClass.VEHICLE,))])
def test_a_case_of_our_own_stays_open_for_whoever_writes_to_it_or_can_be_reached(case, before, classes):
    case.given(opened_by_us(), *before)
    case.when(erase(*classes))
    case.then_refused(CaseUnderWay)


def test_an_open_case_is_not_forgotten(case):
    """Somebody waits for an answer, and needs to be known for it (as case 55)."""
    case.given(opened())
    case.when(erase())
    case.then_refused(CaseUnderWay)


@pytest.mark.parametrize("before", [answered(), closed()])
def test_what_is_answered_or_closed_can_be_forgotten(case, before):
    case.given(opened(), before)
    case.when(erase())
    case.then(event(SupportCase.PersonalDataErased, classes=(DataClass.CONTACT, DataClass.VEHICLE)))
    known = case.case.particulars
    assert (known.email, known.typed_number, known.plate) == (None, None, None)
    assert {each.text for each in case.case.thread} == {None}
    assert known.order_number == KNOWN.order_number


def test_only_the_vehicle_can_be_forgotten(case):
    case.given(opened(), answered())
    case.when(erase(DataClass.VEHICLE))
    case.then(event(SupportCase.PersonalDataErased, classes=(DataClass.VEHICLE,)))
    assert (case.case.particulars.plate, case.case.particulars.email) == (None, EMAIL)


def test_forgotten_twice_is_forgotten_once(case):
    case.given(opened(), closed(), erased())
    case.when(erase())
    case.then_nothing()


@pytest.mark.parametrize("command", [write(), answer()])
def test_with_nobody_left_nothing_more_is_written(case, command):
    case.given(opened(), answered(), erased())
    case.when(command)
    case.then_refused(CaseForgotten)


def test_what_has_happened_is_told_in_the_order_of_time(case):
    """The thread keeps when each was written, and by which way."""
    case.given(opened(at="2026-07-02 09:00"), answered("Yes.", at="2026-07-02 10:00"))
    first, second = case.case.thread
    assert second.at - first.at == timedelta(hours=1)
    assert (first.channel, second.channel) == (Channel.PAGE, None)
