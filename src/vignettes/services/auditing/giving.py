"""What auditors take away: bundles, and signed heads."""

import asyncio
import base64
import time
from collections.abc import Callable
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

_HEADS: LiteralString = "SELECT size, position, root, at, note FROM ledger.heads ORDER BY size DESC LIMIT %s"


async def exported(
    connection: AsyncConnection,
    order_id: UUID,
    key: Ed25519PublicKey,
    patience: float,
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Return a bundle; wait for a head that covers the history, and tell why. Raises NotProven when none comes."""
    end = time.monotonic() + patience
    story = await stories.read(connection, order_id, key)
    while (head := story.proven.head) is None or head.position < story.events[-1].position:
        if time.monotonic() > end:
            break
        tell(story.proven.reason or "")
        await asyncio.sleep(_LOOK_SECONDS)
        story = await stories.read(connection, order_id, key)
    return dict(await stories.bundle(connection, story, key, datetime.now(UTC)))


async def heads_of(connection: AsyncConnection, limit: int) -> list[audit.HeadShown]:
    """Return the last heads, the newest first."""
    async with connection.cursor(row_factory=args_row(Signed)) as cursor:
        await cursor.execute(_HEADS, (limit,))
        return [shown(each, each.note) for each in await cursor.fetchall()]


def shown(head: Head | Signed, note: str) -> audit.HeadShown:
    """Return a head as it is told."""
    root = base64.b64encode(head.root).decode()
    return audit.HeadShown(size=head.size, position=head.position, root=root, at=head.at, note=note)
