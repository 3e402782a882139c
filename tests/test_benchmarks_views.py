"""What the views are measured beside: the figures are of events that are in the view."""

import asyncio
import random
import threading

import psycopg
import pytest
from benchmarks import lag, linking, pages, pasts, runner, stocking
from benchmarks.apart import MeasuringFailed, meanwhile, measured
from benchmarks.dialogue import Refused
from benchmarks.figures import Window
from benchmarks.goals import scan_alone
from benchmarks.indexes import without_indexes
from eventsourcing.persistence import ProgrammingError
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from eventstore_helpers import DOMAIN, INDEX, MASTER, an_order, ask, fold, projecting, record
from vignettes.domain.references import parse_number
from vignettes.domain.vehicle import Vehicle
from vignettes.projections.emails import EmailsView
from vignettes.projections.lookup import LookupView, find
from vignettes.projections.order_pages import OrderPagesView, digest_of
from vignettes.projections.order_status import OrderStatusView
from vignettes.services.links import Links
from vignettes.services.web.serving import serving

pytestmark = pytest.mark.thorough

SECONDS, WARM_UP = 0.3, 0.05


def sane(point, workload: str) -> None:
    """Check for figures that something real could have."""
    assert (point.workload, point.party) == (workload, "alternative")
    assert point.operations > 0
    assert point.per_second == pytest.approx(point.operations / point.seconds)
    assert 0 < point.p50_ms <= point.p99_ms


def one(database: str, query: str) -> tuple:
    """Return the only row."""
    with psycopg.connect(database) as connection:
        (row,) = connection.execute(query)
    return row


async def test_the_runner_is_measured_in_a_process_of_its_own(database):
    asked = {"seconds": SECONDS, "warm_up": WARM_UP, "seed": "seed"}
    lone, many = await measured("benchmarks.runner", database_url=database, only=["W3", "W4"], **asked)
    sane(lone, "W4")
    sane(many, "W3")
    assert (lone.what, many.what) == (f"{runner.WHAT}, idle", runner.WHAT)


def test_what_is_counted_is_in_the_view_and_more_is_waiting(database):
    threads = set(threading.enumerate())
    point = runner.rebuilding(database, SECONDS, WARM_UP, random.Random("seed"))
    sane(point, "W3")
    assert set(threading.enumerate()) == threads
    changes, position = one(database, "SELECT sum(version), max(position) FROM order_status")
    (tracked,) = one(
        database, "SELECT notification_id FROM order_status_tracking WHERE application_name = 'Shop'"
    )
    (written,) = one(database, "SELECT count(*) FROM shop_events")
    assert changes == position == tracked, (
        "each event changed its row once, and where the view is was kept with it"
    )
    assert point.operations < tracked < written


def test_a_lone_event_is_waited_for(database):
    threads = set(threading.enumerate())
    point = runner.following(database, SECONDS, WARM_UP, random.Random("seed"))
    sane(point, "W4")
    assert set(threading.enumerate()) == threads
    changes, unfinished, paid = one(
        database,
        "SELECT sum(version), count(*) FILTER (WHERE status <> 'issued' OR vignette_number IS NULL),"
        " bool_and(received = 1250 AND paid_at IS NOT NULL AND started_rule = 'at_once') FROM order_status",
    )
    assert (changes,) == one(database, "SELECT count(*) FROM shop_events"), (
        "all that was written is in the view"
    )
    assert (unfinished, paid) == (0, True)
    assert point.operations <= changes


def test_a_log_that_ends_too_early_is_no_figure(database, monkeypatch):
    monkeypatch.setattr(runner, "_EVENTS_A_SECOND", 1)
    threads = set(threading.enumerate())
    with pytest.raises(runner.LogTooShort, match="All 4 events"):
        runner.rebuilding(database, 1, 0, random.Random("seed"))
    assert set(threading.enumerate()) == threads


def test_what_the_view_can_not_take_in_is_no_figure(database, monkeypatch):
    """The runner stops at the event whose change fails, and its error is what is told."""
    monkeypatch.setattr(runner, "_PAID", runner._PLACED)
    threads = set(threading.enumerate())
    with pytest.raises(ProgrammingError, match="product"):
        runner.rebuilding(database, SECONDS, WARM_UP, random.Random("seed"))
    assert set(threading.enumerate()) == threads


