"""I8: every deadline fired once per generation, by its promise, or an outage longer than the slack is on record."""

from collections import Counter
from datetime import datetime, timedelta

from checker.case import Case, instant
from checker.findings import BROKEN, DOUBLED, WRONG, Verdict
from checker.folding import Order
from checker.record import Event, Record

_SLACK = timedelta(minutes=5)


def check(case: Case, record: Record) -> Verdict:
    """Reckon anew when each start was due, and when each order that nobody paid for ended."""
    verdict = Verdict("I8", "deadlines")
    for source, history in record.orders.items():
        order, starts = Order(), Counter()
        for event in history:
            if event.kind == "order.registration-started":
                verdict.look("starts")
                starts[event.data["generation"]] += 1
                _start(case, order, event, verdict)
            elif event.kind == "order.expired":
                _expiry(order, event, verdict)
            order.tell(event)
        for generation, times in starts.items():
            if times > 1:
                verdict.find(
                    DOUBLED, f"generation {generation} was started {times} times", source, order.position
                )
        _overdue(case, order, source, record, verdict)
    return verdict


def _start(case: Case, order: Order, event: Event, verdict: Verdict) -> None:
    due, at, told = order.due, event.at, instant(event.data["due_at"])
    where = event.source, event.position
    if due is None:
        verdict.find(WRONG, "started though it did not wait for it", *where)
        return
    if event.data["generation"] != order.generation:
        verdict.find(
            WRONG, f"generation {event.data['generation']} was started, not {order.generation}", *where
        )
    if event.data["rule"] == "at_once" and told == at:
        _late(case, due.limit, at, "pressed after it was due", where, verdict)
        return  # the customer has pressed, and was served at that moment
    if told != due.at:
        verdict.find(WRONG, f"due at {told} by the log, at {due.at} by the rules", *where)
    if at < due.at:
        verdict.find(BROKEN, f"started at {at}, before it was due at {due.at}", *where)
    _late(case, due.limit, at, "started", where, verdict)


def _late(
    case: Case, limit: datetime, at: datetime, what: str, where: tuple[str, int], verdict: Verdict
) -> None:
    if at > limit and not _explained(case, limit, at):
        verdict.find(BROKEN, f"{what} at {at}, promised until {limit}", *where)


def _explained(case: Case, limit: datetime, at: datetime) -> bool:
    """Tell whether the service was away between the promise and the start, for longer than the slack or right then."""
    return any(
        begun <= at and until + _SLACK >= at and until > limit - _SLACK for begun, until in case.outages
    )


def _expiry(order: Order, event: Event, verdict: Verdict) -> None:
    verdict.look("expiries")
    patience = order.terms.get("unpaid_expiry", timedelta(days=14))
    if order.wish and order.status in {"awaiting_payment", "partially_paid"}:
        until = order.wish.unpaid_until(patience)
        if event.at < until:
            verdict.find(
                BROKEN, f"expired at {event.at}, could be paid until {until}", event.source, event.position
            )


def _overdue(case: Case, order: Order, source: str, record: Record, verdict: Verdict) -> None:
    if order.due is None:
        return
    verdict.look("still to come")
    now = case.gathered_at or record.now
    if now > order.due.limit and not _explained(case, order.due.limit, now):
        verdict.find(BROKEN, f"due at {order.due.at}, and not started at {now}", source, order.position)
