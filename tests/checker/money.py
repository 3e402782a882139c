"""I5: money in = matched + in review + returned, to the cent, per currency.

The events are known by what they are called and say: what comes in is told by bank payments, what is orders' by orders,
what is nobody's by payments again. Nobody tells that the three are equal.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg

_EVENTS = """
SELECT originator_id::text, topic, convert_from(state, 'UTF8') FROM log.events ORDER BY notification_id
"""
#: By such names orders know their shares of bank payments.
_SHARE = "bank-payment:"


class Event(NamedTuple):
    """One event: whose, what, and what it says."""

    source: str
    topic: str
    data: dict[str, Any]


@dataclass
class Order:
    """The money of one order, by its own events."""

    received: dict[str, dict] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    approved: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    out: dict[str, int] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    surplus: int = 0
    surplus_out: dict[str, int] = field(default_factory=dict)
    currency: str = ""
    issued: bool = False
    refunded: bool = False

    @property
    def here(self) -> int:
        """What came in, less what was taken away again."""
        return sum(paid["amount"] for each, paid in self.received.items() if each not in self.gone)

    @property
    def leaving(self) -> int:
        """What left, or is with the bank."""
        with_bank = {each: self.approved[each] for each in self.files if each not in self.failed}
        return sum({**with_bank, **self.out}.values())


@dataclass
class Payment:
    """One bank payment, by its own events."""

    amount: int
    currency: str
    arrived: bool
    shares: dict[str, int] = field(default_factory=dict)
    given: int = 0
    is_line: bool = False
    reversed: bool = False
    returned: str | None = None
    files: dict[str, str] = field(default_factory=dict)


@dataclass
class Sums:
    """Where the money of one currency is, in minor units."""

    money_in: int = 0
    matched: int = 0
    in_review: int = 0
    returned: int = 0

    @property
    def difference(self) -> int:
        """What is missing; 0."""
        return self.money_in - self.matched - self.in_review - self.returned


def read(conninfo):
    """Return every event of the log."""
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(_EVENTS).fetchall()
    return [Event(source, topic, json.loads(state)["data"]) for source, topic, state in rows]


class Reader:
    """Takes in events one after the other, and notes what must not be."""

    def __init__(self, events):
        self.orders: dict[str, Order] = defaultdict(Order)
        self.payments: dict[str, Payment] = {}
        self.found: list[str] = []
        self._owners: dict[str, str] = {}
        self._reversed: list[str] = []
        for event in events:
            name = event.topic.rpartition(".")[0].replace("-", "_").replace(".", "_")
            take = getattr(self, f"_{name}", None)
            if take:
                take(event.source, event.data)
        for currency, sums in self.sums().items():
            if sums.difference:
                self.found.append(f"{currency}: {sums} lacks {sums.difference}")
        self.found += [f"{share} is not what its order says" for share in sorted(self._disputed())]
        self.found += [
            f"{share} was reversed for its order only"
            for share in self._reversed
            if not self.payments[share.split(":")[1]].reversed
        ]
        self.found += [
            f"{source} has a refund and a vignette"
            for source, order in self.orders.items()
            if order.issued and order.refunded
        ]

    def _disputed(self):
        """Return the shares of which payments say something else than orders."""
        by_payments = {
            each
            for payment in self.payments.values()
            if payment.arrived and not payment.is_line and not payment.reversed
            for each in payment.shares.items()
        }
        by_orders = {
            (share, paid["amount"])
            for order in self.orders.values()
            for share, paid in order.received.items()
            if share.startswith(_SHARE) and share not in order.gone
        }
        return {share for share, _ in by_payments ^ by_orders}

    def sums(self):
        """Return where the money is, by currency."""
        sums: dict[str, Sums] = defaultdict(Sums)
        for order in self.orders.values():
            self._add_order(order, sums)
        for payment in self.payments.values():
            self._add_payment(payment, sums[payment.currency])
        return {currency: each for currency, each in sums.items() if each != Sums()}

    def _add_order(self, order, sums):
        for payment_id, paid in order.received.items():
            amount, of_currency = paid["amount"], sums[paid["currency"]]
            if not payment_id.startswith(_SHARE):
                of_currency.money_in += amount
                of_currency.returned += amount if payment_id in order.gone else 0
            of_currency.matched += 0 if payment_id in order.gone else amount
        sums[order.currency].matched -= sum(order.out.values())
        sums[order.currency].returned += sum(order.out.values())

    def _add_payment(self, payment, sums):
        if not payment.arrived or payment.is_line:
            return
        sums.money_in += payment.amount
        sent_back = payment.amount if payment.returned else 0
        if payment.reversed:
            sums.returned += payment.amount + sent_back
            sums.in_review -= sent_back
        else:
            sums.returned += sent_back
            sums.in_review += payment.amount - sum(payment.shares.values()) - sent_back

    # --- orders

    def _order_payment_received(self, source, data):
        paid, order = data["payment"], self.orders[source]
        if self._owners.setdefault(paid["payment_id"], source) != source:
            self.found.append(f"{paid['payment_id']} counts for two orders")
        if paid["payment_id"] in order.received:
            self.found.append(f"{paid['payment_id']} counts twice for {source}")
        if order.currency not in {"", paid["amount"]["currency"]}:
            self.found.append(f"{source} has money in two currencies")
        order.currency = paid["amount"]["currency"]
        order.received[paid["payment_id"]] = paid["amount"]

    def _order_payment_reversed(self, source, data):
        self._order_payment_taken_back(source, data)
        if data["payment_id"].startswith(_SHARE):
            self._reversed.append(data["payment_id"])

    def _order_payment_taken_back(self, source, data):
        order, payment_id = self.orders[source], data["payment_id"]
        order.surplus = data["surplus"]["amount"]
        if data["amount"]["amount"]:
            order.gone.add(payment_id)
            if order.received.get(payment_id) != data["amount"]:
                self.found.append(f"{source} lost {payment_id}, which it never had")

    def _order_payout_approved(self, source, data):
        payout = data["payout"]
        self.orders[source].approved[payout["payout_id"]] = payout["amount"]["amount"]

    def _order_payout_ordered(self, source, data):
        order, payout_id = self.orders[source], data["payout_id"]
        if payout_id in order.files:
            self.found.append(f"{payout_id} is in two files")
        order.files[payout_id] = data["file_id"]
        self._check_covered(source, order)

    def _order_refunded(self, source, data):
        order, payout_id = self.orders[source], data["refund_id"]
        if payout_id in order.out or payout_id in order.failed:
            self.found.append(f"{payout_id} has left twice")
        if order.approved.get(payout_id, data["amount"]["amount"]) != data["amount"]["amount"]:
            self.found.append(f"{payout_id} left with another amount")
        is_new = payout_id not in order.files
        order.out[payout_id] = data["amount"]["amount"]
        if is_new:  # what is with the bank leaves, whatever has become of the order since
            self._check_covered(source, order)

    def _order_surplus_returned(self, source, data):
        self._order_refunded(source, data)
        order = self.orders[source]
        order.surplus_out[data["refund_id"]] = data["amount"]["amount"]
        if sum(order.surplus_out.values()) > order.surplus:
            self.found.append(f"{source} gives back more surplus than it had")

    def _order_surplus_set_aside(self, source, data):
        self.orders[source].surplus += data["amount"]["amount"]

    def _order_payout_failed(self, source, data):
        order = self.orders[source]
        order.out.pop(data["payout_id"], None)
        order.surplus_out.pop(data["payout_id"], None)
        order.failed.add(data["payout_id"])
        order.surplus = data["surplus"]["amount"]

    def _order_refund_requested(self, source, _):
        self.orders[source].refunded = True

    def _order_vignette_issued(self, source, _):
        self.orders[source].issued = True

    def _check_covered(self, source, order):
        if order.leaving > order.here:
            self.found.append(f"{source} gives back {order.leaving} of {order.here}")

    # --- bank payments

    def _bank_payment_booked(self, source, data):
        entry = data["entry"]
        arrived = entry["booked"] and entry["credit"] and not data["test"]
        self.payments[source] = Payment(**entry["amount"], arrived=arrived)

    def _bank_payment_arrived(self, source, _):
        self.payments[source].arrived = True

    def _bank_payment_matched(self, source, data):
        self._allot(source, [data["allocation"]])

    def _bank_payment_allocated(self, source, data):
        self._allot(source, data["allocations"])

    def _allot(self, source, allocations):
        payment = self.payments[source]
        for each in allocations:
            payment.given += 1
            payment.shares[f"{_SHARE}{source}:{payment.given}"] = each["amount"]["amount"]
        if sum(payment.shares.values()) > payment.amount:
            self.found.append(f"{source} is shared out twice")

    def _bank_payment_share_released(self, source, data):
        self.payments[source].shares.pop(data["share_id"], None)

    _bank_payment_share_refused = _bank_payment_share_released

    def _bank_payment_line_recognised(self, source, _):
        self.payments[source].is_line = True

    def _bank_payment_reversed(self, source, _):
        self.payments[source].reversed = True

    def _bank_payment_return_ordered(self, source, data):
        payment = self.payments[source]
        if data["payout_id"] in payment.files:
            self.found.append(f"{data['payout_id']} is in two files")
        payment.files[data["payout_id"]] = data["file_id"]

    def _bank_payment_returned(self, source, data):
        payment = self.payments[source]
        if payment.returned:
            self.found.append(f"{source} was sent back twice")
        payment.returned = data["payout_id"]

    def _bank_payment_return_failed(self, source, _):
        self.payments[source].returned = None
