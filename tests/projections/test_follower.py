"""Views are a fold of the log: whatever the batch, whoever writes them, and whatever breaks in between."""

import asyncio
import time
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

from eventstore_helpers import (
    DAY,
    DOMAIN,
    HOUR,
    NOON,
    TERMS,
    a_vault,
    all_views,
    an_order,
    ask,
    details,
    empty_views,
    erase,
    fold,
    issue,
    pay,
    projecting,
    record,
    start,
    stories,
    tables,
)
from service import until
from vignettes.domain.personal import DataClass
from vignettes.eventstore.connections import conninfo
from vignettes.projections import follower as module
from vignettes.projections.deadlines import DeadlinesView
from vignettes.projections.emails import EmailsView
from vignettes.projections.follower import Follower, follow
from vignettes.projections.order_status import OrderStatusView

_NAME = "vignettes projecting"


@asynccontextmanager
async def following(database, vault, *views):
    """Run views as the role does, until the block ends."""
    url = conninfo(database, "vignettes_projector", name=_NAME)
    task = asyncio.create_task(follow(url, views, vault))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def head(database):
    return ask(database, "SELECT coalesce(max(notification_id), 0) FROM log.events")[0]


def position(database, view):
    return next(iter(ask(database, "SELECT position FROM view.positions WHERE view = %s", view)), None)


def a_view(name, vault):
    """Return one view by its name, new and empty."""
    return next(view for view in all_views(vault) if view.name == name)


async def caught_up(database, view="order_status", seconds=15.0):
    """Wait until a view knows the whole log."""

    async def look():
        return position(database, view) == head(database) or None

    await until(look, seconds)


# --- a view equals the fold of the log ---


@pytest.mark.parametrize("batch", [1, 2, 3])
async def test_views_do_not_depend_on_the_batch(database, orders, vault, monkeypatch, batch):
    """Row by row the same as folded from zero at once (I6)."""
    record(orders, *stories())
    await fold(database, vault, *all_views(vault))
    expected = tables(database)
    empty_views(database)
    monkeypatch.setattr(module, "BATCH", batch)
    await fold(database, vault, *all_views(vault))
    assert tables(database) == expected
    assert all(len(rows) > 5 for rows in expected.values())


async def test_cold_orders_are_folded_from_the_log(database, orders, vault, monkeypatch):
    """Only some orders are kept between batches; the others are read again up to where the view stands."""
    record(orders, *stories())
    await fold(database, vault, *all_views(vault))
    expected = tables(database)
    empty_views(database)
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "CACHED_ORDERS", 1)
    await fold(database, vault, *all_views(vault))
    assert tables(database) == expected


async def test_following_live_gives_what_a_fold_gives(database, orders, vault):
    """Events arrive while the views run; in the end nothing tells them from views built at once."""
    async with following(database, vault, *all_views(vault)):
        for story in stories():
            record(orders, story)
            await asyncio.sleep(0)
        for view in all_views(vault):
            await caught_up(database, view.name)
    live = tables(database)
    empty_views(database)
    await fold(database, vault, *all_views(vault))
    assert tables(database) == live


async def test_a_view_thrown_away_while_it_runs_builds_itself_anew(database, orders, vault):
    """An operator truncates it: the running follower begins at zero, and its position is kept again."""
    record(orders, *stories())
    async with following(database, vault, *all_views(vault)):
        for view in all_views(vault):
            await caught_up(database, view.name)
        expected = tables(database)
        empty_views(database)
        for view in all_views(vault):
            await caught_up(database, view.name)
    assert tables(database) == expected


# --- what is personal ---


def ended():
    """Orders that have ended, with everything in their rows that a person or an authority said."""
    issued = start(pay(an_order()))
    issued.record_rejection("no such plate: 2A2 2345", issued.generation, NOON + HOUR)
    issued.correct_email("other@example.com", NOON + 2 * HOUR)
    issued.correct_details(details(plate="3A3 2345"), NOON + 3 * HOUR)
    issue(start(issued, NOON + 4 * HOUR), NOON + 5 * HOUR)
    refunded = pay(an_order())
    refunded.request_refund("Jana Nováková is ill", NOON + HOUR)
    refunded.confirm_refund("back", refunded.refund, NOON + DAY)
    expired = an_order()
    expired.expire(TERMS, NOON + 30 * DAY)
    return [issued, refunded, expired]


