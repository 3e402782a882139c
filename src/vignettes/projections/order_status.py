"""Where each order stands: one row per order, for support, dashboards and the order page."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.domain import schedule
from vignettes.domain.order import Order
from vignettes.domain.personal import DataClass
from vignettes.domain.schedule import Terms
from vignettes.eventstore.codec import Recorded
from vignettes.eventstore.personal import Vault
from vignettes.projections.view import Row, upsert

_UPSERT = """
INSERT INTO view.order_status SELECT * FROM jsonb_populate_recordset(NULL::view.order_status, %s)
ON CONFLICT (order_id) DO UPDATE SET
    (status, country, product, vehicle_country, plate, valid_from, starts_at, ends_at, email,
     currency, price_official, price_fee, price_total, received, outstanding, surplus, refund,
     paid_at, due_at, due_rule, generation, start_wished, hold_reason, started_at, started_rule,
     rejection_reason, vignette_number, vignette_reference, vignette_valid_from,
     vignette_valid_until, updated_at, version, position)
  = (excluded.status, excluded.country, excluded.product, excluded.vehicle_country, excluded.plate,
     excluded.valid_from, excluded.starts_at, excluded.ends_at, excluded.email, excluded.currency,
     excluded.price_official, excluded.price_fee, excluded.price_total, excluded.received,
     excluded.outstanding, excluded.surplus, excluded.refund, excluded.paid_at, excluded.due_at,
     excluded.due_rule, excluded.generation, excluded.start_wished, excluded.hold_reason,
     excluded.started_at, excluded.started_rule, excluded.rejection_reason,
     excluded.vignette_number, excluded.vignette_reference, excluded.vignette_valid_from,
     excluded.vignette_valid_until, excluded.updated_at, excluded.version, excluded.position)
"""

#: What the table keeps sealed, and by which key.
_SEALED = {
    "email": DataClass.CONTACT,
    "plate": DataClass.VEHICLE,
    "rejection_reason": DataClass.VEHICLE,
}


class OrderStatusView:
    """Each order's row is its state after its last event."""

    name = "order_status"

    def __init__(self, terms: Terms, vault: Vault) -> None:
        self._terms = terms
        self._vault = vault
        self._changed: dict[UUID, tuple[Order, int]] = {}

    def before(self, order: Order | None) -> None:
        """Need nothing: the row says how things stand, not how they changed."""

    def see(self, event: Recorded, order: Order, noted: Any) -> None:  # noqa: ARG002  # the protocol's
        self._changed[order.id] = (order, event.position)

    async def write(self, connection: AsyncConnection) -> None:
        rows = [self._sealed(order, position) for order, position in self._changed.values()]
        await upsert(connection, _UPSERT, rows)
        self.forget()

    def _sealed(self, order: Order, position: int) -> Row:
        told = row(order, position, self._terms)
        shown = {name: self._vault.shown(order.id, kept_by, told[name]) for name, kept_by in _SEALED.items()}
        return told | shown

    def forget(self) -> None:
        self._changed.clear()


def row(order: Order, position: int, terms: Terms) -> Row:
    """Return the row of one order, as `read.order_status` shows it. Amounts in minor units of `currency`."""
    return {
        "order_id": order.id,
        "order_number": order.number,
        "status": order.status,
        **_details(order),
        **_money(order),
        **_schedule(order, terms),
        **_outcome(order),
        "email": order.email,
        "language": order.language,
        "placed_at": order.created_on,
        "updated_at": order.modified_on,
        "version": order.version,
        "position": position,
    }


def _details(order: Order) -> Row:
    details = order.details
    validity = schedule.validity(details.bought, details.start, order.started_at)
    return {
        "country": details.bought.country,
        "product": details.product,
        "vehicle_country": details.vehicle.country,
        "plate": details.vehicle.plate,
        "valid_from": details.start.text(),
        "starts_at": validity.starts_at,
        "ends_at": validity.ends_at,
    }


def _money(order: Order) -> Row:
    return {
        "currency": order.price.total.currency,
        "price_official": order.price.official.amount,
        "price_fee": order.price.fee.amount,
        "price_total": order.price.total.amount,
        "received": order.account.received.amount,
        "outstanding": order.outstanding.amount,
        "surplus": order.account.surplus_open.amount,
        "refund": order.refund.amount if order.refund is not None else None,
        "paid_at": order.paid_at,
    }


def _schedule(order: Order, terms: Terms) -> Row:
    deadline = order.deadline(terms)
    return {
        "due_at": deadline.due_at if deadline else None,
        "due_rule": deadline.rule if deadline else None,
        "generation": order.generation,
        "start_wished": order.wished,
        "hold_reason": order.hold,
        "started_at": order.started_at,
        "started_rule": order.started_rule,
    }


def _outcome(order: Order) -> Row:
    vignette = order.vignette
    return {
        "rejection_reason": order.rejection,
        "vignette_number": vignette.number if vignette else None,
        "vignette_reference": vignette.reference if vignette else None,
        "vignette_valid_from": vignette.valid_from if vignette else None,
        "vignette_valid_until": vignette.valid_until if vignette else None,
    }
