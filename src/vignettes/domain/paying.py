"""The money of an order: what comes in, what is taken back by others, and what follows when none came."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from vignettes.domain import errors
from vignettes.domain.account import Purpose
from vignettes.domain.details import Payment
from vignettes.domain.money import Money, zero
from vignettes.domain.outages import Outage
from vignettes.domain.refunding import Refunding


class Paying(Refunding):
    """The decisions about an order's money."""

    def receive_payment(self, payment: Payment, at: datetime, outages: Iterable[Outage] = ()) -> None:
        """Count money once per payment_id (17); what is over is kept for a refund (20, 22, 26)."""
        if self.account.knows(payment):
            return
        awaited = max(self.outstanding, self.owed)
        over = (payment.amount - awaited).positive()  # also refuses another currency (24)
        if not payment.booked:
            self.trigger_event(self.PaymentNoticed, timestamp=at, payment=payment)
            return
        if self.outstanding and not self.started_at and not payment.amount < self.outstanding:
            self._regard(outages, self.details, payment.received_at, at)
        self.trigger_event(self.PaymentReceived, timestamp=at, payment=payment)
        if over:
            reason = "overpaid" if awaited else "not_awaited"
            self.trigger_event(self.SurplusSetAside, timestamp=at, amount=over, reason=reason)
        self._hold_if_passed(at)

    def reverse_payment(self, payment_id: str, at: datetime) -> None:
        """Keep that the bank has taken money back: before the start that suspends, after it there is a debt (28).

        What is to be refunded yet becomes less by it, so that it does not leave twice (29).
        """
        if payment_id in self.account.gone:
            return
        without = self._without(payment_id)
        refund = self._refund_of(self.account.received - without["amount"] - without["surplus"])
        self.trigger_event(self.PaymentReversed, timestamp=at, **without, refund=refund)

    def take_back_payment(self, payment_id: str, at: datetime) -> None:
        """Let go of money that was matched wrongly (30). Refused when it is on its way back through this order."""
        if payment_id in self.account.gone:
            return
        without = self._without(payment_id)
        if without["amount"] and self.account.received - without["amount"] < self._promised:
            raise errors.RefundUnderWay
        self.trigger_event(self.PaymentTakenBack, timestamp=at, **without)

    def expire(self, at: datetime) -> None:
        """End an order that nobody paid in time; money that came in part goes back."""
        waits = self.is_open and not self.started_at and not self.is_paid
        if waits and at >= self.details.unpaid_until(self.terms):
            refundable = self.can_be_refunded
            self.trigger_event(self.OrderExpired, timestamp=at)
            if refundable:
                self.request_refund("expired", at)

    @property
    def _promised(self) -> Money:
        """What has left, is under way, or is to be refunded."""
        unfiled = (
            each.amount
            for each in self.payouts.values()
            if each.purpose is Purpose.SURPLUS and not each.file_id
        )
        promised = self._out(Purpose.SURPLUS) + (self.refund or zero(self.price.total.currency))
        return sum(unfiled, promised)

    def _without(self, payment_id: str) -> "_Without":
        """Return how the account stands without a payment; one that it does not know will never count.

        It is missed where money was to spare, before it is missed where it counts; but what is out is out.
        """
        payment = self.account.payments.get(payment_id)
        amount = payment.amount if payment and payment.booked else zero(self.price.total.currency)
        surplus = max(self.account.surplus - amount, self._out(Purpose.SURPLUS))
        return {"payment_id": payment_id, "amount": amount, "surplus": surplus}


class _Without(TypedDict):
    payment_id: str
    amount: Money
    surplus: Money
