"""Which order a management link opens: by the SHA-256 of its token, so that nothing that is stored opens a page."""

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.domain.order import Order
from vignettes.eventstore.codec import Recorded
from vignettes.projections.view import Definition, Edition, Row, Table, upsert

DEFINITION = Definition("order_pages", 1, ("order_pages",), ("order_pages",))


class OrderPagesView(Table):
    """One row per order, for the link that is valid now."""

    definition = DEFINITION

    def __init__(self, token: Callable[[UUID, int], str]) -> None:
        self._token = token
        self._changed: dict[UUID, Row] = {}

    def before(self, order: Order | None) -> int | None:
        """Note which link is valid."""
        return order.link_generation if order else None

    def see(self, event: Recorded, order: Order, noted: Any) -> None:
        if order.link_generation != noted:
            digest = digest_of(self._token(order.id, order.link_generation))
            self._changed[order.id] = {
                "order_id": order.id,
                "digest": "\\x" + digest.hex(),
                "position": event.position,
            }

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        await upsert(connection, edition, "order_pages", list(self._changed.values()))
        self.forget()

    def forget(self) -> None:
        self._changed.clear()


def digest_of(token: str) -> bytes:
    """Return what is known of a token; 256 bits of chance need no salt."""
    return hashlib.sha256(token.encode()).digest()
