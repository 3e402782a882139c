"""The mails that the log calls for: which, to whom, and what they say. Whether they left is remembered elsewhere."""

from collections.abc import Iterator
from typing import Any

from psycopg import AsyncConnection

from vignettes.domain import schedule
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.domain.schedule import Terms
from vignettes.eventstore.codec import Recorded
from vignettes.projections.view import Row, upsert

_CALL = """
INSERT INTO view.emails SELECT * FROM jsonb_populate_recordset(NULL::view.emails, %s)
ON CONFLICT (order_id, version, kind) DO NOTHING
"""

#: Events that always call for one mail to the customer.
_KIND_OF = {
    "OrderPlaced": "placed",
    "DetailsCorrected": "details_corrected",
    "OrderHeld": "held",
    "RegistrationStarted": "started",
    "VignetteIssued": "issued",
    "RegistrationRejected": "rejected",
    "SurplusSetAside": "refund",
    "RefundRequested": "refund",
    "OrderExpired": "expired",
}

#: The mail that tells where an order stands: sent again when the address was corrected (promise 8).
_CURRENT = {
    "awaiting_payment": "placed",
    "partially_paid": "underpaid",
    "scheduled": "paid",
    "on_hold": "held",
    "registering": "started",
    "issued": "issued",
    "action_needed": "rejected",
    "refund_pending": "refund",
    "refunded": "refund",
    "expired": "expired",
}


class EmailsView:
    """One row per mail. The Message-ID follows from order, version and kind: sent twice, it is still one mail."""

    name = "emails"

    def __init__(self, terms: Terms, mail_domain: str) -> None:
        self._terms = terms
        self._domain = mail_domain
        self._called: list[Row] = []

    def before(self, order: Order | None) -> bool:
        """Note whether the order was paid already."""
        return order is not None and order.is_paid

    def see(self, event: Recorded, order: Order, noted: bool) -> None:
        for kind, recipient in _calls(event, order, was_paid=noted):
            self._called.append(self._row(kind, recipient, event, order))

    def _row(self, kind: str, recipient: str, event: Recorded, order: Order) -> Row:
        return {
            "order_id": order.id,
            "version": event.version,
            "kind": kind,
            "message_id": f"<{order.id}.{event.version}.{kind}@{self._domain}>",
            "recipient": recipient,
            "language": order.language,
            "facts": facts(event, order, self._terms),
            "called_at": event.recorded_at,
            "position": event.position,
        }

    async def write(self, connection: AsyncConnection) -> None:
        await upsert(connection, _CALL, self._called)
        self.forget()

    def forget(self) -> None:
        self._called.clear()


def _calls(event: Recorded, order: Order, *, was_paid: bool) -> Iterator[tuple[str, str]]:
    """Return kind and recipient of each mail that this event calls for."""
    if event.type == "EmailCorrected":
        yield "address_changed", order.previous_email or order.email
        yield _CURRENT[order.status], order.email
    elif kind := _KIND_OF.get(event.type):
        yield kind, order.email
    if order.is_open and order.is_paid and not was_paid:
        yield "paid", order.email  # by money, or by a correction to what the money pays for
    elif event.type == "PaymentReceived" and order.is_open and not order.is_paid:
        yield "underpaid", order.email


def facts(event: Recorded, order: Order, terms: Terms) -> dict[str, Any]:
    """Return what a mail about this event may say: the order as it was then, and nothing secret."""
    details = order.details
    validity = schedule.validity(details.bought, details.start, order.started_at)
    # An order that will be held at this very moment has no time until which it can be corrected.
    deadline = None if details.hold_reason(event.recorded_at) else order.deadline(terms)
    vignette = order.vignette
    return {
        "order_number": order.number,
        "ordered_at": order.created_on,
        "email": order.email,
        "old_email": order.previous_email,
        "product": details.product,
        "country": details.bought.country,
        "vehicle_country": details.vehicle.country,
        "plate": details.vehicle.plate,
        "valid_from": details.start.text(),
        "starts_at": vignette.valid_from if vignette else validity.starts_at,
        "ends_at": vignette.valid_until if vignette else validity.ends_at,
        "zone": details.bought.zone_name,
        "price_official": order.price.official,
        "price_fee": order.price.fee,
        "price_total": order.price.total,
        "outstanding": order.outstanding,
        "paid": order.account.received,
        "refund": _refund(event, order),
        "due_at": deadline.due_at if deadline else None,
        "same_day": bool(deadline and deadline.rule == schedule.Rule.GRACE),
        "vignette_number": vignette.number if vignette else None,
        "reason": _reason(event, order),
        "link_generation": order.link_generation,
    }


def _refund(event: Recorded, order: Order) -> Money | None:
    return getattr(event.event, "amount", None) if event.type == "SurplusSetAside" else order.refund


def _reason(event: Recorded, order: Order) -> str | None:
    reason: str | None = getattr(event.event, "reason", None)
    return reason or order.hold or order.rejection
