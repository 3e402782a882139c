"""Orders that a view can't digest wait, alone and in that view alone, until somebody has seen to it."""

import re
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from eventstore_helpers import (
    DAY,
    DOMAIN,
    NOON,
    all_views,
    an_order,
    ask,
    empty_views,
    fold,
    lead,
    pay,
    projecting,
    record,
    start,
    tables,
)
from follower_helpers import (
    a_view,
    following,
    head,
    names,
    only,
    position,
    refolded,
    spoil,
    take_in,
    without,
)
from service import until
from vignettes.eventstore.upcasting import UPCASTERS
from vignettes.projections import digesting, follower
from vignettes.projections.emails import EmailsView
from vignettes.projections.order_status import OrderStatusView
from vignettes.projections.view import Interrupted

PLATE = "2A2 2345"


class Failing(OrderStatusView):
    """Can't take in some orders from some version on."""

    def __init__(self, vault, order_id, version=2, error=None):
        super().__init__(vault)
        self.order_id, self.version = order_id, version
        self.error = error or ValueError(f"what a view might say: {PLATE}")

    def fails(self, order_id, version):
        return order_id == self.order_id and version >= self.version

    def see(self, event, order, noted):
        if self.fails(event.order_id, event.version):
            raise self.error
        super().see(event, order, noted)


class Refused(Failing):
    """Writes a row of some orders that the database refuses: an integrity error, or an error of the data."""

    def __init__(self, vault, order_id, column, value):
        super().__init__(vault, order_id)
        self.told = {column: value}

    def see(self, event, order, noted):
        OrderStatusView.see(self, event, order, noted)

    def _sealed(self, order, position):
        row = super()._sealed(order, position)
        return row | self.told if self.fails(order.id, order.version) else row


def replaced(vault, view):
    """Return all views, one of them by another of its name."""
    return [view, *(each for each in all_views(vault) if each.definition.name != view.definition.name)]


# --- ways to spoil an order's second event, each with its cure ---


@dataclass
class Poison:
    """How an order becomes indigestible: in which views, from which version, as what it is told."""

    error: str
    topic: str = "order.payment-received.v1"
    everywhere: bool = True
    version: int = 2
    column: str = ""
    value: Any = None
    make: Any = None

    def spoil(self, database, order):
        if self.column:
            self.value = spoil(database, order.id, 2, self.column, self.value)

    def views(self, vault, order):
        return replaced(vault, self.make(vault, order.id)) if self.make else all_views(vault)

    def cure(self, database, order):
        if self.column:
            spoil(database, order.id, 2, self.column, self.value)


class KeysLost(Poison):
    """The keys of the order were never restored: its first event can't be read."""

    def spoil(self, database, order):
        self.value = ask(database, "SELECT k::text FROM personal.keys k WHERE order_id = %s", order.id)
        ask(database, "DELETE FROM personal.keys WHERE order_id = %s", order.id)

    def cure(self, database, order):  # noqa: ARG002  # as all are cured
        ask(database, "INSERT INTO personal.keys SELECT (%s::personal.keys).*", *self.value)


def poisons():
    """Return each of them, new."""
    return {
        "unknown topic": Poison(
            "UnknownEvent: .*'order.vanished.v9'",
            "order.vanished.v9",
            column="topic",
            value="order.vanished.v9",
        ),
        "no JSON": Poison("UnreadableEvent: .*no JSON of ours", column="state", value=b"\xff{"),
        "a field less": Poison(
            r"UnreadableEvent: .*data.payment \(missing\)",
            column="state",
            value=b'{"v": 1, "at": "2026-06-01T10:00:00Z", "by": "x", "cmd": null, "cor": null, "data": {}}',
        ),
        "keys lost": KeysLost("MissingKeys: .*restore personal.keys", "order.placed.v3", version=1),
        "see fails": Poison(r"ValueError in see, .*test_parking.py:\d+", everywhere=False, make=Failing),
        "null refused": Poison(
            r"NotNullViolation order_status_\d+ order_number",
            everywhere=False,
            make=lambda vault, order_id: Refused(vault, order_id, "order_number", None),
        ),
        "data refused": Poison(
            "NumericValueOutOfRange",
            everywhere=False,
            make=lambda vault, order_id: Refused(vault, order_id, "received", 10**30),
        ),
    }


def parked(database, columns="view"):
    """Return what waits, as operators see it."""
    return ask(database, f"SELECT {columns} FROM read.parked_events ORDER BY view, order_id")


