"""W1 as a picture: throughput and latency over commands in flight, ours beside the alternatives, limits and goals."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from benchmarks import emmett
from benchmarks.bench import Result
from benchmarks.figures import Party, Point, peak
from benchmarks.goals import (
    AT_80_PERCENT,
    EMMETT,
    EVENTSOURCING,
    W1_COMMANDS_PER_SECOND,
    W1_P99_MS_AT_80_PERCENT,
)
from benchmarks.house import NO_VIEWS, VIEWS

HALO = withStroke(linewidth=3, foreground="white")  # so that a curve behind a text does not hide it
FORMATS = (".svg", ".png", ".pdf")

_INK, FAINT, _GRID, GOAL = "#24292f", "#6e7781", "#e3e6ea", "#b42318"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": _INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "svg.fonttype": "path",
    "svg.hashsalt": "vignettes",  # the same figures give the same file
}


@dataclass(frozen=True, slots=True)
class _Curve:
    party: Party
    what: str
    label: str
    colour: str
    marker: str
    line: float

    def points(self, result: Result) -> list[Point]:
        """Return what was measured of it, by what was in flight."""
        found = (p for p in result.points if (p.workload, p.party, p.what) == ("W1", self.party, self.what))
        return sorted(found, key=lambda point: point.parallel)


_CURVES = (
    _Curve("ours", NO_VIEWS.what, "ours, no views", "#0b57d0", "o", 2.4),
    _Curve("ours", VIEWS.what, "ours, views following", "#5fa8f5", "o", 2.4),
    _Curve("alternative", EVENTSOURCING, "eventsourcing, as its manual shows it", "#d9730d", "s", 1.4),
    _Curve("alternative", EMMETT, f"emmett {emmett.VERSION} (Node)", "#2f8f4e", "^", 1.4),
)
_LIMITS = {"single-row inserts": "limit: single-row inserts", "NATS echo": "limit: NATS echo"}


def draw(result: Result, file: Path) -> None:
    """Draw into a file, in the format of its suffix. What was not measured is left out."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.5, 5.6))
        throughput, latency = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.07, right=0.975, top=0.79, bottom=0.17, wspace=0.17)
        _throughput(throughput, result)
        _latency(latency, result)
        _frame(figure, [throughput, latency], result)
        figure.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)


def _throughput(axes: Axes, result: Result) -> None:
    for curve in _CURVES:
        points = curve.points(result)
        axes.plot(
            [p.parallel for p in points], [p.per_second for p in points],
            color=curve.colour, marker=curve.marker, linewidth=curve.line, markersize=5,
            label=curve.label if points else None,
        )  # fmt: skip
    _mark_peak(axes, _CURVES[0].points(result))
    for what, name in _LIMITS.items():
        best = peak(p for p in result.points if (p.workload, p.party, p.what) == ("W1", "limit", what))
        if best:
            _level(axes, best.per_second, f"{name}, {best.per_second:,.0f}/s", FAINT)
    _level(axes, W1_COMMANDS_PER_SECOND, f"goal, {W1_COMMANDS_PER_SECOND:,.0f}/s", GOAL)
    axes.set_yscale("log")
    axes.set_ylabel("commands per second")
    axes.set_title("Throughput", loc="left", fontweight="bold", fontsize=10.5)


def _latency(axes: Axes, result: Result) -> None:
    for curve in _CURVES:
        points = curve.points(result)
        at = [p.parallel for p in points]
        p50, p99 = [p.p50_ms for p in points], [p.p99_ms for p in points]
        axes.plot(at, p50, color=curve.colour, marker=curve.marker, linewidth=curve.line, markersize=5)
        axes.plot(at, p99, color=curve.colour, linestyle=(0, (4, 2)), linewidth=curve.line * 0.6)
        if curve.party == "ours":
            axes.fill_between(at, p50, p99, color=curve.colour, alpha=0.08, linewidth=0)
    _level(
        axes,
        W1_P99_MS_AT_80_PERCENT,
        f"goal: p99 at 80 % of the peak, {W1_P99_MS_AT_80_PERCENT:.0f} ms",
        GOAL,
    )
    for point in result.points:
        if point.what == AT_80_PERCENT:
            _mark_rate(axes, point, max(p.parallel for curve in _CURVES for p in curve.points(result)))
    axes.set_yscale("log")
    axes.set_ylabel("latency, ms")
    axes.set_title("Latency: p50 solid, p99 dashed", loc="left", fontweight="bold", fontsize=10.5)


