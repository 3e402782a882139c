"""The movable clock: one row in the database that every process adds to the time. Forward only."""

import asyncio
import time
from datetime import datetime, timedelta

from psycopg import AsyncConnection

from vignettes.domain.errors import InvalidValue, Unavailable
from vignettes.services.waking import CLOCK_CHANNEL

#: How long a move waits for everything that became due to be triggered.
PATIENCE_SECONDS = 20.0
_LOOK_AGAIN_SECONDS = 0.02

_MOVE = "UPDATE clock.shift SET ahead = ahead + %s WHERE %s >= interval '0'"
_UNTRIGGERED = """
SELECT (SELECT coalesce(max(notification_id), 0) FROM log.events)
         > coalesce((SELECT position FROM view.editions WHERE view = 'deadlines' AND state = 'live'), 0)
    OR EXISTS (SELECT FROM view.deadlines d WHERE d.ended_at IS NULL AND d.due_at <= clock.now()
               AND NOT EXISTS (SELECT FROM effect.triggers t
                               WHERE (t.order_id, t.purpose, t.generation) = (d.order_id, d.purpose, d.generation)))
"""


class MovableClock:
    """Reads and moves the service's time. Needs the owner's role: no role of the service itself may move it."""

    def __init__(self, conninfo: str, *, movable: bool) -> None:
        self._conninfo = conninfo
        self._movable = movable
        self._moving = asyncio.Lock()

    async def now(self) -> datetime:
        """Return the service's time."""
        async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
            return await _now(connection)

    async def move(self, *, to: datetime | None = None, by: timedelta | None = None) -> datetime:
        """Move forward, and return the time when everything that became due by it has been triggered."""
        if not self._movable:
            raise InvalidValue("The clock is the system's: start with VIGNETTES_CLOCK=movable.")
        async with (
            self._moving,
            await AsyncConnection.connect(self._conninfo, autocommit=True) as connection,
        ):
            by = by if by is not None else (to or await _now(connection)) - await _now(connection)
            if by < timedelta(0):
                raise InvalidValue("The clock never goes backwards.", field="now")
            await connection.execute(_MOVE, (by, by))
            await connection.execute("SELECT pg_notify(%s, '')", (CLOCK_CHANNEL,))
            await _until_triggered(connection)
            return await _now(connection)


async def _now(connection: AsyncConnection) -> datetime:
    row = await (await connection.execute("SELECT clock.now()")).fetchone()
    assert row is not None  # noqa: S101  # a SELECT without FROM has one row; for the type only
    now: datetime = row[0]
    return now


async def _until_triggered(connection: AsyncConnection) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        row = await (await connection.execute(_UNTRIGGERED)).fetchone()
        if row == (False,):
            return
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    raise Unavailable("The clock was moved, but not everything that became due was triggered in time.")