def want(database):
    """Ask for everything that waits to be tried again."""
    ask(database, "UPDATE view.parked SET wanted = true")


@pytest.mark.parametrize("kind", poisons())
async def test_only_the_order_that_cannot_be_digested_waits(database, orders, vault, kind):
    """In the batch of the poison and in the next; what came before it is told, and once it is cured, all of it."""
    poison, waiting, before, after = poisons()[kind], an_order(), an_order(), an_order()
    first = record(orders, waiting, before)[0]
    if poison.version > 1:
        await fold(database, vault, *all_views(vault))
        told = only(waiting, tables(database))
        empty_views(database)
    second = record(orders, pay(waiting))[0]
    record(orders, start(waiting), pay(before))
    poison.spoil(database, waiting)
    vault = vault.empty()
    async with await projecting(database) as connection:
        one = await lead(connection, vault, *poison.views(vault, waiting))
        await take_in(one)
        record(orders, after, pay(waiting, 100))
        await take_in(one)
        parking = names(vault) if poison.everywhere else ["order_status"]
        place = first if poison.version == 1 else second
        assert parked(database, "view, order_id, position, version, topic, events_waiting, attempts") == [
            (view, waiting.id, place, poison.version, poison.topic, waiting.version - poison.version + 1, 1)
            for view in sorted(parking)
        ]
        [error] = set(parked(database, "error"))
        assert re.search(poison.error, error), error
        lag = ask(database, "SELECT view, orders_parked, events_behind FROM read.projection_lag")
        assert {each for each in lag if each[0] != "published"} == {
            (view, int(view in parking), 0) for view in names(vault)
        }
        meanwhile = tables(database)
        poison.cure(database, waiting)
    expected = await after_a_retry(database, vault)
    assert without(waiting, meanwhile) == without(waiting, expected)
    for view in parking:
        before_it = [] if poison.version == 1 else only(waiting, {view: told[view]})[view]
        assert only(waiting, meanwhile)[view] == before_it, view
    assert await refolded(database, vault) == expected


async def after_a_retry(database, vault):
    """Let another follower, of code without the mistake, take over; return the tables when nothing waits."""
    async with await projecting(database) as connection:
        other = await leading(connection, vault, *all_views(vault))
        await take_in(other)
    assert parked(database) == []
    return tables(database)


async def leading(connection, vault, *views):
    """Lead with some views, as soon as who led before is gone."""
    other = await lead(connection, vault, *views)

    async def look():
        await other.look()
        return len(other._leases.held) == len(views)

    await until(look)
    return other


# --- what is told of it ---


@pytest.mark.parametrize(
    "error", [ValueError(PLATE), KeyError("driver@example.com"), AssertionError(PLATE), UnicodeError(PLATE)]
)
async def test_no_word_of_an_event_is_told(database, orders, vault, error):
    """An error may quote a person: only its kind and its place in the code are kept, and logged."""
    order = pay(an_order())
    record(orders, order)
    with capture_logs() as logs:
        await fold(database, vault, Failing(vault, order.id, error=error))
    [told] = parked(database, "error")
    assert told.startswith(f"{type(error).__name__} in see, projections/test_parking.py:")
    assert [line["error"] for line in logs if line["event"] == "projection.parked"] == [told]
    assert not any(word in str(logs) for word in (PLATE, "example.com"))


async def test_a_refused_row_is_not_quoted(database, orders, vault):
    """What the database says of it names its values: table and column are told, and no more."""
    order = pay(an_order())
    record(orders, order)
    with capture_logs() as logs:
        await fold(database, vault, Refused(vault, order.id, "status", None))
    [told] = parked(database, "error")
    assert re.fullmatch(r"NotNullViolation order_status_\d+ status", told)
    assert order.number not in str(logs)


# --- tried again ---


async def test_a_retry_that_fails_is_counted(database, orders, vault):
    """The order waits on, and nobody tries again until somebody wants it."""
    order = pay(an_order())
    record(orders, order)
    async with await projecting(database) as connection:
        one = await lead(connection, vault, Failing(vault, order.id))
        await take_in(one)
        for attempts in (2, 3):
            want(database)
            await one.look()
            await one.look()
            assert parked(database, "version, attempts") == [(2, attempts)]
    assert ask(database, "SELECT wanted FROM view.parked") == [False]


