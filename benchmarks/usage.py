"""What each process uses of the processors: roles by their names, servers, and the database's sessions by theirs."""

import os
from collections import Counter
from typing import Any

import psutil
import psycopg

_SESSIONS = "SELECT pid, coalesce(nullif(application_name, ''), backend_type) FROM pg_stat_activity"


class Usage:
    """Seconds of CPU since it was made, of everything that the run has started.

    The run is this process's parent, unless another is named.
    """

    def __init__(self, connection: psycopg.Connection[Any], run: int | None = None) -> None:
        self._connection = connection
        self._run = psutil.Process(run or os.getppid())
        self._idle = psutil.cpu_times().idle
        self._before = self._used()

    def so_far(self) -> dict[str, float]:
        """Return the seconds by name, the most first; what used next to nothing is left out."""
        used = Counter[str]()
        for (pid, name), seconds in self._used().items():
            used[name] += seconds - self._before.get((pid, name), 0.0)
        told = {name: round(seconds, 2) for name, seconds in used.most_common() if seconds >= 0.01}  # noqa: PLR2004  # a tick of the kernel's clock
        return told | {"(idle, all cores)": round(psutil.cpu_times().idle - self._idle, 2)}

    def _used(self) -> dict[tuple[int, str], float]:
        sessions = dict(self._connection.execute(_SESSIONS).fetchall())
        used = {}
        for process in self._run.children(recursive=True):
            try:
                name = _named(process, sessions)
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            used[process.pid, name] = times.user + times.system
        return used


def _named(process: psutil.Process, sessions: dict[int, str]) -> str:
    if process.pid in sessions:
        return f"postgres: {sessions[process.pid]}"
    command = process.cmdline()
    if "serve" in command:
        return command[-1]
    if "-m" in command:
        return command[command.index("-m") + 1]
    return process.name()
