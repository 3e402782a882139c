"""What was wanted, and how far it is: each goal beside ours, the alternatives and the limits of the same run."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal

from benchmarks.figures import Party, Point, peak
from benchmarks.house import NO_VIEWS, VIEWS

#: The goals, from the workloads of the project. Those of W1 are for the series without views.
W1_COMMANDS_PER_SECOND = 8_000.0
W1_TIMES_EVENTSOURCING = 8.0
W1_TIMES_EMMETT = 3.5
W1_P99_MS_AT_80_PERCENT = 60.0
W2_TIMES_LIMIT = 2.0
W10_TIMES_EMPTY = 1.2

AT_80_PERCENT = f"{NO_VIEWS.what}, at 80 % of the peak"
EMPTY_LOG = f"{NO_VIEWS.what}, log empty at first"
EVENTSOURCING, EMMETT = "eventsourcing commands", "emmett commands"

Verdict = Literal["reached", "missed", "not measured"]


def grown_log(events: int) -> str:
    """Return how the commands on a log of so many events are called."""
    return f"{NO_VIEWS.what}, log of {events:,} events"


@dataclass(frozen=True, slots=True)
class Standing:
    """One goal and where we stand; `missed_by` is the share that is missing (or too much), 0 when reached.

    `beside` are figures of ours that the goal is not about, but that whoever reads it should know.
    """

    workload: str
    what: str
    unit: str
    goal: float
    wanted: Literal["at least", "at most"]
    ours: float | None = None
    beside: dict[str, float] = field(default_factory=dict)
    alternatives: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    note: str = ""
    spoilt: bool = False

    @property
    def verdict(self) -> Verdict:
        """Whether the goal is reached. A spoilt figure was not seen under the conditions that the goal names."""
        if self.ours is None:
            return "not measured"
        return "missed" if self.missed_by or self.spoilt else "reached"

    @property
    def missed_by(self) -> float | None:
        """How much is missing, as a share of the goal."""
        if self.ours is None:
            return None
        short = self.goal - self.ours if self.wanted == "at least" else self.ours - self.goal
        return max(0.0, short / self.goal)


def standings(points: Sequence[Point], only: Sequence[str], events: int) -> list[Standing]:
    """Return how each goal of these workloads stands."""
    by_workload = {
        "W1": lambda: _w1(points),
        "W2": lambda: [_w2(points)],
        "W10": lambda: [_w10(points, events)],
    }
    return [standing for workload in only for standing in by_workload[workload]()]


def _w1(points: Sequence[Point]) -> list[Standing]:
    ours = _peak(points, "ours", NO_VIEWS.what)
    views = _peak(points, "ours", VIEWS.what)
    library, node = (_peak(points, "alternative", what) for what in (EVENTSOURCING, EMMETT))
    limits = _known(
        inserts=_peak(points, "limit", "single-row inserts"), echoes=_peak(points, "limit", "NATS echo")
    )
    alternatives = _known(eventsourcing=library, emmett=node)
    ratios = {name: ours / value for name, value in (alternatives | limits).items()} if ours else {}
    return [
        Standing(
            "W1", "peak, no views", "/s", W1_COMMANDS_PER_SECOND, "at least",
            ours, _known(**{"with views": views}), alternatives, limits, ratios,
        ),
        _times("eventsourcing", W1_TIMES_EVENTSOURCING, ours, views, library),
        _times("emmett", W1_TIMES_EMMETT, ours, views, node),
        _at_80_percent(points),
    ]  # fmt: skip


def _times(name: str, goal: float, ours: float | None, views: float | None, theirs: float | None) -> Standing:
    beside = _known(**{"with views": _divided(views, theirs)})
    return Standing("W1", f"peak ÷ {name}", "×", goal, "at least", _divided(ours, theirs), beside)


def _at_80_percent(points: Sequence[Point]) -> Standing:
    unknown = Standing("W1", "p99 at 80 % of the peak", "ms", W1_P99_MS_AT_80_PERCENT, "at most")
    point = next((p for p in points if p.what == AT_80_PERCENT), None)
    if point is None or point.asked_per_second is None:
        return unknown
    note = f"{point.asked_per_second:,.0f}/s asked, {point.per_second:,.0f}/s done, p50 {point.p50_ms:.2f} ms"
    if not point.held:
        note += "; the rate was not held, so the p99 says little"
    beside = {"p50": point.p50_ms}
    return replace(unknown, ours=point.p99_ms, beside=beside, note=note, spoilt=not point.held)


def _w2(points: Sequence[Point]) -> Standing:
    ours = _p50(points, "ours", VIEWS.what)
    insert = _p50(points, "limit", "single-row inserts")
    trip = _p50(points, "limit", "NATS echo")
    least = insert + trip if insert and trip else None
    alone = {
        p.what.partition(" ")[0]: p.p50_ms for p in points if (p.party, p.parallel) == ("alternative", 1)
    }
    return Standing(
        "W2", "lone p50 ÷ (insert + trip)", "×", W2_TIMES_LIMIT, "at most", _divided(ours, least),
        alternatives={name: theirs / least for name, theirs in alone.items()} if least else {},
        limits={"insert + trip": 1.0},
        ratios={name: ours / theirs for name, theirs in alone.items()} if ours else {},
        note="" if None in {ours, least} else f"{ours:.2f} ms ÷ ({insert:.2f} + {trip:.2f}) ms, views following",
    )  # fmt: skip


def _w10(points: Sequence[Point], events: int) -> Standing:
    """Compare the cost of one command: the time that passes per command when many ask."""
    turns = {
        what: [p.per_second for p in points if p.what == what] for what in (EMPTY_LOG, grown_log(events))
    }
    unknown = Standing("W10", f"cost of a command, {events:,} events ÷ none", "×", W10_TIMES_EMPTY, "at most")
    if not all(turns.values()):
        return unknown
    empty, long = (median(seen) for seen in turns.values())
    each = len(turns[EMPTY_LOG])
    note = f"{long:,.0f}/s against {empty:,.0f}/s, medians of {each} turns each"
    return replace(unknown, ours=empty / long, note=note)


def _peak(points: Sequence[Point], party: Party, what: str) -> float | None:
    best = peak(p for p in points if (p.workload, p.party, p.what) == ("W1", party, what))
    return best.per_second if best else None


def _p50(points: Sequence[Point], party: Party, what: str) -> float | None:
    return next((p.p50_ms for p in points if (p.workload, p.party, p.what) == ("W2", party, what)), None)


def _divided(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _known(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
