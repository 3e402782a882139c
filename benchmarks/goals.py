"""What was wanted, and how far it is: each goal beside ours, the alternative and the limits of the same run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.figures import Party, Point, peak

#: The goals, from the workloads of the project.
W1_COMMANDS_PER_SECOND = 8_000.0
W1_TIMES_EVENTSOURCING = 8.0
W1_P99_MS_AT_80_PERCENT = 60.0
W2_TIMES_LIMIT = 2.0

Verdict = Literal["reached", "missed", "not measured"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One goal and where we stand; `missed_by` is the share that is missing (or too much), 0 when reached."""

    workload: str
    what: str
    unit: str
    goal: float
    wanted: Literal["at least", "at most"]
    ours: float | None = None
    alternative: float | None = None
    limits: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether the goal is reached."""
        if self.ours is None:
            return "not measured"
        return "missed" if self.missed_by else "reached"

    @property
    def missed_by(self) -> float | None:
        """How much is missing, as a share of the goal."""
        if self.ours is None:
            return None
        short = self.goal - self.ours if self.wanted == "at least" else self.ours - self.goal
        return max(0.0, short / self.goal)


def standings(points: Sequence[Point], only: Sequence[str]) -> list[Standing]:
    """Return how each goal of these workloads stands."""
    by_workload = {"W1": _w1, "W2": _w2}
    return [standing for workload in only for standing in by_workload[workload](points)]


def _w1(points: Sequence[Point]) -> list[Standing]:
    ours, library = (_peak(points, "W1", party) for party in ("ours", "alternative"))
    inserts = _peak(points, "W1", "limit", "single-row inserts")
    echoes = _peak(points, "W1", "limit", "NATS echo")
    ratio = _divided(ours, library)
    return [
        Standing(
            "W1", "commands, peak", "/s", W1_COMMANDS_PER_SECOND, "at least",
            ours, library, _known(inserts=inserts, echoes=echoes),
            _known(alternative=ratio, inserts=_divided(ours, inserts), echoes=_divided(ours, echoes)),
        ),
        Standing("W1", "peak ÷ eventsourcing's", "×", W1_TIMES_EVENTSOURCING, "at least", ratio),
        Standing(
            "W1", "p99 at 80 % of the peak", "ms", W1_P99_MS_AT_80_PERCENT, "at most",
            note="needs clients that send at a fixed rate: not written yet",
        ),
    ]  # fmt: skip


def _w2(points: Sequence[Point]) -> list[Standing]:
    ours = _p50(points, "ours", "commands")
    insert = _p50(points, "limit", "single-row inserts")
    trip = _p50(points, "limit", "NATS echo")
    least = insert + trip if insert and trip else None
    alone = [p.p50_ms for p in points if p.party == "alternative" and p.parallel == 1]
    library = alone[0] if alone else None
    return [
        Standing(
            "W2", "lone p50 ÷ (insert + trip)", "×", W2_TIMES_LIMIT, "at most",
            _divided(ours, least), _divided(library, least), {"insert + trip": 1.0},
            _known(alternative=_divided(ours, library)),
            note="" if None in {ours, least} else f"{ours:.2f} ms ÷ ({insert:.2f} + {trip:.2f}) ms",
        )
    ]  # fmt: skip


def _peak(points: Sequence[Point], workload: str, party: Party, what: str = "") -> float | None:
    wanted = (p for p in points if (p.workload, p.party) == (workload, party) and what in {"", p.what})
    best = peak(wanted)
    return best.per_second if best else None


def _p50(points: Sequence[Point], party: Party, what: str) -> float | None:
    return next((p.p50_ms for p in points if (p.workload, p.party, p.what) == ("W2", party, what)), None)


def _divided(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _known(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
