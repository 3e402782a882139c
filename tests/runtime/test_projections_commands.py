"""What operators do with views from the command line, on a real database and with real processes."""

import asyncio
import contextlib
import io
import json
import signal
import sys
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace

import psycopg
import pytest
from rich.console import Console

from commanding import vignettes
from eventstore_helpers import (
    MASTER,
    a_vault,
    all_views,
    an_order,
    ask,
    fold,
    pay,
    projecting,
    record,
    stories,
    tables,
)
from service import until
from vignettes.eventstore.connections import conninfo
from vignettes.projections import editions
from vignettes.projections.follower import Follower
from vignettes.projections.lease import Leases
from vignettes.projections.order_status import OrderStatusView
from vignettes.runtime import cli, console, logs, parts, rebuilding, retrying, viewing
from vignettes.runtime.settings import load_settings

VERSION = OrderStatusView.definition.version
VIEWS = [each.name for each in parts.definitions()]
ERROR = "MissingKeys: An order has events but no keys were ever kept for it"


@pytest.fixture
def key(tmp_path):
    """The master key that the orders of these tests are written with."""
    path = tmp_path / "master.key"
    path.write_text(MASTER.hex())
    path.chmod(0o600)
    return path


@pytest.fixture
def settings(database, key, tmp_path):
    return load_settings(database_url=database, master_key_file=key, data_dir=tmp_path)


@pytest.fixture
def told_to_each(settings):
    """Return what a command is told by its environment."""
    return {
        "VIGNETTES_DATABASE_URL": settings.database_url,
        "VIGNETTES_MASTER_KEY_FILE": str(settings.master_key_file),
        "COLUMNS": "200",
    }


@pytest.fixture
def begin(told_to_each):
    """Begin a command as a shell does, far away from a terminal."""

    async def begin(*words):
        pipe = asyncio.subprocess.PIPE
        environment = {**told_to_each, "PATH": ""}
        command = [sys.executable, "-m", "vignettes", "projections", *words]
        # A suite that was started in the background ignores Ctrl-C, and so would whatever it starts.
        usual = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        return await asyncio.create_subprocess_exec(
            *command, stdout=pipe, stderr=pipe, env=environment, preexec_fn=usual
        )

    return begin


@pytest.fixture
def run(told_to_each):
    """Run a command to its end: exit code, and what it said where."""

    async def run(*words):
        return await vignettes("projections", *words, **told_to_each)

    return run


@pytest.fixture
def told(run):
    """Run a command and read its JSON."""

    async def told(*words):
        code, said, complained = await run(*words, "--json")
        assert code == 0, complained
        return json.loads(said)

    return told


