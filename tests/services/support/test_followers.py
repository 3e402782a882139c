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
from vignettes.services.support.cases import CaseWriter, Request, on, opening
from vignettes.services.support.forgetting import Forgetting
from vignettes.services.support.opening import Opening

KEPT = timedelta(days=730)
EMAIL, PLATE = "gone@example.org", "1GO 9000"


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
