"""I6: what the views show is what follows from the log, by a fold that is not theirs."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from checker.bookings import bookings
from checker.case import Case, instant
from checker.findings import LOST, WRONG, Verdict
from checker.folding import Order
from checker.record import Event, Record, Row

#: Columns of read.order_status, and what each must say. Which are not here, and why, is decision 0043.
STATUS_COLUMNS: dict[str, Callable[[Order], Any]] = {
    "order_number": lambda order: order.number,
    "status": lambda order: order.status,
    "country": lambda order: order.wish.product[:2],
    "zone": lambda order: order.wish.zone,
    "product": lambda order: order.wish.product,
    "vehicle_country": lambda order: order.vehicle_country,
    "valid_from": lambda order: order.valid_from,
    "starts_at": lambda order: order.wish.covered_from(order.started_at),
    "language": lambda order: order.language,
    "link_generation": lambda order: order.link_generation,
    "currency": lambda order: order.currency,
    "price_official": lambda order: order.official,
    "price_fee": lambda order: order.fee,
    "price_total": lambda order: order.total,
    "received": lambda order: order.received,
    "outstanding": lambda order: order.outstanding,
    "surplus": lambda order: order.surplus - order.surplus_returned,
    "refund": lambda order: order.refund,
    "owed": lambda order: order.owed,
    "paid_at": lambda order: order.paid_at,
    "due_at": lambda order: order.due.at if order.due else None,
    "generation": lambda order: order.generation,
    "start_wished": lambda order: order.wished,
    "consented_at": lambda order: instant(order.consents[-1]["given_at"]) if order.consents else None,
    "consent_text_version": lambda order: order.consents[-1]["text_version"] if order.consents else None,
    "consent_language": lambda order: order.consents[-1]["language"] if order.consents else None,
    "hold_reason": lambda order: order.hold,
    "held_because_of": lambda order: order.held_because_of,
    "twin_accepted": lambda order: order.twin_accepted,
    "started_at": lambda order: order.started_at,
    "started_rule": lambda order: order.started_rule,
    "rejection_code": lambda order: order.rejection_code,
    "person_called_at": lambda order: order.person_called_at,
    "act_by": lambda order: order.act_by,
    "vignette_number": lambda order: order.vignette["number"] if order.vignette else None,
    "vignette_reference": lambda order: order.vignette["reference"] if order.vignette else None,
    "vignette_valid_from": lambda order: instant(order.vignette["valid_from"]) if order.vignette else None,
    "vignette_valid_until": lambda order: instant(order.vignette["valid_until"]) if order.vignette else None,
    "has_document": lambda order: bool(order.vignette and order.vignette.get("document")),
    "issued_at": lambda order: order.issued_at,
    "withdrawn_at": lambda order: order.withdrawn_at,
    "email_fails": lambda order: order.email_fails,
    "can_be_corrected": lambda order: order.is_open and not order.started_at,
    "can_be_refunded": lambda order: order.is_open and not order.started_at and order.credited > 0,
    "placed_at": lambda order: order.placed_at,
    "updated_at": lambda order: order.updated_at,
    "version": lambda order: order.version,
    "position": lambda order: order.position,
}

_DEADLINE_COLUMNS = ("due_at", "money_arrived_at", "planned_at", "ended_at", "outcome")
_PAYMENT_COLUMNS = ("state", "direction", "currency", "amount", "surplus_set_aside", "received_at", "version")


def check(case: Case, record: Record) -> Verdict:
    """Fold every order, and hold its rows against what follows."""
    verdict = Verdict("I6", "views and the log")
    deadlines: dict[tuple[Any, ...], Row] = {}
    booked: dict[tuple[Any, ...], Row] = {}
    for source, history in record.orders.items():
        order = _folded(source, history, deadlines)
        booked |= {(source, *key): row for key, row in bookings(history).items()}
        _status(order, source, record.statuses.get(source), verdict)
    for source in record.statuses.keys() - record.orders.keys():
        verdict.find(WRONG, "order_status has a row of no order", source)
    keyed = {(row["order_id"], row["purpose"], row["generation"]): row for row in record.deadlines}
    _rows("deadlines", deadlines, keyed, _DEADLINE_COLUMNS, verdict)
    paid = {(row["order_id"], row["purpose"], row["entry_id"]): row for row in record.payments}
    _rows("payments", booked, paid, _PAYMENT_COLUMNS, verdict)
    return verdict


def _status(order: Order, source: str, row: Row | None, verdict: Verdict) -> None:
    verdict.look("orders")
    if row is None:
        verdict.find(LOST, "order_status has no row of it", source)
        return
    for name, follows in STATUS_COLUMNS.items():
        if row[name] != (due := follows(order)):
            told = f"order_status.{name} is {row[name]}, by the log {due}"
            verdict.find(WRONG, told, source, row["position"])


def _rows(
    view: str,
    follow: dict[tuple[Any, ...], Row],
    held: dict[tuple[Any, ...], Row],
    columns: Iterable[str],
    verdict: Verdict,
) -> None:
    verdict.look(view, len(held))
    for key in sorted(follow.keys() - held.keys()):
        verdict.find(LOST, f"{view} lacks {key[1]} {key[2]}", key[0])
    for key in sorted(held.keys() - follow.keys()):
        verdict.find(WRONG, f"{view} has {key[1]} {key[2]}, which no event has led to", key[0])
    for key in follow.keys() & held.keys():
        for name in columns:
            if held[key][name] != follow[key][name]:
                told = (
                    f"{view}.{name} of {key[1]} {key[2]} is {held[key][name]}, by the log {follow[key][name]}"
                )
                verdict.find(WRONG, told, key[0], held[key]["position"])


def _folded(source: str, history: list[Event], deadlines: dict[tuple[Any, ...], Row]) -> Order:
    """Return an order as it is, and note which deadlines it has had, and how each ended."""
    order, stands = Order(), {}
    for event in history:
        order.tell(event)
        now = _waiting_for(order)
        for purpose, generation in stands.items():
            if now.get(purpose) != generation:
                outcome = "superseded" if purpose in now else _end(order)
                deadlines[source, purpose, generation] |= {"ended_at": event.at, "outcome": outcome}
        for purpose, generation in now.items():
            if stands.get(purpose) != generation:
                deadlines[source, purpose, generation] = _planned(purpose, order, event)
        stands = now
    return order


def _waiting_for(order: Order) -> dict[str, int]:
    if order.due:
        return {"registration": order.generation}
    if order.answer_by:
        return {"answer": order.generation}
    return {"expiry": order.generation} if order.status in {"awaiting_payment", "partially_paid"} else {}


def _planned(purpose: str, order: Order, event: Event) -> Row:
    at = {
        "registration": lambda: order.due.at,
        "answer": lambda: order.answer_by,
        "expiry": lambda: order.wish.unpaid_until(order.terms.get("unpaid_expiry", timedelta(days=14))),
    }[purpose]()
    return {
        "due_at": at,
        "money_arrived_at": order.paid_at,
        "planned_at": event.at,
        "ended_at": None,
        "outcome": None,
    }


def _end(order: Order) -> str:
    if order.started_at:
        return "started"
    return "expired" if order.expired else "cancelled"
