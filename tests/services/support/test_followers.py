"""Cases that open themselves, and persons who are forgotten with their orders: each once, whatever comes again."""

from datetime import timedelta
from uuid import uuid4

import pytest

from eventstore_helpers import (
    HOUR,
    NOON,
    a_vault,
    all_views,
    an_order,
    ask,
    empty_views,
    erase,
    fold,
    issue,
    pay,
    projecting,
    record,
    start,
)
from service import set_clock
from vignettes.domain.personal import DataClass
from vignettes.domain.support_case import case_id_of
from vignettes.domain.support_events import Channel, Particulars, Topic
from vignettes.eventstore.append import Appender, Numbers
from vignettes.eventstore.journal import Journal
from vignettes.projections.case_calls import CaseCallsView
from vignettes.projections.order_status import OrderStatusView
from vignettes.services.grouping import GroupWriter
from vignettes.services.links import BodyHash
from vignettes.services.support import forgetting as forgetting_module
from vignettes.services.support import opening as opening_module
from vignettes.services.support.cases import CaseWriter, Request, on, opening
from vignettes.services.support.forgetting import Forgetting
from vignettes.services.support.opening import Opening
from vignettes.services.support.returning import Returning

KEPT = timedelta(days=730)
EMAIL, PLATE = "gone@example.org", "1GO 9000"


class Conflicting(Exception):
    """What can't be stored, for whatever reason."""


class House:
    """The log of a database with orders and cases, its views, and processes of the support role."""

    def __init__(self, database, orders, writer):
        self.database = database
        self.orders = orders
        self.writer = writer

    async def keep(self, *orders):
        """Record what has happened to these orders, and let every view take it in."""
        for order in orders:
            record(self.orders, order)
        await self.follow()

    async def follow(self, *views):
        vault = a_vault()
        await fold(self.database, vault, *(view(vault) for view in views) if views else all_views(vault))

    def opening(self):
        return Opening("", self.writer)

    def returning(self):
        return Returning("", self.writer)

    async def answered(self):
        """Somebody has asked, was answered, and every view knows; return the case's id."""
        case_id = await self.open()
        await self.writer.execute(
            on(case_id, uuid4(), lambda case, at: case.answer("Yes.", EMAIL, None, at), "anna")
        )
        await self.follow()
        return case_id

    def mail_comes_back(self, case_id, kind="case_answered", why="permanent"):
        query = """UPDATE effect.mails SET returned_at = clock.now(), return_kind = %s, return_status = '5.1.1'
                   WHERE order_id = %s AND kind = %s"""
        ask(self.database, query, why, case_id, kind)

    def forgetting(self):
        return Forgetting("", self.writer, KEPT)

    async def look(self, piece):
        """Let a process look once at what is to be done."""
        async with await projecting(self.database) as connection:
            await piece._work(connection)

    async def open(self, **known):
        """Somebody asks by a form; return the case's id."""
        command_id = uuid4()
        particulars = Particulars(email=EMAIL, plate=PLATE, **known)
        request = Request(Topic.QUESTION, Channel.FORM, particulars, "en", "I am gone@example.org")
        await self.writer.execute(opening(request, command_id, "customer"))
        return case_id_of(command_id)

    def refusing(self, monkeypatch, refused):
        """Let the log refuse some commands, whatever they are, for ever; return the cases that were asked for."""
        asked, execute = [], CaseWriter._outcome

        async def outcome(writer, each):
            asked.append(each.about)
            return Conflicting() if each.about in refused else await execute(writer, each)

        monkeypatch.setattr(CaseWriter, "_outcome", outcome)
        return asked

    async def close(self, case_id):
        await self.writer.execute(on(case_id, uuid4(), lambda case, at: case.close(at), "anna"))

    def cases(self, columns="topic, state, order_id"):
        return ask(self.database, f"SELECT {columns} FROM read.support_cases ORDER BY opened_at, case_id")

    def happened(self, what="support-case."):
        """Return how many events of cases there are."""
        [count] = ask(self.database, "SELECT count(*) FROM log.events WHERE topic LIKE %s", f"{what}%")
        return count


@pytest.fixture
async def house(database, orders):
    appender = Appender(Journal(database), a_vault(), Numbers())
    writer = CaseWriter(GroupWriter(appender.execute_all), BodyHash(bytes(32)).of)
    yield House(database, orders, writer)
    await writer.end()
    await appender.close()


def returned(order, why="permanent", at=NOON + 2 * HOUR):
    order.note_returned_mail(1, "placed", why, "5.1.1", at)
    return order


def in_debt():
    order = start(pay(an_order()))
    [payment] = order.account.payments
    order.reverse_payment(payment, NOON + 5 * HOUR)
    return order


