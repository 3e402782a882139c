"""What is asked about orders: the status view, the history, the mails."""

import asyncio
import time
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import TypeAdapter

from vignettes.domain import references
from vignettes.domain.errors import InvalidValue, Unavailable
from vignettes.domain.order import Order
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.codec import Recorded
from vignettes.eventstore.orders import Orders, order_id_of
from vignettes.eventstore.personal import BlindIndex
from vignettes.messages import replies
from vignettes.projections import lookup
from vignettes.services.positions import Positions
from vignettes.services.writing import Writing

#: How long a query waits for the view to know `min_position`.
PATIENCE_SECONDS = 2.0

# Of an order that waits behind an event which the view can't digest, it knows what came before that.
STATUS = """
SELECT o.*, least(e.position, p.position - 1) AS as_of_position, p.order_id IS NOT NULL AS is_parked
FROM view.editions e LEFT JOIN read.order_status o ON o.order_id = %(order_id)s
LEFT JOIN view.parked p ON p.edition = e.id AND p.order_id = %(order_id)s
WHERE e.view = 'order_status' AND e.state = 'live'
"""
_MAILS = """
SELECT r.*, e.facts, personal.opened(e.contact, k.contact_view)::jsonb AS contact,
       personal.opened(e.vehicle, k.vehicle_view)::jsonb AS vehicle
FROM view.emails e JOIN read.emails r USING (message_id) LEFT JOIN personal.keys k ON k.order_id = e.order_id
WHERE e.order_id = %s ORDER BY e.position, e.kind
"""

_JSON: TypeAdapter[Any] = TypeAdapter(Any)


class Reading:
    """Answers from the views, and from the log where it must be exact."""

    def __init__(
        self, pool: AsyncConnectionPool, orders: Orders, writing: Writing, index: BlindIndex
    ) -> None:
        self._pool = pool
        self._orders = orders
        self._writing = writing
        self._index = index
        self._positions = Positions(pool, "order_status")

    async def status(
        self, order_id: UUID | None, order_number: str | None, min_position: int | None
    ) -> replies.Standing | None:
        """Return the order's row; waits for `min_position` up to 2 s, and says honestly how far the view is.

        None means that the log knows no such order, not that the view does not know it yet.
        """
        wanted = order_id or _id_of(order_number)
        if wanted is None:
            return None
        until = time.monotonic() + PATIENCE_SECONDS
        row = await self._row(wanted, min_position, until)
        if row["order_id"] is None and not row["is_parked"]:
            placed_at = await asyncio.to_thread(self._orders.position_of, wanted)
            if placed_at is None:
                return None
            row = await self._row(wanted, placed_at, until)
        as_of, is_parked = row.pop("as_of_position"), row.pop("is_parked")
        if row["order_id"] is None:
            why = "can't digest its first event: it waits" if is_parked else "has not come so far yet"
            raise Unavailable(f"The view {why}.")
        return replies.Standing(order=_JSON.dump_python(row, mode="json"), as_of_position=as_of)

    async def _row(self, order_id: UUID, min_position: int | None, until: float) -> dict[str, Any]:
        if min_position is not None:
            await self._positions.reach(min_position, until)
        async with self._pool.connection() as connection:
            try:
                return await _status(connection, order_id)
            except psycopg.errors.FeatureNotSupported:
                # Another edition is shown, with other columns: what was prepared for the one before is void.
                await connection.execute("DEALLOCATE ALL")
                return await _status(connection, order_id)

    def history(self, order_id: UUID, until: datetime | None, version: int | None) -> replies.History | None:
        """Return the events up to a time or a version, and the state that they make."""
        recorded = self._orders.history(order_id)
        events = [
            event
            for event in recorded
            if (until is None or event.recorded_at <= until) and (version is None or event.version <= version)
        ]
        if not recorded:
            return None
        order: Any = None
        for event in events:
            order = event.event.mutate(order)
        return replies.History(
            order_id=order_id, events=[_told(e) for e in events], state=_state(order) if order else {}
        )

    async def emails(self, order_id: UUID) -> replies.Mails | None:
        """Return the mails of one order, each with its subject as sent, or as it will be; None: no such order."""
        async with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_MAILS, (order_id,), prepare=False)  # its columns change with the edition
            rows = await cursor.fetchall()
        if not rows and await asyncio.to_thread(self._orders.position_of, order_id) is None:
            return None
        return replies.Mails(order_id=order_id, emails=[self._mail(row) for row in rows])

    def _mail(self, row: dict[str, Any]) -> replies.Mail:
        return replies.Mail(
            kind=row["kind"],
            to=row["recipient"],
            language=row["language"],
            subject=row["subject"] or self._writing.rendered(row).subject,
            state=row["state"],
            message_id=row["message_id"],
            called_at=row["called_at"],
            sent_at=row["sent_at"],
            returned_at=row.get("returned_at"),  # a view of an earlier edition has none of the two
            return_kind=row.get("return_kind"),
        )

    async def find(self, country: str | None, plate: str | None, email: str | None) -> replies.FoundOrders:
        """Return the orders that somebody knows enough of. Raises InvalidValue for what can be no vehicle."""
        vehicle = _vehicle(country, plate) if country and plate else None
        async with self._pool.connection() as connection:
            found = await lookup.find(connection, self._index, vehicle=vehicle, email=email)
        return replies.FoundOrders(orders=[replies.FoundOrder(**asdict(each)) for each in found])


async def _status(connection: AsyncConnection, order_id: UUID) -> dict[str, Any]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(STATUS, {"order_id": order_id}, prepare=True)
        row = await cursor.fetchone()
    if row is None:
        raise Unavailable("There is no view of the orders yet.")
    return row


def _vehicle(country: str, plate: str) -> Vehicle:
    try:
        return Vehicle.of(country, plate)
    except InvalidValue as refusal:
        refusal.field = (refusal.field or "").rpartition(".")[2]  # the query has no `vehicle` around them
        raise


def _id_of(order_number: str | None) -> UUID | None:
    number = references.parse_number(order_number or "")
    return order_id_of(number) if number else None


def _told(event: Recorded) -> replies.HistoryEvent:
    return replies.HistoryEvent(
        position=event.position,
        version=event.version,
        type=event.type,
        recorded_at=event.recorded_at,
        actor=event.envelope.actor,
        command_id=event.envelope.command_id,
        correlation_id=event.envelope.correlation_id,
        data=event.data,
    )


def _state(order: Order) -> dict[str, Any]:
    """Return an order's state as JSON: what its evolution has assigned, and the status that follows from it."""
    assigned = {name: value for name, value in vars(order).items() if not name.startswith("_")}
    told = {"order_id": order.id, "version": order.version, "status": order.status, **assigned}
    told["erased"] = sorted(order.erased)
    return _JSON.dump_python(told, mode="json")  # type: ignore[no-any-return]  # the adapter of Any