async def test_no_table_holds_personal_data_in_the_clear(database, orders, vault):
    """Neither the rows of a view nor its mails' facts: all of it is under keys that can be destroyed."""
    record(orders, *ended())
    await fold(database, vault, *all_views(vault))
    told = str(tables(database))
    assert "V" in told
    for personal in ("example.com", "2345", "Nov", "no such plate"):
        assert personal not in told


@pytest.mark.parametrize("batch", [1, 3, 1000])
@pytest.mark.parametrize("classes", [["contact"], ["vehicle"], ["contact", "vehicle"]], ids=" ".join)
async def test_after_an_erasure_views_equal_the_fold_of_what_is_left(
    database, orders, vault, monkeypatch, batch, classes
):
    """Rows that were there lose what was erased; built anew, without the keys, they never had it (I6, I11)."""
    monkeypatch.setattr(module, "BATCH", batch)
    stories = ended()
    record(orders, *stories)
    await fold(database, vault, *all_views(vault))
    before = tables(database)
    for order in stories:
        erase(database, orders, order, *map(DataClass, classes))
        record(orders, pay(order, 100, NOON + 70 * DAY))  # late money: its mail is called for without them
    await fold(database, vault, *all_views(vault))
    live = tables(database)
    assert personal_columns(before) - personal_columns(live) == {
        column for each in classes for column in OF_CLASS[each]
    }
    for keys in (a_vault(), vault):  # a process that starts now, and one that has the keys at hand yet
        empty_views(database)
        await fold(database, keys, *all_views(keys))
        assert tables(database) == live


OF_CLASS = {
    "contact": {"order_status.email", "emails.recipient", "emails.contact", "lookup.email"},
    "vehicle": {"order_status.plate", "emails.vehicle", "lookup.plate"},
}


def personal_columns(rows):
    """Return the columns that hold anything personal, in any row."""
    shown = {
        f"{table}.{name}"
        for table, name in (column.split(".") for columns in OF_CLASS.values() for column in columns)
        if any(row.get(name) for row in rows[table])
    }
    return shown | {f"lookup.{row['kind']}" for row in rows["lookup"]}


async def test_keys_are_read_once_for_a_batch(database, orders, vault, monkeypatch):
    """Not order by order; and those at hand not again, whichever view of the process has read them."""
    record(orders, *stories())
    taken, take = [], vault.take
    monkeypatch.setattr(vault, "take", lambda rows: taken.append(len(rows)) or take(rows))
    await fold(database, vault, *all_views(vault))
    assert taken == [len(stories())]


# --- rows and position are one ---


class FailingOnce(OrderStatusView):
    """Writes its rows, and then fails, the first time."""

    failed = False

    async def write(self, connection):
        await super().write(connection)
        if not self.failed:
            self.failed = True
            raise ConnectionError("the network went away")


async def test_rows_and_position_move_together(database, orders, vault):
    """A failed write leaves neither; the same events come again, and are written once."""
    record(orders, *stories())
    async with await projecting(database) as connection:
        failing = Follower("", FailingOnce(TERMS, vault), vault)
        await failing._prepare(connection)
        with pytest.raises(ConnectionError):
            await failing.catch_up(connection)
        assert (tables(database)["order_status"], position(database, "order_status")) == ([], 0)
        while await failing.catch_up(connection):
            pass
    after_failure = tables(database)["order_status"]
    assert position(database, "order_status") == head(database)
    empty_views(database)
    await fold(database, vault, OrderStatusView(TERMS, vault))
    assert tables(database)["order_status"] == after_failure


class Counting(EmailsView):
    """Keeps the positions whose rows it has written."""

    def __init__(self, written, vault):
        super().__init__(TERMS, DOMAIN, vault)
        self._written = written
        self._taken_in = []

    def see(self, event, order, noted):
        super().see(event, order, noted)
        self._taken_in.append(event.position)

    async def write(self, connection):
        self._written.extend(self._taken_in)
        self._taken_in.clear()
        await super().write(connection)


