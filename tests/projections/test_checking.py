"""The checker finds what differs between the views and the log, by order, and nothing where nothing does."""

import asyncio
import random
from contextlib import asynccontextmanager

import pytest

from eventstore_helpers import (
    DAY,
    NOON,
    a_vault,
    all_views,
    an_order,
    ask,
    details,
    erase,
    fold,
    issue,
    pay,
    projecting,
    record,
    start,
    stories,
)
from vignettes.projections import checking as module
from vignettes.projections.checking import WHOLE_ROW, Checker
from vignettes.projections.order_status import OrderStatusView


@asynccontextmanager
async def checking(database):
    """Give a checker over a connection of its own, with keys of its own."""
    keys = a_vault()
    async with await projecting(database) as connection:
        yield Checker(connection, all_views(keys), keys)


async def everything(database):
    """Return how many orders were compared, and what was found."""
    async with checking(database) as checker:
        looks = [each async for each in checker.everything()]
    assert [each.done for each in looks] == sorted(each.done for each in looks)
    assert looks[-1].done == 1.0
    return sum(each.orders for each in looks), [drift for each in looks for drift in each.drift]


def table(database, name):
    """Return where the live rows of a view are."""
    [number] = ask(database, "SELECT id FROM view.editions WHERE view = %s AND state = 'live'", name)
    return f"edition.{name}_{number}"


@pytest.fixture
async def told(database, orders, vault):
    """Orders with every event there is, in every view."""
    known = stories()
    record(orders, *known)
    await fold(database, vault, *all_views(vault))
    return known


@pytest.mark.parametrize("at_a_time", [1, 3, 500])
async def test_views_that_are_right_show_no_drift(database, told, monkeypatch, at_a_time):
    """However many orders are compared at a time, each is compared once."""
    monkeypatch.setattr(module, "ORDERS_AT_A_TIME", at_a_time)
    assert await everything(database) == (len(told), [])
    assert ask(database, "SELECT DISTINCT orders FROM view.checks") == [len(told)]


async def test_a_changed_column_is_named(database, told):
    """By order, table and column; it is kept until the row is right again."""
    order = told[0]
    rows = table(database, "order_status")
    ask(database, f"UPDATE {rows} SET received = 1, status = 'expired' WHERE order_id = %s", order.id)
    _, [drift] = await everything(database)
    assert (drift.view, drift.order_id, drift.columns) == ("order_status", order.id, ("received", "status"))
    assert ask(database, 'SELECT order_id, "table", columns FROM view.drift') == [
        (order.id, "order_status", ["received", "status"])
    ]
    lag = "SELECT orders_drifted FROM read.projection_lag WHERE view = 'order_status'"
    assert ask(database, lag) == [1]
    ask(
        database,
        f"UPDATE {rows} SET received = %s, status = 'issued' WHERE order_id = %s",
        order.account.received.amount,
        order.id,
    )
    assert await everything(database) == (len(told), [])
    assert ask(database, lag) == [0]


@pytest.mark.parametrize("view", ["order_status", "emails", "deadlines", "lookup"])
async def test_a_lost_row_is_found(database, told, view):
    """As if a batch had moved the position and not the rows."""
    order = told[1]
    ask(database, f"DELETE FROM {table(database, view)} WHERE order_id = %s", order.id)
    _, found = await everything(database)
    assert [(each.view, each.order_id, each.columns) for each in found] == [(view, order.id, (WHOLE_ROW,))]


async def test_a_row_of_an_order_that_never_was_is_found(database, told):
    """The log knows nothing of it, so no walk over the log would meet it."""
    rows = table(database, "lookup")
    [stranger] = ask(
        database,
        f"INSERT INTO {rows} VALUES (gen_random_uuid(), 'plate', '\\x00', 1) RETURNING order_id",
    )
    _, [drift] = await everything(database)
    assert (drift.view, drift.order_id, drift.columns) == ("lookup", stranger, (WHOLE_ROW,))


async def test_a_view_that_is_behind_is_compared_with_what_it_knows(database, orders, vault, told):
    """Late is not wrong: the lag tells that, and drift means something else."""
    record(orders, pay(an_order()))
    later = an_order(details(9))
    record(orders, later)
    await fold(database, vault, *all_views(vault))
    record(orders, issue(start(pay(later))))
    assert (await everything(database))[1] == []


