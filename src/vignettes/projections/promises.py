"""The promises as the record can measure them: what each order was promised, until when, and when it was done.

Two of the promises leave no trace in the events of an order, and have no rows: that support is one step away (11), and
what every mail carries (12).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.domain.order import Order
from vignettes.domain.personal import DataClass
from vignettes.domain.schedule import SAME_DAY_LIMIT, Deadline, Rule
from vignettes.domain.shares import is_share
from vignettes.eventstore.codec import Recorded
from vignettes.projections.emails import calls, message_id
from vignettes.projections.view import Definition, Edition, Row, Table, upsert, write_json

#: A start this long after its mark still counts as at the mark (promise 1).
MARK_LIMIT = timedelta(minutes=5)
#: What is done at once is done within this time (promise 3).
AT_ONCE_LIMIT = timedelta(minutes=1)
#: When a mail should have left (promises 6, 8 and 9), and when at the latest.
MAIL_DUE, MAIL_LIMIT = timedelta(minutes=1), timedelta(hours=1)
#: When a refund should have left, and when at the latest: the legal time for reimbursing after a withdrawal.
REFUND_DUE, REFUND_LIMIT = timedelta(days=1), timedelta(days=14)

# A broken word is not mended by what comes later: 'violated' stays, and comes over everything else.
_END: LiteralString = """
UPDATE {promises} p SET outcome = e.outcome, ended_at = e.ended_at, position = e.position
FROM jsonb_to_recordset(%s) AS e (
    order_id uuid, promises integer[], occasion integer, outcome text, ended_at timestamptz, position bigint)
WHERE p.order_id = e.order_id AND p.promise = ANY(e.promises) AND p.occasion = coalesce(e.occasion, p.occasion)
  AND (p.outcome IS NULL OR (e.outcome = 'violated' AND p.outcome <> 'violated'))
