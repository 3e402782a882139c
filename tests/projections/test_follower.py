"""Views are a fold of the log: whatever the batch, whoever writes them, and whatever breaks in between."""

import asyncio
import time
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

from eventstore_helpers import (
    DOMAIN,
    TERMS,
    all_views,
    an_order,
    ask,
    empty_views,
    fold,
    pay,
    projecting,
    record,
    stories,
    tables,
)
from service import until
from vignettes.eventstore.connections import conninfo
from vignettes.projections import follower as module
from vignettes.projections.deadlines import DeadlinesView
from vignettes.projections.emails import EmailsView
from vignettes.projections.follower import Follower, follow
from vignettes.projections.order_status import OrderStatusView

_NAME = "vignettes projecting"


@asynccontextmanager
async def following(database, *views):
    """Run views as the role does, until the block ends."""
    task = asyncio.create_task(follow(conninfo(database, "vignettes_projector", name=_NAME), views))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def head(database):
    return ask(database, "SELECT coalesce(max(notification_id), 0) FROM log.events")[0]


def position(database, view):
    return next(iter(ask(database, "SELECT position FROM view.positions WHERE view = %s", view)), None)


async def caught_up(database, view="order_status", seconds=15.0):
    """Wait until a view knows the whole log."""

    async def look():
        return position(database, view) == head(database) or None

    await until(look, seconds)


# --- a view equals the fold of the log ---


@pytest.mark.parametrize("batch", [1, 2, 3])
async def test_views_do_not_depend_on_the_batch(database, orders, monkeypatch, batch):
    """Row by row the same as folded from zero at once (I6)."""
    record(orders, *stories())
    await fold(database, *all_views())
    expected = tables(database)
    empty_views(database)
    monkeypatch.setattr(module, "BATCH", batch)
    await fold(database, *all_views())
    assert tables(database) == expected
    assert all(len(rows) > 5 for rows in expected.values())


async def test_cold_orders_are_folded_from_the_log(database, orders, monkeypatch):
    """Only some orders are kept between batches; the others are read again up to where the view stands."""
    record(orders, *stories())
    await fold(database, *all_views())
    expected = tables(database)
    empty_views(database)
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "CACHED_ORDERS", 1)
    await fold(database, *all_views())
    assert tables(database) == expected


async def test_following_live_gives_what_a_fold_gives(database, orders):
    """Events arrive while the views run; in the end nothing tells them from views built at once."""
    async with following(database, *all_views()):
        for story in stories():
            record(orders, story)
            await asyncio.sleep(0)
        for view in all_views():
            await caught_up(database, view.name)
    live = tables(database)
    empty_views(database)
    await fold(database, *all_views())
    assert tables(database) == live


async def test_a_view_thrown_away_while_it_runs_builds_itself_anew(database, orders):
    """An operator truncates it: the running follower begins at zero, and its position is kept again."""
    record(orders, *stories())
    async with following(database, *all_views()):
        for view in all_views():
            await caught_up(database, view.name)
        expected = tables(database)
        empty_views(database)
        for view in all_views():
            await caught_up(database, view.name)
    assert tables(database) == expected


# --- rows and position are one ---


class FailingOnce(OrderStatusView):
    """Writes its rows, and then fails, the first time."""

    failed = False

    async def write(self, connection):
        await super().write(connection)
        if not self.failed:
            self.failed = True
            raise ConnectionError("the network went away")


async def test_rows_and_position_move_together(database, orders):
    """A failed write leaves neither; the same events come again, and are written once."""
    record(orders, *stories())
    async with await projecting(database) as connection:
        failing = Follower("", FailingOnce(TERMS))
        await failing._prepare(connection)
        with pytest.raises(ConnectionError):
            await failing.catch_up(connection)
        assert (tables(database)["order_status"], position(database, "order_status")) == ([], 0)
        while await failing.catch_up(connection):
            pass
    after_failure = tables(database)["order_status"]
    assert position(database, "order_status") == head(database)
    empty_views(database)
    await fold(database, OrderStatusView(TERMS))
    assert tables(database)["order_status"] == after_failure


class Counting(EmailsView):
    """Keeps the positions whose rows it has written."""

    def __init__(self, written):
        super().__init__(TERMS, DOMAIN)
        self._written = written
        self._taken_in = []

    def see(self, event, order, noted):
        super().see(event, order, noted)
        self._taken_in.append(event.position)

    async def write(self, connection):
        self._written.extend(self._taken_in)
        self._taken_in.clear()
        await super().write(connection)


