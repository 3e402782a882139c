"""The benchmark measures what it says, and says how it stands to the goals."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from uuid import uuid4
from xml.etree import ElementTree as ET

import nats
import psycopg
import pytest
import typer
from benchmarks.crowd import Crowd
from benchmarks.dialogue import Refused
from benchmarks.echo import PAYLOAD, SUBJECT, echoes
from benchmarks.emmett import NotInstalled, installed
from benchmarks.figures import Point, Window
from benchmarks.filling import fill
from benchmarks.goals import (
    AT_80_PERCENT,
    EMMETT,
    EMPTY_LOG,
    EVENTSOURCING,
    LAG,
    LAG_AT_HALF,
    LAG_EMPTY_LOG,
    LIVE,
    LIVE_BESIDE,
    LOST_LINK,
    PAGE,
    REBUILT,
    REBUILT_BESIDE,
    RUNNER,
    RUNNER_IDLE,
    asked_of,
    grown_log,
    lag_grown_log,
    scan_alone,
    standings,
)
from benchmarks.house import NO_VIEWS, VIEWS
from benchmarks.steady import Arrivals, schedule
from benchmarks.wire import Broken
from typer.testing import CliRunner

from vignettes.services.subscribing import known

ROOT = Path(__file__).parents[1]


def bench(folder: Path, *options: str) -> dict:
    """Run the benchmark as `make bench` does, for a moment, and return what it wrote."""
    files = ["--json", str(folder / "found.json"), "--plot", str(folder / "found.svg")]
    command = [sys.executable, "-m", "benchmarks", "--seconds", "0.3", *files, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Goals" in done.stdout
    assert f"Written: {folder / 'found.json'}" in done.stdout
    return json.loads((folder / "found.json").read_text())


def drawing(name: str) -> ModuleType:
    """Return a module that draws: matplotlib takes long to import, also for whoever runs none of these tests."""
    return import_module(name)


def measured(found: dict) -> set:
    """Return which points there are, all of them with figures that something real could have."""
    for point in found["points"]:
        assert point["operations"] > 0
        assert point["per_second"] == pytest.approx(point["operations"] / point["seconds"])
        assert 0 < point["p50_ms"] <= point["p99_ms"]
    return {(p["workload"], p["party"], p["what"], p["parallel"]) for p in found["points"]}


def point(
    party: str, what: str, parallel: int, per_second: float, ms: float = 1.0, workload: str = "W1"
) -> Point:
    """Return a point with these figures."""
    return Point(workload, party, what, parallel, 1.0, round(per_second), per_second, ms, 2 * ms)


def stand(points: list, workload: str = "W1", size: int = 1_000_000) -> dict:
    """Return the standings by what they are about; `size` is that of the log, of the views, and of a noon."""
    return {
        standing.what: standing
        for standing in standings(points, [workload], events=size, orders=size, due=size)
    }


@pytest.mark.thorough
def test_a_lone_client_is_measured_beside_an_insert_and_a_round_trip(tmp_path):
    found = bench(tmp_path, "--only", "W2")
    assert measured(found) == {
        ("W2", "ours", "commands, views following", 1),
        ("W2", "limit", "NATS echo", 1),
        ("W2", "limit", "single-row inserts", 1),
    }
    assert found["machine"]["postgresql_settings"]["fsync"] == "on"
    assert found["machine"]["nats_settings"] == {"sync_interval": "always"}
    assert found["machine"]["cores"] > 0
    assert found["machine"]["postgresql"]
    assert found["machine"]["nats_server"]
    assert found["seconds_per_point"] == 0.3
    (goal,) = found["goals"]
    ours, echo, insert = (point["p50_ms"] for point in found["points"])
    assert goal["ours"] == pytest.approx(ours / (insert + echo))
    assert goal["verdict"] == ("reached" if goal["ours"] <= goal["goal"] else "missed")
    assert not (tmp_path / "found.svg").exists(), "there are no clients to draw curves over"


@pytest.mark.thorough
@pytest.mark.scale
@pytest.mark.timeout(220)  # a little more than `bench` gives it
def test_views_are_built_and_followed_beside_the_runner(tmp_path):
    found = bench(tmp_path, "--only", "W3,W4", "--rebuilt", "400", "--rate", "40")
    whole, beside = REBUILT, REBUILT_BESIDE
    measured(found)
    points = {(p["workload"], p["party"], p["what"]): p for p in found["points"]}
    assert points.keys() == {
        ("W3", "alternative", RUNNER), ("W4", "alternative", RUNNER_IDLE),
        *(("W3", "ours", what) for what in (whole, scan_alone(whole), beside, scan_alone(beside), LIVE, LIVE_BESIDE)),
        ("W4", "ours", LAG), ("W4", "ours", LAG_AT_HALF),
    }  # fmt: skip
    assert points["W3", "ours", whole]["operations"] % 400 == 0
    assert points["W3", "ours", beside]["operations"] > 400, "what the live load has written is built too"
    assert points["W3", "ours", scan_alone(whole)]["per_second"] > points["W3", "ours", whole]["per_second"]
    assert points["W4", "ours", LAG_AT_HALF]["asked_per_second"] == pytest.approx(40, rel=0.5)
    assert found["sizes"] == {"W3_events": 400}
    assert all(goal["ours"] for goal in found["goals"])


@pytest.mark.thorough
@pytest.mark.scale
@pytest.mark.timeout(220)  # a little more than `bench` gives it
def test_queries_are_measured_with_their_plan(tmp_path):
    """Among so few that no table is worth its index the plans would be others."""
    found = bench(tmp_path, "--only", "W8", "--orders", "3000")
    asked = [asked_of(question, 3000) for question in ("status", PAGE, "lookup", LOST_LINK)]
    *by_many, by_one = asked
    assert measured(found) == {("W8", "ours", what, clients) for what in by_many for clients in (1, 8)} | {
        ("W8", "ours", by_one, 1)
    }
    points = {point["what"]: point for point in found["points"]}
    assert all("Execution Time" in point["plan"][-1] for point in found["points"])
    assert set(points[asked[2]]["by_kind"]) == {"by address", "by plate", "by both"}
    assert set(points[by_one]["by_kind"]) == {"by plate and address", "by plate and day", "by number"}
    assert points[asked[1]]["largest_bytes"] > 1_000
    assert [goal["what"] for goal in found["goals"]] == [f"{what}, p99" for what in asked]
    assert not any(goal["spoilt"] for goal in found["goals"]), "rows are found by their keys"


@pytest.mark.thorough
@pytest.mark.scale
def test_many_clients_are_measured_beside_the_alternatives_and_the_limits(tmp_path):
    found = bench(tmp_path, "--only", "W1", "--clients", "1,8")
    seen = measured(found)
    for series in (NO_VIEWS, VIEWS):
        assert {("W1", "ours", series.what, clients) for clients in (1, 8)} <= seen
        assert found["series"][series.what] == list(series.roles)
    assert {("W1", "alternative", EVENTSOURCING, threads) for threads in (1, 4, 16)} <= seen
    assert {("W1", "limit", "single-row inserts", connections) for connections in (1, 8, 32)} <= seen
    assert {("W1", "limit", "NATS echo", asking) for asking in (1, 200)} <= seen
    if not found["notes"]:
        assert {("W1", "alternative", EMMETT, asking) for asking in (1, 8, 32)} <= seen
    (steady,) = (p for p in found["points"] if p["what"] == AT_80_PERCENT)
    highest = max(p["per_second"] for p in found["points"] if p["what"] == NO_VIEWS.what)
    assert steady["asked_per_second"] == pytest.approx(0.8 * highest, rel=0.1)
    assert (tmp_path / "found.svg").exists()


@pytest.mark.thorough
@pytest.mark.scale
def test_a_log_that_is_long_is_measured_beside_one_that_is_empty(tmp_path):
    found = bench(tmp_path, "--only", "W10", "--events", "4000")
    commands, lags = [EMPTY_LOG, grown_log(4000)], [LAG_EMPTY_LOG, lag_grown_log(4000)]
    assert measured(found) == {("W10", "ours", what, 32) for what in commands} | {
        ("W10", "ours", what, 1) for what in lags
    }
    turns = [p["what"] for p in found["points"]]
    assert turns == commands * 5 + lags * 5, "they take turns"
    assert all(goal["ours"] > 0 for goal in found["goals"])


@pytest.mark.parametrize(
    ("option", "value"), [("--only", "W99"), ("--clients", "1,none"), ("--plot", "picture.txt")]
)
def test_what_can_not_be_measured_is_refused_at_once(option, value):
    app = typer.Typer()
    app.command()(drawing("benchmarks.__main__").main)
    done = CliRunner().invoke(app, [option, value])
    assert done.exit_code == 2
    assert option in done.stderr


# The goals


def test_the_goals_stand_on_the_series_without_views_and_the_other_is_shown_beside():
    found = stand([
        point("ours", NO_VIEWS.what, 32, 9000), point("ours", NO_VIEWS.what, 128, 8000),
        point("ours", VIEWS.what, 32, 3000),
        point("alternative", EVENTSOURCING, 4, 1000), point("alternative", EMMETT, 32, 3000),
        point("limit", "single-row inserts", 32, 4500), point("limit", "NATS echo", 200, 18_000),
    ])  # fmt: skip
    peak = found["peak, no views"]
    assert (peak.ours, peak.verdict, peak.beside) == (9000, "reached", {"with views": 3000})
    assert peak.ratios == {"eventsourcing": 9, "emmett": 3, "inserts": 2, "echoes": 0.5}
    library, node = found["peak ÷ eventsourcing"], found["peak ÷ emmett"]
    assert (library.ours, library.beside, library.verdict) == (9, {"with views": 3}, "reached")
    assert (node.ours, node.beside, node.verdict) == (3, {"with views": 1}, "missed")
    assert node.missed_by == pytest.approx(0.5 / 3.5)


def test_an_alternative_that_is_missing_leaves_its_goal_open():
    found = stand([point("ours", NO_VIEWS.what, 32, 9000), point("alternative", EVENTSOURCING, 4, 1000)])
    assert (found["peak ÷ emmett"].ours, found["peak ÷ emmett"].verdict) == (None, "not measured")
    assert found["peak ÷ eventsourcing"].verdict == "reached"


@pytest.mark.parametrize(("done", "verdict"), [(995, "reached"), (900, "missed")])
def test_a_tail_counts_only_at_the_rate_that_was_asked(done, verdict):
    found = stand([point("ours", AT_80_PERCENT, 9, 0, ms=10).at_rate(1000, done, Window(1, 0))])
    tail = found["p99 at 80 % of the peak"]
    assert (tail.ours, tail.verdict) == (20, verdict)
    assert f"1,000/s asked, {done}/s done" in tail.note
    assert ("not held" in tail.note) == (verdict == "missed")


def test_growth_compares_the_medians_of_the_turns():
    turns = [(EMPTY_LOG, rate) for rate in (100, 120, 900)] + [
        (grown_log(5000), rate) for rate in (1, 100, 110)
    ]
    found = stand([point("ours", what, 32, rate, workload="W10") for what, rate in turns], "W10", 5000)
    growth, lag = found.values()
    assert (growth.ours, growth.verdict) == (1.2, "reached")
    assert lag.verdict == "not measured"


def test_growth_of_lag_compares_the_time_of_a_lone_event():
    turns = [(LAG_EMPTY_LOG, 2.0), (lag_grown_log(5000), 3.0)]
    points = [point("ours", what, 1, 100, ms, workload="W10") for what, ms in turns]
    command, lag = stand(points, "W10", 5000).values()
    assert (command.verdict, lag.ours, lag.verdict) == ("not measured", 1.5, "missed")


def test_a_rebuild_stands_beside_the_runner_and_by_what_it_does_to_live_commands():
    found = stand([
        point("ours", REBUILT, 1, 50_000, workload="W3"), point("ours", scan_alone(REBUILT), 1, 60_000, workload="W3"),
        point("ours", REBUILT_BESIDE, 1, 30_000, workload="W3"),
        point("alternative", RUNNER, 1, 1000, workload="W3"),
        point("ours", LIVE, 1, 50, 4.0, workload="W3"), point("ours", LIVE_BESIDE, 1, 50, 6.0, workload="W3"),
    ], "W3")  # fmt: skip
    rebuilt, times = found[REBUILT], found["rebuilt ÷ ProjectionRunner"]
    assert (rebuilt.ours, rebuilt.verdict) == (50_000, "missed")
    assert rebuilt.beside == {"the scan alone": 60_000, "live load beside": 30_000}
    assert rebuilt.ratios == {"ProjectionRunner": 50}
    assert (times.ours, times.beside, times.verdict) == (50, {"live load beside": 30}, "reached")
    for share in ("p50", "p99"):
        lag = found[f"live lag {share}, rebuild beside ÷ none"]
        assert (lag.ours, lag.verdict) == (1.5, "missed")


def test_lag_at_a_rate_that_was_not_held_is_no_goal_reached():
    idle, runner = point("ours", LAG, 1, 90, 4.0, "W4"), point("alternative", RUNNER_IDLE, 1, 90, 2.0, "W4")
    half = point("ours", LAG_AT_HALF, 1, 0, 1.0, "W4").at_rate(1000, 900, Window(1, 0))
    found = stand([idle, half, runner], "W4")
    lone = found["event to view, idle p50"]
    assert (lone.ours, lone.verdict, lone.ratios) == (4.0, "reached", {"ProjectionRunner": 2})
    assert (found["at 50 % load p99"].ours, found["at 50 % load p99"].verdict) == (2.0, "missed")


BY_KEY = "  ->  Index Scan using order_status_12_pkey on order_status_12"


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        (["Nested Loop", BY_KEY], "reached"),
        ([BY_KEY, "Seq Scan on editions e"], "reached"),
        (["Seq Scan on order_status_12"], "missed"),
        ([BY_KEY, "  ->  Seq Scan on emails_3 e"], "missed"),
    ],
)
def test_a_query_that_is_fast_without_its_indexes_has_not_reached_its_goal(lines, verdict):
    points = [point("ours", asked_of("status", 500), n, 100, n, "W8").planned(lines) for n in (1, 8)]
    status, *others = stand(points, "W8", 500).values()
    assert (status.ours, status.beside, status.verdict) == (2, {"8 in flight": 16}, verdict)
    assert [each.verdict for each in others] == ["not measured"] * 3


# Clients


async def echoing(nats_url: str, pause: asyncio.Event) -> nats.NATS:
    """Send every request back; once, when told to, only after 0.3 s, and everything behind it later too."""

    async def back(request) -> None:
        if pause.is_set():
            pause.clear()
            await asyncio.sleep(0.3)
        await request.respond(request.data)

    client = await nats.connect(nats_url)
    await client.subscribe(SUBJECT, cb=back)
    await known(client)
    return client


async def test_a_crowd_has_as_many_requests_under_way_as_customers(nats_server):
    responder = await echoing(nats_server.url, asyncio.Event())
    window = Window(0.2, 0.05)
    await Crowd([echoes(lambda: window.open) for _ in range(20)], window).ask(nats_server.url)
    await responder.close()
    assert len(window.latencies[""]) > 20
    assert not window.open


async def test_a_stall_is_seen_by_everything_that_was_due_meanwhile(nats_server):
    """Twenty who wait for their answers would see it twenty times; here 40 are due in its first 0.2 s."""
    pause = asyncio.Event()
    responder = await echoing(nats_server.url, pause)
    asyncio.get_running_loop().call_later(0.4, pause.set)
    window = Window(1.6, 0.2)
    due = [(window.begins + n / 200, n % 20) for n in range(160)]
    arrivals = Arrivals(due, [echoes(lambda: True) for _ in range(20)], window)
    await arrivals.come(nats_server.url)
    await responder.close()
    assert arrivals.asked == len(window.latencies[""]) == 160
    assert sum(latency > 0.1 for latency in window.latencies[""]) > 25
    assert arrivals.ended == 160


def test_the_schedule_is_fixed_beforehand_and_has_the_rate():
    window = Window(2, 1)
    due = schedule(400, "seed", window)
    assert due == sorted(due) == schedule(400, "seed", window)
    assert sum(window.counts(instant) for instant, _ in due) == pytest.approx(800, rel=0.05)
    kinds = Counter(list(accumulated(due))[200:])
    assert all(count > 0.15 * sum(kinds.values()) for count in kinds.values()), "evenly mixed"


def accumulated(due):
    """Say of each turn the how manieth it is of its order."""
    seen = Counter()
    for _, number in due:
        seen[number] += 1
        yield seen[number]


async def test_what_nobody_answers_is_no_figure(nats_server):
    window = Window(0.1, 0)
    with pytest.raises(Broken, match="Nobody"):
        await Crowd([echoes(lambda: True)], window).ask(nats_server.url)


async def test_an_answer_that_is_wrong_is_no_figure(nats_server):
    async def wrong(request) -> None:
        await request.respond(b"another")

    client = await nats.connect(nats_server.url)
    await client.subscribe(SUBJECT, cb=wrong)
    await known(client)
    with pytest.raises(Refused):
        await Crowd([echoes(lambda: True)], Window(0.1, 0)).ask(nats_server.url)
    await client.close()


async def test_replies_are_told_apart_however_they_are_cut(nats_server):
    """With headers and without, and longer than what is read from the socket at a time."""

    async def back(request) -> None:
        await request.respond(request.data * 500)
        assert len(PAYLOAD * 500) > 65536

    async def with_headers(request) -> None:
        await client.publish(request.reply, b"short", headers={"a": "b"})

    heard = []

    def dialogue(subject):
        heard.append((subject, len((yield SimpleNamespace(subject=subject, body=PAYLOAD, kind="")))))

    client = await nats.connect(nats_server.url)
    await client.subscribe("long", cb=back)
    await client.subscribe("headers", cb=with_headers)
    await known(client)
    await Crowd([dialogue(s) for s in ("long", "headers", "long")], Window(0.1, 0)).ask(nats_server.url)
    await client.close()
    assert Counter(heard) == {("long", 150_000): 2, ("headers", 5): 1}


# A long log


def test_a_log_grows_by_copies_of_whole_orders(database):
    first = [uuid4(), uuid4()]
    with psycopg.connect(database, autocommit=True) as connection:
        for order in first:
            for version, topic in enumerate(("placed", "paid", "started", "issued"), 1):
                event = (order, version, topic, f"{order} {topic}".encode())
                connection.execute(
                    "INSERT INTO log.events (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)",
                    event,
                )
                connection.execute(
                    "INSERT INTO log.commands VALUES (%s, '', %s, %s, '{}', now())", (uuid4(), order, version)
                )
        fill(connection, 5)
        events = connection.execute(
            "SELECT originator_id, array_agg(originator_version ORDER BY notification_id), array_agg(state ORDER BY"
            " originator_version) FROM log.events GROUP BY 1"
        ).fetchall()
        commands = connection.execute("SELECT order_id, count(*) FROM log.commands GROUP BY 1").fetchall()
    assert len(events) == 7
    assert all(sorted(versions) == [1, 2, 3, 4] for _, versions, _ in events)
    originals = {tuple(states) for order, _, states in events if order in first}
    assert {tuple(states) for _, _, states in events} == originals, (
        "a copy's states are those of its original"
    )
    assert dict(commands) == dict.fromkeys((order for order, _, _ in events), 4)


# The alternative in Node


def program(folder: Path, name: str, script: str) -> None:
    """Put a program of that name into the folder."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the only folder in which programs are found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}")
    return folder


