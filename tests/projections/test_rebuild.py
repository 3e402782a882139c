"""Editions are built beside the live one and shown in its place: no reader notices, and nothing is done twice."""

import asyncio
import io
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import psycopg
import pytest
from rich.console import Console

from eventstore_helpers import (
    DAY,
    MASTER,
    NOON,
    a_vault,
    all_views,
    an_order,
    ask,
    erase,
    fold,
    lead,
    pay,
    projecting,
    record,
    start,
    stories,
    tables,
)
from follower_helpers import a_view, following, head, live, names, only, position, refolded, take_in, without
from service import until
from vignettes.domain.personal import DataClass
from vignettes.eventstore.connections import conninfo
from vignettes.projections import digesting, editions, rebuild
from vignettes.projections.lease import STALE_SECONDS, LeaseLost
from vignettes.projections.order_status import DEFINITION, OrderStatusView
from vignettes.projections.rebuild import Builder, Rebuild
from vignettes.projections.view import Definition
from vignettes.runtime import rebuilding
from vignettes.runtime.settings import load_settings

VIEW = "order_status"


@pytest.fixture
async def past(database, orders, vault):
    """Return orders that are in the log and in all views."""
    told = stories()
    record(orders, *told)
    await fold(database, vault, *all_views(vault))
    return told


@pytest.fixture
def small(monkeypatch):
    """Let everything go in small parts."""
    monkeypatch.setattr(digesting, "BATCH", 3)
    monkeypatch.setattr(rebuild, "EVENTS_AT_A_TIME", 6)


def owning(database):
    """Connect as who owns the tables."""
    return psycopg.connect(conninfo(database, "vignettes_owner"), autocommit=True)


def begun(database, definition=DEFINITION):
    """Begin an edition, and return its number."""
    with owning(database) as connection:
        return editions.begin(connection, definition)


def definition(name):
    """Return what a view keeps."""
    return a_view(name, a_vault()).definition


def building(database, vault, view, tell=None):
    """Return a rebuild with this view, or the view of this name."""
    built = a_view(view, vault) if isinstance(view, str) else view
    return Rebuild(conninfo(database, "vignettes_projector"), built, vault, tell)


def edition(database, number):
    """Return the row of an edition by its columns, or nothing."""
    return next(iter(ask(database, "SELECT to_jsonb(e) FROM view.editions e WHERE id = %s", number)), None)


class Telling:
    """Hears how far a rebuild is, and does something when it first hears of a phase so many times."""

    def __init__(self, phase="", times=1, act=lambda: None):
        self.heard, self._phase, self._times, self._act = [], phase, times, act

    def __call__(self, progress):
        self.heard.append(progress)
        if [each.phase for each in self.heard].count(self._phase) == self._times:
            self._times, act = -1, self._act
            act()


# --- the new edition ---


@pytest.mark.usefixtures("small")
async def test_each_view_built_anew_is_what_it_was(database, orders, vault, past):
    """Row by row, in tables of its own; the one before it is retired."""
    expected = tables(database)
    for name in names(vault):
        before, number = live(database, name), begun(database, definition(name))
        switched = await building(database, vault, name).run()
        assert switched.edition == live(database, name) == number
        assert edition(database, before)["state"] == "retired"
        assert position(database, name) == head(database)
        assert edition(database, number)["scan_orders"] == len(past)
    assert tables(database) == expected
    assert ask(database, "SELECT * FROM view.parked") == []


async def test_an_empty_log_builds_an_empty_edition(database, vault):
    """As on the first day of a service."""
    number = begun(database)
    assert (await building(database, vault, VIEW).run()).edition == number
    assert tables(database)[VIEW] == []


async def test_nothing_is_built_unless_it_was_begun(database, vault, past):
    """What is live stays."""
    assert await building(database, vault, VIEW).run() is None


async def test_an_edition_that_is_under_way_is_not_begun_again(database, vault, past):
    """The next rebuild goes on with it."""
    assert begun(database) == begun(database)


