"""W5 as a picture: which share of what was due at one instant was done, how late; ours beside the alternatives."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from benchmarks.bench import Result
from benchmarks.figures import Point
from benchmarks.goals import SINGLE_DEADLINES, W5_ORDERS, W5_SINGLE_P99_MS, W5_WITHIN_SECONDS
from benchmarks.plot import FAINT, GOAL, HALO, STYLE, machine_of, versions_of

_OURS = ("#0b57d0", "#5fa8f5")
_OTHERS = ("#d9730d", "#2f8f4e")
#: What was early by the clock's last digit, or a moment late, is drawn at the left edge.
_LEAST_MS = 1.0
_A_SECOND_IN_MS = 1_000.0


def draw(result: Result, file: Path) -> None:
    """Draw into a file, in the format of its suffix. What was not measured is left out."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.5, 5.6))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.07, right=0.975, top=0.79, bottom=0.2)
        _curves(axes, _best(point for point in result.points if point.late_ms))
        _goals(axes, result.asked.due)
        _scales(axes)
        _words(figure, axes, result)
        figure.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)


def _best(points: Iterable[Point]) -> list[Point]:
    """Return of each that was tried in several ways the quickest."""
    best: dict[str, Point] = {}
    for point in points:
        best[point.what] = max(point, best.get(point.what, point), key=lambda each: each.per_second)
    return list(best.values())


def _curves(axes: Axes, points: Sequence[Point]) -> None:
    """Draw one curve for each; what was asked of a service that had nothing else to do is dashed."""
    colours = {"ours": iter(_OURS), "alternative": iter(_OTHERS)}
    for point in sorted(points, key=lambda point: (point.party != "ours", point.what == SINGLE_DEADLINES)):
        late = [max(value, _LEAST_MS) for value in point.late_ms]
        axes.plot(
            late, [step / (len(late) - 1) for step in range(len(late))], color=next(colours[point.party]),
            linewidth=2.4 if point.party == "ours" else 1.4, label=f"{point.what}, {point.per_second:,.0f}/s",
            linestyle=(0, (4, 2)) if point.what == SINGLE_DEADLINES else "solid",
        )  # fmt: skip


def _goals(axes: Axes, due: int) -> None:
    within = W5_WITHIN_SECONDS * due / W5_ORDERS
    goals = {
        within * _A_SECOND_IN_MS: (1.0, f"goal: all {due:,} within {within:g} s"),
        W5_SINGLE_P99_MS: (0.99, f"goal: p99 of single ones, {W5_SINGLE_P99_MS:g} ms"),
    }
    for value, (share, text) in goals.items():
        axes.axvline(value, color=GOAL, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        axes.plot([value], [share], color=GOAL, marker="o", markersize=4, linestyle="none", zorder=4)
        axes.annotate(
            text, (value, 0.02), (-4, 0), textcoords="offset points", rotation=90, ha="right", va="bottom",
            color=GOAL, fontsize=8, path_effects=[HALO],
        )  # fmt: skip


def _scales(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_xlim(left=_LEAST_MS)
    axes.set_ylim(0, 1.03)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _time(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("late: from the instant at which it was due to its record")
    axes.set_ylabel("share that was done")
    axes.grid(visible=True, which="major", linewidth=0.8)
    axes.tick_params(which="both", length=0)


def _time(ms: float) -> str:
    return f"{ms:g} ms" if ms < _A_SECOND_IN_MS else f"{ms / _A_SECOND_IN_MS:g} s"


def _words(figure: Figure, axes: Axes, result: Result) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=2, fontsize=8.5, frameon=False)
    figure.suptitle(
        "Due at one instant: from the deadline to the start on record",
        x=0.07,
        y=0.965,
        ha="left",
        fontsize=14,
        fontweight="bold",
    )
    told = (
        f"{machine_of(result)} Seed {result.seed}.\n"
        f"{versions_of(result)} Ours by four processes, views following; "
        "a job of the alternatives inserts one row in one process."
    )
    figure.text(0.07, 0.87, told, color=FAINT, fontsize=8.5, linespacing=1.5)
