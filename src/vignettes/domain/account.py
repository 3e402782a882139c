"""The money of one order: what came in, what of it counts, what went back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from vignettes.domain import errors
from vignettes.domain.catalogue import Price
from vignettes.domain.details import Payment
from vignettes.domain.money import Money, zero


class Purpose(StrEnum):
    """Why money goes back: the order's own, or what came in too much."""

    REFUND = "refund"
    SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class Payout:
    """Money on its way back; with a `file_id` it is in a file for the bank. The bank shows its id on statements."""

    payout_id: str
    purpose: Purpose
    amount: Money
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Invariant (I5): received = credited + surplus, and never more goes back than was received.

    Unless others take back what we have given back already: then credited falls below what counts, and is owed to us.
    """

    received: Money
    surplus: Money
    surplus_returned: Money
    payments: Mapping[str, Payment] = field(default_factory=dict)
    payouts: Mapping[str, Money] = field(default_factory=dict)
    #: Payments that were taken back: they never count again.
    gone: tuple[str, ...] = ()
    #: Payouts that reached nobody: word of them that comes late is no money out.
    failed: tuple[str, ...] = ()

    @classmethod
    def empty(cls, currency: str) -> Self:
        nothing = zero(currency)
        return cls(nothing, nothing, nothing)

    # --- questions

    @property
    def credited(self) -> Money:
        """Money that counts for the order: received, less what was set aside as surplus."""
        return self.received - self.surplus

    @property
    def surplus_open(self) -> Money:
        """Surplus that has not gone back yet."""
        return self.surplus - self.surplus_returned

    def knows(self, payment: Payment) -> bool:
        """Tell whether it says nothing new (17); what was noticed becomes money once, when booked (27)."""
        if payment.amount.amount <= 0:
            raise errors.InvalidValue("A payment is above zero.", field="amount.amount")
        if payment.payment_id in self.gone:
            return True
        known = self.payments.get(payment.payment_id)
        if known and known.amount != payment.amount:
            raise errors.PaymentIdReused(field="payment_id")
        return known is not None and (known.booked or not payment.booked)

    def knows_payout(self, refund_id: str, amount: Money) -> bool:
        """Tell whether this money is known to have left, or to have come back; a refund_id stands for one amount."""
        if self.payouts.get(refund_id, amount) != amount:
            raise errors.InvalidValue("It stands for another amount already.", field="refund_id")
        return refund_id in self.payouts or refund_id in self.failed

    def check_currency_of(self, price: Price) -> None:
        """Refuse another currency than that of the money that is here."""
        if self._is_used and price.total.currency != self.received.currency:
            way_out = "It is priced in another currency: ask for the money back and order anew."
            raise errors.InvalidValue(way_out, field="product")

    @property
    def _is_used(self) -> bool:
        """Money is here, or is owed to us."""
        return bool(self.received or self.surplus)

    # --- evolution

    def with_payment(self, payment: Payment) -> Self:
        received = self.received + payment.amount if payment.booked else self.received
        payments = {**self.payments, payment.payment_id: payment}
        # In place of `replace`, which takes thrice as long: every order has a payment, and logs are folded anew.
        return type(self)(
            received, self.surplus, self.surplus_returned, payments, self.payouts, self.gone, self.failed
        )

    def without_payment(self, payment_id: str, amount: Money, surplus: Money) -> Self:
        return replace(self, received=self.received - amount, surplus=surplus, gone=(*self.gone, payment_id))

    def with_surplus(self, amount: Money) -> Self:
        return replace(self, surplus=self.surplus + amount)

    def with_surplus_returned(self, refund_id: str, amount: Money) -> Self:
        returned = self.surplus_returned + amount
        return replace(self.with_payout(refund_id, amount), surplus_returned=returned)

    def without_payout(self, payout_id: str, surplus: Money, *, of_surplus: bool) -> Self:
        """Return the account with money that has reached nobody."""
        payouts = {each: paid for each, paid in self.payouts.items() if each != payout_id}
        returned = self.surplus_returned
        if of_surplus and payout_id in self.payouts:
            returned -= self.payouts[payout_id]
        failed = (*self.failed, payout_id)
        return replace(self, surplus=surplus, surplus_returned=returned, payouts=payouts, failed=failed)

    def with_payout(self, refund_id: str, amount: Money) -> Self:
        return replace(self, payouts={**self.payouts, refund_id: amount})

    def in_currency_of(self, price: Price) -> Self:
        """Return the account of an order that may be priced in another currency now (while it is empty)."""
        if self._is_used:
            return self
        nothing = zero(price.total.currency)
        return replace(self, received=nothing, surplus=nothing, surplus_returned=nothing)
