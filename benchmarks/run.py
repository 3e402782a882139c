"""A run under way: what was asked, what is found so far, and how far it is."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rich.progress import Progress

from benchmarks import apart
from benchmarks.figures import Point

#: Two runs on one database would order with the same ids: each point draws from a seed of its own.
SEED = "vignettes"
_LONGEST_WARM_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What to measure: which workloads, how many seconds each point, how many clients, and what there is already."""

    only: Sequence[str]
    seconds: float
    clients: Sequence[int]
    #: How many events W10's long log has.
    events: int
    #: How many events W3's log has.
    rebuilt: int
    #: How many orders W8's views have.
    orders: int
    #: How many orders W5's burst has.
    due: int
    #: How many commands a second W4's load is, where no peak is known to take half of.
    rate: float
    #: How many orders W9's money is for, and ten for each payment.
    waiting: int = 0
    #: How many events W7's longest log has.
    logged: int = 0

    @property
    def warm_up(self) -> float:
        """How many seconds pass before anything is counted."""
        return min(_LONGEST_WARM_UP_SECONDS, self.seconds / 4)


class Run:
    """Processes that measure, one after the other, and what they found."""

    def __init__(self, asked: Asked, progress: Progress, steps: int) -> None:
        self.asked = asked
        self.points: list[Point] = []
        #: What was left out, and why.
        self.notes: list[str] = []
        #: Which settings of the service were not the default.
        self.changed_settings: dict[str, str] = {}
        self._steps = steps
        self._progress = progress
        self._task = progress.add_task("", total=steps)

    async def measure(self, title: str, module: str, **arguments: Any) -> None:
        """Let a process of its own measure something."""
        times = {"seconds": self.asked.seconds, "warm_up": self.asked.warm_up}
        await self.do(title, module, **arguments, **times)

    async def do(self, title: str, module: str, **arguments: Any) -> None:
        """Let a process of its own do something that takes as long as it takes."""
        self.tell(title)
        self._find(title, await apart.measured(module, **arguments))

    @asynccontextmanager
    async def meanwhile(self, title: str, module: str, **arguments: Any) -> AsyncIterator[None]:
        """Let a process of its own measure beside whatever the block measures."""
        self.tell(title)
        async with apart.meanwhile(module, **arguments) as points:
            yield
        self._find(title, points)

    def _find(self, title: str, points: Sequence[Point]) -> None:
        for point in points:
            told = f"{title}: {point.what} {point.per_second:,.0f}/s"
            self._progress.print(told, style="dim", highlight=False)
            self.points.append(point)
        self._progress.advance(self._task)

    def tell(self, title: str) -> None:
        """Say what is done now."""
        self._progress.update(self._task, description=title)

    def leave_out(self, steps: int, note: str) -> None:
        """Go on without something, and say so."""
        self._progress.print(note, style="yellow", highlight=False)
        self.notes.append(note)
        self._steps -= steps
        self._progress.update(self._task, total=self._steps)