def test_without_node_the_alternative_is_left_out(path, tmp_path):
    with pytest.raises(NotInstalled, match="node is not on the path"):
        installed(tmp_path)


def test_npm_is_asked_once(path, tmp_path):
    program(path, "node", "exit 0")
    with pytest.raises(NotInstalled, match="npm is not on the path"):
        installed(tmp_path)
    calls = tmp_path / "calls"
    program(
        path,
        "npm",
        f'echo "$@" >> {calls}; for a in "$@"; do if [ -d "$a" ]; then /bin/mkdir "$a/node_modules"; fi; done',
    )
    folder = installed(tmp_path)
    assert (folder / "node_modules").is_dir()
    assert installed(tmp_path) == folder
    (call,) = calls.read_text().splitlines()
    assert call.endswith(" @event-driven-io/emmett@0.42.0 @event-driven-io/emmett-postgresql@0.42.0")


def test_an_installation_that_fails_leaves_nothing_and_says_why(path, tmp_path):
    program(path, "node", "exit 0")
    program(path, "npm", "echo 'no network' >&2; exit 1")
    before = set(tmp_path.iterdir())
    with pytest.raises(NotInstalled, match="no network"):
        installed(tmp_path)
    assert set(tmp_path.iterdir()) == before


# The picture


@pytest.mark.parametrize("emmett", [True, False])
def test_the_picture_is_the_same_for_the_same_figures(tmp_path, emmett):
    points = [
        point("ours", NO_VIEWS.what, 1, 1000), point("ours", NO_VIEWS.what, 32, 9000),
        point("ours", VIEWS.what, 32, 3000),
        point("ours", AT_80_PERCENT, 9, 7000, ms=10).at_rate(7200, 7000, Window(1, 0)),
        point("alternative", EVENTSOURCING, 4, 1000), point("limit", "NATS echo", 200, 18_000),
    ]  # fmt: skip
    machine = SimpleNamespace(
        cores=2, processor="a processor", memory_gb=4, filesystem="ext4", postgresql="18", nats_server="2",
        python="3", postgresql_settings={"fsync": "on"},
    )  # fmt: skip
    asked = SimpleNamespace(seconds=1, warm_up=0.2)
    points += [point("alternative", EMMETT, 8, 1500)] * emmett
    result = SimpleNamespace(points=points, machine=machine, asked=asked, seed="a seed")
    files = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for file in files:
        drawing("benchmarks.plot").draw(result, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    curves = [e for e in ET.parse(files[0]).iter() if e.get("id", "").startswith("line2d")]
    assert len(curves) > 20