@asynccontextmanager
async def following(database):
    """Keep the order's rows up to date as the role does, until the block ends."""
    vault = a_vault()
    follower = Follower(conninfo(database, "vignettes_projector"), [OrderStatusView(vault)], vault)
    task = asyncio.create_task(follower.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def live(database, view="order_status"):
    return ask(database, "SELECT id FROM view.editions WHERE view = %s AND state = 'live'", view)[0]


# --- how they stand


async def test_status_tells_programs_how_every_view_stands(database, orders, told):
    """The live ones first, each with its distance from the log."""
    positions = record(orders, *stories())
    vault = a_vault()
    await fold(database, vault, OrderStatusView(vault))
    found = (await told("status"))["editions"]
    assert [each["view"] for each in found] == sorted(VIEWS)
    assert {each["state"] for each in found} == {"live"}
    of = {each["view"]: each for each in found}
    assert (of["order_status"]["position"], of["order_status"]["events_behind"]) == (max(positions), 0)
    assert (of["order_status"]["seconds_behind"], of["order_status"]["holder"]) == (0, None)
    assert (of["emails"]["position"], of["emails"]["events_behind"]) == (0, max(positions))
    assert (of["emails"]["is_held"], of["emails"]["heard_seconds_ago"]) == (False, None)
    assert {(each["orders_parked"], each["orders_drifted"]) for each in found} == {(0, 0)}


@pytest.mark.thorough
async def test_a_view_of_other_code_is_named_with_the_way_out_and_built_by_it(database, orders, run):
    """Deployed is another version than is live: status says so, and --all builds what has changed and no more."""
    record(orders, *stories())
    ask(database, "UPDATE view.editions SET version = 99 WHERE view = 'emails'")
    ours = viewing.defined("emails").version
    code, said, _ = await run("status")
    way_out = "run `vignettes projections rebuild emails`"
    assert (code, f"emails is live in version 99, this code has version {ours}: {way_out}." in said) == (
        0,
        True,
    )
    assert "Nobody writes published: start `vignettes serve publishing`." in said
    code, said, _ = await run("rebuild", "--all")
    assert (code, said.count("is live as edition")) == (0, 1)
    assert said.startswith(f"emails is live as edition {live(database, 'emails')}, version {ours}.")
    assert await run("rebuild", "--all") == (0, "Every view is live in the version of this code.\n", "")


def test_a_database_of_earlier_code_is_told_with_the_way_out(postgres, key):
    """Nobody is shown the SQL that failed."""
    postgres.ensure_database("never_migrated")
    settings = load_settings(database_url=postgres.url("never_migrated"), master_key_file=key)
    for look in (viewing.status, viewing.parked, partial(viewing.drop, view=None)):
        with pytest.raises(viewing.NotMigrated, match="vignettes migrate"):
            look(settings)


# --- built anew


@pytest.mark.thorough
async def test_a_rebuilt_view_has_the_same_rows_and_the_old_one_can_be_dropped(database, orders, told):
    """Told in numbers; what was live before stays until it is dropped, and its size is told then."""
    record(orders, *stories())
    vault = a_vault()
    await fold(database, vault, *all_views(vault))
    before, first = tables(database), live(database)
    [rebuilt] = (await told("rebuild", "order_status"))["rebuilt"]
    assert (rebuilt["view"], rebuilt["edition"]) == ("order_status", live(database))
    assert (rebuilt["orders"], rebuilt["orders_parked"], rebuilt["retired"]) == (len(stories()), 0, [first])
    assert rebuilt["switch_ms"] > 0
    assert tables(database) == before
    [dropped] = (await told("drop", "order_status"))["dropped"]
    assert (dropped["edition"], dropped["bytes"] > 0) == (first, True)
    assert ask(database, "SELECT to_regclass(%s)", f"edition.order_status_{first}") == [None]


async def test_a_rebuild_shows_how_far_it_is(database, orders, settings):
    """On a terminal a bar, which leaves nothing behind."""
    record(orders, *stories())
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    rebuilt = await asyncio.to_thread(rebuilding.rebuild, settings, "order_status", terminal)
    assert "order_status: shown" in terminal.file.getvalue()
    assert "100%" in terminal.file.getvalue()
    told = rebuilding.shown(rebuilt)
    assert told.startswith(
        f"order_status is live as edition {live(database)}, version {VERSION}.\n{len(stories())} orders in "
    )
    assert f"The switch took {rebuilt.switch_ms} ms." in told
    assert told.endswith("stays until `vignettes projections drop order_status`.")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["rebuild", "no_such_view"], 2, f"no_such_view: there are {', '.join(VIEWS)}."),
        (["rebuild"], 2, "Give the name of a view, or --all."),
        (["rebuild", "published"], 1, "what was published is not published again"),
        (["drop", "no_such_view"], 2, "no_such_view: there are"),
        (["retry", "no_such_view"], 2, "no_such_view: there are"),
        (["retry", "--order", "V6562305985"], 2, "neither an order number"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_the_reason(settings, monkeypatch, capsys, words, code, why):
    """In this process: it ends before anything is done."""
    monkeypatch.setattr(console, "load_settings", lambda: settings)
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["vignettes", "projections", *words])
    monkeypatch.setattr("os.nice", lambda _: 0)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said, complained = capsys.readouterr()
    assert (ended.value.code, said) == (code, "")
    assert why in " ".join(complained.replace("│", "").split())


async def test_a_view_that_somebody_elses_view_is_made_of_is_not_shown_before_that_is_gone(
    database, orders, settings
):
    """Columns change, and a report of others needs them: told with its name, and nothing is thrown away."""
    record(orders, *stories())
    first = live(database)
    ask(
        database,
        f"CREATE OR REPLACE VIEW view.order_status AS SELECT *, 1 AS more FROM edition.order_status_{first}",
    )
    ask(database, "CREATE VIEW public.report AS SELECT order_number FROM read.order_status")
    rebuild = partial(rebuilding.rebuild, settings, "order_status", Console(file=io.StringIO()))
    with pytest.raises(rebuilding.NotShown, match=r"public\.report depends on view read\.order_status"):
        await asyncio.to_thread(rebuild)
    assert live(database) == first
    ask(database, "DROP VIEW public.report")
    rebuilt = await asyncio.to_thread(rebuild)
    assert (rebuilt.orders, rebuilt.orders_now) == (len(stories()), 0), "it goes on where it was"
    assert live(database) == rebuilt.edition


@asynccontextmanager
async def another_builder(database):
    """Hold the edition that is under way, as a process does that builds it."""
    with psycopg.connect(conninfo(database, "vignettes_owner"), autocommit=True) as owner:
        number = editions.begin(owner, OrderStatusView.definition)
        under_way = next(each for each in editions.editions(owner) if each.id == number)
    async with await projecting(database) as connection:
        leases = Leases(connection, "another/4711/x")
        assert await leases.take(under_way) == 0
        beating = asyncio.create_task(_beat(leases))
        yield partial(leases.give_back, number)
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def _beat(leases):
    await until(leases.beat, 60)


