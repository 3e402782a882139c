"""The mails that the log calls for: which, to whom, and what they say. Whether they left is remembered elsewhere."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.domain import schedule
from vignettes.domain.catalogue import product
from vignettes.domain.corresponding import TO_OLD_ADDRESS
from vignettes.domain.details import LinkedOrder, Status
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.domain.personal import DataClass
from vignettes.domain.refunding import WITHDRAWN
from vignettes.domain.support_case import SupportCase
from vignettes.eventstore.codec import Recorded
from vignettes.eventstore.personal import Vault
from vignettes.projections import case_mails
from vignettes.projections.view import Definition, Edition, Row, Table, upsert

#: Only the live edition calls for mails to be sent: a view that is built anew repeats none.
_SEND = """
INSERT INTO effect.mails (message_id, order_id, kind, position, called_at)
SELECT message_id, order_id, kind, position, called_at FROM {emails} WHERE message_id = ANY(%s)
ON CONFLICT (message_id) DO NOTHING
"""
_HANDOVER = """
INSERT INTO effect.mails (message_id, order_id, kind, position, called_at)
SELECT message_id, order_id, kind, position, called_at FROM view.emails WHERE position > $1
UNION
SELECT e.message_id, e.order_id, e.kind, e.position, e.called_at
FROM view.parked p JOIN view.emails e ON e.order_id = p.order_id AND e.position >= p.position WHERE p.edition = $2
ON CONFLICT (message_id) DO NOTHING
"""
_FORGET_CONTACT = "UPDATE {emails} SET recipient = NULL, contact = NULL WHERE order_id = ANY(%s)"
_FORGET_VEHICLE = "UPDATE {emails} SET vehicle = NULL WHERE order_id = ANY(%s)"
# A mail that is under way holds a lock of its session, and its row only while that is written: no view waits for it,
# as what the mailer then keeps is sealed by a key that is gone.
_FORGET_SUBJECT = """
UPDATE effect.mails SET subject = NULL WHERE message_id IN (
    SELECT m.message_id FROM effect.mails m JOIN {emails} e USING (message_id)
    WHERE e.order_id = ANY(%s) AND m.subject IS NOT NULL FOR UPDATE OF m SKIP LOCKED)
