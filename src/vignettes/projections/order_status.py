"""Where each order stands: one row per order, for support, dashboards and the order page."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.domain import schedule
from vignettes.domain.order import Order
from vignettes.domain.personal import DataClass
from vignettes.eventstore.codec import Recorded
from vignettes.eventstore.personal import Vault
from vignettes.projections.view import Definition, Edition, Row, Table, upsert

DEFINITION = Definition("order_status", 4, ("order_status",), ("order_status",))

#: What the table keeps sealed, and by which key.
SEALED = {
    "email": DataClass.CONTACT,
    "plate": DataClass.VEHICLE,
    "rejection_reason": DataClass.VEHICLE,
    "authorisation_code": DataClass.VEHICLE,
}


class OrderStatusView(Table):
    """Each order's row is its state after its last event."""

    definition = DEFINITION

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._changed: dict[UUID, tuple[Order, int]] = {}

    def before(self, order: Order | None) -> None:
        """Need nothing: the row says how things stand, not how they changed."""

    def see(self, event: Recorded, order: Order, noted: Any) -> None:  # noqa: ARG002  # the protocol's
        self._changed[order.id] = (order, event.position)

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        rows = [self._sealed(order, position) for order, position in self._changed.values()]
        await upsert(connection, edition, "order_status", rows)
        self.forget()

    def _sealed(self, order: Order, position: int) -> Row:
        told = row(order, position)
        for name, kept_by in SEALED.items():
            told[name] = self._vault.shown(order.id, kept_by, told[name])
        return told

    def forget(self) -> None:
        self._changed.clear()


def row(order: Order, position: int) -> Row:
    """Return the row of one order, as `read.order_status` shows it. Amounts in minor units of `currency`."""
    return {
        "order_id": order.id,
        "order_number": order.number,
        "status": order.status,
        **_details(order),
        **_money(order),
        **_schedule(order),
        **_outcome(order),
        "email": order.email,
        "language": order.language,
        "link_generation": order.link_generation,
        "email_fails": order.email_fails,
        "can_be_corrected": order.can_be_corrected,
        "can_be_refunded": order.can_be_refunded,
        "placed_at": order.created_on,
        "updated_at": order.modified_on,
        "version": order.version,
        "position": position,
    }


def _details(order: Order) -> Row:
    details, bought = order.details, order.details.bought
    validity = schedule.validity(bought, details.start, order.started_at)
    return {
        "country": bought.country,
        "zone": bought.zone_name,
        "product": details.product,
        "vehicle_country": details.vehicle.country,
        "plate": details.vehicle.plate,
        "valid_from": details.start.text(),
        "starts_at": validity.starts_at,
        "ends_at": validity.ends_at,
    }


def _money(order: Order) -> Row:
    total = order.price.total
    return {
        "currency": total.currency,
        "price_official": order.price.official.amount,
        "price_fee": order.price.fee.amount,
        "price_total": total.amount,
        "received": order.account.received.amount,
        "outstanding": order.outstanding.amount,
        "surplus": order.account.surplus_open.amount,
        "refund": order.refund.amount if order.refund is not None else None,
        "owed": order.owed.amount,
        "paid_at": order.paid_at,
    }


def _schedule(order: Order) -> Row:
    deadline = order.deadline
    return {
        "due_at": deadline.due_at if deadline else None,
        "due_rule": deadline.rule if deadline else None,
        "generation": order.generation,
        "start_wished": order.wished,
        **_consent(order),
        "hold_reason": order.hold,
        "twin_accepted": order.twin_accepted,
        "held_because_of": order.held_because_of,
        "started_at": order.started_at,
        "started_rule": order.started_rule,
    }


def _consent(order: Order) -> Row:
    """Return the last express request for an early start: by which text, in which language, when."""
    consent = order.consents[-1] if order.consents else None
    return {
        "consented_at": consent.given_at if consent else None,
        "consent_text_version": consent.text_version if consent else None,
        "consent_language": consent.language if consent else None,
    }


def _outcome(order: Order) -> Row:
    vignette = order.vignette
    return {
        "person_called_at": order.person_called_at,
        "act_by": order.act_by,
        "rejection_code": order.rejection_code,
        "rejection_reason": order.rejection,
        "vignette_number": vignette.number if vignette else None,
        "vignette_reference": vignette.reference if vignette else None,
        "vignette_valid_from": vignette.valid_from if vignette else None,
        "vignette_valid_until": vignette.valid_until if vignette else None,
        "authorisation_code": vignette.authorisation_code if vignette else None,
        "has_document": vignette is not None and vignette.document is not None,
        "issued_at": order.issued_at,
        "withdrawn_at": order.withdrawn_at,
    }
