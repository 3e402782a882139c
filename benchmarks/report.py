"""A run as tables for people and as JSON for programs: the same figures in both."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import emmett, matching_quality
from benchmarks.bench import Result
from benchmarks.figures import Point
from benchmarks.goals import EMMETT
from benchmarks.house import Series
from benchmarks.matching_noise import KINDS
from benchmarks.standing import Standing

_THREE_DIGITS = 100
_TOLD_OF_A_PLAN = re.compile(r"Scan|Planning Time|Execution Time")
_COLOURS = {"reached": "green", "missed": "red", "not measured": "dim"}

_OF_NOON = (
    "W5: lateness is the time of the event RegistrationStarted less the instant at which it was due, by the database's "
    "clock; the rate is of all, until the last is seen on record. Sizes differ, and are in the names. "
    "The authority takes calls and answers none; views follow; the clock was moved to shortly before noon. "
    "A job of the alternatives inserts one row and commits it; in parallel is how many at once (of DBOS, connections)."
)


def as_json(result: Result) -> dict[str, Any]:
    """Return everything that is printed."""
    goals = [
        {**asdict(standing), "verdict": standing.verdict, "missed_by": standing.missed_by}
        for standing in result.standings
    ]
    return {
        "machine": asdict(result.machine),
        "seed": result.seed,
        "seconds_per_point": result.asked.seconds,
        "warm_up_seconds": result.asked.warm_up,
        "sizes": _sizes(result),
        "series": {series.what: list(series.roles) for series in result.series},
        "notes": result.notes,
        "changed_settings": result.changed_settings,
        "points": [asdict(point) for point in result.points],
        "goals": goals,
    }


def _sizes(result: Result) -> dict[str, int]:
    """Return how much there was when it was measured, by workload."""
    asked = result.asked
    sizes = {
        "W3": ("W3_events", asked.rebuilt),
        "W5": ("W5_orders", asked.due),
        "W8": ("W8_orders", asked.orders),
        "W9": ("W9_orders", asked.waiting),
        "W10": ("W10_events", asked.events),
    }
    return dict(size for workload, size in sizes.items() if workload in asked.only)


def show(result: Result, out: Console) -> None:
    """Print everything."""
    out.print(_circumstances(result))
    out.print(_points(result.points))
    if any(point.late_ms for point in result.points):
        out.print(_lateness(result.points))
    _show_tallies(result.points, out)
    out.print(_standings(result.standings))
    for note in result.notes:
        out.print(f"{note}.", style="yellow", highlight=False)
    for standing in result.standings:
        if standing.note:
            out.print(f"{standing.workload}, {standing.what}: {standing.note}.", highlight=False)
    for title, plan in _plans(result.points).items():
        out.print(f"{title}, as planned:\n" + "\n".join(plan), highlight=False, markup=False)
    for point in result.points:
        if point.cpu_seconds:
            told = ", ".join(f"{name} {seconds:.2f}" for name, seconds in point.cpu_seconds.items())
            of = f"{point.what}, {point.parallel} in parallel, {point.operations:,} counted"
            out.print(f"CPU seconds in the {point.seconds:.1f} s of {of}: {told}.", highlight=False)
    out.print(
        "Only ratios within one run count. A limit is measured from Python, as the service would reach it; "
        "echoes go to a process beside the asking one; W2's three take turns. The alternatives go through no NATS "
        "and keep no answers, and of them only the ProjectionRunner keeps a view. A rebuild's latencies are of whole "
        "builds, and of batches where it is the scan alone.",
        style="dim",
    )
    if "W5" in result.asked.only:
        out.print(_OF_NOON, style="dim")


def _plans(points: Sequence[Point]) -> dict[str, list[str]]:
    """Return of each plan what it does with tables, and how long it took."""
    return {
        point.what: [line.strip() for line in point.plan if _TOLD_OF_A_PLAN.search(line)]
        for point in points
        if point.plan
    }


def _circumstances(result: Result) -> Table:
    machine = result.machine
    table = Table.grid(padding=(0, 2))
    rows = {
        "machine": f"{machine.cores} cores ({machine.processor}), {machine.memory_gb} GB, {machine.filesystem}, "
        f"load {machine.load} at the start",
        "versions": f"Python {machine.python}, PostgreSQL {machine.postgresql}, "
        f"nats-server {machine.nats_server}, eventsourcing {machine.eventsourcing}" + _node(result),
        "PostgreSQL": _pairs(machine.postgresql_settings),
        "NATS": _pairs(machine.nats_settings),
        "service": "; ".join(f"{series.what}: {_roles(series)}" for series in result.series),
        "settings": f"defaults but {_pairs(result.changed_settings)}"
        if result.changed_settings
        else "defaults",
        "run": f"seed {result.seed}, {result.asked.seconds:g} s per point after {result.asked.warm_up:g} s"
        + "".join(f", {name.replace('_', ' ')} {size:,}" for name, size in _sizes(result).items()),
    }
    for name, value in rows.items():
        table.add_row(name, value, style="dim")
    return table


def _node(result: Result) -> str:
    measured = any(point.what == EMMETT for point in result.points)
    return f", emmett {emmett.VERSION} on Node {result.machine.node}" if measured else ""


def _roles(series: Series) -> str:
    return f"role {series.roles[0]}" if len(series.roles) == 1 else f"roles {', '.join(series.roles)}"


def _pairs(settings: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _points(points: list[Point]) -> Table:
    table = Table("Work", "Party", "What", title="Measured")
    for heading in ("In parallel", "Per s", "p50 ms", "p99 ms", "Counted"):
        table.add_column(heading, justify="right")
    for point in sorted(points, key=lambda p: int(p.workload.removeprefix("W"))):
        table.add_row(
            point.workload,
            point.party,
            point.what,
            str(point.parallel),
            _per_second(point),
            f"{point.p50_ms:.2f}",
            f"{point.p99_ms:.2f}",
            f"{point.operations:,}",
            style="bold" if point.party == "ours" else None,
        )
    return table


def _lateness(points: Sequence[Point]) -> Table:
    table = Table("Work", "Party", "What", title="Late, in ms")
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "most": 1.0}
    for heading in ("In parallel", "First", *shares):
        table.add_column(heading, justify="right")
    for point in points:
        if point.late_ms:
            values = (point.late(share) for share in (0.0, *shares.values()))
            told = (point.workload, point.party, point.what, str(point.parallel))
            table.add_row(*told, *(f"{value:,.1f}" for value in values))
    return table


def _show_tallies(points: Sequence[Point], out: Console) -> None:
    for point in points:
        if point.tallies:
            out.print(_tallies(point))
            out.print(f"In {point.memory_mb:.0f} MB at most.", highlight=False)


def _tallies(point: Point) -> Table:
    """Tell of each kind of payment how many were matched, and of all how many of the matches can be wrong."""
    table = Table("Kind", "What", title=f"{point.workload}, {point.party}: {point.what}")
    for heading in ("Of 1,000", "Payments", "Matched", "Wrong", "To a person"):
        table.add_column(heading, justify="right")
    for kind in KINDS:
        if told := point.tallies.get(kind.name):
            row = (kind.name, kind.what, f"{kind.per_mille:g}", *_shares(told))
            table.add_row(*row, style="bold" if kind.right else None)
    table.add_row("all", "", "1000", *_shares(_together(point.tallies)), end_section=True)
    bound = matching_quality.upper_bound(matching_quality.wrong(point), matching_quality.matched(point))
    table.caption = f"In bold what is right. Wrong with 95 % confidence: at most {bound:.1e} of the matches."
    return table


def _shares(told: dict[str, int]) -> Iterator[str]:
    yield f"{told['entries']:,}"
    yield f"{told['matched'] / told['entries']:.1%}"
    yield f"{told['wrong']:,}"
    yield f"{1 - told['matched'] / told['entries']:.1%}"


def _together(tallies: dict[str, dict[str, int]]) -> dict[str, int]:
    return {what: sum(told[what] for told in tallies.values()) for what in ("entries", "matched", "wrong")}


def _per_second(point: Point) -> str:
    asked = f" of {point.asked_per_second:,.0f}" if point.asked_per_second else ""
    return f"{point.per_second:,.0f}{asked}"


def _standings(standings: list[Standing]) -> Table:
    table = Table("Work", "What", title="Goals")
    for heading in ("Ours", "Alternatives", "Limits", "Ours ÷ these", "Goal"):
        table.add_column(heading, justify="right")
    table.add_column("Stands")
    for standing in standings:
        sign = "≥" if standing.wanted == "at least" else "≤"
        table.add_row(
            standing.workload,
            standing.what,
            "\n".join(filter(None, [_number(standing.ours, standing.unit), _each(standing.beside)])),
            _each(standing.alternatives),
            _each(standing.limits),
            _each(standing.ratios),
            f"{sign} {_number(standing.goal, standing.unit)}",
            _verdict(standing),
        )
    return table


def _each(values: dict[str, float]) -> str:
    return "\n".join(f"{name} {_digits(value)}" for name, value in values.items())


def _verdict(standing: Standing) -> str:
    missed = f" by {standing.missed_by:.0%}" if standing.missed_by else ""
    return f"[{_COLOURS[standing.verdict]}]{standing.verdict}{missed}[/]"


def _number(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{_digits(value)} {unit}"


def _digits(value: float) -> str:
    """Return what is significant of it: three digits, and all before the point."""
    return f"{value:,.0f}" if value >= _THREE_DIGITS else f"{value:.3g}"
