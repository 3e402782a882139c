"""The money of each order, booking by booking: what came in, what was set aside as surplus, and what went back."""

from typing import Any, LiteralString
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

#: Why money of a payment is set aside; all other surplus is of no single payment.
_OF_A_PAYMENT = {"overpaid", "not_awaited"}

DEFINITION = Definition("payments", 1, ("payments",), ("payments",))

Key = tuple[UUID, str, str]


class PaymentsView(Table):
    """One row per booking. What was noticed first and booked later is one row."""

    definition = DEFINITION

    def __init__(self) -> None:
        self._booked: dict[Key, Row] = {}
        self._set_aside: list[Row] = []

    def before(self, order: Order | None) -> None:
        """Need nothing: each booking is an event of its own."""

    def see(self, event: Recorded, order: Order, noted: Any) -> None:  # noqa: ARG002  # the protocol's
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

    def _pay(self, event: Recorded, order: Order, payment: Payment, state: str) -> None:
        of_payer = {"method": payment.method, "received_at": payment.received_at}
        row = _row(event, order, "payment", payment.payment_id, payment.amount)
        self._book(row | of_payer | {"direction": "in", "state": state})

    def _surplus(self, event: Recorded, order: Order, amount: Money, reason: str) -> None:
        if reason in _OF_A_PAYMENT:
            of = {"order_id": order.id, "version": event.version - 1}
            self._set_aside.append(of | {"amount": amount.amount, "position": event.position})
        else:
            nothing = Money(0, amount.currency)
            row = _row(event, order, "correction", f"correction-{event.version}", nothing)
            set_aside = {"surplus_set_aside": amount.amount}
            self._book(row | set_aside | {"direction": "in", "state": "booked"})

    def _pay_out(self, event: Recorded, order: Order, purpose: str, refund_id: str, amount: Money) -> None:
        row = _row(event, order, purpose, refund_id, amount)
        self._book(row | {"direction": "out", "state": "paid_out"})

    def _book(self, row: Row) -> None:
        self._booked[row["order_id"], row["purpose"], row["entry_id"]] = row

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        key = ("order_id", "purpose", "entry_id")
        await upsert(connection, edition, "payments", list(self._booked.values()), key=key)
        await write_json(connection, edition, _SET_ASIDE, self._set_aside)
        self.forget()

    def forget(self) -> None:
        self._booked.clear()
        self._set_aside.clear()


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
