"""What a read model is: how events change its rows, and how its rows are written."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, Protocol

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from vignettes.domain.order import Order
from vignettes.eventstore.codec import Recorded

Row = dict[str, Any]

_JSON: TypeAdapter[Any] = TypeAdapter(Any)


class View(Protocol):
    """One reader of the log. `see` is called for every event in order; `write` once per batch, in its transaction."""

    name: str

    def before(self, order: Order | None) -> Any:
        """Note what is needed of the order before the event changes it."""

    def see(self, event: Recorded, order: Order, noted: Any) -> None:
        """Take in one event, and the order as it is after it."""

    async def write(self, connection: AsyncConnection) -> None:
        """Write what was seen since the last time, and forget it."""

    def forget(self) -> None:
        """Drop what was seen: its transaction failed, and the same events will come again."""


async def upsert(
    connection: AsyncConnection, statement: LiteralString, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write many rows by one statement over `jsonb_populate_recordset(NULL::table, %s)`."""
    if rows:
        await connection.execute(statement, (Jsonb(rows, dumps=_JSON.dump_json),))
