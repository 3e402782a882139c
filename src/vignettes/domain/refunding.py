"""The money of an order on its way back: asked for, approved, in a file for the bank, gone, or come back."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from vignettes.domain import errors
from vignettes.domain.account import Payout, Purpose
from vignettes.domain.money import Money, zero
from vignettes.domain.personal import DataClass
from vignettes.domain.planning import Planning

WITHDRAWN = "withdrawn"
"""Why money goes back to a customer who has withdrawn from the contract."""


class Refunding(Planning):
    """The decisions about money that goes back: the order's own when it ends, or what came in too much."""

    number: str
    payouts: Mapping[str, Payout]
    payouts_made: int
    refunded_by: str | None
    erased: frozenset[DataClass]

    if TYPE_CHECKING:
        trigger_event: Callable[..., None]  # the library's; the Order is an aggregate, and so has it

    def request_refund(self, reason: str, at: datetime) -> None:
        """Give the money back before the service is provided (promise 10); never both (cases 29, 41)."""
        if self.started_at:
            raise errors.NotRefundable
        if self.refund is not None:
            return
        if self.account.credited.amount <= 0:
            raise errors.NotPaid
        self.trigger_event(self.RefundRequested, timestamp=at, amount=self.account.credited, reason=reason)

    def withdraw(self, name: str | None, at: datetime) -> None:
        """Withdraw from the contract before the service is provided (2011/83/EU, Art. 9, 11a); money goes back.

        Whoever has asked for the money back before declares it all the same, and is acknowledged; it goes back once.
        """
        if self.withdrawn_at:
            return
        if self.started_at:
            raise errors.NotRefundable
        if self.expired:
            raise errors.OrderClosed
        refundable = self.can_be_refunded
        self.trigger_event(self.OrderWithdrawn, timestamp=at, name=name)
        if refundable:
            self.request_refund(WITHDRAWN, at)

    def refund_unanswered(self, at: datetime) -> None:
        """Give the money back when a rejection was not answered in time (case 49); without money it just ends."""
        if not self.answer_by or at < self.answer_by:
            return
        if self.can_be_refunded:
            self.request_refund("unanswered", at)
        else:
            self.trigger_event(self.OrderExpired, timestamp=at)

    def approve_payout(self, purpose: Purpose, to_account: str, at: datetime) -> None:
        """Let the refund that was asked for, or what came in too much, go back to an account; once."""
        if DataClass.CONTACT in self.erased:
            raise errors.OrderClosed(
                "The personal data of it was erased: no account can be kept for it any more."
            )
        amount = self.payable(purpose)
        if amount.amount <= 0:
            raise errors.NotRefundable("Nothing of it is open.", field="purpose")
        payout = Payout(f"{self.number}-{self.payouts_made + 1}", purpose, amount)
        self.trigger_event(self.PayoutApproved, timestamp=at, payout=payout, to_account=to_account)

    def order_payout(self, payout_id: str, file_id: str, at: datetime) -> None:
        """Put a payout into a file for the bank; into one only. From here on a reversal is a debt (29)."""
        payout = self.payouts.get(payout_id)
        if payout is None or payout.file_id not in {None, file_id}:
            raise errors.PaidOutAlready
        if payout.file_id is None:
            what = {"payout_id": payout_id, "file_id": file_id}
            self.trigger_event(self.PayoutOrdered, timestamp=at, **what)

    def fail_payout(self, payout_id: str, at: datetime) -> None:
        """Keep that a payout has reached nobody: its money is open again, less what others took back since."""
        if payout_id not in self.payouts and payout_id not in self.account.payouts:
            return
        back = self._out(Purpose.REFUND, but=payout_id)
        counts = self.price.total if self.started_at else back
        here = min(self.account.surplus, self.account.received - counts)
        surplus = max(here, self._out(Purpose.SURPLUS, but=payout_id))
        refund = self._refund_of(self.account.received - surplus, but=payout_id)
        what = {"payout_id": payout_id, "surplus": surplus, "refund": refund}
        self.trigger_event(self.PayoutFailed, timestamp=at, **what)

    def confirm_refund(self, refund_id: str, amount: Money, at: datetime) -> None:
        """Keep, once per refund_id, that money left for the payer: the requested refund, or surplus."""
        if self.account.knows_payout(refund_id, amount):
            return
        is_refund = self._purpose_of(refund_id, amount) is Purpose.REFUND
        left = self.OrderRefunded if is_refund else self.SurplusReturned
        self.trigger_event(left, timestamp=at, refund_id=refund_id, amount=amount)

    def payable(self, purpose: Purpose) -> Money:
        """Return what is open for a purpose and in no payout yet."""
        return self._open(purpose) - self._sum(_of(self.payouts, purpose))

    def _open(self, purpose: Purpose) -> Money:
        """Return what is to go back, and is not known to have left."""
        if purpose is Purpose.SURPLUS:
            return self.account.surplus_open
        return self.refund if self.refund and not self.refunded else self._sum([])

    def _out(self, purpose: Purpose, *, but: str | None = None) -> Money:
        """Return what nobody can stop any more: what has left, or is in a file for the bank; `but` for one payout."""
        is_refund = purpose is Purpose.REFUND
        left = {
            each: amount
            for each, amount in self.account.payouts.items()
            if (each == self.refunded_by) is is_refund
        }
        for each in self.payouts.values():
            if each.file_id and each.purpose is purpose:
                left[each.payout_id] = each.amount
        return self._sum(amount for each, amount in left.items() if each != but)

    def _sum(self, amounts: Iterable[Money]) -> Money:
        return sum(amounts, zero(self.price.total.currency))

    def _covered(self, payouts: Mapping[str, Payout]) -> Mapping[str, Payout]:
        """Leave out what less is open for than was approved: what is in no file yet is decided upon anew (29)."""
        short = {each for each in Purpose if self._open(each) < self._sum(_of(payouts, each))}
        return {
            each: payout for each, payout in payouts.items() if payout.file_id or payout.purpose not in short
        }

    def _purpose_of(self, refund_id: str, amount: Money) -> Purpose:
        """Return what money was for that has left; word of it may come from others than the bank."""
        if payout := self.payouts.get(refund_id):
            if payout.amount != amount:
                raise errors.InvalidValue("It stands for another amount already.", field="refund_id")
            return payout.purpose
        self._check_not_with_bank(amount)
        if self.refund and amount == self.refund == self._free(Purpose.REFUND):
            return Purpose.REFUND
        if amount.amount > 0 and not self._free(Purpose.SURPLUS) < amount:
            return Purpose.SURPLUS
        raise errors.NotRefundable("No refund of this amount is open.", field="amount")

    def _check_not_with_bank(self, amount: Money) -> None:
        """Refuse word of another payout of an amount that is in a file for the bank: it would leave twice."""
        with_bank = (each for each in self.payouts.values() if each.file_id and each.amount == amount)
        if other := next(with_bank, None):
            raise errors.PaidOutAlready(f"It is payout {other.payout_id}.", field="refund_id")

    def _free(self, purpose: Purpose) -> Money:
        """Return what is open and not with the bank."""
        return self._open(purpose) - self._sum(_of(self.payouts, purpose, with_bank=True))

    def _refund_of(self, credited: Money, *, but: str | None = None) -> Money | None:
        """Return what is to be refunded, or is out already, with so much money that counts."""
        if self.refund is None or self._out(Purpose.REFUND, but=but):
            return self.refund
        return credited.positive()


def _of(payouts: Mapping[str, Payout], purpose: Purpose, *, with_bank: bool = False) -> Iterator[Money]:
    """Return the amounts of payouts for a purpose, all of them or those that are in a file for the bank."""
    return (
        each.amount
        for each in payouts.values()
        if each.purpose is purpose and (each.file_id or not with_bank)
    )
