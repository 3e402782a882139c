"""What auditors take away: bundles, and signed heads."""

import asyncio
import base64
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import AsyncConnection
from psycopg.rows import args_row

from vignettes.eventstore.heads import Head
from vignettes.messages import audit
from vignettes.services.auditing import stories
from vignettes.services.auditing.outside import Signed

_LOOK_SECONDS = 0.25

_REACHED: LiteralString = "SELECT coalesce(max(position), 0) FROM ledger.heads"
_HEADS: LiteralString = "SELECT size, position, root, at, note FROM ledger.heads ORDER BY size DESC LIMIT %s"

#: Gives a connection for a moment.
Taking = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


async def exported(
    taking: Taking,
    order_id: UUID,
    key: Ed25519PublicKey,
    patience: float,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Return a bundle; wait for a head that covers the history, and tell why. Raises NotProven when none comes.

    No connection is held meanwhile: others have questions too.
    """
    end = time.monotonic() + patience
    while True:
        async with taking() as connection:
            story = await stories.read(connection, order_id, key)
            if _is_covered(story) or time.monotonic() >= end:
                return dict(await stories.bundle(connection, story, key, datetime.now(UTC)))
        tell(story.proven.reason or "")
        await _wait_for_a_head(taking, story.events[-1].position, end)


def _is_covered(story: stories.Story) -> bool:
    head = story.proven.head
    return head is not None and head.position >= story.events[-1].position


async def _wait_for_a_head(taking: Taking, position: int, end: float) -> None:
    reached = -1
    while reached < position and time.monotonic() < end:
        await asyncio.sleep(_LOOK_SECONDS)
        async with taking() as connection:
            [reached] = await (await connection.execute(_REACHED, prepare=True)).fetchone() or [0]


async def heads_of(connection: AsyncConnection, limit: int) -> list[audit.HeadShown]:
    """Return the last heads, the newest first."""
    async with connection.cursor(row_factory=args_row(Signed)) as cursor:
        await cursor.execute(_HEADS, (limit,))
        return [shown(each, each.note) for each in await cursor.fetchall()]


def shown(head: Head | Signed, note: str) -> audit.HeadShown:
    """Return a head as it is told."""
    root = base64.b64encode(head.root).decode()
    return audit.HeadShown(size=head.size, position=head.position, root=root, at=head.at, note=note)