async def test_a_retry_that_gets_further_waits_there(database, orders, vault):
    """What could be taken in by now is in the rows; it waits from the next event that can't."""
    order = start(pay(an_order()))
    record(orders, order)
    async with await projecting(database) as connection:
        failing = Failing(vault, order.id)
        one = await lead(connection, vault, failing)
        await take_in(one)
        failing.version = 3
        want(database)
        await one.look()
    assert parked(database, "version, events_waiting, attempts") == [(3, 1, 2)]
    assert [row["version"] for row in tables(database)["order_status"]] == [2]


async def test_an_order_that_goes_on_is_folded_with_the_others(database, orders, vault):
    """Its events that come after the retry are taken in batches again, as if nothing had been."""
    order, other = pay(an_order()), an_order()
    record(orders, order, other)
    async with await projecting(database) as connection:
        failing = Failing(vault, order.id)
        one = await lead(connection, vault, failing)
        await take_in(one)
        failing.order_id = None
        want(database)
        await one.look()
        assert parked(database) == []
        record(orders, start(order), pay(other))
        await take_in(one)
    told = tables(database)["order_status"]
    assert (await refolded(database, vault))["order_status"] == told


async def test_code_that_knows_more_digests_what_waited(database, orders, vault, monkeypatch):
    """An event of a later release waits; the process that is deployed then takes over, and tries by itself."""
    order = an_order()
    record(orders, order)
    order.correct_email("new@example.com", NOON + DAY)
    record(orders, order)
    spoil(database, order.id, 2, "topic", "order.email-corrected.v9")
    async with await projecting(database) as connection:
        await take_in(await lead(connection, vault, *all_views(vault)))
    assert len(parked(database)) == len(all_views(vault))
    monkeypatch.setitem(
        UPCASTERS, "order.email-corrected.v9", ("order.email-corrected.v2", lambda data: data)
    )
    expected = await after_a_retry(database, vault)
    assert [row["version"] for row in expected["order_status"]] == [2]
    assert await refolded(database, vault) == expected


async def test_a_running_follower_tries_what_is_wanted(database, orders, vault, monkeypatch):
    """At its next look, without being started again."""
    monkeypatch.setattr(follower, "HEARTBEAT_SECONDS", 0.02)
    order = pay(an_order())
    record(orders, order)
    failing = Failing(vault, order.id)
    async with following(database, vault, failing):
        await until(lambda: answer(parked(database)))
        failing.order_id = None
        want(database)
        await until(lambda: answer(parked(database) == []))
    assert [row["version"] for row in tables(database)["order_status"]] == [2]


async def answer(found):
    """Return what was found, to who waits for it."""
    return found


async def test_mails_of_an_order_that_goes_on_are_called_for_once(database, orders, vault):
    """Those after the poison now, those before it and those of other orders not again."""
    waiting, other = start(pay(an_order())), pay(an_order())
    record(orders, waiting, other)
    emails = EmailsView(DOMAIN, vault)
    see, poisoned = emails.see, True

    def seeing(event, order, noted):
        if poisoned and event.order_id == waiting.id and event.version == 2:
            raise ZeroDivisionError
        see(event, order, noted)

    emails.see = seeing
    async with await projecting(database) as connection:
        one = await lead(connection, vault, emails)
        await take_in(one)
        called = mails(database)
        assert [kind for order, kind, *_ in called if order == waiting.id] == ["placed"]
        ask(database, "UPDATE effect.mails SET sent_at = now(), attempts = 1")
        poisoned = False
        want(database)
        await one.look()
    now = mails(database)
    assert [(kind, sent) for order, kind, sent in now if order == waiting.id] == [
        ("placed", True),
        ("paid", False),
        ("started", False),
    ]
    assert [each for each in now if each[0] == other.id] == [(other.id, k, True) for k in ("placed", "paid")]


def mails(database):
    """Return which mails are to be sent, or were."""
    return ask(
        database, "SELECT order_id, kind, sent_at IS NOT NULL FROM effect.mails ORDER BY position, kind"
    )


# --- what is nobody's fault ---


class Interrupting(OrderStatusView):
    """Meets an error of the world the first time."""

    def __init__(self, vault, error, where):
        super().__init__(vault)
        self._error, self._where = error, where

    async def settle(self):
        self._fail("settle")

    async def write(self, connection, edition):
        self._fail("write")
        await super().write(connection, edition)

    def _fail(self, where):
        if self._error is not None and where == self._where:
            error, self._error = self._error, None
            raise error


