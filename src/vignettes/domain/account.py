"""The money of one order: what came in, what of it counts, what went back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from vignettes.domain import errors
from vignettes.domain.catalogue import Price
from vignettes.domain.details import Payment
from vignettes.domain.money import Money, zero


@dataclass(frozen=True, slots=True)
class Account:
    """Invariant (I5): received = credited + surplus, and never more goes back than was received."""

    received: Money
    surplus: Money
    surplus_returned: Money
    payments: Mapping[str, Payment] = field(default_factory=dict)
    payouts: Mapping[str, Money] = field(default_factory=dict)

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
        known = self.payments.get(payment.payment_id)
        if known and known.amount != payment.amount:
            raise errors.PaymentIdReused(field="payment_id")
        return known is not None and (known.booked or not payment.booked)

    def has_paid_out(self, refund_id: str, amount: Money) -> bool:
        """Tell whether this money is known to have left; a refund_id stands for one amount."""
        if self.payouts.get(refund_id, amount) != amount:
            raise errors.InvalidValue("It stands for another amount already.", field="refund_id")
        return refund_id in self.payouts

    def check_currency_of(self, price: Price) -> None:
        """Refuse another currency than that of the money that is here."""
        if self.received and price.total.currency != self.received.currency:
            way_out = "It is priced in another currency: ask for the money back and order anew."
            raise errors.InvalidValue(way_out, field="product")

    # --- evolution

    def with_payment(self, payment: Payment) -> Self:
        received = self.received + payment.amount if payment.booked else self.received
        payments = {**self.payments, payment.payment_id: payment}
        # In place of `replace`, which takes thrice as long: every order has a payment, and logs are folded anew.
        return type(self)(received, self.surplus, self.surplus_returned, payments, self.payouts)

    def with_surplus(self, amount: Money) -> Self:
        return replace(self, surplus=self.surplus + amount)

    def with_surplus_returned(self, refund_id: str, amount: Money) -> Self:
        returned = self.surplus_returned + amount
        return replace(self.with_payout(refund_id, amount), surplus_returned=returned)

    def with_payout(self, refund_id: str, amount: Money) -> Self:
        return replace(self, payouts={**self.payouts, refund_id: amount})

    def in_currency_of(self, price: Price) -> Self:
        """Return the account of an order that may be priced in another currency now (while it is empty)."""
        if self.received:
            return self
        nothing = zero(price.total.currency)
        return replace(self, received=nothing, surplus=nothing, surplus_returned=nothing)
