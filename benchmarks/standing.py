"""How one goal stands: ours, the alternatives and the limits of the same run."""

from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["reached", "missed", "not measured"]


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
        # Of a goal of none there are no shares: one is as bad as it can be.
        return max(0.0, short / self.goal if self.goal else float(short > 0))
