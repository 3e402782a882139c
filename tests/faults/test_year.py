"""Fault 8: a whole year in a few hours: nights on which clocks change, 29 February, outages, lost answers, and kill -9.

The clock of every process is wrong by up to five minutes, where there is a C compiler to make it so.
"""

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta

import nats
import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from authorities import impatient, without
from eventstore_helpers import ask
from faults import skewed
from faults.household import ALL_ROLES, household
from faults.year import checks
from faults.year.corruptions import CORRUPTIONS
from faults.year.driving import Year
from faults.year.evidence import instant, read
from faults.year.plan import drawn, long_year, short_year
from faults.year.telling import figures, table
from vignettes.domain.catalogue import PRODUCTS

#: Of the short year: its days hold outages that move orders, twins, and an answer to each hold.
SEED = 18
#: Of the long year where ORDERS does not say otherwise.
ORDERS = 2_000
#: How long it may take, by the clock that runs on meanwhile, until an authority is down.
A_MOMENT = timedelta(minutes=1)
_LIMITS = """
[limits]
timeout_seconds = {0}
connect_seconds = {0}
silence_seconds = {0}
rate_per_minute = 1000000
burst = 10000
concurrency = 100
"""
_BREAKER = """
[breaker]
failures = 12
first_seconds = 0.2
longest_seconds = 0.4
"""
_WORKING = (("ordering", "projecting"), ("deadlines", "registration"), ("sandbox",))


@dataclass(frozen=True)
class Form:
    """How it runs: in which processes, and after how many seconds an authority's answer is lost."""

    roles: tuple
    seconds: float


SHORT = Form(_WORKING, 0.15)
LONG = Form(tuple((role,) for role in ALL_ROLES), 0.3)


async def lived_through(data_dir, form, plan, seed, advanced=lambda *_: None):
    """Let the service live through a plan, and return how that went, with what it left behind."""
    limits = _LIMITS.format(form.seconds)
    folder = impatient(data_dir / "authorities", limits, _BREAKER, text=without("document"))
    wrong = skewed.drawn(data_dir, ALL_ROLES, random.Random(seed)) if skewed.has_compiler() else {}
    settings = {"authorities_dir": folder, "log_level": "info"}
    async with household(data_dir, form.roles, wrong, **settings) as running:
        database = running.settings.database_url
        for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
            ask(database, statement)
        patient = {"max_reconnect_attempts": -1, "reconnect_time_wait": 0.1}
        client = await nats.connect(running.settings.nats_url, **patient)
        year = Year(running, client, plan, seed)
        await year.pass_by(advanced)
        await client.close()
        return year, read(database, data_dir / "sandbox" / "authority.sqlite")


def registered_while_down(plan, evidence):
    """Return what an authority has registered while it was said to be down: the year would not have been as planned."""
    return [
        row["number"]
        for row in evidence.register
        for outage in plan.outages
        if outage.country == row["country"]
        and outage.begins_at + A_MOMENT < instant(row["registered_at"]) < outage.back_at
    ]


def is_whole(year, evidence, form):
    """Prove what must be true of any year; return the vignettes that an outage has delayed beyond their start."""
    assert year.customers.wrong == []
    assert registered_while_down(year.plan, evidence) == []
    found = checks.every_check(evidence, mailed=any("mailing" in each for each in form.roles))
    assert found == [], f"{len(found)} findings, the first of them: {found[:20]}"
    late = checks.late_vignettes(evidence)
    assert [number for number, outage in late.items() if outage is None] == []
    return late


@pytest.mark.skipif(not skewed.has_compiler(), reason="there is no C compiler to make clocks wrong with")
@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_process_takes_a_wrong_clock_for_the_time(tmp_path, seconds):
    """And counts its own seconds as before: what the other tests do with it is what is meant."""
    env = {**os.environ, **skewed.environment(skewed.library(tmp_path), seconds)}
    look = (
        "import time, datetime as d; print(time.time(), d.datetime.now(d.UTC).timestamp(), time.monotonic())"
    )
    told = subprocess.run(
        [sys.executable, "-c", look], env=env, capture_output=True, text=True, check=True
    ).stdout
    wrong, also, monotonic = map(float, told.split())
    assert abs(wrong - time.time() - seconds) < 60 > abs(also - time.time() - seconds)
    assert abs(monotonic - time.monotonic()) < 60


@pytest.mark.fault(8)
@pytest.mark.timeout(240)
async def test_the_days_on_which_the_clocks_change_and_the_leap_day(data_dir):
    """Every product of every country around them: I3, I4 and I8 hold, and the checks find what is not so."""
    plan = drawn(short_year(), SEED)
    began = time.monotonic()
    year, evidence = await lived_through(data_dir, SHORT, plan, SEED)
    late = is_whole(year, evidence, SHORT)
    for name, value in figures(year, evidence, late, time.monotonic() - began).items():
        print(f"{name}: {value}")  # noqa: T201  # shown when it fails
    assert {wish.product for wish in plan.wishes.values()} == PRODUCTS.keys()
    kinds = {event.kind for history in evidence.histories.values() for event in history}
    assert {"outage-regarded", "held", "twin-accepted", "details-corrected", "refunded", "expired"} <= kinds
    chance, missed = random.Random(SEED), []
    for name, (corrupt, check) in CORRUPTIONS.items():
        corrupted = evidence.copied()
        corrupt(corrupted, chance)
        if not check(corrupted):
            missed.append(name)
    assert missed == []


@pytest.mark.faults
@pytest.mark.fault(8)
@pytest.mark.timeout(0)
async def test_a_year_of_orders(data_dir, seed, record, capsys):
    """Nodes die, authorities are down or silent, customers change their minds: no order is lost, late or twice."""
    orders = int(os.environ.get("ORDERS") or ORDERS)
    plan = drawn(long_year(orders), seed)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    began = time.monotonic()
    with capsys.disabled(), Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("orders", total=orders)

        def advanced(number, at):
            progress.update(bar, advance=number, description=f"{at:%d %b %Y}")

        year, evidence = await lived_through(data_dir, LONG, plan, seed, advanced)
    late = checks.late_vignettes(evidence)
    told = figures(year, evidence, late, time.monotonic() - began)
    with capsys.disabled():
        Console(width=160).print(table({"seed": seed, **told}))
    found = checks.every_check(evidence, mailed=True)
    record(
        test=8,
        what=f"a year of {orders:,} orders on a simulated clock: outages, lost answers, roles and servers killed",
        faults=evidence.calls["failed"] + year.deaths.met.total() + len(evidence.outages),
        broken=len(found),
        clocks_wrong_by_seconds=skewed.MOST_SECONDS * skewed.has_compiler(),
        **told,
    )
    assert is_whole(year, evidence, LONG) == late
