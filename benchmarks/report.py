"""A run as tables for people and as JSON for programs: the same figures in both."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.bench import Result
from benchmarks.figures import Point
from benchmarks.goals import Standing

_COLOURS = {"reached": "green", "missed": "red", "not measured": "dim"}


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
        "roles": list(result.roles),
        "changed_settings": result.changed_settings,
        "points": [asdict(point) for point in result.points],
        "goals": goals,
    }


def show(result: Result, out: Console) -> None:
    """Print everything."""
    out.print(_circumstances(result))
    out.print(_points(result.points))
    out.print(_standings(result.standings))
    for standing in result.standings:
        if standing.note:
            out.print(f"{standing.workload}, {standing.what}: {standing.note}.", highlight=False)
    out.print(
        "Only ratios within one run count. A limit is measured from Python, as the service would reach it; "
        "echoes go to a process beside the asking one; W2's three take turns.",
        style="dim",
    )


def _circumstances(result: Result) -> Table:
    machine = result.machine
    table = Table.grid(padding=(0, 2))
    rows = {
        "machine": f"{machine.cores} cores ({machine.processor}), {machine.memory_gb} GB, {machine.filesystem}, "
        f"load {machine.load} at the start",
        "versions": f"Python {machine.python}, PostgreSQL {machine.postgresql}, "
        f"nats-server {machine.nats_server}, eventsourcing {machine.eventsourcing}",
        "PostgreSQL": _pairs(machine.postgresql_settings),
        "NATS": _pairs(machine.nats_settings),
        "service": f"roles {', '.join(result.roles)}, each a process; defaults"
        + (f" but {_pairs(result.changed_settings)}" if result.changed_settings else ""),
        "run": f"seed {result.seed}, {result.asked.seconds:g} s per point after {result.asked.warm_up:g} s",
    }
    for name, value in rows.items():
        table.add_row(name, value, style="dim")
    return table


def _pairs(settings: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _points(points: list[Point]) -> Table:
    table = Table("Work", "Party", "What", title="Measured")
    for heading in ("In parallel", "Per s", "p50 ms", "p99 ms", "Counted"):
        table.add_column(heading, justify="right")
    for point in sorted(points, key=lambda p: p.workload):
        table.add_row(
            point.workload,
            point.party,
            point.what,
            str(point.parallel),
            f"{point.per_second:,.0f}",
            f"{point.p50_ms:.2f}",
            f"{point.p99_ms:.2f}",
            f"{point.operations:,}",
            style="bold" if point.party == "ours" else None,
        )
    return table


def _standings(standings: list[Standing]) -> Table:
    table = Table("Work", "What", title="Goals")
    for heading in ("Ours", "Alternative", "Limits", "Ours ÷ these", "Goal"):
        table.add_column(heading, justify="right")
    table.add_column("Stands")
    for standing in standings:
        sign = "≥" if standing.wanted == "at least" else "≤"
        table.add_row(
            standing.workload,
            standing.what,
            _number(standing.ours, standing.unit),
            _number(standing.alternative, standing.unit),
            "\n".join(f"{name} {_number(value, standing.unit)}" for name, value in standing.limits.items()),
            "\n".join(f"{name} {_number(value, '×')}" for name, value in standing.ratios.items()),
            f"{sign} {_number(standing.goal, standing.unit)}",
            _verdict(standing),
        )
    return table


def _verdict(standing: Standing) -> str:
    missed = f" by {standing.missed_by:.0%}" if standing.missed_by else ""
    return f"[{_COLOURS[standing.verdict]}]{standing.verdict}{missed}[/]"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f} {unit}" if unit == "/s" else f"{value:.3g} {unit}"
