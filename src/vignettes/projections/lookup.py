"""The blind index: orders found by what their customers know of them, and nothing to be read from the index itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from vignettes.domain.order import Order
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.codec import Recorded
from vignettes.eventstore.personal import BlindIndex
from vignettes.projections.view import Row, upsert

#: How many orders an answer names; who has more is asked for more.
MOST_FOUND = 20

_KNOW = """
INSERT INTO view.lookup SELECT * FROM jsonb_populate_recordset(NULL::view.lookup, %s)
ON CONFLICT (order_id, kind) DO UPDATE SET (digest, position) = (excluded.digest, excluded.position)
"""
_FORGET = """
DELETE FROM view.lookup USING jsonb_to_recordset(%s) AS gone (order_id uuid, kind text)
WHERE (lookup.order_id, lookup.kind) = (gone.order_id, gone.kind)
"""
_FIND = """
SELECT o.order_id, o.order_number, o.status, o.placed_at
FROM (SELECT order_id FROM view.lookup WHERE digest = ANY(%(digests)s)
      GROUP BY order_id HAVING count(*) = cardinality(%(digests)s)) AS found
JOIN view.order_status o USING (order_id)
ORDER BY o.placed_at DESC, o.order_number LIMIT %(most)s
"""

Digests = dict[str, bytes]
"""What is known of an order, by kind."""


class LookupView:
    """One row for the address that an order has now, one for its plate; none for what was erased."""

    name = "lookup"

    def __init__(self, index: BlindIndex) -> None:
        self._index = index
        self._changed: dict[tuple[UUID, str], Row] = {}

    def before(self, order: Order | None) -> Digests:
        return self._known(order) if order else {}

    def see(self, event: Recorded, order: Order, noted: Digests) -> None:
        now = self._known(order)
        for kind in noted.keys() | now.keys():
            if noted.get(kind) != now.get(kind):
                row = {"order_id": order.id, "kind": kind, "position": event.position}
                self._changed[order.id, kind] = row | {"digest": _hex(now.get(kind))}

    def _known(self, order: Order) -> Digests:
        known: Digests = {}
        if order.email is not None:
            known["email"] = self._index.email(order.email)
        if order.details.vehicle.normal is not None:
            known["plate"] = _plate(self._index, order.details.vehicle, order.details.vehicle.normal)
        return known

    async def write(self, connection: AsyncConnection) -> None:
        rows = list(self._changed.values())
        await upsert(connection, _KNOW, [row for row in rows if row["digest"]])
        await upsert(connection, _FORGET, [row for row in rows if not row["digest"]])
        self.forget()

    def forget(self) -> None:
        self._changed.clear()


@dataclass(frozen=True, slots=True)
class Found:
    """An order that somebody knows enough of."""

    order_id: UUID
    order_number: str
    status: str
    placed_at: datetime


async def find(
    connection: AsyncConnection, index: BlindIndex, *, vehicle: Vehicle | None, email: str | None
) -> Sequence[Found]:
    """Return the orders for a vehicle, of an address, or for both where both are given, newest first."""
    digests = [index.email(email)] if email is not None else []
    if vehicle is not None and vehicle.normal is not None:
        digests.append(_plate(index, vehicle, vehicle.normal))
    async with connection.cursor(row_factory=class_row(Found)) as cursor:
        await cursor.execute(_FIND, {"digests": digests, "most": MOST_FOUND})
        return await cursor.fetchall()


def _plate(index: BlindIndex, vehicle: Vehicle, normal: str) -> bytes:
    return index.plate(vehicle.country, normal)


def _hex(digest: bytes | None) -> str | None:
    return "\\x" + digest.hex() if digest else None
