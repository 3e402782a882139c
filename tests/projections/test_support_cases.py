"""Cases as operations see them, and those that the log calls for: given events, then rows."""

import json
from datetime import date
from uuid import uuid4

import pytest

from eventstore_helpers import (
    DOMAIN,
    HOUR,
    NOON,
    a_vault,
    an_order,
    ask,
    empty_views,
    fold,
    pay,
    projecting,
    record,
    start,
)
from vignettes.domain.personal import DataClass
from vignettes.domain.support_case import SupportCase, call_id, case_id_of
from vignettes.domain.support_events import Channel, Particulars, Topic
from vignettes.projections.case_calls import CaseCallsView
from vignettes.projections.checking import Checker
from vignettes.projections.emails import EmailsView
from vignettes.projections.support_cases import SupportCasesView

EMAIL, PLATE, ASKED = "driver@example.org", "1AB 2345", "My plate is wrong.\nWhat now?"


def a_case(message=ASKED, at=NOON, **known):
    """Somebody asks on the order's page."""
    particulars = Particulars(**{"email": EMAIL, "country": "CZ", "plate": PLATE, **known})
    return SupportCase.open(
        case_id_of(uuid4()),
        topic=Topic.QUESTION,
        channel=Channel.PAGE,
        particulars=particulars,
        language="cs",
        message=message,
        at=at,
    )


def letting_go(database, orders, case, *classes):
    """Erase a case: the event, and the end of the keys."""
    case.erase(classes or tuple(DataClass), NOON + 9 * HOUR)
    record(orders, case)
    for each in classes or DataClass:
        ask(
            database,
            f"UPDATE personal.keys SET {each} = NULL, {each}_view = NULL WHERE order_id = %s",
            case.id,
        )


@pytest.fixture
def seen(shared_database, shared_orders, vault):
    """Return columns of a case, once the view knows all of it, proved by a fold from zero."""

    async def after(case, columns, view="support_cases"):
        record(shared_orders, case)
        await fold(shared_database, vault, SupportCasesView(vault))
        keys = a_vault()
        async with await projecting(shared_database) as connection:
            checked = await Checker(connection, [SupportCasesView(keys)], keys).order(case.id)
        assert checked.drift == ()
        order_by = "number" if view == "support_messages" else "case_id"
        return ask(
            shared_database,
            f"SELECT {columns} FROM read.{view} WHERE case_id = %s ORDER BY {order_by}",
            case.id,
        )

    return after


async def test_a_case_is_shown_with_all_that_is_known(seen):
    case = a_case(order_number="V9922747891", ordered_on=date(2026, 5, 30))
    columns = "case_number, state, topic, channel, email, country, plate, order_number, ordered_on, language, message"
    assert await seen(case, columns) == [
        (
            case.number,
            "open",
            "question",
            "page",
            EMAIL,
            "CZ",
            PLATE,
            "V9922747891",
            date(2026, 5, 30),
            "cs",
            ASKED,
        )
    ]


async def test_what_is_no_order_of_ours_is_shown_as_it_was_typed(seen):
    """It may be anything, so it is kept sealed; who reads finds it in the same place."""
    case = a_case(typed_number="the one of Monday")
    assert await seen(case, "order_id, order_number") == [(None, "the one of Monday")]


async def test_a_case_that_tells_nothing_has_its_row(seen):
    case = a_case(message=None, email=None, country=None, plate=None)
    assert await seen(case, "state, email, plate, message, messages, answers") == [
        ("open", None, None, None, 1, 0)
    ]


async def test_answers_and_messages_are_counted_and_shown_in_order(seen):
    case = a_case()
    case.answer("Correct it.", EMAIL, None, NOON + HOUR)
    assert await seen(case, "state, messages, answers, open_since") == [("answered", 1, 1, None)]
    case.close(NOON + 2 * HOUR)
    assert await seen(case, "state, closed_at") == [("closed", NOON + 2 * HOUR)]
    case.add_message("It did not work.", Channel.MAIL, NOON + 3 * HOUR)
    assert await seen(case, "state, messages, open_since, closed_at") == [("open", 2, NOON + 3 * HOUR, None)]
    assert await seen(case, "number, channel, text", "support_messages") == [
        (1, "page", ASKED),
        (2, None, "Correct it."),
        (3, "mail", "It did not work."),
    ]


