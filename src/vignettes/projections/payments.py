"""The money of each order, booking by booking: what came in, what was set aside as surplus, and what went back."""

from typing import LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.domain.details import Payment
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.eventstore.codec import Recorded
from vignettes.projections.view import Definition, Edition, Row, Table, upsert, write_json

# Surplus follows its payment in the same command: the payment is the order's event before it.
_SET_ASIDE: LiteralString = """
UPDATE {payments} p SET surplus_set_aside = s.amount, position = s.position
FROM jsonb_to_recordset(%s) AS s (order_id uuid, version bigint, amount bigint, position bigint)
WHERE (p.order_id, p.purpose, p.version) = (s.order_id, 'payment', s.version)
"""
_CAME_BACK: LiteralString = """
UPDATE {payments} p SET state = 'came_back', position = s.position
FROM jsonb_to_recordset(%s) AS s (order_id uuid, entry_id text, position bigint)
WHERE (p.order_id, p.entry_id, p.state) = (s.order_id, s.entry_id, 'paid_out')
"""

#: Why money of a payment is set aside; all other surplus is of no single payment.
_OF_A_PAYMENT = {"overpaid", "not_awaited"}

DEFINITION = Definition("payments", 2, ("payments",), ("payments",))

Key = tuple[UUID, str, str]


class PaymentsView(Table):
    """One row per booking. What was noticed first and booked later is one row."""

    definition = DEFINITION

    def __init__(self) -> None:
        self._booked: dict[Key, Row] = {}
        self._set_aside: list[Row] = []
        self._came_back: list[Row] = []

    def before(self, order: Order | None) -> Money | None:
        """Note the surplus: events that change it by what they are say only what it is after them."""
        return order.account.surplus if order else None

    def see(self, event: Recorded, order: Order, noted: Money | None) -> None:
        match event.event:
            case Order.PaymentNoticed(payment=payment):
                self._pay(event, order, payment, "noticed")
            case Order.PaymentReceived(payment=payment):
                self._pay(event, order, payment, "booked")
            case Order.SurplusSetAside(amount=amount, reason=reason):
                self._surplus(event, order, amount, reason)
            case Order.SurplusReturned(refund_id=refund_id, amount=amount):
                self._pay_out(event, order, "surplus", refund_id, amount)
            case Order.OrderRefunded(refund_id=refund_id, amount=amount):
                self._pay_out(event, order, "refund", refund_id, amount)
            case Order.PaymentReversed(payment_id=payment_id, amount=amount):
                self._let_go(event, order, "reversal", payment_id, amount, noted)
            case Order.PaymentTakenBack(payment_id=payment_id, amount=amount):
                self._let_go(event, order, "taken_back", payment_id, amount, noted)
            case Order.PayoutFailed(payout_id=payout_id):
                self._take_in_again(event, order, payout_id, noted)

    def _pay(self, event: Recorded, order: Order, payment: Payment, state: str) -> None:
        of_payer = {"method": payment.method, "received_at": payment.received_at}
        row = _row(event, order, "payment", payment.payment_id, payment.amount)
        self._book(row | of_payer | {"direction": "in", "state": state})

    def _surplus(self, event: Recorded, order: Order, amount: Money, reason: str) -> None:
        if reason in _OF_A_PAYMENT:
            of = {"order_id": order.id, "version": event.version - 1}
            self._set_aside.append(of | {"amount": amount.amount, "position": event.position})
        else:
            self._correct(event, order, amount)

    def _correct(self, event: Recorded, order: Order, set_aside: Money) -> None:
        nothing = Money(0, set_aside.currency)
        row = _row(event, order, "correction", f"correction-{event.version}", nothing)
        self._book(row | {"surplus_set_aside": set_aside.amount, "direction": "in", "state": "booked"})

    def _pay_out(self, event: Recorded, order: Order, purpose: str, refund_id: str, amount: Money) -> None:
        row = _row(event, order, purpose, refund_id, amount)
        self._book(row | {"direction": "out", "state": "paid_out"})

    def _let_go(
        self, event: Recorded, order: Order, purpose: str, payment_id: str, amount: Money, noted: Money | None
    ) -> None:
        set_aside = _change(order, noted)
        if amount or set_aside:
            row = _row(event, order, purpose, payment_id, amount)
            self._book(row | {"surplus_set_aside": set_aside.amount, "direction": "out", "state": "reversed"})

    def _take_in_again(self, event: Recorded, order: Order, payout_id: str, noted: Money | None) -> None:
        came_back = {"order_id": order.id, "entry_id": payout_id, "position": event.position}
        for row in self._booked.values():
            if (row["order_id"], row["entry_id"], row["state"]) == (order.id, payout_id, "paid_out"):
                row |= {"state": "came_back", "position": event.position}
        self._came_back.append(came_back)
        if set_aside := _change(order, noted):
            self._correct(event, order, set_aside)

    def _book(self, row: Row) -> None:
        self._booked[row["order_id"], row["purpose"], row["entry_id"]] = row

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        key = ("order_id", "purpose", "entry_id")
        await upsert(connection, edition, "payments", list(self._booked.values()), key=key)
        await write_json(connection, edition, _SET_ASIDE, self._set_aside)
        await write_json(connection, edition, _CAME_BACK, self._came_back)
        self.forget()

    def forget(self) -> None:
        self._booked.clear()
        self._set_aside.clear()
        self._came_back.clear()


def _change(order: Order, surplus: Money | None) -> Money:
    """Return how much more, or less, is set aside than before."""
    return order.account.surplus - surplus if surplus else order.account.surplus


def _row(event: Recorded, order: Order, purpose: str, entry_id: str, amount: Money) -> Row:
    return {
        "order_id": order.id,
        "purpose": purpose,
        "entry_id": entry_id,
        "order_number": order.number,
        "method": None,
        "currency": amount.currency,
        "amount": amount.amount,
        "surplus_set_aside": 0,
        "received_at": None,
        "recorded_at": event.recorded_at,
        "version": event.version,
        "position": event.position,
    }
