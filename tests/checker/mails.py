"""I7: every mail that the log calls for left at least once, and a second copy can be told as one."""

from collections import defaultdict
from collections.abc import Iterator

from checker.case import Case, Json
from checker.findings import DOUBLED, LOST, WRONG, Verdict
from checker.folding import TO_OLD_ADDRESS, Order
from checker.record import Event, Record

#: Events that call for one mail to the customer.
_KIND_OF = {
    "order.placed": "placed",
    "order.details-corrected": "details_corrected",
    "order.held": "held",
    "order.registration-started": "started",
    "order.vignette-issued": "issued",
    "order.validity-changed": "validity_changed",
    "order.registration-rejected": "rejected",
    "order.surplus-set-aside": "refund",
    "order.refund-requested": "refund",
    "order.expired": "expired",
    "order.link-requested": "link",
    "order.withdrawn": "withdrawn",
    "order.refunded": "refunded",
    "order.surplus-returned": "refunded",
}
#: The mail that tells where an order stands: sent again to a corrected address.
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
_LOSSES = {"order.payment-reversed", "order.payment-taken-back"}
#: Nobody is left to write to, or nobody can be reached.
_NEED_NOT_ARRIVE = {"erased", "returned", "not_called"}


def check(case: Case, record: Record) -> Verdict:
    """Hold what the log calls for against what the service says of its mails, and against the inbox."""
    verdict = Verdict("I7", "mails")
    called = dict(_called(case, record))
    known = {row["message_id"]: row for row in record.emails}
    verdict.look("called for", len(called))
    for message in called.keys() - known.keys():
        verdict.find(LOST, f"{message} is called for, and not known to the mailer", *_at(called[message]))
    for message in known.keys() - called.keys():
        row = known[message]
        verdict.find(
            WRONG,
            f"{message} is on the mailer's list, and nothing called for it",
            row["order_id"],
            row["position"],
        )
    if case.inbox is None:
        verdict.unseen.append("inbox.json")
        return verdict
    arrived: dict[str, list[Json]] = defaultdict(list)
    for mail in case.inbox:
        arrived[mail["message_id"]].append(mail)
    verdict.look("arrived", len(case.inbox))
    need_not = _need_not_arrive(record)
    for message in called.keys() - arrived.keys() - need_not:
        verdict.find(LOST, f"{message} never arrived", *_at(called[message]))
    for message in arrived.keys() - called.keys():
        verdict.find(WRONG, f"{message} arrived, and nothing called for it")
    _recipients(arrived, known, verdict)
    _doubles(case, arrived, called, verdict)
    return verdict


def _need_not_arrive(record: Record) -> set[str]:
    """Of an erased order the sandbox keeps no mail either: that it left is known from the mailer alone."""
    erased = {event.source for event in record.events if event.kind == "order.personal-data-erased"}
    return {
        row["message_id"]
        for row in record.emails
        if row["state"] in _NEED_NOT_ARRIVE or (row["order_id"] in erased and row["state"] == "sent")
    }


def _at(event: Event) -> tuple[str, int]:
    return event.source, event.position


def _recipients(arrived: dict[str, list[Json]], known: dict, verdict: Verdict) -> None:
    for message, mails in arrived.items():
        wanted = known.get(message, {}).get("recipient")
        if wanted and any(mail["to"].lower() != wanted.lower() for mail in mails):
            verdict.find(WRONG, f"{message} went to another address", known[message]["order_id"])


def _doubles(case: Case, arrived: dict[str, list[Json]], called: dict[str, Event], verdict: Verdict) -> None:
    """A second copy is one whose reply was lost, and is the same to the last header."""
    left = case.doubles_of("mails")
    for message, mails in arrived.items():
        if len(mails) == 1:
            continue
        verdict.look("second copies", len(mails) - 1)
        where = _at(called[message]) if message in called else ()
        if any(_content(mail) != _content(mails[0]) for mail in mails[1:]):
            verdict.find(DOUBLED, f"{message} arrived {len(mails)} times, and not alike", *where)
        if message not in case.lost_replies:
            left -= len(mails) - 1
            if left < 0:
                verdict.find(DOUBLED, f"{message} arrived {len(mails)} times, and no reply was lost", *where)


def _content(mail: Json) -> Json:
    return {name: value for name, value in mail.items() if name != "received_at"}


# --- what the log calls for


def _called(case: Case, record: Record) -> Iterator[tuple[str, Event]]:
    for source, history in record.histories.items():
        calls = _calls_of_order(history) if source in record.orders else _calls_of_case(history)
        for event, kind in calls:
            yield f"<{source}.{event.version}.{kind}@{case.mail_domain}>", event


def _calls_of_case(history: list[Event]) -> Iterator[tuple[Event, str]]:
    for event in history:
        if event.kind == "support-case.opened" and event.data["acknowledged"]:
            yield event, "case_opened"
        elif event.kind == "support-case.answered":
            yield event, "case_answered"


def _calls_of_order(history: list[Event]) -> Iterator[tuple[Event, str]]:
    order = Order()
    for event in history:
        was_paid = order.is_paid
        order.tell(event)
        for kind in (*_of_its_own(event, order), *_about_money(event, order, was_paid=was_paid)):
            yield event, kind


def _of_its_own(event: Event, order: Order) -> Iterator[str]:
    if event.kind == "order.email-corrected":
        yield TO_OLD_ADDRESS
        yield from _current(order)
    elif event.kind == "order.refund-requested" and event.command == order.withdrawn_by_command is not None:
        return  # the mail about the withdrawal tells of the money too
    elif event.kind in _KIND_OF:
        yield _KIND_OF[event.kind]
    elif event.kind == "order.outage-regarded" and not event.data["in_passing"]:
        yield "brought_forward"


def _current(order: Order) -> Iterator[str]:
    if order.withdrawn_at:
        yield "withdrawn"
    if not order.withdrawn_at or order.refund is not None:
        yield _CURRENT[order.status]
    if order.owed:
        yield "owed"


def _about_money(event: Event, order: Order, *, was_paid: bool) -> Iterator[str]:
    is_loss = event.kind in _LOSSES and event.data["amount"]["amount"]
    if not order.is_open or order.started_at:
        if is_loss and order.owed:
            yield "owed"
    elif order.is_paid and not was_paid:
        yield "paid"
    elif event.kind == "order.payment-received" and not order.is_paid:
        yield "underpaid"
    elif is_loss and not order.is_paid:
        yield "payment_reversed"
