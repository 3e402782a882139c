"""`vignettes promises` and `vignettes projections check`, as operators use them on a real database."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest

from commanding import run_vignettes
from eventstore_helpers import (
    HOUR,
    NOON,
    an_order,
    ask,
    details,
    fold,
    issue,
    pay,
    record,
    start,
)
from vignettes.eventstore.connections import conninfo
from vignettes.runtime import parts
from vignettes.runtime.keys import root_of
from vignettes.runtime.settings import load_settings

SECOND = timedelta(seconds=1)
MINUTE = 60 * SECOND


@pytest.fixture
def vignettes(settings):
    """Run the command line as a process, as people do."""
    told = {f"VIGNETTES_{name.upper()}": value for name, value in settings.items()}

    def call(*arguments):
        return run_vignettes(*arguments, COLUMNS="160", **told)

    return call


@pytest.fixture
async def told(database, orders, settings):
    """Record three orders, two of them in time and one late, and fold them into the views of the service."""
    in_time = pay(an_order(details(3)))
    at_once = issue(start(pay(an_order(details(9)))))
    late = pay(an_order(details(0)))
    late.start_when_due(late.generation, late.deadline.due_at + HOUR)
    record(orders, in_time, at_once, late)
    ask(database, "UPDATE clock.shift SET ahead = %s - clock_timestamp()", NOON + 2 * HOUR)
    known = load_settings(**settings)
    keys = parts.vault(known)
    root = root_of(known, conninfo(database, "vignettes_writer"))
    await fold(database, keys, *parts.views(known, keys, root))
    return late


async def test_promises_are_told_by_day_and_by_order(told, vignettes):
    """What was kept is a number; who was let down has a name."""
    shown = vignettes("promises")
    assert shown.code == 0, shown.complained
    assert "2026-06-01" in shown.said
    assert "within 5 minutes of the money" in shown.said
    assert told.number in shown.said
    report = json.loads(vignettes("promises", "--json").said)
    broken = [each for each in report["trouble"] if each["promise"] == 2]
    assert [(each["order_number"], each["state"]) for each in broken] == [(told.number, "broken")]
    [same_day] = [each for each in report["days"] if each["promise"] == 2]
    assert (same_day["kept"], same_day["broken"]) == (0, 1)


@pytest.mark.thorough
async def test_who_was_let_down_is_told_with_the_outage_that_explains_it(told, vignettes, database):
    """Announced before it was due, and lasting from then to the limit; anything less explains nothing."""
    report = json.loads(vignettes("promises", "--json").said)
    assert (report["explained"], report["unexplained"]) == (0, 4)  # three mails did not leave either
    assert "unexplained" in vignettes("promises").said
    due = told.started_at - HOUR
    limit = NOON + 5 * MINUTE
    for country, begins_at, ends_at, announced_at in (
        ("SK", due, limit, NOON),
        ("CZ", due, limit, due),  # only when it was late already
        ("CZ", due - HOUR, limit - SECOND, NOON),  # a second was left to keep it
        ("CZ", due + SECOND, limit + HOUR, NOON),
    ):
        announce(database, country, begins_at, ends_at, announced_at)
    assert json.loads(vignettes("promises", "--json").said)["explained"] == 0
    outage = announce(database, "CZ", due, limit, NOON)
    report = json.loads(vignettes("promises", "--json").said)
    assert (report["explained"], report["unexplained"]) == (1, 3)
    assert [each["outage_id"] for each in report["trouble"] if each["promise"] == 2] == [str(outage)]
    shown = " ".join(vignettes("promises").said.split())
    assert "Explained by an announced outage: 1; unexplained: 3." in shown
    assert "announced by ops@night" in shown


def announce(database, country, begins_at, ends_at, announced_at):
    """Put an announced outage on record."""
    outage = uuid4()
    row = (outage, country, begins_at, ends_at, None, "ops@night", announced_at)
    ask(database, "INSERT INTO log.outages VALUES (%s, %s, %s, %s, %s, %s, %s)", *row)
    return outage


async def test_days_before_are_left_out_when_asked(told, vignettes, database):
    """A month on, yesterday's report has nothing to tell."""
    ask(database, "UPDATE clock.shift SET ahead = ahead + interval '60 days'")
    assert json.loads(vignettes("promises", "--days", "1", "--json").said)["days"] == []
    assert "Nothing was promised" in vignettes("promises", "--days", "1").said


async def test_views_that_are_right_pass_the_check(told, vignettes):
    """Every order is compared, and the exit code says it."""
    shown = vignettes("projections", "check")
    assert shown.code == 0, shown.complained
    assert "3 orders compared" in shown.said
    assert "every row is what the log says" in " ".join(shown.said.split())


@pytest.mark.thorough
async def test_a_wrong_row_fails_the_check_and_names_the_order(told, vignettes, database):
    """With what differs, and the way out."""
    [number] = ask(database, "SELECT id FROM view.editions WHERE view = 'order_status' AND state = 'live'")
    ask(database, f"UPDATE edition.order_status_{number} SET received = 1 WHERE order_id = %s", told.id)
    shown = vignettes("projections", "check")
    assert shown.code == 1
    for expected in (str(told.id), "received", "vignettes projections rebuild"):
        assert expected in shown.said
    proof = json.loads(
        vignettes("projections", "check", "order_status", "--order", told.number, "--json").said
    )
    assert [each["columns"] for each in proof["drift"]] == [["received"]]
    assert vignettes("projections", "check", "emails").code == 0


@pytest.mark.thorough
@pytest.mark.parametrize(
    "arguments", [("nosuch",), ("--order", "V1"), ("--sample", "0"), ("--order", "V1", "--sample", "1")]
)
async def test_a_check_of_what_there_is_not_is_a_misuse(told, vignettes, arguments):
    """Exit code 2, and words."""
    shown = vignettes("projections", "check", *arguments)
    assert shown.code == 2
    assert shown.complained


@pytest.mark.thorough
async def test_a_sample_is_enough_when_asked(told, vignettes):
    """Some orders, picked by chance."""
    proof = json.loads(vignettes("projections", "check", "--sample", "2", "--json").said)
    assert 1 <= proof["orders"] <= 2
    assert proof["drift"] == []