async def test_what_came_back_is_shown_until_the_next_answer(seen):
    case = a_case()
    case.answer("Correct it.", EMAIL, None, NOON + HOUR)
    case.note_returned_mail(2, "case_answered", "permanent", "5.1.1", NOON + 2 * HOUR)
    assert await seen(case, "state, open_since, returned") == [("open", NOON + 2 * HOUR, "permanent")]
    case.answer("Correct it.", "again@example.org", None, NOON + 3 * HOUR)
    assert await seen(case, "state, open_since, returned") == [("answered", None, None)]


async def test_the_tables_hold_nothing_in_the_clear(seen, shared_database):
    case = a_case(typed_number="the one of Monday")
    case.answer("Correct it.", EMAIL, None, NOON + HOUR)
    await seen(case, "1")
    rows = ask(
        shared_database, "SELECT to_jsonb(c)::text FROM view.support_cases c WHERE case_id = %s", case.id
    )
    rows += ask(
        shared_database, "SELECT to_jsonb(m)::text FROM view.support_messages m WHERE case_id = %s", case.id
    )
    assert not [
        text for text in (EMAIL, PLATE, "wrong", "Monday", "Correct it") if any(text in row for row in rows)
    ]


async def test_once_forgotten_the_row_stays_without_its_person(seen, shared_database, shared_orders):
    case = a_case()
    case.answer("Correct it.", EMAIL, None, NOON + HOUR)
    await seen(case, "1")
    letting_go(shared_database, shared_orders, case)
    assert await seen(case, "state, email, plate, message, erased, messages, answers") == [
        ("answered", None, None, None, ["contact", "vehicle"], 1, 1)
    ]
    assert await seen(case, "text", "support_messages") == [None, None]


async def test_only_the_vehicle_is_forgotten(seen, shared_database, shared_orders):
    case = a_case()
    case.close(NOON + HOUR)
    await seen(case, "1")
    letting_go(shared_database, shared_orders, case, DataClass.VEHICLE)
    assert await seen(case, "email, plate, erased") == [(EMAIL, None, ["vehicle"])]


# --- the mails of a case


@pytest.fixture
def mailed(shared_database, shared_orders, vault):
    """Return the mails that a case calls for, proved by a fold from zero."""

    async def after(case):
        record(shared_orders, case)
        await fold(shared_database, vault, EmailsView(DOMAIN, vault))
        keys = a_vault()
        async with await projecting(shared_database) as connection:
            checked = await Checker(connection, [EmailsView(DOMAIN, keys)], keys).order(case.id)
        assert checked.drift == ()
        query = """SELECT r.kind, r.recipient, r.state, e.facts, personal.opened(e.contact, k.contact_view)
                   FROM read.emails r JOIN view.emails e USING (message_id)
                   JOIN personal.keys k ON k.order_id = e.order_id
                   WHERE r.order_id = %s ORDER BY r.version"""
        return ask(shared_database, query, case.id)

    return after


ORDER_ID = uuid4()
ABOUT_ORDER = {"order_id": ORDER_ID, "order_number": "V9922747891"}


async def test_whoever_asks_is_told_that_it_has_come_and_what_the_answer_is(mailed):
    """With the link of the order: the address is its own."""
    case = a_case(**ABOUT_ORDER, link_generation=3)
    case.answer("Correct it.", EMAIL, 4, NOON + HOUR)
    opened, answered = await mailed(case)
    facts = {
        "case_number": case.number,
        "kind": "question",
        "opened_at": NOON.isoformat().replace("+00:00", "Z"),
        "order_id": str(ORDER_ID),
        "order_number": "V9922747891",
    }
    told = json.dumps({"email": EMAIL, "answer": None})
    assert opened == ("case_opened", EMAIL, "waiting", {**facts, "link_generation": 3}, told)
    told = json.dumps({"email": EMAIL, "answer": "Correct it."})
    assert answered == ("case_answered", EMAIL, "waiting", {**facts, "link_generation": 4}, told)


async def test_a_stranger_learns_nothing_of_the_order(mailed):
    """Whoever names its number gets no link of it, and not even whether there is such an order."""
    case = a_case(**ABOUT_ORDER)
    case.answer("We can't tell you.", EMAIL, None, NOON + HOUR)
    for _, _, _, facts, _ in await mailed(case):
        assert {facts[name] for name in (*ABOUT_ORDER, "link_generation")} == {None}