async def test_two_followers_of_one_view_write_each_row_once(database, orders, vault, monkeypatch):
    """The lock on the position lets one at a time write; the other goes on from there."""
    monkeypatch.setattr(module, "BATCH", 2)
    positions, written = record(orders, *stories()), []

    async def race():
        async with await projecting(database) as connection:
            follower = Follower("", Counting(written, vault), vault)
            await follower._prepare(connection)
            while await follower.catch_up(connection):
                pass

    await asyncio.gather(race(), race(), race())
    assert written == list(positions)
    raced = tables(database)["emails"]
    empty_views(database)
    await fold(database, vault, EmailsView(TERMS, DOMAIN, vault))
    assert tables(database)["emails"] == raced


@pytest.mark.parametrize("view", ["order_status", "deadlines", "lookup"])
async def test_an_overtaken_follower_folds_anew(database, orders, vault, monkeypatch, view):
    """What it kept of an order is out of date once another process has written the view in between."""
    monkeypatch.setattr(module, "BATCH", 3)
    record(orders, *stories())
    async with await projecting(database) as one, await projecting(database) as other:
        turns = [(Follower("", a_view(view, vault), vault), connection) for connection in (one, other)]
        await turns[0][0]._prepare(one)
        moved = 1
        while moved:
            moved = sum([await follower.catch_up(connection) for follower, connection in turns])
    in_turns = tables(database)[view]
    empty_views(database)
    await fold(database, vault, a_view(view, vault))
    assert tables(database)[view] == in_turns


# --- woken, or not ---


async def test_an_append_wakes_the_view(database, orders, vault, monkeypatch):
    """Polling is for what goes wrong; usually a notification comes at once."""
    monkeypatch.setattr(module, "POLL_SECONDS", 60)
    async with following(database, vault, OrderStatusView(TERMS, vault)):
        record(orders, an_order())
        await caught_up(database)
        for _ in range(3):
            record(orders, an_order())
            await caught_up(database, seconds=5)


async def test_a_lost_notification_costs_one_poll(database, orders, vault, monkeypatch):
    """Nothing tells the follower, and it sees the event within two seconds all the same."""
    async with following(database, vault, OrderStatusView(TERMS, vault)):
        record(orders, an_order())
        await caught_up(database)
        monkeypatch.setattr(orders.log_recorder, "_notify_channel", lambda _: None)
        for _ in range(2):
            record(orders, an_order())
            await caught_up(database, seconds=2)


async def test_a_killed_listener_connects_again(database, orders, vault):
    """Its connection is cut between two events: the second is seen within two seconds."""
    killing = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    async with following(database, vault, OrderStatusView(TERMS, vault)) as task:
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


async def test_an_unknown_event_stops_its_readers_loudly(database, orders, vault):
    """No view takes in anything behind it; the log says which event it is."""
    known = record(orders, an_order())[-1]
    await fold(database, vault, OrderStatusView(TERMS, vault))
    stranger = uuid4()
    query = (
        "INSERT INTO log.events (originator_id, originator_version, topic, state) VALUES (%s, 1, %s, '{}')"
    )
    ask(database, query, stranger, "order.vanished.v9")
    record(orders, an_order())
    with capture_logs(processors=[format_exc_info]) as logs:
        async with following(database, vault, OrderStatusView(TERMS, vault)) as task:
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


async def test_a_view_that_fails_stops_alone(database, orders, vault):
    """Its mistake is loud and stays its own: the other views go on."""
    record(orders, pay(an_order()))
    with capture_logs(processors=[format_exc_info]) as logs:
        views = [Poisoned(TERMS), OrderStatusView(TERMS, vault), EmailsView(TERMS, DOMAIN, vault)]
        async with following(database, vault, *views):
            await until(lambda: found(logs, "deadlines"))
            record(orders, an_order())
            await caught_up(database, "order_status")
            await caught_up(database, "emails")
    assert position(database, "deadlines") == 0


async def found(logs, view):
    """Return the complaint about a view."""
    return next((line for line in logs if line["log_level"] == "error" and line.get("view") == view), None)
