"""One event that no view can read, amid many orders: its order waits, all others are on time; cured, it catches up."""

import asyncio
import json
import random
from uuid import uuid4

import psycopg
import pytest

from eventstore_helpers import NOON, an_order, ask, pay, record
from faults.forms import LATER, later, reading_later_forms
from faults.nodes import Node, Origin, an_eye, at_the_head, every_view_is_the_fold_of_the_log, told
from faults.pace import Pace
from service import until
from vignettes.eventstore.codec import Envelope

PER_SECOND = 200
_APPEND = "INSERT INTO log.events (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)"
_PARKED = "SELECT e.view, p.order_id FROM view.parked p JOIN view.editions e ON e.id = p.edition"
_ORDERS = "SELECT count(DISTINCT originator_id) FROM log.events"


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(60, id="short", marks=pytest.mark.thorough),
        pytest.param(10_000, id="long", marks=[pytest.mark.faults, pytest.mark.timeout(900)]),
    ],
)
async def test_only_the_order_of_an_unreadable_event_waits(database, orders, number, seed, tell, tmp_path):
    """Its rows stay where they were, those of all others are on time; code that reads it brings it up to date (I6)."""
    told_orders = random.Random(seed).randint(number // 3, number // 2)
    poisoned = pay(an_order())
    record(orders, poisoned)
    with Origin(tmp_path) as origin, an_eye(database) as eye:
        node = Node(origin, database)
        node.start()
        await at_the_head(eye)
        with Pace(database) as pace, told(database, seed, PER_SECOND, orders=number - 1) as telling:
            await _so_many(eye, told_orders)
            place = _poison(database, orders, poisoned)
            poisoned.request_refund("customer", NOON)
            record(orders, poisoned)
            recorded = await asyncio.to_thread(telling.ended)
            await at_the_head(eye)
        views = _views(database)
        parked = ask(database, _PARKED)
        assert sorted(parked) == sorted((view, poisoned.id) for view in views), node.said()
        assert await _of_all_others_nothing_is_missing(database, poisoned.id)
        without, with_ = pace.lags(recorded["recorded"], place)
        node.kill()
        Node(origin, database, "cured", reads_later_forms=True).start()
        ask(database, "UPDATE view.parked SET wanted = true")
        ask(database, "NOTIFY log, 'retry'")
        await until(lambda: _nothing_is_parked(database))
        await at_the_head(eye)
    with reading_later_forms():
        proved = await every_view_is_the_fold_of_the_log(database)
    tell(
        events=recorded["events"],
        per_second=recorded["per_second"],
        views=len(views),
        parked=len(parked),
        lag_ms_without=without,
        lag_ms_with=with_,
        **proved,
    )


async def _so_many(eye, orders):
    async def look():
        return eye.execute(_ORDERS).fetchone()[0] >= orders

    await until(look, seconds=300)


def _poison(database, orders, order):
    """Append, as a later release would, what this one can't read; return its position."""
    order.correct_email("later@example.com", NOON)
    [event] = order.collect_events()
    stored = orders.codec.to_stored_event(event, Envelope("test", uuid4()))
    wrapped = json.loads(stored.state)
    state = json.dumps(wrapped | {"data": later(wrapped["data"])}).encode()
    with psycopg.connect(database) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(1986619246)")  # as every writer does
        values = (stored.originator_id, stored.originator_version, LATER, state)
        [place] = connection.execute(_APPEND + " RETURNING notification_id", values).fetchone()
        connection.execute("NOTIFY log")
    return place


def _views(database):
    return ask(database, "SELECT view FROM view.editions WHERE state = 'live' AND tables <> '{}'")


async def _of_all_others_nothing_is_missing(database, order_id):
    """Tell whether each order has a row with its last event, but for one."""
    behind = """
        SELECT l.originator_id FROM log.events l LEFT JOIN view.order_status o ON o.order_id = l.originator_id
        GROUP BY l.originator_id, o.version HAVING max(l.originator_version) IS DISTINCT FROM o.version
    """
    return ask(database, behind) == [order_id]


async def _nothing_is_parked(database):
    return ask(database, _PARKED) == []
