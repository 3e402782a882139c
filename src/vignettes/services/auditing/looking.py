"""Puts looks on record, and lists them."""

from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

NOTE: LiteralString = "SELECT audit.note_look(%s, %s, %s, %s)"
_LOOKS: LiteralString = """
SELECT id, looked_at, actor, what, order_id, details FROM read.looks
WHERE %(order_id)s::uuid IS NULL OR order_id = %(order_id)s ORDER BY id DESC LIMIT %(limit)s
"""


async def note(
    connection: AsyncConnection, actor: str, what: str, order_id: UUID | None = None, **details: Any
) -> None:
    """Put a look on record, before anything is shown; whoever can't be recorded is shown nothing."""
    await connection.execute(NOTE, (actor, what, order_id, Jsonb(details)))


async def looks(connection: AsyncConnection, limit: int, order_id: UUID | None) -> list[dict[str, Any]]:
    """Return the last looks, the newest first."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_LOOKS, {"order_id": order_id, "limit": limit})
        return await cursor.fetchall()