# --- opening


@pytest.mark.case(52)
async def test_a_mail_that_came_back_opens_a_case_which_nobody_is_mailed_of(house):
    """With the address that takes none, and the order that it is of."""
    order = returned(an_order())
    await house.keep(order)
    await house.look(house.opening())
    await house.follow()
    assert house.cases("topic, channel, order_number, email") == [
        ("mail_returned", "service", order.number, order.email)
    ]
    assert ask(house.database, "SELECT count(*) FROM read.emails WHERE kind ~ '^case'") == [0]


@pytest.mark.case(28)
async def test_money_that_is_owed_opens_a_case(house):
    order = in_debt()
    await house.keep(order)
    await house.look(house.opening())
    await house.follow()
    assert house.cases("topic, order_id, email") == [("debt", order.id, None)]


async def test_what_has_settled_itself_meanwhile_opens_none(house):
    """The address was corrected before anybody looked."""
    order = returned(an_order())
    order.correct_email("again@example.org", NOON + 3 * HOUR)
    await house.keep(order)
    await house.look(house.opening())
    assert house.happened() == 0


async def test_killed_after_it_was_on_record_it_is_asked_again_and_stays_one_case(house):
    """The view of cases knows nothing of it yet, so that two processes and a restarted one all find the call."""
    await house.keep(returned(an_order(), "complaint"), in_debt())
    first = house.opening()
    for piece in (first, first, house.opening(), house.opening()):
        await house.look(piece)
    assert house.happened() == 2
    await house.follow()
    await house.look(house.opening())
    assert house.happened() == 2
    assert sorted(house.cases("topic")) == ["complaint", "debt"]


async def test_views_that_are_built_anew_open_no_case_twice(house):
    """Not while the calls are there and the cases are not, either."""
    await house.keep(returned(an_order()), in_debt())
    await house.look(house.opening())
    await house.follow()
    before = house.cases()
    empty_views(house.database)
    await house.follow(OrderStatusView, lambda _: CaseCallsView())
    await house.look(house.opening())
    await house.follow()
    await house.look(house.opening())
    await house.follow()
    assert (house.happened(), house.cases()) == (2, before)


async def test_a_case_that_was_closed_is_not_opened_again(house):
    """The address fails still, and a person has looked after it."""
    await house.keep(returned(an_order()))
    await house.look(house.opening())
    await house.follow()
    [case_id] = house.cases("case_id")
    await house.close(case_id)
    await house.follow()
    await house.look(house.opening())
    await house.follow()
    assert house.cases("state") == ["closed"]


async def test_what_always_fails_is_stepped_past(house, monkeypatch):
    """Two stand before the one that can be opened, and only two are taken at a time."""
    monkeypatch.setattr(opening_module, "_BATCH", 2)
    await house.keep(*(returned(an_order()) for _ in range(3)))
    calls = ask(house.database, "SELECT case_id FROM view.case_calls ORDER BY position")
    asked = house.refusing(monkeypatch, calls[:2])
    piece = house.opening()
    for _ in range(3):
        await house.look(piece)
        await house.follow()
    assert (asked, house.happened()) == (calls, 1)


# --- returned mails


@pytest.mark.case(52)
@pytest.mark.parametrize("why", ["permanent", "complaint"])
async def test_an_answer_that_came_back_opens_its_case_once(house, why):
    """Killed before it was noted, it is told again, and stays one."""
    case_id = await house.answered()
    house.mail_comes_back(case_id, why=why)
    await house.look(house.returning())
    ask(house.database, "UPDATE effect.mails SET return_noted_at = NULL")
    await house.look(house.returning())
    await house.follow()
    assert house.cases("state, returned") == [("open", why)]
    assert house.happened("support-case.answer-returned") == 1
    assert ask(house.database, "SELECT count(*) FROM effect.mails WHERE return_noted_at IS NOT NULL") == [1]


async def test_a_return_that_can_not_be_told_holds_up_none(house, monkeypatch):
    first, second = await house.answered(), await house.answered()
    for case_id in (first, second):
        house.mail_comes_back(case_id)
    asked = house.refusing(monkeypatch, [first])
    piece = house.returning()
    for _ in range(2):
        await house.look(piece)
    assert sorted(asked) == sorted([first, second])
    await house.follow()
    assert ask(house.database, "SELECT case_id FROM view.support_cases WHERE state = 'open'") == [second]


# --- forgetting


def issued():
    return issue(start(pay(an_order())))


