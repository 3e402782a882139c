"""Views are a fold of the log: whatever the batch, whoever writes them, and whatever breaks in between."""

import asyncio
import time

import pytest

from eventstore_helpers import (
    DAY,
    HOUR,
    NOON,
    a_vault,
    all_views,
    an_order,
    ask,
    details,
    empty_views,
    erase,
    fold,
    issue,
    lead,
    pay,
    projecting,
    record,
    start,
    stories,
    tables,
)
from follower_helpers import (
    NAME,
    Counted,
    a_view,
    caught_up,
    following,
    head,
    names,
    position,
    refolded,
    take_in,
)
from vignettes.domain.personal import DataClass
from vignettes.projections import digesting, folding, follower, lease
from vignettes.projections.order_status import OrderStatusView

# --- a view equals the fold of the log ---


@pytest.mark.parametrize("batch", [1, 3])
async def test_views_do_not_depend_on_the_batch(database, orders, vault, monkeypatch, batch):
    """Row by row the same as folded from zero at once (I6)."""
    record(orders, *stories())
    await fold(database, vault, *all_views(vault))
    expected = tables(database)
    monkeypatch.setattr(digesting, "BATCH", batch)
    assert await refolded(database, vault) == expected
    few = {name for name, rows in expected.items() if len(rows) <= 5}
    of_other_stories = {"bank_payments", "payouts", "support_cases", "support_messages", "case_calls"}
    assert few == of_other_stories, "an order's view has too few rows to tell"


async def test_cold_orders_are_folded_from_the_log(database, orders, vault, monkeypatch):
    """Only some orders are kept between batches; the others are read again up to where the view stands."""
    record(orders, *stories())
    await fold(database, vault, *all_views(vault))
    expected = tables(database)
    monkeypatch.setattr(digesting, "BATCH", 2)
    monkeypatch.setattr(folding, "CACHED_ORDERS", 1)
    assert await refolded(database, vault) == expected


async def test_following_live_gives_what_a_fold_gives(database, orders, vault):
    """Events arrive while the views run; in the end nothing tells them from views built at once."""
    async with following(database, vault, *all_views(vault)):
        for story in stories():
            record(orders, story)
            await asyncio.sleep(0)
        await caught_up(database, *names(vault))
    live = tables(database)
    assert await refolded(database, vault) == live


async def test_a_view_thrown_away_while_it_runs_builds_itself_anew(database, orders, vault, monkeypatch):
    """Its edition is retired and an empty one is live: the running follower begins that at zero."""
    monkeypatch.setattr(follower, "HEARTBEAT_SECONDS", 0.02)
    record(orders, *stories())
    async with following(database, vault, *all_views(vault)):
        await caught_up(database, *names(vault))
        expected = tables(database)
        empty_views(database)
        await caught_up(database, *names(vault))
    assert tables(database) == expected


async def test_a_view_that_is_far_behind_does_not_hold_up_the_others(database, orders, vault, monkeypatch):
    """It gets a small batch between two of theirs, and in the end it is where they are."""
    monkeypatch.setattr(digesting, "BATCH", 4)
    monkeypatch.setattr(follower, "_STRAGGLERS_BATCH", 2)
    record(orders, *stories())
    await fold(database, vault, OrderStatusView(vault))
    ahead = [*record(orders, an_order())][-1]
    async with await projecting(database) as connection:
        one = await lead(connection, vault, *all_views(vault))
        await one.advance()
        assert position(database, "order_status") == ahead
        assert position(database, "emails") == 2
        await take_in(one)
    in_turns = tables(database)
    assert await refolded(database, vault) == in_turns


async def test_views_that_stand_near_each_other_are_shown_each_event_once(
    database, orders, vault, monkeypatch
):
    """A small batch that ends before the first of them leaves that one where it is."""
    monkeypatch.setattr(digesting, "SMALL_BATCH", 2)
    Counted.prepare(database)
    positions = record(orders, *stories())
    await fold(database, vault, Counted(vault))
    seeing = OrderStatusView(vault)
    seeing.see = fails_at(seeing.see, positions[0])
    async with await projecting(database) as connection:
        one = await lead(connection, vault, seeing, Counted(vault))
        for _ in positions:
            await one.advance()
            assert position(database, "emails") == positions[-1]
        await take_in(one)
    assert Counted.positions(database) == list(positions)


def fails_at(see, position):
    """Return a `see` that can't digest one event."""

    def seeing(event, order, noted):
        if event.position == position:
            raise ZeroDivisionError
        see(event, order, noted)

    return seeing


# --- what is personal ---


