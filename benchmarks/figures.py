"""What is measured: how many in a stretch of time, and how long each took."""

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

Party = Literal["ours", "alternative", "limit"]

#: A stretch of a few seconds has edges: what was under way at its ends counts on one side only.
_HELD = 0.97
#: Lateness is kept by shares of half a percent: enough for a curve, however many there were.
_STEPS = 200


class NothingMeasured(Exception):
    """Nothing ended while it was counted: the time per point is too short."""


class Window:
    """A stretch of time. What ends before it only warms up, what ends after it comes too late to be counted."""

    def __init__(self, seconds: float, warm_up: float) -> None:
        self.warm_up = warm_up
        self.begins = time.perf_counter() + warm_up
        self.ends = self.begins + seconds
        self.latencies: dict[str, list[float]] = defaultdict(list)

    @property
    def open(self) -> bool:
        """Whether it is worth beginning something more."""
        return time.perf_counter() < self.ends

    @property
    def left(self) -> float:
        """Seconds until it closes."""
        return max(0.0, self.ends - time.perf_counter())

    def note(self, began: float, what: str = "") -> None:
        """Count something that began then (perf_counter) and has ended now. Safe to use from several threads."""
        ended = time.perf_counter()
        if self.counts(ended):
            self.latencies[what].append(ended - began)

    def counts(self, instant: float) -> bool:
        """Whether it lies within."""
        return self.begins <= instant < self.ends


@dataclass(frozen=True, slots=True)
class Point:
    """One measured point.

    `by_kind` is the p50 in ms of each kind of operation, where there are several. `asked_per_second` is there when
    they came at a rate fixed beforehand; `parallel` is then how many were under way on average. `plan` is how the
    database goes about it, line by line, where that was asked. Of what was due at an instant, `late_ms` is how late
    shares of it were, 0, 0.5 % and so on to all; the latencies are lateness then. `cpu_seconds` is what each process
    or stage used meanwhile, where that was looked at. `memory_mb` is the most that the measuring process had in
    memory, and `tallies` how what it decided went: by kind, how many of what there were. `largest_bytes` is how long
    the longest answer was, where that was looked at.
    """

    workload: str
    party: Party
    what: str
    parallel: int
    seconds: float
    operations: int
    per_second: float
    p50_ms: float
    p99_ms: float
    by_kind: dict[str, float] = field(default_factory=dict)
    asked_per_second: float | None = None
    plan: Sequence[str] = ()
    late_ms: Sequence[float] = ()
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    memory_mb: float | None = None
    tallies: dict[str, dict[str, int]] = field(default_factory=dict)
    largest_bytes: int | None = None

    @property
    def held(self) -> bool:
        """Whether what was asked at a fixed rate was also done at it."""
        return self.asked_per_second is None or self.per_second >= _HELD * self.asked_per_second

    def planned(self, plan: Sequence[str]) -> Self:
        """Return the point with how the database goes about it."""
        return replace(self, plan=plan)

    def late(self, share: float) -> float:
        """Return within how many ms after it was due that share of it was done."""
        return self.late_ms[round(share * _STEPS)]

    def using(self, cpu_seconds: dict[str, float]) -> Self:
        """Return the point with what each process used."""
        return replace(self, cpu_seconds=cpu_seconds)

    def of_many(self, operations: int) -> Self:
        """Return the point of work that is done in batches: its latencies are those of batches."""
        return replace(self, operations=operations, per_second=operations / self.seconds)

    def at_rate(self, asked_per_second: float, operations: int, window: Window) -> Self:
        """Return the point of an open loop: so many ended in time, though latencies are of all that were due."""
        waited = sum(map(sum, window.latencies.values()))
        return replace(
            self,
            parallel=max(1, round(waited / self.seconds)),
            operations=operations,
            per_second=operations / self.seconds,
            asked_per_second=asked_per_second,
        )

    @classmethod
    def of(cls, title: tuple[str, Party, str], parallel: int, seconds: float, *windows: Window) -> Self:
        """Return what the windows, `seconds` long together, have seen. Raises NothingMeasured."""
        kinds: dict[str, list[float]] = defaultdict(list)
        for window in windows:
            for kind, latencies in window.latencies.items():
                kinds[kind] += latencies
        every = sorted(latency for latencies in kinds.values() for latency in latencies)
        if not every:
            raise NothingMeasured(f"{title[0]}: no {title[2]} ended within {seconds} s.")
        return cls(
            *title,
            parallel,
            seconds,
            len(every),
            len(every) / seconds,
            _ms(every, 0.50),
            _ms(every, 0.99),
            {kind: _ms(sorted(latencies), 0.50) for kind, latencies in kinds.items() if kind},
        )

    @classmethod
    def of_lateness(
        cls, title: tuple[str, Party, str], parallel: int, seconds: float, late: Sequence[float]
    ) -> Self:
        """Return the point of what was late by so many seconds each, in order; the last was done after `seconds`.

        Raises NothingMeasured.
        """
        if not late:
            raise NothingMeasured(f"{title[0]}: no {title[2]} was done.")
        shares = [_ms(late, step / _STEPS) for step in range(_STEPS + 1)]
        return cls(
            *title,
            parallel,
            seconds,
            len(late),
            len(late) / seconds,
            _ms(late, 0.50),
            _ms(late, 0.99),
            late_ms=shares,
        )


def peak(points: Iterable[Point]) -> Point | None:
    """Return the point with the most per second, None of none."""
    return max(points, key=lambda point: point.per_second, default=None)


def _ms(ordered: Sequence[float], share: float) -> float:
    """Return the latency within which that share ended (nearest rank), in ms."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] * 1000
