"""I3: no start without money, no vignette without a start, never a refund beside a vignette."""

from checker.case import Case
from checker.findings import WRONG, Verdict
from checker.folding import Order
from checker.record import Event, Record


def check(case: Case, record: Record) -> Verdict:
    """Fold each order, and look at what it was when each of these happened to it."""
    verdict = Verdict("I3", "money, start, vignette")
    for history in record.orders.values():
        verdict.look("orders")
        order = Order()
        for event in history:
            if wrong := _wrong(order, event):
                verdict.find(WRONG, wrong, event.source, event.position)
            order.tell(event)
    return verdict


def _wrong(order: Order, event: Event) -> str | None:
    """Return why this should not have happened to an order that stands so."""
    match event.kind:
        case "order.registration-started" if not order.is_paid:
            return "registration has started without money"
        case "order.registration-started" if not order.is_open:
            return "registration has started after the order's end"
        case "order.vignette-issued" if order.started_at is None:
            return "a vignette without a start"
        case "order.vignette-issued" if order.refund is not None:
            return "a vignette beside a refund"
        case "order.refund-requested" | "order.refunded" if order.vignette:
            return "a refund beside a vignette"
        case "order.refund-requested" if order.started_at is not None:
            return "a refund after the start"
        case "order.details-corrected" if order.started_at is not None:
            return "a correction after the start"
    return None
