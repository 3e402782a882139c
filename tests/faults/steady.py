"""What processes use as time goes by, and whether it stays where it was."""

import asyncio
import statistics
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
import psycopg
from psycopg import OperationalError

from vignettes.eventstore.connections import conninfo

#: A process may keep so much more than after it was warm: a tenth, and what allocators take at a time.
_MORE, _MORE_BYTES = 1.10, 8 << 20
#: And so many more open files or sessions: those that come and go are seen at one look, and not at another.
_MORE_FILES = 6
_SESSIONS = """
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@dataclass
class Series:
    """One figure over time."""

    seen: list[float] = field(default_factory=list)

    @property
    def warm(self) -> list[float]:
        """What it was when everything had been done a few times: the second quarter."""
        return self._quarter(1)

    @property
    def late(self) -> list[float]:
        """What it was in the end: the last quarter."""
        return self._quarter(3)

    def _quarter(self, number: int) -> list[float]:
        length = len(self.seen)
        return self.seen[length * number // 4 : length * (number + 1) // 4]

    def has_grown(self, factor: float, more: float) -> bool:
        """Tell whether the last quarter's median is above the second's by more than a factor and a number."""
        return statistics.median(self.late) > statistics.median(self.warm) * factor + more


class Watch:
    """Looks at processes that live through it all, and at the sessions of their database."""

    def __init__(self, database: str, processes: dict[str, int]) -> None:
        self._database = database
        self._processes = {name: psutil.Process(pid) for name, pid in processes.items()}
        self.memory = {name: Series() for name in processes}
        self.files = {name: Series() for name in processes}
        self.sessions = Series()

    async def run(self, every: float) -> None:
        """Look again and again, until cancelled."""
        while True:
            for name, process in self._processes.items():
                self.memory[name].seen.append(process.memory_info().rss)
                self.files[name].seen.append(process.num_fds())
            with suppress(OperationalError):  # it was killed a moment ago
                self.sessions.seen.append(await asyncio.to_thread(self._count))
            await asyncio.sleep(every)

    def _count(self) -> int:
        with psycopg.connect(conninfo(self._database, "vignettes_auditor"), autocommit=True) as connection:
            row = connection.execute(_SESSIONS).fetchone()
            assert row is not None
            return int(row[0])

    def grown(self) -> list[str]:
        """Name what did not stay where it was."""
        memory = [
            f"memory of {name}" for name, each in self.memory.items() if each.has_grown(_MORE, _MORE_BYTES)
        ]
        files = [f"files of {name}" for name, each in self.files.items() if each.has_grown(1, _MORE_FILES)]
        sessions = ["sessions of the database"] if self.sessions.has_grown(1, _MORE_FILES) else []
        return memory + files + sessions
