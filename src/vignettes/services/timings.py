"""How long requests took, by how they ended: a histogram that costs the hot path next to nothing."""

from bisect import bisect_left
from typing import Any, Final

#: In seconds; what took longer than the last is counted after it.
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_NANOSECONDS = [round(bound * 1e9) for bound in BOUNDS]


class Timings:
    """Counts what ended, by outcome and by how long it took."""

    __slots__ = ("_counts", "_nanoseconds")

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._nanoseconds: dict[str, int] = {}

    def note(self, outcome: str, nanoseconds: int) -> None:
        """Count one."""
        counts = self._counts.get(outcome)
        if counts is None:
            counts = self._counts[outcome] = [0] * (len(_NANOSECONDS) + 1)
            self._nanoseconds[outcome] = 0
        counts[bisect_left(_NANOSECONDS, nanoseconds)] += 1
        self._nanoseconds[outcome] += nanoseconds

    def told(self) -> dict[str, Any]:
        """Return it as JSON, with its bounds, for releases may differ in these; empty when there was nothing."""
        if not self._counts:
            return {}
        outcomes = {
            outcome: {"counts": list(counts), "seconds": self._nanoseconds[outcome] / 1e9}
            for outcome, counts in self._counts.items()
        }
        return {"bounds": list(BOUNDS), "outcomes": outcomes}