async def test_two_followers_of_one_view_write_each_row_once(database, orders, monkeypatch):
    """The lock on the position lets one at a time write; the other goes on from there."""
    monkeypatch.setattr(module, "BATCH", 2)
    positions, written = record(orders, *stories()), []

    async def race():
        async with await projecting(database) as connection:
            follower = Follower("", Counting(written))
            await follower._prepare(connection)
            while await follower.catch_up(connection):
                pass

    await asyncio.gather(race(), race(), race())
    assert written == list(positions)
    raced = tables(database)["emails"]
    empty_views(database)
    await fold(database, EmailsView(TERMS, DOMAIN))
    assert tables(database)["emails"] == raced


@pytest.mark.parametrize("view", [OrderStatusView, DeadlinesView])
async def test_an_overtaken_follower_folds_anew(database, orders, monkeypatch, view):
    """What it kept of an order is out of date once another process has written the view in between."""
    monkeypatch.setattr(module, "BATCH", 3)
    record(orders, *stories())
    async with await projecting(database) as one, await projecting(database) as other:
        turns = [(Follower("", view(TERMS)), connection) for connection in (one, other)]
        await turns[0][0]._prepare(one)
        moved = 1
        while moved:
            moved = sum([await follower.catch_up(connection) for follower, connection in turns])
    in_turns = tables(database)[view.name]
    empty_views(database)
    await fold(database, view(TERMS))
    assert tables(database)[view.name] == in_turns


# --- woken, or not ---


async def test_an_append_wakes_the_view(database, orders, monkeypatch):
    """Polling is for what goes wrong; usually a notification comes at once."""
    monkeypatch.setattr(module, "POLL_SECONDS", 60)
    async with following(database, OrderStatusView(TERMS)):
        record(orders, an_order())
        await caught_up(database)
        for _ in range(3):
            record(orders, an_order())
            await caught_up(database, seconds=5)


async def test_a_lost_notification_costs_one_poll(database, orders, monkeypatch):
    """Nothing tells the follower, and it sees the event within two seconds all the same."""
    async with following(database, OrderStatusView(TERMS)):
        record(orders, an_order())
        await caught_up(database)
        monkeypatch.setattr(orders.journal, "_notify_channel", lambda _: None)
        for _ in range(2):
            record(orders, an_order())
            await caught_up(database, seconds=2)


async def test_a_killed_listener_connects_again(database, orders):
    """Its connection is cut between two events: the second is seen within two seconds."""
    killing = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    async with following(database, OrderStatusView(TERMS)) as task:
        for _ in range(3):
            record(orders, an_order())
            await caught_up(database)
            assert ask(database, killing, _NAME) == [True]
            record(orders, an_order())
            began = time.monotonic()
            await caught_up(database, seconds=5)
            assert time.monotonic() - began < 2
        assert not task.done()


# --- what can't be read is never passed over ---


async def test_an_unknown_event_stops_its_readers_loudly(database, orders):
    """No view takes in anything behind it; the log says which event it is."""
    known = record(orders, an_order())[-1]
    await fold(database, OrderStatusView(TERMS))
    stranger = uuid4()
    query = (
        "INSERT INTO log.events (originator_id, originator_version, topic, state) VALUES (%s, 1, %s, '{}')"
    )
    ask(database, query, stranger, "order.vanished.v9")
    record(orders, an_order())
    with capture_logs(processors=[format_exc_info]) as logs:
        async with following(database, OrderStatusView(TERMS)) as task:
            complaint = await until(lambda: found(logs, "order_status"))
            assert not task.done()
    assert "order.vanished.v9" in str(complaint["exception"])
    assert str(stranger) in str(complaint["exception"])
    assert position(database, "order_status") == known
    assert len(tables(database)["order_status"]) == 1


class Poisoned(DeadlinesView):
    """A view with a mistake in it."""

    def see(self, event, order, noted):  # noqa: ARG002  # the protocol's
        raise ZeroDivisionError(event.type)


async def test_a_view_that_fails_stops_alone(database, orders):
    """Its mistake is loud and stays its own: the other views go on."""
    record(orders, pay(an_order()))
    with capture_logs(processors=[format_exc_info]) as logs:
        async with following(database, Poisoned(TERMS), OrderStatusView(TERMS), EmailsView(TERMS, DOMAIN)):
            await until(lambda: found(logs, "deadlines"))
            record(orders, an_order())
            await caught_up(database, "order_status")
            await caught_up(database, "emails")
    assert position(database, "deadlines") == 0


async def found(logs, view):
    """Return the complaint about a view."""
    return next((line for line in logs if line["log_level"] == "error" and line.get("view") == view), None)
