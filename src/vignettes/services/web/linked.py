"""The order that a management link opens, as the log knew it when it was asked for."""

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from starlette.exceptions import HTTPException

from vignettes.projections.order_pages import digest_of

log = structlog.get_logger(__name__)

#: How long a request waits for the views to know what the log knew when it came.
PATIENCE_SECONDS: Final = 1.0
_LOOK_AGAIN_SECONDS = 0.05
#: After so long the database counts as gone.
_GONE_SECONDS = 5.0
_LOOK: Final = (Path(__file__).parent / "linked.sql").read_bytes()

Row = dict[str, Any]


class LinkedOrders:
    """Finds orders for those who have their links. `database` connects as the reader."""

    def __init__(self, database: AsyncConnectionPool) -> None:
        self._database = database

    async def found(self, token: str) -> Row:
        """Return the order that a token opens now. Raises HTTPException: 404, or 503 where that is not known."""
        try:
            async with asyncio.timeout(_GONE_SECONDS):
                row = await self._found(digest_of(token))
        except (psycopg.Error, TimeoutError) as error:
            log.warning("page.unavailable", error=type(error).__name__)
            raise HTTPException(503) from None
        if row["order_number"] is None:
            # What the views have not come to yet may be this order.
            raise HTTPException(404 if row["position"] >= row["head"] else 503)
        return row

    async def _found(self, digest: bytes) -> Row:
        """Return the order as the log knew it when it was asked for: a link just renewed is valid, the old one void.

        Found or not, every request waits for that alike; an order is shown as far as it is known in the end.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        row = await self._look(digest)
        head = row["head"]
        while row["position"] < head and time.monotonic() < until:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            row = await self._look(digest)
        return row

    async def _look(self, digest: bytes) -> Row:
        async with self._database.connection() as connection:
            try:
                return await _row(connection, digest)
            except psycopg.errors.FeatureNotSupported:
                # Another edition is shown, with other columns: what was prepared for the one before is void.
                await connection.execute("DEALLOCATE ALL")
                return await _row(connection, digest)


async def _row(connection: AsyncConnection, digest: bytes) -> Row:
    async with connection.cursor(row_factory=dict_row) as cursor:
        # Planning it takes longer than all the rest of a page.
        await cursor.execute(_LOOK, (digest,), prepare=True)
        [row] = await cursor.fetchall()
    return row


def sign_of(row: Row) -> str:
    """Return what changes whenever the page of an order would."""
    return f"{row['version']}.{row['mails_sign']}"