# Builds


@pytest.fixture
def where(database, tmp_path) -> dict[str, str]:
    """Give where builds are measured."""
    return {"data_dir": str(tmp_path), "database_url": database}


@pytest.fixture
def written(where) -> dict[str, str]:
    """Give a database with the log that builds are measured on."""
    pasts.measure(**where, events=40, seed="seed")
    return where


async def test_the_events_of_an_order_are_far_apart_in_the_log(where, database):
    await measured("benchmarks.pasts", **where, events=40, seed="seed")
    ids = ask(database, "SELECT originator_id FROM log.events ORDER BY notification_id")
    assert len(ids) == 40
    assert ids == ids[:10] * 4, "one event of each in turn"
    assert ask(database, "SELECT count(*) FROM personal.keys") == [10]


async def test_a_build_is_measured_that_shows_every_order(written, database):
    whole, scan = await measured("benchmarks.rebuilding", **written, what="built", seconds=0.01, warm_up=0.01)
    assert (whole.what, scan.what) == ("built", scan_alone("built"))
    assert whole.operations == scan.operations == 40
    assert 0 < scan.seconds < whole.seconds == pytest.approx(40 / whole.per_second)
    assert ask(database, "SELECT count(*), bool_and(status = 'issued') FROM read.order_status") == [
        (10, True)
    ]
    states = ask(database, "SELECT state FROM view.editions WHERE view = 'order_status'")
    assert states == ["live"], "what was built before is gone"


async def test_builds_go_on_beside_something_else_until_it_ends(written, database):
    async with meanwhile("benchmarks.rebuilding", **written, what="built") as points:
        assert points == []
    whole, _ = points
    assert whole.operations >= 40


async def test_a_build_that_lacks_an_order_is_no_figure(written, database, orders):
    """Its keys are of another installation: it waits instead of being shown."""
    record(orders, an_order())
    with pytest.raises(MeasuringFailed, match="NotBuilt"):
        await measured("benchmarks.rebuilding", **written, what="built", seconds=0.01, warm_up=0)


# The time until the live view has an event


def test_an_event_is_seen_when_the_live_view_has_it():
    window = Window(10, 0)
    sight = lag.Sight(window)
    sight.note(5, "late")
    sight.note(3, "early")
    sight.reach(2)
    assert not window.latencies
    sight.reach(4)
    assert list(window.latencies) == ["early"]
    sight.reach(9)
    assert list(window.latencies) == ["early", "late"]
    sight.note(8, "known before it was answered")
    assert window.latencies["known before it was answered"] == [0.0]


async def test_what_another_build_of_the_view_has_is_not_in_the_live_one(database):
    window = Window(10, 0)
    sight = lag.Sight(window)
    sight.note(4, "known to both")
    sight.note(5, "")
    async with lag.watching(database, sight), asyncio.timeout(10):
        ask(database, "SELECT pg_notify('view', '9 order_status')")  # the live one has nothing yet
        ask(database, "SELECT pg_notify('view', '9 lookup published')")
        ask(database, "SELECT pg_notify('view', '4 order_status lookup')")
        while not window.latencies["known to both"]:  # noqa: ASYNC110  # whatever is heard of first
            await asyncio.sleep(0.01)
        assert not window.latencies[""]
        ask(database, "UPDATE view.editions SET position = 6 WHERE view = 'order_status'")
        ask(database, "SELECT pg_notify('view', '6 order_status')")
        await sight.everything()
    assert len(window.latencies[""]) == 1


async def test_a_view_that_does_not_come_is_no_figure(monkeypatch):
    monkeypatch.setattr(lag, "_PATIENCE_SECONDS", 0.01)
    sight = lag.Sight(Window(1, 0))
    sight.note(1, "")
    with pytest.raises(TimeoutError):
        await sight.everything()


# Views that are full


DIGESTS = stocking.Digests(INDEX, Links("", MASTER).token)
COPIES = [stocking.Copy("seed", n) for n in range(5)]


