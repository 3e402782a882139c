"""Which order a movement on our account pays for: the rules of domain.md, Payments, and why each came out as it did.

A match is certain or it is not made: exactly one order is named by a reference that checks, the amount is what it waits
for, in its currency. Everything else is a person's to decide, and comes with the orders it could be.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from uuid import UUID

from vignettes.domain import hints, mentions
from vignettes.domain.details import Status
from vignettes.domain.entry import BankEntry
from vignettes.domain.mentions import Mentions
from vignettes.domain.money import Money, zero
from vignettes.domain.references import neighbours, parse_number

MOST_SUGGESTED = 5
#: More mistyped references than this are no references, but a text full of digits.
_MOST_NEARBY = 20
_WAITING = {Status.AWAITING_PAYMENT, Status.PARTIALLY_PAID}


class Reason(StrEnum):
    """Why a movement was matched, was not, or why an order is suggested. The codes are stored and published."""

    REFERENCE_CHECKS = "reference_checks"
    REFERENCE_IN_TEXT = "reference_in_text"
    AMOUNT_EXACT = "amount_exact"
    CURRENCY_SAME = "currency_same"
    ORDER_WAITS = "order_waits"

    NOT_BOOKED = "not_booked"
    NOT_INCOMING = "not_incoming"
    REVERSAL = "reversal"
    NO_REFERENCE = "no_reference"
    CHECK_DIGIT_WRONG = "check_digit_wrong"
    REFERENCE_UNKNOWN = "reference_unknown"
    REFERENCES_DISAGREE = "references_disagree"
    SEVERAL_REFERENCES = "several_references"
    AMOUNT_DIFFERS = "amount_differs"
    UNDERPAID = "underpaid"
    OVERPAID = "overpaid"
    CURRENCY_DIFFERS = "currency_differs"
    ORDER_NOT_WAITING = "order_not_waiting"
    ORDER_PAID = "order_paid"
    PAID_BY_NOTICE = "paid_by_notice"
    ORDER_REFUNDED = "order_refunded"
    ORDER_EXPIRED = "order_expired"

    REFERENCE_NEARLY = "reference_nearly"
    SUM_EXACT = "sum_exact"
    EMAIL_IN_TEXT = "email_in_text"
    PLATE_IN_TEXT = "plate_in_text"
    PAYER_LIKE_EMAIL = "payer_like_email"
    DATE_NEAR = "date_near"


TEXTS: Mapping[str, str] = {
    Reason.REFERENCE_CHECKS: "The bank's field for a reference names the order.",
    Reason.REFERENCE_IN_TEXT: "The message for the payee names the order.",
    Reason.AMOUNT_EXACT: "The amount is exactly what the order waits for.",
    Reason.CURRENCY_SAME: "The currency is the order's.",
    Reason.ORDER_WAITS: "The order waits for money.",
    Reason.NOT_BOOKED: "The bank has not booked it.",
    Reason.NOT_INCOMING: "The money went out.",
    Reason.REVERSAL: "The bank took an earlier movement back by it.",
    Reason.NO_REFERENCE: "It names no order.",
    Reason.CHECK_DIGIT_WRONG: "Its reference is mistyped: the check digits are wrong.",
    Reason.REFERENCE_UNKNOWN: "Its reference checks, but no order has that number.",
    Reason.REFERENCES_DISAGREE: "One of its references is mistyped and can't have meant the other.",
    Reason.SEVERAL_REFERENCES: "It names several orders.",
    Reason.AMOUNT_DIFFERS: "The amount is not what the order waits for.",
    Reason.UNDERPAID: "It is less than what the order waits for.",
    Reason.OVERPAID: "It is more than what the order waits for.",
    Reason.CURRENCY_DIFFERS: "The currency is not the order's.",
    Reason.ORDER_NOT_WAITING: "The order does not wait for money.",
    Reason.ORDER_PAID: "The order is paid already.",
    Reason.PAID_BY_NOTICE: "A payment provider has told of the same amount for the order.",
    Reason.ORDER_REFUNDED: "The order's money was given back, or is on its way back.",
    Reason.ORDER_EXPIRED: "The order has expired.",
    Reason.REFERENCE_NEARLY: "One mistake of a typist makes the order's number the reference.",
    Reason.SUM_EXACT: "The amount is exactly what the orders wait for together.",
    Reason.EMAIL_IN_TEXT: "The customer's e-mail address is in the message.",
    Reason.PLATE_IN_TEXT: "The plate is in the message.",
    Reason.PAYER_LIKE_EMAIL: "The payer's name is like the customer's e-mail address.",
    Reason.DATE_NEAR: "The order was placed shortly before.",
}
"""What each reason says to a person."""

#: How much each reason tells for an order that is suggested. A named order comes before any that is only like it.
_SCORES: Mapping[str, int] = {
    Reason.REFERENCE_CHECKS: 100,
    Reason.REFERENCE_IN_TEXT: 100,
    Reason.SUM_EXACT: 60,
    Reason.REFERENCE_NEARLY: 50,
    Reason.EMAIL_IN_TEXT: 45,
    Reason.PLATE_IN_TEXT: 40,
    Reason.PAYER_LIKE_EMAIL: 25,
    Reason.AMOUNT_EXACT: 20,
    Reason.DATE_NEAR: 10,
    Reason.ORDER_WAITS: 5,
}
_SAYS_NOTHING_ALONE = {Reason.DATE_NEAR, Reason.ORDER_WAITS}

_OF_STATUS: Mapping[str, Reason] = {
    Status.REFUND_PENDING: Reason.ORDER_REFUNDED,
    Status.REFUNDED: Reason.ORDER_REFUNDED,
    Status.EXPIRED: Reason.ORDER_EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Money for an order of which a payment provider told."""

    amount: Money
    received_at: datetime


