"""What the money of one order did, booking by booking, as its events tell it."""

from typing import Any

from checker.case import instant
from checker.folding import Order
from checker.record import Event, Row

#: Why money of one payment is set aside; all other surplus is of no single payment.
_OF_A_PAYMENT = {"overpaid", "not_awaited"}
Key = tuple[str, str]


def bookings(history: list[Event]) -> dict[Key, Row]:
    """Return the bookings by purpose and id."""
    books = _Books()
    for event in history:
        books.tell(event)
    return books.rows


class _Books:
    def __init__(self) -> None:
        self.rows: dict[Key, Row] = {}
        self._order = Order()
        self._paid_at_version: dict[int, Key] = {}

    def tell(self, event: Event) -> None:
        """Take in one event."""
        before = self._order.surplus
        self._order.tell(event)
        take = getattr(self, "_" + event.kind.removeprefix("order.").replace("-", "_"), None)
        if take:
            take(event, event.data, self._order.surplus - before)

    def _payment_received(self, event: Event, data: dict[str, Any], _: int) -> None:
        self._pay(event, data["payment"], "booked")

    def _payment_noticed(self, event: Event, data: dict[str, Any], _: int) -> None:
        self._pay(event, data["payment"], "noticed")

    def _pay(self, event: Event, payment: dict[str, Any], state: str) -> None:
        key = ("payment", payment["payment_id"])
        self._book(
            key, event, "in", state, payment["amount"]["amount"], received_at=instant(payment["received_at"])
        )
        self._paid_at_version[event.version] = key

    def _surplus_set_aside(self, event: Event, data: dict[str, Any], _: int) -> None:
        amount = data["amount"]["amount"]
        if data["reason"] in _OF_A_PAYMENT:
            self.rows[self._paid_at_version[event.version - 1]]["surplus_set_aside"] = amount
        else:
            self._correct(event, amount)

    def _surplus_returned(self, event: Event, data: dict[str, Any], _: int) -> None:
        self._book(("surplus", data["refund_id"]), event, "out", "paid_out", data["amount"]["amount"])

    def _refunded(self, event: Event, data: dict[str, Any], _: int) -> None:
        self._book(("refund", data["refund_id"]), event, "out", "paid_out", data["amount"]["amount"])

    def _payment_reversed(self, event: Event, data: dict[str, Any], change: int) -> None:
        self._let_go("reversal", event, data, change)

    def _payment_taken_back(self, event: Event, data: dict[str, Any], change: int) -> None:
        self._let_go("taken_back", event, data, change)

    def _let_go(self, purpose: str, event: Event, data: dict[str, Any], change: int) -> None:
        amount = data["amount"]["amount"]
        if amount or change:
            key = (purpose, data["payment_id"])
            self._book(key, event, "out", "reversed", amount, surplus_set_aside=change)

    def _payout_failed(self, event: Event, data: dict[str, Any], change: int) -> None:
        for purpose in ("surplus", "refund"):
            row = self.rows.get((purpose, data["payout_id"]))
            if row and row["state"] == "paid_out":
                row["state"] = "came_back"
        if change:
            self._correct(event, change)

    def _correct(self, event: Event, set_aside: int) -> None:
        key = ("correction", f"correction-{event.version}")
        self._book(key, event, "in", "booked", 0, surplus_set_aside=set_aside)

    def _book(self, key: Key, event: Event, direction: str, state: str, amount: int, **more: Any) -> None:
        self.rows[key] = {
            "direction": direction,
            "state": state,
            "amount": amount,
            "currency": self._order.currency,
            "surplus_set_aside": 0,
            "received_at": None,
            "version": event.version,
            **more,
        }
