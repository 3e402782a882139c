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
from vignettes.projections.view import Definition, Edition, Row, Table, upsert, write_json

#: How many orders an answer names; who has more is asked for more.
MOST_FOUND = 20

_FORGET = """
DELETE FROM {lookup} l USING jsonb_to_recordset(%s) AS gone (order_id uuid, kind text)
WHERE (l.order_id, l.kind) = (gone.order_id, gone.kind)
"""
FIND = """
SELECT o.order_id, o.order_number, o.status, o.placed_at
FROM (SELECT order_id FROM view.lookup WHERE digest = ANY(%(digests)s)
      GROUP BY order_id HAVING count(*) = cardinality(%(digests)s)) AS found
JOIN view.order_status o USING (order_id)
ORDER BY o.placed_at DESC, o.order_number LIMIT %(most)s
"""

DEFINITION = Definition("lookup", 1, ("lookup",))

Known = dict[str, tuple[str, ...]]
"""What a customer may know of an order, by kind: the address; the vehicle's country and its plate in normal form."""


class LookupView(Table):
    """One row for the address that an order has now, one for its plate; none for what was erased."""

    definition = DEFINITION

    def __init__(self, index: BlindIndex) -> None:
        self._index = index
        self._changed: dict[tuple[UUID, str], Row] = {}

    def before(self, order: Order | None) -> Known:
        return _known(order) if order else {}

    def see(self, event: Recorded, order: Order, noted: Known) -> None:
        now = _known(order)
        for kind in noted.keys() | now.keys() if noted != now else ():
            if noted.get(kind) != now.get(kind):
                row = {"order_id": order.id, "kind": kind, "position": event.position}
                self._changed[order.id, kind] = row | {"digest": self._digest(kind, now.get(kind))}

    def _digest(self, kind: str, known: tuple[str, ...] | None) -> str | None:
        if known is None:
            return None
        return "\\x" + (self._index.email(*known) if kind == "email" else self._index.plate(*known)).hex()

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        rows = list(self._changed.values())
        known = [row for row in rows if row["digest"]]
        await upsert(connection, edition, "lookup", known, key=("order_id", "kind"))
        await write_json(connection, edition, _FORGET, [row for row in rows if not row["digest"]])
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
        digests.append(index.plate(vehicle.country, vehicle.normal))
    async with connection.cursor(row_factory=class_row(Found)) as cursor:
        await cursor.execute(FIND, {"digests": digests, "most": MOST_FOUND})
        return await cursor.fetchall()


def _known(order: Order) -> Known:
    vehicle = order.details.vehicle
    known: Known = {}
    if order.email is not None:
        known["email"] = (order.email,)
    if vehicle.normal is not None:
        known["plate"] = (vehicle.country, vehicle.normal)
    return known