"""

DEFINITION = Definition("promises", 5, ("promises",), ("promises", "promise_days"))


class Promise(IntEnum):
    """The promises that can be measured order by order, by their numbers."""

    AT_THE_MARK = 1
    SAME_DAY = 2
    AT_ONCE = 3
    MONEY_FIRST = 4
    RIGHT_ORDER = 5
    MAIL_OF_PAYMENT = 6
    CORRECTIONS = 7
    ADDRESS = 8
    FOUND = 9
    MONEY_BACK = 10


#: One of these is given for each generation of an order that waits for its start.
_STARTS = (Promise.AT_THE_MARK, Promise.SAME_DAY, Promise.AT_ONCE)
_MAILS = (Promise.MAIL_OF_PAYMENT, Promise.ADDRESS, Promise.FOUND)
#: The mails of which one was promised, whatever calls for them.
_PROMISED = {"paid": Promise.MAIL_OF_PAYMENT, "link": Promise.FOUND}

_PROMISE_OF = {Rule.GRACE: Promise.SAME_DAY, Rule.AT_ONCE: Promise.AT_ONCE}
_LIMIT_OF = {Promise.AT_THE_MARK: MARK_LIMIT, Promise.AT_ONCE: AT_ONCE_LIMIT}


@dataclass(frozen=True, slots=True)
class Word:
    """What was promised on one occasion; no `limit_at` for what holds at a moment, or not."""

    promise: Promise
    occasion: int
    rule: str
    due_at: datetime
    limit_at: datetime | None

    def is_another_than(self, word: "Word | None") -> bool:
        """Tell whether the other is not about the same promise on the same occasion."""
        return word is None or (word.promise, word.occasion) != (self.promise, self.occasion)


@dataclass(frozen=True, slots=True)
class Noted:
    """What was promised about the start, and whether it was paid or refunded, before an event."""

    start: Word | None
    was_paid: bool
    was_refunded: bool


class PromisesView(Table):
    """One row for each word given to a customer, ended when it was kept, broken, or no longer needed."""

    definition = DEFINITION

    def __init__(self, mail_domain: str) -> None:
        self._domain = mail_domain
        self._given: dict[UUID, dict[tuple[int, int, str], Row]] = {}
        self._ended: dict[tuple[UUID, tuple[Promise, ...], int | None], Row] = {}

    # --- what is promised, and what ends it

    def before(self, order: Order | None) -> Noted:
        if order is None:
            return Noted(None, was_paid=False, was_refunded=False)
        return Noted(start_of(order), was_paid=order.is_paid, was_refunded=order.refunded)

    def see(self, event: Recorded, order: Order, noted: Noted) -> None:
        self._see_start(event, noted.start, start_of(order))
        self._see_mails(event, order, was_paid=noted.was_paid)
        self._see_money(event, order, noted)
        match event.event:
            case Order.RegistrationStarted(rule=rule):
                self._work_started(event, order, rule)
                if rule == Rule.AT_ONCE and (noted.start is None or noted.start.promise != Promise.AT_ONCE):
                    self._started_when_asked(event, order)
            case Order.DetailsCorrected():
                self._corrected(event, order)
            case Order.PersonalDataErased(classes=classes) if DataClass.CONTACT in classes:
                self._end(event, _MAILS, "lapsed")  # nobody is left to write to; what was sent was sent

    def _see_money(self, event: Recorded, order: Order, noted: Noted) -> None:
        match event.event:
            case Order.PaymentReceived(payment=payment) if is_share(payment.payment_id):
                self._matched(event, "matched", "done")
            case Order.PaymentTakenBack(amount=amount) if amount:
                self._matched(event, "undone", "violated")
            case Order.RefundRequested():
                self._refund_granted(event, order)
            case Order.OrderRefunded():
                self._end(event, (Promise.MONEY_BACK,), "done")
            case Order.PaymentReversed() if order.refund is not None and not order.refund:
                self._end(event, (Promise.MONEY_BACK,), "lapsed")  # the bank has given it back itself
            case Order.PayoutFailed() if noted.was_refunded and not order.refunded:
                self._refund_granted(event, order)
            case Order.VignetteIssued() if order.refund is not None:
                self._end(event, (Promise.MONEY_BACK,), "violated")

    def _see_start(self, event: Recorded, was: Word | None, now: Word | None) -> None:
        if was and was.is_another_than(now):
            self._end(event, _STARTS, _end_of_start(event, was), was.occasion)
        if now and now.is_another_than(was):
            self._give(event, now)

    def _see_mails(self, event: Recorded, order: Order, *, was_paid: bool) -> None:
        is_correction = event.type == "EmailCorrected"
        for kind, _ in calls(event, order, was_paid=was_paid):
            promise = Promise.ADDRESS if is_correction else _PROMISED.get(kind)
            if promise and not getattr(event.event, "by_reference", False):  # then nobody waits for a link
                began = event.recorded_at
                mail = Word(promise, event.version, kind, began + MAIL_DUE, began + MAIL_LIMIT)
                self._give(event, mail, message_id=message_id(order.id, event.version, kind, self._domain))

    def _started_when_asked(self, event: Recorded, order: Order) -> None:
        at = event.recorded_at
        word = Word(Promise.AT_ONCE, order.generation, str(Rule.AT_ONCE), at, at + AT_ONCE_LIMIT)
        self._give(event, word, "done")

    def _work_started(self, event: Recorded, order: Order, rule: str) -> None:
        at = event.recorded_at
        is_paid = order.is_paid and order.paid_at is not None and order.paid_at <= at
        word = Word(Promise.MONEY_FIRST, event.version, rule, at, None)
        self._give(event, word, "done" if is_paid else "violated")

    def _corrected(self, event: Recorded, order: Order) -> None:
        if started_at := order.started_at:
            word = Word(Promise.CORRECTIONS, event.version, "after_start", started_at, started_at)
            self._give(event, word, "violated")
        else:
            word = Word(Promise.CORRECTIONS, event.version, "before_start", event.recorded_at, None)
            self._give(event, word, "done")

    def _matched(self, event: Recorded, rule: str, outcome: str) -> None:
        """Count money that was found to be this order's; what is undone later is a word of its own, and broken."""
        word = Word(Promise.RIGHT_ORDER, event.version, rule, event.recorded_at, None)
        self._give(event, word, outcome)

    def _refund_granted(self, event: Recorded, order: Order) -> None:
        began = event.recorded_at
        rule = "expired" if order.expired else "rejected" if order.rejected else "before_start"
        word = Word(Promise.MONEY_BACK, event.version, rule, began + REFUND_DUE, began + REFUND_LIMIT)
        self._give(event, word, "violated" if order.vignette else None)

    # --- rows

    def _give(
        self, event: Recorded, word: Word, outcome: str | None = None, message_id: str | None = None
    ) -> None:
        given = self._given.setdefault(event.order_id, {})
        given[word.promise, word.occasion, word.rule] = {
            "order_id": event.order_id,
            "promise": int(word.promise),
            "occasion": word.occasion,
            "rule": word.rule,
            "began_at": event.recorded_at,
            "due_at": word.due_at,
            "limit_at": word.limit_at,
            "ended_at": event.recorded_at if outcome else None,
            "outcome": outcome,
            "message_id": message_id,
            "position": event.position,
        }

    def _end(
        self, event: Recorded, promises: tuple[Promise, ...], outcome: str, occasion: int | None = None
    ) -> None:
        """End what is open, in the rows of this batch and in those that are written already."""
        ending = {"outcome": outcome, "ended_at": event.recorded_at, "position": event.position}
        for row in self._given.get(event.order_id, {}).values():
            if row["promise"] in promises and occasion in {None, row["occasion"]} and _ends(row, outcome):
                row.update(ending)
        key = event.order_id, promises, occasion
        if key not in self._ended or _ends(self._ended[key], outcome):
            which = {"order_id": event.order_id, "promises": promises, "occasion": occasion}
            self._ended[key] = which | ending

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        await write_json(connection, edition, _END, list(self._ended.values()))
        rows = [row for given in self._given.values() for row in given.values()]
        key = ("order_id", "promise", "occasion", "rule")
        await upsert(connection, edition, "promises", rows, key=key)
        self.forget()

    def forget(self) -> None:
        self._given.clear()
        self._ended.clear()


