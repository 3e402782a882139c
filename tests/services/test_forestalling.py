"""What is told to orders before they fall due: whoever can't be told now hides nobody else, and is told later."""

from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from eventstore_helpers import DAY, HOUR, INDEX, NOON, an_order, details, fold, pay, record
from vignettes.eventstore.connections import conninfo
from vignettes.messages.commands import ExpireOrder
from vignettes.projections.deadlines import DeadlinesView
from vignettes.projections.lookup import LookupView
from vignettes.projections.order_status import OrderStatusView
from vignettes.services import forestalling
from vignettes.services.calling import NoAnswer
from vignettes.services.deadlines import asking
from vignettes.services.forestalling import OutageTelling, TwinTelling


class Orderer:
    """Notes what it is asked, and answers for all but some."""

    def __init__(self, *silent):
        self.silent = set(silent)
        self.asked = []

    async def command(self, command):
        if command.order_id in self.silent:
            raise NoAnswer
        self.asked.append(command)
        return {"ok": True}

    @property
    def orders(self):
        return [command.order_id for command in self.asked]


@pytest.fixture
def vault(orders):
    return orders.vault


@pytest.fixture
def known(database, orders, vault):
    """Put orders on record, and into the views that are asked."""

    async def put(*these):
        for order in these:
            record(orders, order)
        await fold(database, vault, OrderStatusView(vault), LookupView(INDEX), DeadlinesView())

    return put


@pytest.fixture
async def connection(database):
    url = conninfo(database, "vignettes_projector")
    async with await AsyncConnection.connect(url, autocommit=True) as connected:
        yield connected


def announced(database, begins_at, hours):
    outage_id = uuid4()
    with psycopg.connect(database) as owner:
        owner.execute(
            "INSERT INTO log.outages (outage_id, country, begins_at, ends_at, announced_by)"
            " VALUES (%s, 'CZ', %s, %s, 'operations')",
            (outage_id, begins_at, begins_at + timedelta(hours=hours)),
        )
        owner.execute("UPDATE clock.shift SET ahead = %s - clock_timestamp()", (NOON,))
    return outage_id


def plated(number):
    return pay(an_order(details(plate=f"3A{number} 2345")))


async def test_an_order_that_can_not_be_told_hides_no_other_and_is_told_later(
    database, known, connection, monkeypatch
):
    """One that nobody answers for, and many behind it: these are told once (15)."""
    monkeypatch.setattr(forestalling, "_BATCH", 2)
    some = [plated(number) for number in range(5)]
    await known(*some)
    announced(database, some[0].deadline.due_at - HOUR, 3)
    orderer = Orderer(*[each.id for each in some[:3]])
    telling = OutageTelling(database, orderer)
    await telling._work(connection)
    assert set(orderer.orders) == {each.id for each in some[3:]}
    orderer.silent.clear()
    await telling._work(connection)
    assert sorted(orderer.orders) == sorted(each.id for each in some)


@pytest.mark.case(48)
async def test_of_two_for_the_same_vehicle_the_one_paid_later_is_held_whichever_came_last(
    known, connection, database
):
    """A transfer of an hour ago comes on record after the card payment of now; and a start is never undone (48)."""
    by_card = pay(an_order(details(plate="7T7 7777")), at=NOON + HOUR)
    orderer = Orderer()
    telling = TwinTelling(database, orderer)
    await known(by_card)
    await telling._work(connection)
    assert orderer.asked == []
    by_transfer = pay(an_order(details(plate="7T7 7777")), at=NOON)
    await known(by_transfer)
    orderer.silent.add(by_card.id)
    await telling._work(connection)
    orderer.silent.clear()
    await telling._work(connection)
    [held] = orderer.asked
    assert (held.order_id, held.twin) == (by_card.id, by_transfer.id)


@pytest.mark.case(48)
async def test_who_was_held_for_another_goes_on_when_the_money_of_that_one_goes_back(
    known, connection, database
):
    """There is but one order for the vehicle then (48)."""
    first, second = (pay(an_order(details(plate="8T8 8888"))) for _ in range(2))
    second.hold_as_twin(first.id, NOON + HOUR)
    orderer = Orderer()
    telling = TwinTelling(database, orderer)
    await known(first, second)
    await telling._work(connection)
    assert orderer.asked == []
    first.request_refund("changed my mind", NOON + DAY)
    await known(first)
    await telling._work(connection)
    [released] = orderer.asked
    assert (released.subject, released.order_id) == ("orders.v1.release_twin", second.id)
    second.release_twin(first.id, NOON + DAY)
    assert second.status == "scheduled"


async def test_the_end_of_one_orders_time_that_nobody_answers_for_keeps_no_other_waiting():
    """An order that can't be read stays an alarm of its own."""
    rows = [{"order_id": uuid4(), "purpose": "expiry"} for _ in range(3)]
    orderer = Orderer(rows[0]["order_id"])
    await asking(orderer, ExpireOrder)(rows)
    assert orderer.orders == [row["order_id"] for row in rows[1:]]
