"""One writer per process: commands queue up, and go to the log in groups that grow with the load."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

import structlog

from vignettes.domain.errors import Unavailable
from vignettes.eventstore.deciding import Command, Outcome

log = structlog.get_logger(__name__)

#: Commands that may wait; one more is told at once that it can't be taken.
CAPACITY = 2_000
#: Commands of one transaction: larger groups cost no less per command, and those at the end wait for all.
LARGEST_GROUP = 256

Settle = Callable[[Outcome], Awaitable[None]]
"""What is done with a command's outcome."""


class QueueFull(Unavailable):
    """More commands wait than can be done soon; nothing was recorded. Ask again with the same command_id."""


@dataclass(slots=True)
class GroupStats:
    """How the writer fares: what waits, what it did, what it could not take."""

    queue_waiting: int = 0
    queue_capacity: int = CAPACITY
    queue_turned_away: int = 0
    groups: int = 0
    group_commands: int = 0
    group_largest: int = 0

    def told(self) -> dict[str, int]:
        """Return it as numbers by name."""
        return asdict(self)

    def counted(self, size: int) -> None:
        """Count one group."""
        self.groups += 1
        self.group_commands += size
        self.group_largest = max(self.group_largest, size)


class GroupWriter:
    """Takes commands in order of arrival. A lone one goes at once; under load, whatever waits goes together.

    While `execute_all` waits for the database, the next group gathers, and answers go out.
    """

    def __init__(
        self,
        execute_all: Callable[[Sequence[Command]], Awaitable[list[Outcome]]],
        *,
        capacity: int = CAPACITY,
        largest: int = LARGEST_GROUP,
    ) -> None:
        self._execute_all = execute_all
        self._largest = largest
        self._queue: deque[tuple[Command, Settle]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._stats = GroupStats(queue_capacity=capacity)

    def put(self, command: Command, settle: Settle) -> None:
        """Queue one command; `settle` is called once with its outcome. Raises QueueFull, and then it is not."""
        if len(self._queue) >= self._stats.queue_capacity:
            self._stats.queue_turned_away += 1
            raise QueueFull
        self._queue.append((command, settle))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="group writer")

    async def end(self) -> None:
        """Let what is queued come to its end; called when no more comes in."""
        if self._writing is not None:
            await asyncio.wait({self._writing})

    def stats(self) -> dict[str, int]:
        """Return how it fares, as numbers."""
        self._stats.queue_waiting = len(self._queue)
        return self._stats.told()

    async def _write(self) -> None:
        """Write until nothing waits. The next group starts before the answers of the last one have left."""
        settling: asyncio.Task[None] | None = None
        while self._queue:
            group = [self._queue.popleft() for _ in range(min(len(self._queue), self._largest))]
            outcomes = await self._outcomes([command for command, _ in group])
            settling = asyncio.create_task(_settle(group, outcomes, after=settling))
            if not self._queue:
                await settling

    async def _outcomes(self, commands: list[Command]) -> list[Outcome]:
        self._stats.counted(len(commands))
        try:
            return await self._execute_all(commands)
        except Exception as error:
            log.exception("commands.failed", commands=len(commands))
            return [error] * len(commands)


async def _settle(
    group: Sequence[tuple[Command, Settle]], outcomes: Sequence[Outcome], after: "asyncio.Task[None] | None"
) -> None:
    if after:
        await after
    for (command, settle), outcome in zip(group, outcomes, strict=True):
        try:
            await settle(outcome)
        except Exception:
            log.exception("command.unanswered", command=str(command.command_id))
