"""The noon burst is measured from the log: how late what was due at one instant started."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import psycopg
import pytest
from benchmarks import lateness, noon
from benchmarks.figures import NothingMeasured, Point
from benchmarks.goals import SINGLE_DEADLINES, noon_of, standings
from benchmarks.house import house
from benchmarks.installing import NotInstalled
from benchmarks.jobs import DBOS, PROCRASTINATE, installation, installed
from benchmarks.publishes import BATCHED, SINGLY
from benchmarks.run import Asked, Run
from rich.progress import Progress

from eventstore_helpers import ask
from service import until
from test_benchmarks import bench, measured

LATE = [n / 1000 for n in range(1, 1001)]


def late(party: str, what: str, seconds: float = 2.0, each: list = LATE) -> Point:
    """Return the point of what was late by so much."""
    return Point.of_lateness(("W5", party, what), 1, seconds, each)


def stand(*points: Point, due: int = 20_000) -> list:
    """Return how the goals of the noon stand."""
    return standings(points, ["W5"], events=0, orders=0, due=due)


_PLANNED = """
SELECT country, rule, count(*), count(DISTINCT due_at), bool_and(outcome = 'started') FROM read.deadlines
WHERE purpose = 'registration' GROUP BY 1, 2 ORDER BY 1
"""


@pytest.mark.scale
async def test_what_is_due_at_noon_starts_and_the_log_tells_how_late():
    """The real roles, each a process, on a clock that runs into the instant."""
    asked = Asked(["W5"], 0.3, [1], events=0, rebuilt=0, orders=0, due=300, rate=1)
    run = Run(asked, Progress(disable=True), steps=3)
    with house() as servers:
        await noon.ours(run, servers, singles=5)
        database = servers.database(noon.NOON.name)

        async def all_started():  # the view of deadlines may be the last to know
            return ask(database, _PLANNED) == [("BG", "grace", 5, 5, True), ("CZ", "lead", 300, 1, True)]

        await until(all_started)
    alone, burst = run.points
    assert (alone.what, alone.operations) == (SINGLE_DEADLINES, 5)
    assert (burst.what, burst.operations) == (noon_of(300), 300)
    for point in (alone, burst):
        assert 0 < point.late(0) <= point.p50_ms <= point.late(0.9) <= point.p99_ms == point.late(1)
    assert burst.late(1) < burst.seconds * 1000, "the last is on record after it was decided on"
    assert {"deadlines", "registration", "ordering"} <= burst.cpu_seconds.keys()


@pytest.mark.scale
@pytest.mark.timeout(220)  # a little more than `bench` gives it
def test_a_noon_is_measured_beside_the_alternatives_and_the_limits(tmp_path):
    found = bench(tmp_path, "--only", "W5", "--due", "50", "--noon", str(tmp_path / "noon.svg"))
    expected = {
        ("W5", "ours", SINGLE_DEADLINES, 1),
        ("W5", "ours", noon_of(50), 1),
        ("W5", "limit", "single-row inserts", 32),
        ("W5", "limit", BATCHED, 1),
        *(("W5", "limit", SINGLY, n) for n in (1, 256)),
    }
    others = {("W5", "alternative", each.what(), n) for each in (PROCRASTINATE, DBOS) for n in each.at_once}
    assert measured(found) == expected | (others if not found["notes"] else set())
    assert found["sizes"] == {"W5_orders": 50}
    assert all(goal["ours"] for goal in found["goals"])
    assert (tmp_path / "noon.svg").exists()


# Figures


def test_lateness_is_kept_by_shares_and_the_rate_is_that_of_all():
    point = late("ours", "", seconds=4.0)
    assert (point.operations, point.per_second) == (1000, 250)
    assert (point.late(0), point.late(0.9), point.late(1)) == (1, 900, 1000)
    assert (point.p50_ms, point.p99_ms) == (500, 990)
    with pytest.raises(NothingMeasured):
        late("ours", "", each=[])


def test_fewer_orders_must_be_started_in_a_time_that_is_as_much_shorter():
    rate, last, alone = stand(late("ours", noon_of(20_000), seconds=6.0))
    assert (rate.ours, rate.goal, rate.verdict) == (pytest.approx(1000 / 6), 5000, "missed")
    assert (last.ours, last.goal, last.verdict) == (6, 5, "missed")
    assert alone.verdict == "not measured"
    rate, last, _ = stand(late("ours", noon_of(100_000), seconds=6.0), due=100_000)
    assert (last.goal, last.verdict) == (25, "reached")
    assert rate.note == "late by 500.0 ms (p50), 900.0 ms (p90), 990.0 ms (p99), 1,000.0 ms (most)"


def test_the_burst_stands_beside_the_rates_of_the_others_and_single_deadlines_by_their_tail():
    rate, _, alone = stand(
        late("ours", noon_of(20_000)),
        late("ours", SINGLE_DEADLINES, each=[0.01, 0.2]),
        late("alternative", "Procrastinate 3, 1,000 scheduled jobs", seconds=4.0),
        Point("W5", "limit", SINGLY, 1, 1.0, 100, 100.0, 1.0, 2.0),
        Point("W5", "limit", SINGLY, 256, 1.0, 1000, 1000.0, 1.0, 2.0),
    )
    assert rate.ratios == {"Procrastinate 3": 2.0, "JetStream publishes": 0.5}
    assert (alone.ours, alone.verdict) == (200, "missed")


# What would be a figure of something else


STARTED = "order.registration-started.v1"


def happened(
    database: str, number: int, due_at: datetime, *, order: str = "gen_random_uuid()", topic: str = STARTED
) -> None:
    """Put starts into the log, each 0.5 s late, or something else."""
    state = f'{{"at": "{due_at + timedelta(seconds=0.5)}", "data": {{"due_at": "{due_at}"}}}}'
    with psycopg.connect(database, autocommit=True) as connection:
        for version in range(1, number + 1):
            connection.execute(
                "INSERT INTO log.events (originator_id, originator_version, topic, state)"
                f" VALUES ({order}, %s, %s, %s)",
                (version, topic, state.encode()),
            )


def test_only_starts_after_the_burst_began_count_each_once(database, monkeypatch):
    monkeypatch.setattr(lateness, "_PATIENCE_SECONDS", 0.0)
    due_at = datetime(2026, 12, 1, 11, tzinfo=UTC)
    happened(database, 2, due_at)
    with psycopg.connect(database, autocommit=True) as connection:
        after = lateness.head(connection)
        happened(database, 3, due_at)
        happened(database, 1, due_at, topic="order.vignette-issued.v1")
        lateness.until_started(connection, after, 3)
        assert lateness.started_late(connection, after, 3) == [0.5] * 3
        with pytest.raises(lateness.NotInPlace, match="3 of 4"):
            lateness.until_started(connection, after, 4)
        after = lateness.head(connection)
        happened(database, 2, due_at, order="'00000000-0000-4000-8000-000000000000'")
        with pytest.raises(lateness.NotInPlace, match="2 registrations of 2 orders"):
            lateness.started_late(connection, after, 2)


# The alternatives


def test_an_alternative_without_hashes_is_not_installed_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(installation, "_LOCKS", tmp_path)
    (tmp_path / "procrastinate.txt").write_text("procrastinate==1.0\n")
    before = set(tmp_path.iterdir())
    with pytest.raises(NotInstalled, match="uv could not install it"):
        installed(PROCRASTINATE, tmp_path)
    assert set(tmp_path.iterdir()) == before


def test_what_is_installed_is_found_by_the_locked_version(tmp_path):
    version = PROCRASTINATE.version
    assert f"procrastinate=={version} " in PROCRASTINATE.lock.read_text()
    (tmp_path / f"procrastinate-{version}").mkdir()
    assert installed(PROCRASTINATE, tmp_path) == tmp_path / f"procrastinate-{version}" / "bin" / "python"


# The picture


def test_the_picture_is_the_same_for_the_same_figures(tmp_path):
    machine = SimpleNamespace(
        cores=2, processor="a processor", memory_gb=4, filesystem="ext4", postgresql="18", nats_server="2",
        python="3", postgresql_settings={"fsync": "on"},
    )  # fmt: skip
    points = [
        late("ours", noon_of(1000)), late("ours", SINGLE_DEADLINES, each=[-0.001, 0.01]),
        late("alternative", "Procrastinate"), late("alternative", "Procrastinate", seconds=9),
        late("alternative", "DBOS"),
        Point("W5", "limit", "inserts", 1, 1.0, 1, 1.0, 1.0, 1.0),
    ]  # fmt: skip
    from benchmarks import curves  # noqa: PLC0415  # it loads matplotlib, which nobody else here needs

    result = SimpleNamespace(points=points, machine=machine, asked=SimpleNamespace(due=1000), seed="a seed")
    files = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for file in files:
        curves.draw(result, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    drawn = [e for e in ET.parse(files[0]).iter() if e.get("id", "").startswith("line2d")]
    assert len(drawn) > 4