async def test_where_nobody_asked_or_left_no_address_nobody_is_told(mailed):
    assert await mailed(a_case(email=None)) == []
    by_us = SupportCase.open(
        case_id_of(uuid4()),
        topic=Topic.MAIL_RETURNED,
        channel=Channel.SERVICE,
        particulars=Particulars(email=EMAIL),
        language="cs",
        message=None,
        at=NOON,
    )
    assert await mailed(by_us) == []


async def test_the_mails_of_a_forgotten_case_go_to_nobody(mailed, shared_database, shared_orders):
    """Those that had not left never will; the rows stay, with nobody in them."""
    case = a_case()
    case.answer("Correct it.", EMAIL, None, NOON + HOUR)
    await mailed(case)
    letting_go(shared_database, shared_orders, case)
    assert [(kind, to, state, told) for kind, to, state, _, told in await mailed(case)] == [
        ("case_opened", None, "erased", None),
        ("case_answered", None, "erased", None),
    ]


# --- cases that the log calls for


@pytest.fixture
def called(shared_database, shared_orders, vault):
    """Return the topics that are called for by an order, with their commands."""

    async def after(order):
        record(shared_orders, order)
        await fold(shared_database, vault, CaseCallsView())
        query = "SELECT topic, command_id FROM view.case_calls WHERE order_id = %s ORDER BY topic"
        return ask(shared_database, query, order.id)

    return after


def returned(order, why="permanent", version=1, kind="placed"):
    order.note_returned_mail(version, kind, why, "5.1.1", NOON + 2 * HOUR)
    return order


@pytest.mark.case(52)
@pytest.mark.parametrize(("why", "topic"), [("permanent", "mail_returned"), ("complaint", "complaint")])
async def test_a_mail_that_came_back_calls_for_a_case(called, why, topic):
    order = returned(an_order(), why)
    assert await called(order) == [(topic, call_id(order.id, Topic(topic), 1))]


async def test_one_for_an_address_however_many_come_back(called):
    order = pay(an_order())
    first = await called(returned(order))
    assert await called(returned(order, version=2, kind="paid")) == first


async def test_the_next_address_is_another_case(called):
    order = returned(an_order())
    [(_, first)] = await called(order)
    order.correct_email("again@example.org", NOON + 3 * HOUR)
    [(_, still)] = await called(order)
    [(_, second)] = await called(returned(order, version=order.version, kind="placed"))
    assert first == still != second


async def test_what_comes_back_from_the_old_address_is_past(called):
    order = an_order()
    order.correct_email("again@example.org", NOON + HOUR)
    assert await called(returned(order, "complaint", version=2, kind="address_changed")) == []


@pytest.mark.case(28)
async def test_money_that_is_taken_back_after_the_start_calls_for_a_case_once(called):
    order = start(pay(an_order()))
    [payment] = order.account.payments
    order.reverse_payment(payment, NOON + 5 * HOUR)
    assert order.owed
    assert await called(order) == [("debt", call_id(order.id, Topic.DEBT, 1))]


@pytest.mark.case(29)
async def test_money_that_is_taken_back_when_it_had_gone_back_calls_for_a_case(called):
    order = pay(an_order())
    [payment] = order.account.payments
    order.request_refund("customer", NOON + HOUR)
    order.confirm_refund("out-1", order.refund, NOON + 2 * HOUR)
    assert await called(order) == []
    order.reverse_payment(payment, NOON + 5 * HOUR)
    assert await called(order) == [("debt", call_id(order.id, Topic.DEBT, 1))]


async def test_before_the_start_it_calls_for_none(called):
    """The order just waits for its money again, and says so by mail."""
    order = pay(an_order())
    [payment] = order.account.payments
    order.reverse_payment(payment, NOON + HOUR)
    assert await called(order) == []


async def test_a_view_that_is_built_anew_calls_for_the_same_cases(database, orders, vault):
    """Their commands follow from what they are about: the ones that are open are asked for again, and stay one."""
    order = returned(an_order())
    record(orders, order)
    await fold(database, vault, CaseCallsView())
    query = "SELECT command_id, case_id FROM view.case_calls"
    before = ask(database, query)
    empty_views(database)
    assert ask(database, query) == []
    await fold(database, vault, CaseCallsView())
    assert ask(database, query) == before != []