def _mark_peak(axes: Axes, points: Iterable[Point]) -> None:
    best = peak(points)
    if best:
        axes.annotate(
            f"{best.per_second:,.0f}/s", (best.parallel, best.per_second), (0, 7), textcoords="offset points",
            ha="center", color=_CURVES[0].colour, fontweight="bold",
        )  # fmt: skip


def _mark_rate(axes: Axes, point: Point, widest: int) -> None:
    """Show the open loop's p99 where as many were under way as there were on average."""
    at = min(point.parallel, widest)
    beside = "left" if at < math.sqrt(widest) else "right"
    text = f"{point.p99_ms:,.1f} ms at {point.asked_per_second:,.0f}/s" + ("" if point.held else ", not held")
    axes.plot(
        [at], [point.p99_ms], color=_CURVES[0].colour, marker="*", markersize=14, markeredgecolor="white",
        linestyle="none", label="p99 at 80 % of the peak, no views", zorder=5,
    )  # fmt: skip
    axes.annotate(
        text, (at, point.p99_ms), (11 if beside == "left" else -11, 0), textcoords="offset points",
        ha=beside, va="center", color=_CURVES[0].colour, fontweight="bold", fontsize=8.5, zorder=5,
        path_effects=[HALO],
    )  # fmt: skip


def _level(axes: Axes, value: float, text: str, colour: str) -> None:
    axes.axhline(value, color=colour, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    axes.annotate(
        text, (0.005, value), (0, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
        color=colour, fontsize=8, path_effects=[HALO],
    )  # fmt: skip


def _frame(figure: Figure, panels: Sequence[Axes], result: Result) -> None:
    """Give both the same x axis, one legend, and say on what it was measured."""
    ticks = sorted({p.parallel for curve in _CURVES for p in curve.points(result)})
    for axes in panels:
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("commands in flight (clients, threads)")
        axes.grid(visible=True, which="major", linewidth=0.8)
        axes.tick_params(which="both", length=0)
    entries = [entry for axes in panels for entry in zip(*axes.get_legend_handles_labels(), strict=True)]
    figure.legend(
        *zip(*entries, strict=True), loc="lower center", ncol=len(entries), fontsize=8.5, frameon=False
    )
    figure.suptitle(
        "Durable commands through NATS, four an order",
        x=0.07,
        y=0.965,
        ha="left",
        fontsize=14,
        fontweight="bold",
    )
    figure.text(0.07, 0.87, _circumstances(result), color=FAINT, fontsize=8.5, linespacing=1.5)


def machine_of(result: Result) -> str:
    """Return on what it was measured."""
    machine = result.machine
    return (
        f"{machine.cores} cores ({machine.processor}), {machine.memory_gb} GB, {machine.filesystem}; "
        "everything on one machine."
    )


def versions_of(result: Result) -> str:
    """Return with which servers it was measured."""
    machine = result.machine
    durable = f"fsync {machine.postgresql_settings['fsync']}"
    return (
        f"PostgreSQL {machine.postgresql} ({durable}), nats-server {machine.nats_server}, "
        f"Python {machine.python}."
    )


def _circumstances(result: Result) -> str:
    return (
        f"{machine_of(result)} "
        f"{result.asked.seconds:g} s a point after {result.asked.warm_up:g} s, seed {result.seed}.\n"
        f"{versions_of(result)} "
        "The alternatives go through no NATS and keep no views and no answers."
    )