@pytest.mark.usefixtures("small")
async def test_a_follower_goes_on_with_the_new_edition(database, orders, vault, past):
    """The one that wrote the old one takes the lease that the rebuild gives back, and misses nothing."""
    async with following(database, vault, *all_views(vault)):
        number = begun(database)
        await building(database, vault, VIEW).run()
        record(orders, pay(an_order()))
        await until(lambda: answer(position(database, VIEW) == head(database)))
    assert live(database, VIEW) == number
    told = tables(database)
    assert await refolded(database, vault) == told


async def answer(found):
    """Return what was found, to who waits for it."""
    return found


@pytest.mark.usefixtures("small")
async def test_erased_orders_come_out_erased(database, orders, vault, past):
    """An edition that is built after an erasure has never seen what was erased."""
    erased = [order for order in past if order.has_ended]
    for order in erased:
        erase(database, orders, order, DataClass.CONTACT)
    await fold(database, vault, *all_views(vault))
    expected = tables(database)
    for name in ("order_status", "emails", "lookup"):
        begun(database, definition(name))
        await building(database, a_vault(), name).run()
    assert tables(database) == expected
    without_address = {row["order_id"] for row in expected[VIEW] if row["email"] is None}
    assert without_address == {str(order.id) for order in erased}


# --- while it is built ---


@pytest.mark.usefixtures("small")
async def test_readers_see_all_rows_at_every_moment(database, orders, vault, past):
    """Before, while and after it is shown: the one edition or the other, whole."""
    seen = []
    begun(database)

    async def read():
        async with await projecting(database) as connection:
            while True:
                rows = await (await connection.execute("SELECT count(*) FROM read.order_status")).fetchone()
                seen.append(rows[0])

    reading = asyncio.create_task(read())
    await building(database, vault, VIEW, tell=lambda _: seen.append(len(tables(database)[VIEW]))).run()
    shown = len(seen)
    await until(lambda: answer(len(seen) > shown))
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert set(seen) == {len(past)}


@pytest.mark.usefixtures("small")
async def test_progress_is_told(database, orders, vault, past):
    """First the orders, from nothing to all of them; then the events that came meanwhile; then it is shown."""
    telling = Telling("orders", 1, lambda: record(orders, *stories()))
    begun(database)
    await building(database, vault, VIEW, tell=telling).run()
    phases = [each.phase for each in telling.heard]
    assert list(dict.fromkeys(phases)) == ["orders", "events", "shown"]
    assert phases == sorted(phases, key=["orders", "events", "shown"].index)
    for phase in ("orders", "events"):
        done = [each.done for each in telling.heard if each.phase == phase]
        assert len(done) > 2
        assert done == sorted(done)
        assert 0 < done[0] <= done[-1] <= 1
    assert [each.orders for each in telling.heard if each.phase == "orders"][-1] == len(past)
    assert {each.view for each in telling.heard} == {VIEW}


@pytest.mark.thorough
@pytest.mark.parametrize("phase", ["orders", "events"])
@pytest.mark.usefixtures("small")
async def test_events_that_are_appended_meanwhile_are_in_it(database, orders, vault, past, phase):
    """Of orders that were taken in already, of such that were not, and of new ones."""
    more = stories()
    telling = Telling(phase, 2, lambda: record(orders, *(pay(each, 100, NOON + DAY) for each in past), *more))
    begun(database)
    record(orders, *stories())
    await building(database, vault, VIEW, tell=telling).run()
    assert position(database, VIEW) == head(database)
    told = tables(database)[VIEW]
    assert (await refolded(database, vault))[VIEW] == told


class Stopped(Exception):
    """Somebody pulled the plug."""


def pull_the_plug():
    """End it by an error."""
    raise Stopped


def cancel():
    """End it as a process does that stops."""
    asyncio.current_task().cancel()