@pytest.mark.parametrize("where", ["settle", "write"])
@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError(), psycopg.errors.DeadlockDetected(), OSError(), TimeoutError(), Interrupted()],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_of_the_world_parks_nothing(shared_database, shared_orders, vault, error, where):
    """Nothing is written either; the same events come again."""
    record(shared_orders, pay(an_order()))
    async with await projecting(shared_database) as connection:
        one = await leading(connection, vault, Interrupting(vault, error, where))
        before = position(shared_database, "order_status")
        with pytest.raises(type(error)):
            await take_in(one)
        assert position(shared_database, "order_status") == before
        assert ask(shared_database, "SELECT * FROM view.parked") == []
        await take_in(one)
    assert position(shared_database, "order_status") == head(shared_database)


# --- what it costs ---


@pytest.mark.thorough
async def test_one_poison_among_a_thousand_orders_costs_little(database, orders, vault, monkeypatch):
    """It is looked for in small batches, and only one of these is taken in order by order."""
    placed = [an_order() for _ in range(1000)]
    positions = record(orders, *placed)
    poisoned = placed[500]
    batches, singly = [], []
    batch, replay = digesting.Digesting._take, digesting.Digesting.replay

    def counted_batch(self, members, memory, rows, after):
        batches.append(len(rows))
        return batch(self, members, memory, rows, after)

    def counted_replay(self, member, edition, order_id, *places):
        singly.append(order_id)
        return replay(self, member, edition, order_id, *places)

    monkeypatch.setattr(digesting.Digesting, "_take", counted_batch)
    monkeypatch.setattr(digesting.Digesting, "replay", counted_replay)
    monkeypatch.setattr(digesting, "FIRST_BATCH", digesting.BATCH)
    await fold(database, vault, Failing(vault, poisoned.id, version=1))
    assert batches == [1000, *[digesting.SMALL_BATCH] * (1000 // digesting.SMALL_BATCH)]
    assert len(singly) == digesting.SMALL_BATCH
    assert parked(database, "order_id, position") == [(poisoned.id, positions[500])]
    assert ask(database, "SELECT count(*) FROM view.order_status") == [999]


async def test_after_the_poison_batches_are_large_again(database, orders, vault, monkeypatch):
    """Neither what comes later is taken in small parts, nor a view that is built from the beginning."""
    monkeypatch.setattr(digesting, "LONGEST_BATCH_SECONDS", 60)
    monkeypatch.setattr(digesting, "FIRST_BATCH", digesting.BATCH)
    sizes, after = [], digesting.Log.after

    def counted(self, connection, position, limit):
        sizes.append(limit)
        return after(self, connection, position, limit)

    monkeypatch.setattr(digesting.Log, "after", counted)
    placed = [an_order() for _ in range(60)]
    record(orders, *placed[:30])
    await fold(database, vault, OrderStatusView(vault))
    record(orders, *placed[30:])
    async with await projecting(database) as connection:
        one = await lead(connection, vault, Failing(vault, placed[-1].id, version=1))
        await take_in(one)
        empty_views(database)
        await one.look()
        sizes.clear()
        await one.advance()
    assert sizes == [digesting.BATCH]


async def test_two_poisons_in_one_small_batch_wait_each(database, orders, vault):
    """And an order between them does not."""
    one, between, other = (pay(an_order()) for _ in range(3))
    record(orders, one, between, other)
    failing = Failing(vault, one.id)
    failing.fails = lambda order_id, version: order_id in {one.id, other.id} and version == 2
    await fold(database, vault, failing)
    assert parked(database, "order_id") == sorted([one.id, other.id])
    assert {row["order_id"]: row["version"] for row in tables(database)["order_status"]} == {
        str(one.id): 1,
        str(between.id): between.version,
        str(other.id): 1,
    }


async def test_views_that_stand_apart_meet_the_poison_each_in_its_turn(database, orders, vault):
    """One view is past it, having digested it; the other, which can't, parks it alone."""
    order = start(pay(an_order()))
    record(orders, order)
    await fold(database, vault, a_view("deadlines", vault))
    record(orders, pay(an_order()))
    await fold(database, vault, Failing(vault, order.id), a_view("deadlines", vault))
    assert parked(database, "view, version") == [("order_status", 2)]
    assert position(database, "deadlines") == position(database, "order_status") == head(database)