@dataclass(frozen=True, slots=True)
class OrderInView:
    """What matching knows of an order; `plate` and `email` are there only where they could help to suggest it."""

    order_id: UUID
    number: str
    status: str
    outstanding: Money
    total: Money
    received: Money
    placed_at: datetime
    plate: str | None = None
    email: str | None = None
    paid_by_notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look up for one entry: the numbers that it names, and what a mistyped reference could have meant."""

    numbers: tuple[str, ...]
    nearby: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An order that it could be; with a `split`, several that it could be for together, and how much of it for each."""

    order_id: UUID
    number: str
    score: int
    reasons: tuple[str, ...]
    split: tuple[tuple[UUID, Money], ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """It is certain."""

    order_id: UUID
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """A person decides. The best suggestion is first."""

    reasons: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class _Named:
    """What an entry says of orders: numbers that check, those from its fields first; what was meant and does not.

    `nearby` are numbers that digits which do not check could stand for.
    """

    in_fields: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    meant: tuple[str, ...] = ()
    nearby: tuple[str, ...] = ()

    def how(self, number: str) -> Reason:
        return Reason.REFERENCE_CHECKS if number in self.in_fields else Reason.REFERENCE_IN_TEXT

    @property
    def disagree(self) -> bool:
        """Whether something was meant as a reference, is none, and is more than one mistake away from what is one."""
        return any(set(self.numbers).isdisjoint(_could_mean(digits)) for digits in self.meant)


def wanted(entry: BankEntry) -> Wanted:
    """Return which orders must be known to decide on this entry."""
    named = _named(entry)
    return Wanted(named.numbers, named.nearby)


def match(entry: BankEntry, orders: Iterable[OrderInView]) -> Match | Review:
    """Decide by the orders that were found for what is `wanted`, and others that are worth suggesting.

    Of an order that is given twice the latter counts.
    """
    named, found = _named(entry), {order.number: order for order in orders}
    if against := tuple(_against(entry, named, found)):
        return Review(against, _suggestions(entry, named, found))
    (number,) = named.numbers
    why = (named.how(number), Reason.AMOUNT_EXACT, Reason.CURRENCY_SAME, Reason.ORDER_WAITS)
    return Match(found[number].order_id, why)


# --- what it names


def _named(entry: BankEntry) -> _Named:
    return _named_by(entry.variable_symbol, entry.creditor_reference, entry.end_to_end_id, entry.remittance)


@lru_cache(
    maxsize=4096
)  # asked for what is to be looked up, and soon again to decide; reading it takes longest
def _named_by(
    symbol: str | None, reference: str | None, end_to_end_id: str | None, remittance: str | None
) -> _Named:
    fields = (_symbol(symbol), _reference(reference), mentions.in_text(end_to_end_id or ""))
    said = [each for each in (*fields, mentions.in_text(remittance or "")) if each is not mentions.NONE]
    together = said[0] if len(said) == 1 else mentions.together(said)
    return _Named(
        in_fields=_each_once(*(field.numbers for field in fields)),
        numbers=together.numbers,
        meant=together.meant,
        nearby=_nearby(together),
    )


def _nearby(said: Mentions) -> tuple[str, ...]:
    """Return what mistyped references could stand for; bare digits are taken for one only where nothing else is."""
    digits = said.meant if said.numbers else _each_once(said.meant, said.bare)
    if not digits:
        return ()
    near = _each_once(*map(_could_mean, digits[:_MOST_NEARBY]))
    return tuple(number for number in near if number not in said.numbers)[:_MOST_NEARBY]


def _symbol(text: str | None) -> Mentions:
    """Read a variable symbol. One that is much shorter than ours is the payer's own, and contradicts nothing."""
    return mentions.of_symbol(text.strip().removeprefix("V").lstrip("0")) if text else mentions.NONE


def _reference(text: str | None) -> Mentions:
    """Read the field of an RF reference, in which banks also put "VS:1234567890"."""
    if not text:
        return mentions.NONE
    number = parse_number(text)
    return Mentions((number,)) if number else mentions.in_text(text)


def _could_mean(digits: str) -> tuple[str, ...]:
    """Return what a mistyped reference could stand for; of an RF reference also what it has behind its check digits."""
    itself = parse_number(digits)
    return (*([itself] if itself else ()), *neighbours(digits))


def _each_once(*several: tuple[str, ...]) -> tuple[str, ...]:
    some = [each for each in several if each]
    return some[0] if len(some) == 1 else tuple(dict.fromkeys(chain.from_iterable(some)))


# --- whether it is certain


def _against(entry: BankEntry, named: _Named, found: Mapping[str, OrderInView]) -> Iterator[Reason]:
    """Give everything that keeps it from being certain."""
    if not entry.booked:
        yield Reason.NOT_BOOKED
    if not entry.credit:
        yield Reason.NOT_INCOMING
    if entry.reversal:
        yield Reason.REVERSAL
    numbers = named.numbers
    if not numbers:
        yield Reason.CHECK_DIGIT_WRONG if named.meant or named.nearby else Reason.NO_REFERENCE
        return
    if len(numbers) > 1:
        yield Reason.SEVERAL_REFERENCES
    if named.disagree:
        yield Reason.REFERENCES_DISAGREE
    if unknown := [number for number in numbers if number not in found]:
        yield Reason.REFERENCE_UNKNOWN
    if len(numbers) == 1 and not unknown:
        yield from _against_order(entry, found[numbers[0]])


def _against_order(entry: BankEntry, order: OrderInView) -> Iterator[Reason]:
    if order.status not in _WAITING:
        yield Reason.ORDER_NOT_WAITING
        yield _OF_STATUS.get(order.status, Reason.ORDER_PAID)
        if any(notice.amount == entry.amount for notice in order.paid_by_notices):
            yield Reason.PAID_BY_NOTICE
    if entry.amount.currency != order.total.currency:
        yield Reason.CURRENCY_DIFFERS
    elif order.status in _WAITING and entry.amount != order.outstanding:
        yield Reason.AMOUNT_DIFFERS
        yield Reason.UNDERPAID if entry.amount < order.outstanding else Reason.OVERPAID


# --- what it could be


def _suggestions(entry: BankEntry, named: _Named, found: Mapping[str, OrderInView]) -> tuple[Suggestion, ...]:
    if not entry.credit or entry.reversal:
        return ()
    each = (_suggestion(entry, named, order) for order in found.values())
    ranked = sorted(filter(None, each), key=lambda one: (-one.score, one.number))
    return (*_split(entry, named, found), *ranked)[:MOST_SUGGESTED]


def _suggestion(entry: BankEntry, named: _Named, order: OrderInView) -> Suggestion | None:
    """Return how much tells for an order, None where that is not enough to mention it."""
    reasons = tuple(_for(entry, named, order))
    is_named = order.number in named.numbers
    if not is_named and (order.status not in _WAITING or _SAYS_NOTHING_ALONE.issuperset(reasons)):
        return None
    return Suggestion(order.order_id, order.number, sum(_SCORES[each] for each in reasons), reasons)


def _for(entry: BankEntry, named: _Named, order: OrderInView) -> Iterator[Reason]:
    if order.number in named.numbers:
        yield named.how(order.number)
    elif order.number in named.nearby:
        yield Reason.REFERENCE_NEARLY
    if entry.amount == order.outstanding:
        yield Reason.AMOUNT_EXACT
    if hints.has_email(entry.remittance, order.email):
        yield Reason.EMAIL_IN_TEXT
    if hints.has_plate(entry.remittance, order.plate):
        yield Reason.PLATE_IN_TEXT
    if hints.is_like(entry.counterparty, order.email):
        yield Reason.PAYER_LIKE_EMAIL
    if order.status in _WAITING:
        yield Reason.ORDER_WAITS
    if hints.is_near(entry.booked_on, order.placed_at):
        yield Reason.DATE_NEAR


def _split(entry: BankEntry, named: _Named, found: Mapping[str, OrderInView]) -> Iterator[Suggestion]:
    """Give the one way to share the amount among the orders that are named, where it pays for exactly these (25)."""
    orders = [found[number] for number in named.numbers if number in found]
    if len(orders) < 2 or any(order.status not in _WAITING for order in orders):  # noqa: PLR2004  # one is no split
        return
    if {order.outstanding.currency for order in orders} != {entry.amount.currency}:
        return
    together = sum((order.outstanding for order in orders), zero(entry.amount.currency))
    if together == entry.amount:
        reasons = (named.how(orders[0].number), Reason.SUM_EXACT, Reason.ORDER_WAITS)
        split = tuple((order.order_id, order.outstanding) for order in orders)
        score = sum(_SCORES[each] for each in reasons)
        yield Suggestion(orders[0].order_id, orders[0].number, score, reasons, split)