def ended():
    """Orders that have ended, with everything in their rows that a person or an authority said."""
    issued = start(pay(an_order()))
    issued.record_rejection("other", "no such plate: 2A2 2345", issued.generation, NOON + HOUR)
    issued.correct_email("other@example.com", NOON + 2 * HOUR)
    issued.correct_details(details(plate="3A3 2345"), NOON + 3 * HOUR)
    issue(start(issued, NOON + 4 * HOUR), NOON + 5 * HOUR)
    refunded = pay(an_order())
    refunded.request_refund("Jana Nováková is ill", NOON + HOUR)
    refunded.confirm_refund("back", refunded.refund, NOON + DAY)
    expired = an_order()
    expired.expire(NOON + 30 * DAY)
    return [issued, refunded, expired]


async def test_no_table_holds_personal_data_in_the_clear(database, orders, vault):
    """Neither the rows of a view nor its mails' facts: all of it is under keys that can be destroyed."""
    record(orders, *ended())
    await fold(database, vault, *all_views(vault))
    told = str(tables(database))
    assert "V" in told
    for personal in ("example.com", "2345", "Nov", "no such plate"):
        assert personal not in told


@pytest.mark.parametrize(
    ("batch", "classes"), [(1, ["contact", "vehicle"]), (3, ["contact"]), (1000, ["vehicle"])]
)
async def test_after_an_erasure_views_equal_the_fold_of_what_is_left(
    database, orders, vault, monkeypatch, batch, classes
):
    """Rows that were there lose what was erased; built anew, without the keys, they never had it (I6, I11)."""
    monkeypatch.setattr(digesting, "BATCH", batch)
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
    for keys in (a_vault(), vault):  # a process that begins now, and one that has the keys at hand yet
        assert await refolded(database, keys) == live


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
    """Not order by order, and not view by view."""
    record(orders, *stories())
    taken, take = [], vault.take
    monkeypatch.setattr(vault, "take", lambda rows: taken.append(len(rows)) or take(rows))
    await fold(database, vault, *all_views(vault))
    assert taken == [len(stories())]


# --- rows and position are one ---


class FailingOnce(OrderStatusView):
    """Writes its rows, and then the network goes away, the first time."""

    failed = False

    async def write(self, connection, edition):
        await super().write(connection, edition)
        if not self.failed:
            self.failed = True
            raise ConnectionError("the network went away")


async def test_rows_and_positions_move_together(database, orders, vault):
    """A write that fails leaves neither, in no view of its batch; the same events come again, and are written once."""
    Counted.prepare(database)
    positions = record(orders, *stories())
    async with await projecting(database) as connection:
        one = await lead(connection, vault, Counted(vault), FailingOnce(vault))
        with pytest.raises(ConnectionError):
            await take_in(one)
        assert (tables(database)["order_status"], tables(database)["emails"]) == ([], [])
        assert (position(database, "order_status"), position(database, "emails")) == (0, 0)
        await take_in(one)
    assert Counted.positions(database) == list(positions)
    assert ask(database, "SELECT * FROM view.parked") == []
    after_failure = tables(database)["order_status"]
    assert (await refolded(database, vault))["order_status"] == after_failure


async def test_three_followers_of_one_view_write_each_row_once(database, orders, vault, monkeypatch):
    """One of them leads; the others look on."""
    monkeypatch.setattr(digesting, "BATCH", 2)
    Counted.prepare(database)
    positions = record(orders, *stories())
    async with (
        following(database, vault, Counted(vault)),
        following(database, vault, Counted(vault)),
        following(database, vault, Counted(vault)),
    ):
        await caught_up(database, "emails")
        positions = [*positions, *record(orders, pay(an_order()))]
        await caught_up(database, "emails")
    assert Counted.positions(database) == positions
    raced = tables(database)["emails"]
    assert (await refolded(database, vault))["emails"] == raced


@pytest.mark.thorough
async def test_followers_that_take_turns_fold_anew(database, orders, vault, monkeypatch):
    """What one kept of an order is out of date once another has written the view in between."""
    monkeypatch.setattr(digesting, "BATCH", 3)
    told, take_singly = [], digesting.Digesting._take_singly
    monkeypatch.setattr(digesting.Digesting, "_take_singly", lambda *a: told.append(a) or take_singly(*a))
    record(orders, *stories())
    async with await projecting(database) as one, await projecting(database) as other:
        turns = [await lead(each, vault, *all_views(vault)) for each in (one, other)]
        while position(database, "promises") < head(database):
            turn = turns.pop(0)
            await turn.look()
            await turn.advance()
            await give_all_back(turn)
            turns.append(turn)
    in_turns = tables(database)
    assert told == []
    assert await refolded(database, vault) == in_turns


async def give_all_back(turn):
    """Let another follower lead, and notice that at the next look."""
    for edition in turn._leases.held:
        await turn._leases.give_back(edition)
    turn._members.clear()