@pytest.mark.case(55)
async def test_whom_a_case_concerns_is_forgotten_with_the_order(house):
    """Its keys are gone, and what was sealed with them."""
    order, other = issued(), issued()
    await house.keep(order, other)
    gone, stays = await house.open(order_id=order.id), await house.open(order_id=other.id)
    for case_id in (gone, stays):
        await house.close(case_id)
    erase(house.database, house.orders, order)
    await house.follow()
    forgetting = house.forgetting()
    await house.look(forgetting)
    await house.follow()
    shown = dict(ask(house.database, "SELECT case_id, concat(email, plate, message) FROM read.support_cases"))
    assert shown == {gone: "", stays: f"{EMAIL}{PLATE}I am {EMAIL}"}
    keys = "SELECT num_nonnulls(contact, vehicle, contact_view, vehicle_view) FROM personal.keys WHERE order_id = %s"
    assert (ask(house.database, keys, gone), ask(house.database, keys, stays)) == ([0], [4])
    await house.look(forgetting)
    assert house.happened("support-case.personal-data-erased") == 1


async def test_who_waits_for_an_answer_is_forgotten_after_it(house):
    """The order is gone, the request is not: first a person answers or closes it."""
    order = issued()
    await house.keep(order)
    case_id = await house.open(order_id=order.id)
    erase(house.database, house.orders, order)
    forgetting = house.forgetting()
    await house.follow()
    await house.look(forgetting)
    assert house.happened("support-case.personal-data-erased") == 0
    await house.close(case_id)
    await house.follow()
    await house.look(forgetting)
    assert house.happened("support-case.personal-data-erased") == 1


async def test_only_what_the_order_has_let_go_of_is_forgotten(house):
    order = issued()
    await house.keep(order)
    await house.close(await house.open(order_id=order.id))
    erase(house.database, house.orders, order, DataClass.VEHICLE)
    await house.follow()
    await house.look(house.forgetting())
    await house.follow()
    assert house.cases("email, plate") == [(EMAIL, None)]


async def test_who_asked_about_no_order_is_forgotten_when_the_time_is_over(house):
    """Counted from its last change; what is still open is kept."""
    await house.close(await house.open(typed_number="the one of Monday"))
    await house.open()
    await house.follow()
    [changed] = ask(house.database, "SELECT updated_at FROM read.support_cases WHERE state = 'closed'")
    forgetting = house.forgetting()
    for passed, forgotten in ((KEPT - HOUR, 0), (KEPT + HOUR, 1)):
        ask(house.database, "UPDATE clock.shift SET ahead = '0'")
        set_clock(house.database, changed + passed)
        await house.look(forgetting)
        assert house.happened("support-case.personal-data-erased") == forgotten
    await house.follow()
    assert sorted(house.cases("state, concat(order_number, email)")) == [("closed", ""), ("open", EMAIL)]


async def test_a_case_of_our_own_ends_with_its_order(house):
    """Nobody waits for it; one that a customer has written to stays open."""
    orders = [returned(issued()), returned(issued())]
    email = orders[0].email
    await house.keep(*orders)
    await house.look(house.opening())
    await house.follow()
    [written] = ask(
        house.database, "SELECT case_id FROM view.support_cases WHERE order_id = %s", orders[0].id
    )
    await house.writer.execute(
        on(written, uuid4(), lambda case, at: case.add_message("Hello?", Channel.MAIL, at), "customer")
    )
    for order in orders:
        erase(house.database, house.orders, order)
    await house.follow()
    await house.look(house.forgetting())
    await house.follow()
    assert dict(house.cases("order_id, concat_ws(' ', state, email)")) == {
        orders[0].id: f"open {email}",
        orders[1].id: "closed",
    }


async def test_an_order_that_keeps_its_address_keeps_its_open_case(house):
    """Only the plate is gone: the mail that came back is still to be looked after."""
    order = returned(issued())
    await house.keep(order)
    await house.look(house.opening())
    await house.follow()
    erase(house.database, house.orders, order, DataClass.VEHICLE)
    await house.follow()
    await house.look(house.forgetting())
    assert house.happened() == 1


async def test_a_case_that_can_not_be_forgotten_holds_up_none(house, monkeypatch):
    monkeypatch.setattr(forgetting_module, "_BATCH", 1)
    orders = [issued(), issued()]
    await house.keep(*orders)
    cases = [await house.open(order_id=order.id) for order in orders]
    for case_id, order in zip(cases, orders, strict=True):
        await house.close(case_id)
        erase(house.database, house.orders, order)
    await house.follow()
    house.refusing(monkeypatch, cases[:1])
    piece = house.forgetting()
    for _ in range(2):
        await house.look(piece)
    assert house.happened("support-case.personal-data-erased") == 1