@pytest.mark.thorough
async def test_a_build_of_another_process_is_watched_and_taken_over_when_that_one_is_gone(
    database, orders, begin
):
    record(orders, *stories())
    async with another_builder(database) as give_back:
        process = await begin("rebuild", "order_status")
        watched = await process.stderr.readline()
        assert watched == b"another/4711 builds order_status: this is its progress.\n"
        await give_back()
        said, _ = await process.communicate()
    assert process.returncode == 0
    assert said.decode().startswith(f"order_status is live as edition {live(database)}, version {VERSION}.")


@pytest.mark.thorough
async def test_who_stops_a_build_is_told_that_it_goes_on(database, orders, begin):
    record(orders, *stories())
    async with another_builder(database):
        process = await begin("rebuild", "order_status")
        await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said, complained = await process.communicate()
    assert (process.returncode, said) == (1, b"")
    assert b"Stopped. What was built stays: the same command goes on where it was." in complained


# --- what is parked


@pytest.fixture
async def without_keys(database, orders):
    """Two orders; the keys of one were lost, so that no view can read it."""
    lost, other = pay(an_order()), an_order()
    record(orders, lost, other)
    ask(database, "CREATE TABLE public.backup AS SELECT * FROM personal.keys WHERE order_id = %s", lost.id)
    ask(database, "DELETE FROM personal.keys WHERE order_id = %s", lost.id)
    vault = a_vault()
    await fold(database, vault, OrderStatusView(vault))
    return lost


def restore(database):
    ask(database, "INSERT INTO personal.keys SELECT * FROM public.backup")


async def test_parked_orders_are_listed_with_their_error(without_keys, run, told):
    [parked] = (await told("parked"))["parked"]
    assert (parked["view"], parked["order_id"]) == ("order_status", str(without_keys.id))
    assert (parked["topic"], parked["events_waiting"], parked["attempts"]) == ("order.placed.v3", 2, 1)
    assert parked["error"].startswith(ERROR)
    code, said, _ = await run("parked")
    assert (code, "position 1, order.placed.v3; events waiting: 2" in said) == (0, True)
    assert ERROR in said


@pytest.mark.thorough
async def test_a_retry_tells_what_is_parked_still_and_what_is_up_to_date(
    database, without_keys, settings, run, told
):
    """By the service that runs: as long as the reason is there, and once it is mended."""
    async with following(database):
        code, said, _ = await run("retry")
        assert code == 1
        assert said.startswith("0 of 1 parked orders are up to date.\n1 wait still:\n")
        assert ERROR in said
        restore(database)
        retried = await told("retry", "order_status", "--order", without_keys.number)
    assert [each["order_id"] for each in retried["up_to_date"]] == [str(without_keys.id)]
    assert (retried["parked"], retried["untried"]) == ([], [])
    assert ask(database, "SELECT version FROM view.order_status WHERE order_id = %s", without_keys.id) == [2]
    assert viewing.parked_shown(viewing.parked(settings)) == "No order is parked."


async def test_a_retry_that_nobody_hears_says_who_would(database, without_keys, settings):
    """Nothing runs that writes the view: it is tried when something does."""
    ask(database, "UPDATE view.editions SET holder = NULL, heartbeat_at = NULL")
    retried = retrying.retry(settings, None, without_keys.id, patience=0.01)
    assert (len(retried.untried), retried.succeeded) == (1, False)
    assert retried.reasons == [
        "Nobody writes order_status: start `vignettes serve projecting`, and they are tried at once."
    ]
    restore(database)
    async with following(database):
        await until(lambda: asyncio.sleep(0, ask(database, "SELECT count(*) FROM view.parked") == [0]))


async def test_an_order_that_is_not_meant_is_not_tried(database, without_keys, settings):
    for view, order in ((None, an_order().id), ("emails", None)):
        retried = retrying.retry(settings, view, order)
        assert retried == retrying.Retried([], [], [], [])
        assert retrying.shown(retried) == "There is nothing to try again."
    assert ask(database, "SELECT attempts, wanted FROM view.parked") == [(1, False)]


async def test_a_build_ends_when_told_to_also_where_a_library_drops_the_word():
    """Python's wait_for, deep in the database's driver, loses a cancellation that comes late."""

    class Rebuild:
        async def run(self):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    standing = SimpleNamespace(state="building", is_held=False, held_by="")
    look, bar = SimpleNamespace(once=lambda: standing), SimpleNamespace(watch=lambda _: None)
    building = asyncio.create_task(rebuilding._until_live(Rebuild(), look, bar))
    await asyncio.sleep(0)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(building, 5)