"""

#: Made once: json.dumps makes one for each text that is not plain ASCII.
_ENCODER = json.JSONEncoder(ensure_ascii=False)

DEFINITION = Definition(
    "emails", 3, ("emails",), ("emails",), _HANDOVER, about=(Order.Event, SupportCase.Event)
)

#: Events that always call for one mail to the customer.
_KIND_OF = {
    "OrderPlaced": "placed",
    "DetailsCorrected": "details_corrected",
    "OrderHeld": "held",
    "RegistrationStarted": "started",
    "VignetteIssued": "issued",
    "ValidityChanged": "validity_changed",
    "RegistrationRejected": "rejected",
    "SurplusSetAside": "refund",
    "RefundRequested": "refund",
    "OrderExpired": "expired",
    "LinkRequested": "link",
    "OrderWithdrawn": "withdrawn",
    "OrderRefunded": "refunded",
    "SurplusReturned": "refunded",
}

#: Events by which an order may wait for its money again.
_LOSSES = (Order.PaymentReversed, Order.PaymentTakenBack)

#: Events whose mail tells of their own amount.
_OF_AN_AMOUNT = (Order.SurplusSetAside, Order.SurplusReturned, Order.OrderRefunded, *_LOSSES)

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
    "refunded": "refunded",
    "expired": "expired",
}


class EmailsView(Table):
    """One row per mail. The Message-ID follows from order, version and kind: sent twice, it is still one mail."""

    definition = DEFINITION

    def __init__(self, mail_domain: str, vault: Vault) -> None:
        self._domain = mail_domain
        self._vault = vault
        self._called: list[Row] = []
        self._erased: dict[DataClass, list[UUID]] = {each: [] for each in DataClass}

    def before(self, order: Order | SupportCase | None) -> bool:
        """Note whether an order was paid already."""
        return isinstance(order, Order) and order.is_paid

    def see(self, event: Recorded, order: Order | SupportCase, noted: bool) -> None:
        if isinstance(order, SupportCase):
            self._called += [self._of_case(*called, event, order) for called in case_mails.calls(event)]
        else:
            called = calls(event, order, was_paid=noted)
            self._called += [self._of_order(*each, event, order) for each in called]
        if isinstance(event.event, (Order.PersonalDataErased, SupportCase.PersonalDataErased)):
            for erased in event.event.classes:
                self._erased[erased].append(order.id)

    def _of_order(self, kind: str, recipient: str | None, event: Recorded, order: Order) -> Row:
        return self._row(kind, recipient, event, order) | {
            "facts": facts(event, order),
            "contact": self._sealed(order, DataClass.CONTACT, _json(contact_facts(event, order))),
            "vehicle": self._sealed(order, DataClass.VEHICLE, _json(vehicle_facts(event, order))),
        }

    def _of_case(self, kind: str, recipient: str | None, event: Recorded, case: SupportCase) -> Row:
        contact = case_mails.contact_facts(event, recipient)
        return self._row(kind, recipient, event, case) | {
            "facts": case_mails.facts(event, case),
            "contact": self._sealed(case, DataClass.CONTACT, _json(contact)),
            "vehicle": None,
        }

    def _row(self, kind: str, recipient: str | None, event: Recorded, order: Order | SupportCase) -> Row:
        return {
            "order_id": order.id,
            "version": event.version,
            "kind": kind,
            "message_id": message_id(order.id, event.version, kind, self._domain),
            "recipient": self._sealed(order, DataClass.CONTACT, recipient),
            "language": order.language,
            "called_at": event.recorded_at,
            "position": event.position,
        }

    def _sealed(self, order: Order | SupportCase, data_class: DataClass, text: str | None) -> str | None:
        # The keys may still be at hand when they are destroyed already.
        return None if data_class in order.erased else self._vault.shown(order.id, data_class, text)

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        await upsert(connection, edition, "emails", self._called, key=("order_id", "version", "kind"))
        if edition.live and self._called:
            await connection.execute(edition.sql(_SEND), ([row["message_id"] for row in self._called],))
        await self._let_go(connection, edition)
        self.forget()

    async def _let_go(self, connection: AsyncConnection, edition: Edition) -> None:
        if contacts := self._erased[DataClass.CONTACT]:
            await connection.execute(edition.sql(_FORGET_CONTACT), (contacts,))
        if vehicles := self._erased[DataClass.VEHICLE]:
            await connection.execute(edition.sql(_FORGET_VEHICLE), (vehicles,))
            if edition.live:
                await connection.execute(edition.sql(_FORGET_SUBJECT), (vehicles,))

    def forget(self) -> None:
        self._called.clear()
        for orders in self._erased.values():
            orders.clear()


def message_id(order_id: UUID, version: int, kind: str, domain: str) -> str:
    """Return the Message-ID of the mail that an event of an order, or a case, called for."""
    return f"<{order_id}.{version}.{kind}@{domain}>"


def calls(event: Recorded, order: Order, *, was_paid: bool) -> Iterator[tuple[str, str | None]]:
    """Return kind and recipient of each mail that this event calls for."""
    if event.type == "EmailCorrected":
        yield TO_OLD_ADDRESS, order.previous_email
        yield from ((kind, order.email) for kind in _current(order))
    elif isinstance(event.event, Order.RefundRequested) and event.event.reason == WITHDRAWN:
        pass  # the withdrawal's own mail, which is called for at the same moment, tells of the money
    elif kind := _KIND_OF.get(event.type):
        yield kind, order.email
    elif isinstance(event.event, Order.OutageRegarded) and not event.event.in_passing:
        yield "brought_forward", order.email
    if order.is_open and not order.started_at:  # after the start money is awaited as a debt only
        yield from _about_money(event, order, was_paid=was_paid)
    elif isinstance(event.event, _LOSSES) and event.event.amount and order.owed:
        yield "owed", order.email


def _current(order: Order) -> Iterator[str]:
    """Return the mails that matter to whoever reads at a new address: all that stands now (promise 8)."""
    if order.withdrawn_at:
        yield "withdrawn"  # the acknowledgement is due to the customer, wherever the money is by now
    if not order.withdrawn_at or order.refund is not None:
        yield _CURRENT[order.status]
    if order.owed:
        yield "owed"


def _about_money(event: Recorded, order: Order, *, was_paid: bool) -> Iterator[tuple[str, str | None]]:
    if order.is_paid and not was_paid:
        yield "paid", order.email  # by money, or by a correction to what the money pays for
    elif event.type == "PaymentReceived" and not order.is_paid:
        yield "underpaid", order.email
    elif isinstance(event.event, _LOSSES) and event.event.amount and not order.is_paid:
        yield "payment_reversed", order.email


def facts(event: Recorded, order: Order) -> dict[str, Any]:
    """Return what a mail about this event may say: the order as it was then, less what is secret or personal."""
    details = order.details
    of, reason = _reason(event, order)
    return {
        "order_number": order.number,
        "ordered_at": order.created_on,
        "product": details.product,
        "country": details.bought.country,
        "vehicle_country": details.vehicle.country,
        "valid_from": details.start.text(),
        "zone": details.bought.zone_name,
        **_cover(event, order),
        **_plan(event, order),
        "price_official": order.price.official,
        "price_fee": order.price.fee,
        "price_total": order.price.total,
        "outstanding": order.outstanding,
        "paid": order.account.received,
        "refund": _refund(event, order),
        "reason": None if of else reason,
        "rejection_code": order.rejection_code,
        "link_generation": order.link_generation,
        **_seldom(event, order),
    }


def _seldom(event: Recorded, order: Order) -> dict[str, Any]:
    """Return what few mails tell of."""
    said: dict[str, Any] = {}
    if order.owed:
        said["owed"] = order.owed
        said["after_refund"] = order.refund is not None
    if order.withdrawn_at:
        said["withdrawn_at"] = order.withdrawn_at
    if order.consents and order.status is Status.REGISTERING:
        said["consented_at"] = order.consents[-1].given_at  # 2011/83/EU, Art. 8(7)(b): on a durable medium
    if isinstance(event.event, Order.LinkRequested):
        said["linked"] = [_told(each) for each in event.event.others]
        said["by_reference"] = event.event.by_reference
    return said


def _told(other: LinkedOrder) -> dict[str, Any]:
    return {
        "order_id": other.order_id,
        "order_number": other.number,
        "product": other.product,
        "starts_at": other.starts_at,
        "zone": product(other.product).zone_name,
        "placed_at": other.placed_at,
        "status": other.status,
        "link_generation": other.generation,
    }


def _cover(event: Recorded, order: Order) -> dict[str, Any]:
    if order.vignette:
        number, document = order.vignette.number, order.vignette.document
        said = {"vignette_number": number, "document": document.digest if document else None}
        return {"starts_at": order.vignette.valid_from, "ends_at": order.vignette.valid_until, **said}
    validity = schedule.validity(order.details.bought, order.details.start, order.started_at)
    is_asked = order.status is Status.ON_HOLD and validity.starts_at > event.recorded_at
    answer_by = validity.starts_at if is_asked else order.answer_by
    return {"starts_at": validity.starts_at, "ends_at": validity.ends_at, "answer_by": answer_by}


def _plan(event: Recorded, order: Order) -> dict[str, Any]:
    # An order that will be held at this very moment has no time until which it can be corrected.
    deadline = None if order.details.hold_reason(event.recorded_at) else order.deadline
    if deadline is None:
        return {"due_at": None, "before_outage": order.started_rule == schedule.Rule.OUTAGE}
    return {
        "due_at": deadline.due_at,
        "same_day": deadline.rule == schedule.Rule.GRACE,
        "before_outage": deadline.rule == schedule.Rule.OUTAGE,
        "unmoved_at": deadline.unmoved_at,
    }


def _refund(event: Recorded, order: Order) -> Money | None:
    if isinstance(event.event, _OF_AN_AMOUNT):
        return event.event.amount
    if order.withdrawn_at and order.refund is None:
        return order.account.credited.positive()  # what is asked back at the same moment
    return order.refund


def contact_facts(event: Recorded, order: Order) -> dict[str, Any]:
    """Return what a mail says of the person."""
    said = {"email": order.email, "old_email": order.previous_email}
    if order.withdrawn_by:
        said["name"] = order.withdrawn_by
    return said | _reason_of(event, order, DataClass.CONTACT)


def vehicle_facts(event: Recorded, order: Order) -> dict[str, Any]:
    """Return what a mail says of the vehicle."""
    code = order.vignette.authorisation_code if order.vignette else None
    said = {"plate": order.details.vehicle.plate, "authorisation_code": code}
    return said | _reason_of(event, order, DataClass.VEHICLE)


def _reason_of(event: Recorded, order: Order, data_class: DataClass) -> dict[str, Any]:
    of, reason = _reason(event, order)
    return {"reason": reason} if of is data_class else {}


def _reason(event: Recorded, order: Order) -> tuple[DataClass | None, str | None]:
    """Return the reason to be told, and whose data it is: codes are nobody's, words may name who or what."""
    said: str | None = getattr(event.event, "reason", None)
    if event.type == "RefundRequested":
        return DataClass.CONTACT, said
    if event.type == "RegistrationRejected":
        return DataClass.VEHICLE, said
    if isinstance(event.event, Order.PaymentTakenBack):
        return None, "taken_back"
    code = said or order.hold
    return (None, code) if code or not order.rejected else (DataClass.VEHICLE, order.rejection)


def _json(facts: dict[str, Any]) -> str:
    return _ENCODER.encode(facts)