async def test_a_parked_order_is_compared_up_to_where_it_waits(database, orders, vault):
    """What it took in before is right; what waits is told as parked, not as drift."""
    order = an_order()
    record(orders, order)
    query = "INSERT INTO log.events (originator_id, originator_version, topic, state) VALUES (%s, 2, 'gone.v9', '{}')"
    ask(database, query, order.id)
    await fold(database, vault, *all_views(vault))
    assert ask(database, "SELECT count(*) FROM read.parked_events") == [len(all_views(vault))]
    assert await everything(database) == (1, [])


async def test_an_erased_order_shows_no_drift_before_and_after_the_views_know(database, orders, vault, told):
    """Its keys go with the event; its rows when the view takes that in."""
    erase(database, orders, told[0])
    assert (await everything(database))[1] == []
    await fold(database, vault, *all_views(vault))
    assert (await everything(database))[1] == []


async def test_a_sample_finds_what_it_meets(database, told):
    """Some orders, picked by chance from the whole log, in every view."""
    for view in ("order_status", "lookup"):
        ask(database, f"DELETE FROM {table(database, view)}")
    async with checking(database) as checker:
        found = await checker.sample(5, random.Random(7))
    assert 1 <= found.orders <= 5
    assert {each.view for each in found.drift} == {"order_status", "lookup"}


async def test_an_empty_log_has_nothing_to_compare(database):
    """A service that has just been set up is right."""
    assert await everything(database) == (0, [])
    async with checking(database) as checker:
        assert (await checker.sample(5, random.Random(7))).orders == 0


async def test_one_order_can_be_checked_alone(database, told):
    """What support asks: is what the page shows what happened?"""
    ask(database, f"UPDATE {table(database, 'order_status')} SET surplus = 7 WHERE order_id = %s", told[2].id)
    async with checking(database) as checker:
        assert (await checker.order(told[1].id)).drift == ()
        [drift] = (await checker.order(told[2].id)).drift
    assert drift.columns == ("surplus",)
    assert drift.position >= 1


async def test_an_order_that_is_parked_and_erased_shows_no_drift(database, orders, vault):
    """What it waits behind may be its erasure: its keys are gone, and its rows are what they were."""
    order = an_order()
    order.expire(NOON + 30 * DAY)
    record(orders, order)
    await fold(database, vault, *all_views(vault))
    erase(database, orders, order)
    park = (
        "INSERT INTO view.parked (edition, order_id, position, version, topic, error)"
        " SELECT e.id, l.originator_id, l.notification_id, 3, topic, '' FROM log.events l, view.editions e"
        " WHERE l.originator_version = 3"
    )
    ask(database, park)
    await fold(database, vault)
    ask(database, "UPDATE view.editions SET position = (SELECT max(notification_id) FROM log.events)")
    assert await everything(database) == (1, [])


async def test_two_that_find_the_same_drift_both_end_well(database, told):
    """A sample of the service and the command of an operator may meet."""
    ask(database, f"UPDATE {table(database, 'order_status')} SET surplus = 7 WHERE order_id = %s", told[0].id)
    async with checking(database) as one, checking(database) as other:
        for _ in range(5):
            looks = await asyncio.gather(one.order(told[0].id), other.order(told[0].id))
            assert [len(each.drift) for each in looks] == [1, 1]
    assert ask(database, "SELECT count(*) FROM view.drift") == [1]


async def test_a_look_that_failed_leaves_nothing_for_the_next(database, told, monkeypatch):
    """The database went away in the middle: what was folded then is of no order that is compared now."""
    async with checking(database) as checker:
        with monkeypatch.context() as broken:
            broken.setattr(OrderStatusView, "write", failing)
            with pytest.raises(ConnectionError):
                await checker.order(told[0].id)
        assert (await checker.order(told[1].id)).drift == ()


async def failing(*_):
    raise ConnectionError("the network went away")


async def test_views_of_another_version_are_not_compared_and_it_is_told(database, told):
    """Nothing was found where nothing was looked for."""
    ask(database, "UPDATE view.editions SET version = 99 WHERE view = 'emails' AND state = 'live'")
    async with checking(database) as checker:
        found = await checker.order(told[0].id)
    assert set(found.views) == {each.definition.name for each in all_views(a_vault())} - {"emails"}