@pytest.mark.parametrize(
    ("name", "phase", "stop"),
    [
        ("order_status", "orders", pull_the_plug),
        ("emails", "orders", cancel),
        ("emails", "events", pull_the_plug),
        ("deadlines", "events", cancel),
    ],
)
@pytest.mark.usefixtures("small")
async def test_a_rebuild_that_is_stopped_goes_on_where_it_was(
    database, orders, vault, past, name, phase, stop
):
    """Each order is taken in once, and the result is that of a rebuild in one go."""
    before, number = live(database, name), begun(database, definition(name))
    record(orders, *stories())
    await fold(database, vault, *all_views(vault))
    expected = tables(database)
    with pytest.raises((Stopped, asyncio.CancelledError)):
        await in_a_task(building(database, vault, name, tell=Telling(phase, 2, stop)))
    assert live(database, name) == before
    stopped = edition(database, number)
    assert (stopped["scan_until"] is None) == (phase == "events")
    assert await free(database, number)
    telling = Telling()
    await building(database, vault, name, tell=telling).run()
    assert live(database, name) == number
    assert edition(database, number)["scan_orders"] == len(past)
    heard = [each.orders for each in telling.heard if each.phase == "orders"]
    assert all(each > stopped["scan_orders"] for each in heard)
    assert tables(database) == expected


async def in_a_task(work):
    """Run a rebuild in a task of its own, so that it can be cancelled from within."""
    await asyncio.create_task(work.run())


async def free(database, number):
    """Wait until the session that built an edition is gone."""
    query = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND database = " + _HERE
    )
    return await until(lambda: answer(ask(database, query, number) == [0]))


_HERE = "(SELECT oid FROM pg_database WHERE datname = current_database())"


class Slow(OrderStatusView):
    """Writes at leisure, and notes how many transactions are open while it sees events."""

    open_ = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
    )

    def __init__(self, database, vault, found):
        super().__init__(vault)
        self._database, self._found = database, found

    def see(self, event, order, noted):
        self._found.extend(ask(self._database, self.open_))
        super().see(event, order, noted)

    async def write(self, connection, edition):
        await connection.execute("SELECT pg_sleep(0.05)")
        await super().write(connection, edition)


@pytest.mark.usefixtures("small")
async def test_no_transaction_is_open_while_orders_are_folded(database, orders, vault, past):
    """That needs the processor, which others may have for long: the database ends a session that stops within one."""
    found = []
    begun(database)
    await building(database, vault, Slow(database, vault, found)).run()
    assert found == [0] * head(database)


@pytest.mark.parametrize(("limit", "is_quick"), [(60, True), (0, False)])
async def test_parts_grow_only_while_they_are_quick(
    database, orders, vault, past, monkeypatch, limit, is_quick
):
    """It begins with few events: who is starved of the processor must not learn that by losing the lease."""
    monkeypatch.setattr(digesting, "FIRST_BATCH", 6)
    monkeypatch.setattr(digesting, "SMALL_BATCH", 6)
    monkeypatch.setattr(digesting, "LONGEST_BATCH_SECONDS", limit)
    telling = Telling()
    begun(database)
    await building(database, vault, VIEW, tell=telling).run()
    told = [0, *(each.orders for each in telling.heard if each.phase == "orders")]
    parts = [after - before for before, after in pairwise(told)]
    assert parts[0] <= 2
    assert (max(parts) > 2) == is_quick


@pytest.mark.usefixtures("small")
async def test_two_do_not_build_one_edition(database, orders, vault, past):
    """The second finds it taken; once the first is silent for too long it goes on, and the first can write no more."""
    number = begun(database)
    others = []

    async def other():
        return await building(database, vault, VIEW).run()

    def second_tries():
        others.append(asyncio.create_task(other()))

    def first_is_silent():
        query = "UPDATE view.editions SET heartbeat_at = clock_timestamp() - (%s + 0.1) * interval '1 s'"
        ask(database, query, STALE_SECONDS)

    await building(database, vault, VIEW, tell=Telling("orders", 1, second_tries)).run()
    assert await others.pop() is None
    expected = tables(database)
    number = begun(database)

    def overtaken():
        ask(database, "UPDATE view.editions SET term = term + 1, holder = NULL WHERE id = %s", number)

    with pytest.raises(LeaseLost):
        await building(database, vault, VIEW, tell=Telling("orders", 2, overtaken)).run()
    first_is_silent()
    await building(database, vault, VIEW).run()
    assert live(database, VIEW) == number
    assert edition(database, number)["scan_orders"] == len(past)
    assert tables(database) == expected