def start_of(order: Order | None) -> Word | None:
    """Return what an order that waits for its start is promised about it (promises 1 to 3)."""
    if order is None or (deadline := order.deadline) is None:
        return None
    promise = _promise_of(deadline)
    due_at = deadline.due_at
    limit_at = _same_day_limit(order) if promise is Promise.SAME_DAY else due_at + _LIMIT_OF[promise]
    return Word(promise, order.generation, str(deadline.rule), due_at, limit_at)


def _promise_of(deadline: Deadline) -> Promise:
    if deadline.rule is Rule.OUTAGE and deadline.is_past_its_mark:
        return Promise.SAME_DAY
    return _PROMISE_OF.get(deadline.rule, Promise.AT_THE_MARK)


def _same_day_limit(order: Order) -> datetime:
    """Count from when the money had arrived with us, or what it is for was corrected, or a hold was lifted."""
    since = filter(None, (order.paid_at, order.promised_since))
    return max(since) + SAME_DAY_LIMIT


def _end_of_start(event: Recorded, was: Word) -> str:
    """Whoever starts sooner than was promised needs no promise; whoever had to press because we were late had one."""
    if not isinstance(event.event, Order.RegistrationStarted):
        return "lapsed"
    sooner = event.event.rule == Rule.AT_ONCE and event.recorded_at < was.due_at
    return "lapsed" if sooner and was.promise is not Promise.AT_ONCE else "done"


def _ends(row: Row, outcome: str) -> bool:
    return row["outcome"] is None or (outcome == "violated" and row["outcome"] != "violated")
