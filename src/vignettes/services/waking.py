"""Waiting for work: woken by PostgreSQL, looking again beneath that, never dying of a lost connection."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import psycopg
import structlog
from psycopg import AsyncConnection, sql

from vignettes.projections.ending import end_if_cancelled

log = structlog.get_logger(__name__)

#: Wakes whoever waits for the sandbox's clock; views that have changed have a channel of their own.
CLOCK_CHANNEL = "clock"
_LONGEST_PAUSE = 5.0

#: Does what can be done now and returns the seconds after which to look again at the latest.
Work = Callable[[AsyncConnection], Awaitable[float]]


class Worker:
    """Calls `work` on its own connection: at once, when notified, and when the time that it named has come."""

    def __init__(self, name: str, conninfo: str, channels: tuple[str, ...], work: Work) -> None:
        self._name = name
        self._conninfo = conninfo
        self._channels = channels
        self._work = work

    async def run(self) -> None:
        """Work until cancelled. An error is an alarm in the log and a pause, never "nothing to do"."""
        pause = 0.1
        while True:
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    for channel in self._channels:
                        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                    while True:
                        seconds = await self._work(connection)
                        end_if_cancelled()
                        pause = 0.1
                        await _notified(connection, seconds)
            except psycopg.Error as error:
                log.warning("worker.database_error", worker=self._name, error=type(error).__name__)
            except Exception:
                log.exception("worker.failed", worker=self._name)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, no secret
            pause = min(pause * 2, _LONGEST_PAUSE)


async def _notified(connection: AsyncConnection, seconds: float) -> None:
    async for _ in connection.notifies(timeout=max(seconds, 0.0), stop_after=1):
        return