@asynccontextmanager
async def beside(database, vault, *views):
    """Build in the service what is under way, until the block ends."""
    builder = Builder(conninfo(database, "vignettes_projector"), views or all_views(vault), vault)
    task = asyncio.create_task(builder.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def impatient(monkeypatch):
    """Let the service begin at once."""
    monkeypatch.setattr(rebuild, "LEFT_ALONE", timedelta(0))
    monkeypatch.setattr(rebuild, "_LOOK_EVERY_SECONDS", 0.02)


@pytest.mark.thorough
@pytest.mark.usefixtures("impatient")
async def test_the_service_builds_what_a_deployment_has_begun(database, orders, vault, past):
    """Beside everything else, whichever view it is of; one that can't be shown is in no other's way."""
    stuck, number = begun(database, NEWER), begun(database, definition("lookup"))
    ask(database, "CREATE VIEW public.mine AS SELECT order_id, zone FROM read.order_status")
    async with beside(database, vault, newer(vault), a_view("lookup", vault)) as task:
        await until(lambda: answer(live(database, "lookup") == number))
        assert edition(database, stuck)["state"] == "building"
        ask(database, "DROP VIEW public.mine")
        await until(lambda: answer(live(database, VIEW) == stuck))
        assert not task.done()


async def test_what_somebody_has_just_begun_is_left_to_him(database, orders, vault, past, monkeypatch):
    """The service builds it only when it was left alone for a while."""
    monkeypatch.setattr(rebuild, "_LOOK_EVERY_SECONDS", 0.01)
    looks, left_alone = [], Builder._left_alone

    async def counted(self):
        looks.append(await left_alone(self))
        return looks[-1]

    monkeypatch.setattr(Builder, "_left_alone", counted)
    number = begun(database)
    async with beside(database, vault):
        await until(lambda: answer(len(looks) > 2))
        assert not any(looks)
        ask(database, "UPDATE view.editions SET begun_at = begun_at - interval '1 h' WHERE id = %s", number)
        await until(lambda: answer(live(database, VIEW) == number))


# --- by the command, whatever comes between ---


@pytest.fixture
def settings(database, tmp_path):
    """Return settings with the keys of these tests."""
    key = tmp_path / "master.key"
    key.write_text(MASTER.hex())
    key.chmod(0o600)
    return load_settings(database_url=database, master_key_file=key, data_dir=tmp_path)


@pytest.fixture
def interrupting(monkeypatch):
    """Let something happen once, when the command's own build has told so often of a phase."""

    def interrupting(phase, times, act):
        telling, tell = Telling(phase, times, act), rebuilding._Bar.tell

        def telling_both(bar, progress):
            tell(bar, progress)
            telling(progress)

        monkeypatch.setattr(rebuilding._Bar, "tell", telling_both)

    return interrupting


def by_command(settings, said):
    """Build the view as the command does, in a thread of its own."""
    return asyncio.to_thread(rebuilding.rebuild, settings, VIEW, Console(file=said, width=200))


def cut(database):
    """End both sessions of the command's build."""
    query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s"
    ask(database, query, "vignettes rebuilding")


@pytest.mark.thorough
@pytest.mark.parametrize("phase", ["orders", "events"])
@pytest.mark.usefixtures("small")
async def test_the_command_goes_on_when_its_connections_are_cut(
    database, orders, vault, past, settings, interrupting, phase
):
    """It says so, connects again, and takes in each order once."""
    expected, said = tables(database), io.StringIO()
    interrupting(phase, 2, lambda: cut(database))
    begun(database)
    if phase == "events":
        ask(database, "UPDATE view.editions SET scan_until = NULL WHERE state = 'building'")
    rebuilt = await by_command(settings, said)
    assert (rebuilt.edition, rebuilt.completed_by) == (live(database, VIEW), None)
    assert rebuilt.switch_ms > 0
    assert rebuilt.orders == (len(past) if phase == "orders" else 0)
    assert "Trying again." in said.getvalue()
    assert tables(database) == expected


async def test_the_command_gives_up_when_nothing_is_heard_of_the_build_for_long(
    database, orders, vault, past, settings, monkeypatch
):
    """What the database says each time is told, and that what was built stays."""
    monkeypatch.setattr(rebuilding, "_LOOK_EVERY_SECONDS", 0.01)
    tries = []

    async def refused(_):
        tries.append(1)
        if len(tries) == 3:
            monkeypatch.setattr(rebuilding, "_PATIENCE_SECONDS", 0.0)
        raise psycopg.OperationalError("no room left on the device")

    monkeypatch.setattr(Rebuild, "run", refused)
    with pytest.raises(rebuilding.Stopped, match="no room left on the device\nWhat was built stays"):
        await by_command(settings, io.StringIO())
    assert len(tries) == 3


@pytest.mark.usefixtures("small")
async def test_the_command_watches_who_takes_the_build_over(
    database, orders, vault, past, settings, interrupting
):
    """Its lease is lost, and the view is live in the end: that is what was asked for, and it says by whom."""
    said, number = io.StringIO(), begun(database)

    def overtaken():
        ask(
            database,
            "UPDATE view.editions SET term = term + 1, holder = 'another/4711/x', "
            "heartbeat_at = clock_timestamp() + interval '1 h' WHERE id = %s",
            number,
        )

    interrupting("orders", 2, overtaken)
    command = asyncio.create_task(by_command(settings, said))
    await until(lambda: answer("another/4711 builds order_status: this is its progress." in said.getvalue()))
    ask(
        database,
        "UPDATE view.editions SET scan_until = NULL, position = %s WHERE id = %s",
        head(database),
        number,
    )
    ask(database, "SELECT view.switch(%s)", number)
    rebuilt = await command
    assert (rebuilt.edition, rebuilt.completed_by, rebuilt.switch_ms) == (number, "another/4711", None)
    assert "another/4711 completed it." in rebuilding.shown(rebuilt)


# --- another version ---


@dataclass(frozen=True)
class Newer(Definition):
    """Tables of the next version: a column is gone, and another is of another type."""

    def creating(self, number):
        lines = super().creating(number).splitlines()
        kept = [line for line in lines if not line.lstrip().startswith("zone ") and ".zone IS" not in line]
        return "\n".join(kept).replace("received          bigint", "received          text")

    def reading(self):
        return super().reading().replace("o.zone, ", "")


NEWER = Newer(VIEW, DEFINITION.version + 1, (VIEW,), (VIEW,))


class NewerView(OrderStatusView):
    """The view of the next version."""

    definition = NEWER

    def _sealed(self, order, position):
        row = super()._sealed(order, position)
        del row["zone"]
        return row | {"received": f"{row['received']} {row['currency']}"}


def newer(vault):
    """Return a view of the next version."""
    return NewerView(vault)


def columns(database):
    """Return the types of the columns that are shown."""
    query = (
        "SELECT column_name, data_type FROM information_schema.columns WHERE (table_schema, table_name) = "
    )
    return dict(ask(database, query + "('read', 'order_status')"))


async def test_a_view_of_another_version_is_shown_when_it_is_complete(database, orders, vault, past):
    """A deployment begins it beside the old one, and columns that went or changed are no obstacle."""
    before = live(database, VIEW)
    with owning(database) as connection:
        assert editions.install(connection, [NEWER]) == [VIEW]
        assert editions.install(connection, [NEWER]) == [VIEW]
    assert live(database, VIEW) == before
    assert (await building(database, vault, newer(vault)).run()).edition != before
    assert live(database, VIEW, "version") == NEWER.version
    assert "zone" not in columns(database)
    assert columns(database)["received"] == "text"
    assert set(ask(database, "SELECT split_part(received, ' ', 2) FROM read.order_status")) == {"CZK"}
    with psycopg.connect(conninfo(database, "vignettes_reader")) as reading:
        assert len(reading.execute("SELECT * FROM read.order_status").fetchall()) == len(past)
    with owning(database) as connection:
        assert editions.install(connection, [NEWER]) == []


async def test_code_of_another_version_does_not_write_what_it_does_not_know(database, orders, vault, past):
    """The old follower stands still once the new edition is shown; the new one writes it."""
    with owning(database) as connection:
        editions.install(connection, [NEWER])
    await building(database, vault, newer(vault)).run()
    record(orders, an_order())
    async with await projecting(database) as one, await projecting(database) as other:
        assert (await lead(one, vault, a_view(VIEW, vault)))._leases.held == frozenset()
        await take_in(await lead(other, vault, newer(vault)))
    assert position(database, VIEW) == head(database)
    assert len(tables(database)[VIEW]) == len(past) + 1


async def test_an_edition_of_a_version_that_nobody_deploys_is_dropped(database, vault, past):
    """Only the newest code builds: what was under way for another is begun anew."""
    old = begun(database, NEWER)
    number = begun(database, Newer(VIEW, NEWER.version + 1, (VIEW,), (VIEW,)))
    assert edition(database, old) is None
    assert ask(database, "SELECT to_regclass(%s)::text", f"edition.order_status_{old}") == [None]
    assert edition(database, number)["version"] == NEWER.version + 1


async def test_an_operators_own_view_is_not_thrown_away(database, orders, vault, past):
    """The switch fails, told by the database, and the old edition stays; without that view it is shown."""
    before = live(database, VIEW)
    ask(database, "CREATE VIEW public.mine AS SELECT order_id, zone FROM read.order_status")
    begun(database, NEWER)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        await building(database, vault, newer(vault)).run()
    assert live(database, VIEW) == before
    assert "zone" in columns(database)
    assert ask(database, "SELECT count(*) FROM public.mine") == [len(past)]
    ask(database, "DROP VIEW public.mine")
    await until(lambda: building(database, vault, newer(vault)).run())
    assert live(database, VIEW, "version") == NEWER.version


async def test_an_operators_own_view_shows_the_new_edition(database, orders, vault, past):
    """As long as its columns are there."""
    ask(database, "CREATE VIEW public.mine AS SELECT * FROM read.order_status")
    old = live(database, VIEW)
    begun(database)
    await building(database, vault, VIEW).run()
    ask(database, f"DELETE FROM edition.order_status_{old}")
    assert ask(database, "SELECT count(*) FROM public.mine") == [len(past)]


# --- who may show what, and when ---


async def test_an_edition_that_lacks_positions_is_not_shown(database, orders, vault, past):
    """The switch says how many it lacks, and changes nothing."""
    before, number = live(database, VIEW), begun(database)
    switch = f"SELECT view.switch({number})"
    assert ask(database, switch) == [head(database)]
    ask(database, "UPDATE view.editions SET scan_until = NULL, position = position + 5 WHERE id = %s", number)
    assert ask(database, switch) == [head(database) - 5]
    assert live(database, VIEW) == before


async def test_only_what_is_being_built_is_shown(database, orders, vault, past):
    """The switch refuses what is live, what was, and what never was."""
    retired, shown = live(database, VIEW), begun(database)
    await building(database, vault, VIEW).run()
    for number in (shown, retired, 99):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            ask(database, "SELECT view.switch(%s)", number)
    assert live(database, VIEW) == shown


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE edition.mine ()",
        "CREATE VIEW read.mine AS SELECT 1",
        "UPDATE view.editions SET state = 'live'",
        "UPDATE view.editions SET reading = 'DROP TABLE log.events'",
        "UPDATE view.editions SET handover = 'DROP TABLE log.events'",
        "INSERT INTO view.editions (view, version) VALUES ('mine', 1)",
        "DELETE FROM view.editions",
        "DROP TABLE edition.order_status_1",
        "TRUNCATE edition.order_status_1",
        "SELECT view.show(e) FROM view.editions e",
    ],
)
def test_a_process_that_fills_views_can_do_no_more(shared_database, statement):
    """It shows editions by the switch alone; tables, states and what is run at a switch are the owner's."""
    with psycopg.connect(conninfo(shared_database, "vignettes_projector"), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            connection.execute("SELECT view.switch(99)")


@pytest.mark.parametrize("role", ["vignettes_reader", "vignettes_writer", "vignettes_auditor"])
def test_others_show_nothing(shared_database, role):
    """Who reads, or orders, can't change what is read."""
    with (
        psycopg.connect(conninfo(shared_database, role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT view.switch(1)")


async def test_retired_editions_stay_until_they_are_dropped(database, orders, vault, past):
    """They can be looked at; dropping them leaves what is live and what is being built."""
    old = live(database, VIEW)
    begun(database)
    await building(database, vault, VIEW).run()
    under_way = begun(database)
    assert ask(database, f"SELECT count(*) FROM edition.order_status_{old}") == [len(past)]
    with owning(database) as connection:
        assert editions.drop_retired(connection, "emails") == []
        assert [each.id for each in editions.drop_retired(connection)] == [old]
        assert editions.drop_retired(connection) == []
    assert (edition(database, old), edition(database, under_way)["state"]) == (None, "building")
    assert ask(database, "SELECT to_regclass(%s)::text", f"edition.order_status_{old}") == [None]
    assert len(tables(database)[VIEW]) == len(past)


# --- mails ---


def mails(database):
    """Return every mail that was called for, and in which transaction its row was written last."""
    return ask(database, "SELECT m.*, m.xmin::text FROM effect.mails m ORDER BY position, kind")


@pytest.mark.usefixtures("small")
async def test_building_the_mails_anew_calls_for_none_of_them(database, orders, vault, past):
    """Not one row of those to be sent is added or touched, sent or not."""
    ask(database, "UPDATE effect.mails SET sent_at = now() WHERE kind = 'placed'")
    before = mails(database)
    begun(database, definition("emails"))
    await building(database, vault, "emails").run()
    assert mails(database) == before


@pytest.mark.usefixtures("small")
async def test_mails_that_the_old_edition_had_not_called_for_are_handed_over(database, orders, vault, past):
    """Nobody wrote it while the new one was built: what came meanwhile is called for at the switch, and once."""
    before = mails(database)
    telling = Telling("events", 1, lambda: record(orders, pay(an_order())))
    begun(database, definition("emails"))
    positions = record(orders, *stories())
    await building(database, vault, "emails", tell=telling).run()
    handed_over = mails(database)
    assert handed_over[: len(before)] == before
    since = ask(database, "SELECT message_id FROM view.emails WHERE position >= %s ORDER BY 1", positions[0])
    assert sorted(each[0] for each in handed_over[len(before) :]) == since
    await fold(database, vault, *all_views(vault))
    assert mails(database) == handed_over


@pytest.mark.usefixtures("small")
async def test_mails_of_an_order_that_the_old_edition_could_not_digest_are_handed_over(
    database, orders, vault, past
):
    """It waited there, and its mails with it; the new edition digests it, and they are called for."""
    order = start(pay(an_order()))
    record(orders, order)
    await fold(database, vault, *all_views(vault))
    called = [each[:3] for each in mails(database)]
    # As if the old edition had met something in the second event.
    park = "INSERT INTO view.parked (edition, order_id, position, version, topic, error) "
    select = (
        "SELECT %s, originator_id, notification_id, 2, topic, '' FROM log.events WHERE originator_id = %s"
    )
    ask(database, park + select + " AND originator_version = 2", live(database, "emails"), order.id)
    ask(database, "DELETE FROM effect.mails WHERE order_id = %s AND kind <> 'placed'", order.id)
    before = mails(database)
    begun(database, definition("emails"))
    await building(database, vault, "emails").run()
    assert sorted(each[:3] for each in mails(database)) == sorted(called)
    assert [each for each in mails(database) if each in before] == before


# --- readers in the way ---


@pytest.mark.thorough
async def test_a_long_reader_is_waited_for_and_others_hardly_wait(database, orders, vault, past, monkeypatch):
    """The switch gives way again and again; nobody who reads meanwhile waits long, and then it comes through."""
    attempts, switch = [], rebuild._switch

    async def counted(*told):
        attempts.append(told)
        return await switch(*told)

    monkeypatch.setattr(rebuild, "_switch", counted)
    before, number = live(database, VIEW), begun(database)
    waits = []
    async with reading(database) as at_length, reading(database) as other:
        await at_length.execute("SELECT * FROM read.order_status")
        task = asyncio.create_task(building(database, vault, VIEW).run())
        while len(attempts) < 5:
            began = time.monotonic()
            await other.execute("SELECT count(*) FROM read.order_status")
            await other.commit()
            waits.append(time.monotonic() - began)
        assert live(database, VIEW) == before
        assert sorted(waits)[len(waits) * 9 // 10] < 0.1
        await at_length.rollback()
        assert (await task).edition == number
    assert live(database, VIEW) == number


@asynccontextmanager
async def reading(database):
    """Connect as who reads, in transactions."""
    async with await psycopg.AsyncConnection.connect(conninfo(database, "vignettes_reader")) as connection:
        yield connection


class Starved(psycopg.AsyncConnection):
    """Has to wait for the processor whenever there is an answer, and notes how many locks it holds meanwhile."""

    held_by = (
        "SELECT count(*) FROM pg_locks WHERE pid = %s AND locktype IN ('relation', 'tuple', 'transactionid')"
    )

    def watch(self, database):
        self._database, self.held = database, []

    async def execute(self, query, params=None, **options):
        cursor = await super().execute(query, params, **options)
        self.held += ask(self._database, self.held_by, self.info.backend_pid)
        return cursor


async def test_a_switch_never_waits_for_the_process_that_asks_for_it(database, orders, vault, past):
    """When that hears of it everything is done: it may be starved of the processor, and readers would wait with it."""
    number = begun(database)
    ask(
        database,
        "UPDATE view.editions SET scan_until = NULL, position = %s WHERE id = %s",
        head(database),
        number,
    )
    role = conninfo(database, "vignettes_projector")
    async with await Starved.connect(role, autocommit=True) as starved:
        starved.watch(database)
        switched = await rebuild._switch(starved, number)
    assert (switched.edition, live(database, VIEW)) == (number, number)
    assert set(starved.held) == {0}
    assert switched.seconds > 0


async def test_a_switch_that_waits_for_readers_is_heard_of(database, orders, vault, past, monkeypatch):
    """However long that takes, nobody takes it for gone and builds beside it."""
    beats, switch = [], rebuild._switch

    async def waiting(connection, number):
        beats.append(edition(database, number)["heartbeat_at"])
        return await switch(connection, number) if len(beats) > 3 else None

    monkeypatch.setattr(rebuild, "_switch", waiting)
    begun(database)
    await building(database, vault, VIEW).run()
    assert beats == sorted(set(beats))


# --- what can't be digested ---


class Failing(OrderStatusView):
    """Can't take in an order from its second event on: it fails itself, or its row is refused."""

    def __init__(self, vault, order_id, how):
        super().__init__(vault)
        self._order_id, self._how = order_id, how

    def see(self, event, order, noted):
        if self._how == "seen" and event.order_id == self._order_id and event.version > 1:
            raise ZeroDivisionError
        super().see(event, order, noted)

    def _sealed(self, order, position):
        refused = self._how == "written" and order.id == self._order_id and order.version > 1
        return super()._sealed(order, position) | ({"order_number": None} if refused else {})


@pytest.mark.parametrize("how", ["seen", "written"])
async def test_a_poison_waits_in_the_new_edition_only(database, orders, vault, past, how):
    """All other orders are built; a follower that digests it brings the last one up to date."""
    expected, waiting = tables(database), past[0]
    number = begun(database)
    await building(database, vault, Failing(vault, waiting.id, how)).run()
    parked = "SELECT edition, order_id, version FROM view.parked"
    assert ask(database, parked) == [(number, waiting.id, 2)]
    assert without(waiting, tables(database)) == without(waiting, expected)
    assert [row["version"] for row in only(waiting, tables(database))[VIEW]] == [1]
    assert edition(database, number)["scan_orders"] == len(past)
    await fold(database, vault, *all_views(vault))
    assert ask(database, parked) == []
    assert tables(database) == expected