@pytest.fixture
async def filled(database, orders) -> str:
    """Give a database whose views show five copies of three orders."""
    record(orders, *(an_order() for _ in range(3)))
    views = (OrderStatusView(orders.vault), LookupView(INDEX), EmailsView(DOMAIN, orders.vault))
    await fold(database, orders.vault, *views, OrderPagesView(DIGESTS.token))
    with psycopg.connect(database, autocommit=True) as connection:
        stocking.fill(connection, DIGESTS, "seed", len(COPIES))
    return database


async def test_copies_are_found_by_what_their_customers_know(filled):
    rows = ask(filled, "SELECT order_id, order_number, email FROM read.order_status")
    assert len(rows) == 8
    assert {each.order_id for each in COPIES} < {order_id for order_id, _, _ in rows}
    assert {each.order_number for each in COPIES} < {number for _, number, _ in rows}
    assert {email for _, _, email in rows} == {"driver@example.com"}, "what is sealed opens"
    assert all(parse_number(number) == number for _, number, _ in rows)
    async with await projecting(filled) as connection:
        vehicle = Vehicle.of(stocking.COUNTRY, COPIES[2].plate)
        by_plate = await find(connection, INDEX, vehicle=vehicle, email=None)
        by_address = await find(connection, INDEX, vehicle=None, email=COPIES[2].email)
    assert [each.order_id for each in by_plate] == [COPIES[2].order_id]
    assert {each.order_id for each in by_address} == {COPIES[2].order_id, COPIES[3].order_id}


def test_copies_have_a_page_and_mails_of_their_own(filled):
    for copy in COPIES:
        digest = digest_of(DIGESTS.token(copy.order_id, 1))
        assert ask(filled, "SELECT order_id FROM read.order_pages WHERE digest = %s", digest) == [
            copy.order_id
        ]
        mails = ask(
            filled, "SELECT kind, state, message_id FROM read.emails WHERE order_id = %s", copy.order_id
        )
        assert [(kind, state) for kind, state, _ in mails] == [("placed", "sent")]
        assert str(copy.order_id) in mails[0][2]


def test_tables_that_were_filled_have_the_indexes_that_they_had(database):
    """By name, too: a plan is read by the names of its indexes."""
    every = "SELECT indexdef FROM pg_indexes WHERE schemaname IN ('effect', 'edition') ORDER BY indexname"
    ours = "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('effect', 'edition')"
    before = ask(database, every)
    with (
        psycopg.connect(database, autocommit=True) as connection,
        without_indexes(connection, ask(database, ours)),
    ):
        assert before
        assert ask(database, every) == []
    assert ask(database, every) == before


@pytest.mark.parametrize("way", range(3))
def test_every_way_to_a_lost_link_finds_the_copy(filled, way):
    (today,) = ask(filled, "SELECT min(placed_at)::date FROM read.order_status")
    asked = linking.questions(COPIES[4], DIGESTS, today)[way]
    with psycopg.connect(filled) as connection:
        rows = connection.execute(asked.statement, asked.values).fetchall()
    assert [row[0] for row in rows] == [COPIES[4].order_id], asked.kind


# Pages over HTTP


def site(status: int, shown: stocking.Copy) -> Starlette:
    """Give a site on which the first copy has a link, and that link the page of some order."""
    page = HTMLResponse(f"<h1>{shown.order_number}</h1>", status)
    return Starlette(routes=[Route(f"/o/{DIGESTS.token(COPIES[0].order_id, 1)}", lambda _: page)])


async def test_every_page_that_was_seen_whole_is_counted():
    window = Window(SECONDS, WARM_UP)
    async with serving(site(200, COPIES[0])) as port:
        customers = pages.Customers(port, lambda: COPIES[0], DIGESTS, window)
        await customers.look(3)
    assert len(window.latencies[""]) > 3
    assert customers.largest == len("<h1></h1>") + len(COPIES[0].order_number)


@pytest.mark.parametrize(("status", "shown"), [(503, 0), (200, 1)])
async def test_a_page_that_is_missing_or_of_another_order_is_no_figure(status, shown):
    async with serving(site(status, COPIES[shown])) as port:
        with pytest.raises(Refused):
            await pages.Customers(port, lambda: COPIES[0], DIGESTS, Window(SECONDS, WARM_UP)).look(1)