async def test_a_follower_that_leads_again_trusts_no_memory(database, orders, vault, monkeypatch):
    """Another wrote in between, and nothing was new when it came back: what it kept of orders is out of date."""
    singly = []
    monkeypatch.setattr(digesting.Digesting, "_take_singly", lambda *told: singly.append(told))
    order = an_order()
    record(orders, order)
    async with await projecting(database) as one, await projecting(database) as other:
        first = await lead(one, vault, OrderStatusView(vault))
        await take_in(first)
        await give_all_back(first)
        second = await lead(other, vault, OrderStatusView(vault))
        record(orders, pay(order))
        await take_in(second)
        await give_all_back(second)
        await first.look()
        await take_in(first)  # nothing
        record(orders, start(order))
        await take_in(first)
    assert singly == []
    assert [row["version"] for row in tables(database)["order_status"]] == [order.version]


# --- woken, or not ---


async def test_an_append_wakes_the_view(database, orders, vault, monkeypatch):
    """Polling is for what goes wrong; usually a notification comes at once."""
    monkeypatch.setattr(follower, "HEARTBEAT_SECONDS", 60)
    async with following(database, vault, OrderStatusView(vault)):
        record(orders, an_order())
        await caught_up(database)
        for _ in range(3):
            record(orders, an_order())
            await caught_up(database, seconds=5)


async def test_a_lost_notification_costs_one_poll(database, orders, vault, monkeypatch):
    """Nothing tells the follower, and it sees the event within two seconds all the same."""
    async with following(database, vault, OrderStatusView(vault)):
        record(orders, an_order())
        await caught_up(database)
        monkeypatch.setattr(orders.log_recorder, "_notify_channel", lambda _: None)
        for _ in range(2):
            record(orders, an_order())
            await caught_up(database, seconds=2)


async def test_a_killed_listener_connects_again(database, orders, vault):
    """Its connection is cut between two events: the second is seen within two seconds."""
    killing = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    async with following(database, vault, OrderStatusView(vault)) as task:
        for _ in range(3):
            record(orders, an_order())
            await caught_up(database)
            assert ask(database, killing, NAME) == [True]
            record(orders, an_order())
            began = time.monotonic()
            await caught_up(database, seconds=5)
            assert time.monotonic() - began < 2
        assert not task.done()


async def test_readers_are_told_where_the_views_are(database, orders, vault):
    """Who waits for a position listens on one channel, and hears which views have reached it."""
    async with await projecting(database) as listening:
        await listening.execute("LISTEN view")
        last = record(orders, an_order())[-1]
        await fold(database, vault, OrderStatusView(vault), a_view("lookup", vault))
        told = [each.payload async for each in listening.notifies(timeout=5, stop_after=1)]
    assert told == [f"{last} order_status lookup"]


# --- what takes long ---


class Slow(Counted):
    """Waits for the outside before its rows are written, longer than a holder may be silent."""

    waited = 0

    async def settle(self):
        Slow.waited += 1
        await asyncio.sleep(0.4)


async def test_a_holder_that_waits_for_the_outside_is_heard_of(database, orders, vault, monkeypatch):
    """Its events go out slowly; another process does not take them for lost, and do them again."""
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.2)
    for module in (digesting, follower):
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.03)
    Counted.prepare(database)
    positions = record(orders, an_order())
    async with following(database, vault, Slow(vault)), following(database, vault, Slow(vault)):
        await caught_up(database, "emails")
    assert Counted.positions(database) == list(positions)
    assert Slow.waited == 1


# --- pace


@pytest.mark.parametrize(("limit", "sizes"), [(60.0, [4, 8, 16, 32, 32]), (0.0, [4, 2, 2, 2])], ids=str)
async def test_batches_grow_while_they_are_quick_and_shrink_when_they_are_slow(
    database, orders, vault, monkeypatch, limit, sizes
):
    """Whoever needs long for a batch is heard of in time all the same, from the first one on."""
    for name, value in {
        "FIRST_BATCH": 4,
        "SMALL_BATCH": 2,
        "BATCH": 32,
        "LONGEST_BATCH_SECONDS": limit,
    }.items():
        monkeypatch.setattr(digesting, name, value)
    asked, after = [], digesting.Log.after

    def counted(self, connection, position, limit):
        asked.append(limit)
        return after(self, connection, position, limit)

    monkeypatch.setattr(digesting.Log, "after", counted)
    record(orders, *[an_order() for _ in range(120)])
    async with await projecting(database) as connection:
        following = await lead(connection, vault, OrderStatusView(vault))
        for _ in sizes:
            await following.advance()
    assert asked == sizes
