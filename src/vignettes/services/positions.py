"""Waiting until a view knows what its asker knows."""

import asyncio
import time

from psycopg_pool import AsyncConnectionPool

_LOOK_AGAIN_SECONDS = 0.005

_POSITION = "SELECT position FROM view.editions WHERE view = %s AND state = 'live'"


class Positions:
    """How far one view is. However many wait for it, one at a time looks, and only while somebody waits."""

    def __init__(self, pool: AsyncConnectionPool, view: str) -> None:
        self._pool = pool
        self._view = view
        self._position = 0
        self._looking: asyncio.Task[None] | None = None

    async def reach(self, position: int, until: float) -> None:
        """Return when the view has come so far, or at `until` of the monotonic clock. Raises psycopg.Error."""
        while self._position < position and (left := until - time.monotonic()) > 0:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            # The others wait for the same look: it goes on when one of them is gone.
            await asyncio.wait({looking := self._looking}, timeout=left)
            if looking.done():
                looking.result()
                if self._position < position:
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _look(self) -> None:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_POSITION, (self._view,), prepare=True)).fetchone()
        self._position = row[0] if row else 0
