"""The BankPayment: money that came in, until it counts for an order or has gone back to its payer."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Self
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.domain import Aggregate, event

from vignettes.domain import allocating, errors
from vignettes.domain.entry import BankEntry
from vignettes.domain.money import Money, zero
from vignettes.domain.payment_events import Allocation, PaymentEvents, Suggested
from vignettes.domain.payment_status import SETTLED, UNSETTLED, PaymentStatus
from vignettes.domain.personal import DataClass
from vignettes.domain.shares import Share, ShareState, share_id

_PAYMENTS = uuid5(NAMESPACE_URL, "https://vignettes.example/payments")


def payment_id_of(entry_id: str) -> UUID:
    """Return the payment's id, which is derived from its entry: read again, it is the same payment (case 17)."""
    return uuid5(_PAYMENTS, entry_id)


class BankPayment(PaymentEvents, Aggregate, created_event_name="PaymentBooked"):
    """Money that came in, by a line of a bank's statement or a provider's notice.

    Orders are told of their shares by commands, and what they answer is kept here: no order is ever written into.
    """

    TOPIC = "bank-payment"

    # ------------------------------------------------------------------ events

    # All of them are in payment_events.py; the library looks for these in the class itself.
    Event = PaymentEvents.Event
    Created = PaymentEvents.Created
    PaymentBooked = PaymentEvents.PaymentBooked

    # ------------------------------------------------------------------- state

    def __init__(self, entry: BankEntry, source: str, method: str, test: bool) -> None:
        """Evolve from PaymentBooked, the only event that finds no payment before it."""
        self.entry = entry
        self.source = source
        self.method = method
        self.test = test
        self.arrived_at: datetime | None = self.created_on if _has_arrived(entry, test=test) else None
        self.reasons: tuple[str, ...] = ()
        self.suggestions: tuple[Suggested, ...] = ()
        self.looked_at = False
        self.shares: tuple[Share, ...] = ()
        self.reassigning: tuple[Allocation, ...] = ()
        self.notice: UUID | None = None
        self.dismissed = False
        self.reversal: str | None = None
        self.payout_id: str | None = None
        self.payouts = 0
        self.failed_returns: tuple[str, ...] = ()
        self.to_account: str | None = None
        self.payout_file: str | None = None
        self.returned = False
        self.erased: frozenset[DataClass] = frozenset()

    # --------------------------------------------------------------- decisions

    @classmethod
    def book(cls, entry: BankEntry, source: str, method: str, at: datetime, *, test: bool = False) -> Self:
        """Take down what a statement or a notice tells of money that came in."""
        return cls._create(
            cls.PaymentBooked,
            id=payment_id_of(entry.entry_id),
            timestamp=at,
            entry=entry,
            source=source,
            method=method,
            test=test,
        )

    def note_again(self, entry: BankEntry, at: datetime, *, test: bool = False) -> None:
        """Take in what is told of it once more: only that it has arrived is news (cases 17, 27).

        What was authorised may arrive in part. What was called off before it came is a person's to look at: it can't
        be told whether it has come at all.
        """
        if self.arrived_at is not None and entry.amount != self.entry.amount:
            raise errors.PaymentIdReused(field="amount")
        if _has_arrived(entry, test=test) and self.arrived_at is None and self.reversal is None:
            what = {"booked_on": entry.booked_on, "amount": entry.amount}
            self.trigger_event(self.PaymentArrived, timestamp=at, **what)

    def match(self, allocation: Allocation, reasons: Sequence[str], at: datetime) -> None:
        """Let it count for the one order that it is certainly for."""
        if self.status is not PaymentStatus.TO_MATCH:
            return
        allocating.check([allocation], self.unallocated)
        what = {"allocation": allocation, "reasons": tuple(reasons)}
        self.trigger_event(self.PaymentMatched, timestamp=at, **what)

    def queue(self, reasons: Sequence[str], suggestions: Sequence[Suggested], at: datetime) -> None:
        """Leave it to a person: what it is for is not certain (promise 5)."""
        if self.status is PaymentStatus.TO_MATCH:
            what = {"reasons": tuple(reasons), "suggestions": tuple(suggestions)}
            self.trigger_event(self.PaymentQueued, timestamp=at, **what)

    def recognise(self, notice: UUID, reasons: Sequence[str], at: datetime) -> None:
        """Take it for the bank's line of what a notice has told of before: one payment, not two (case 18)."""
        if notice == self.id:
            raise errors.InvalidValue("A payment is not its own notice.", field="notice")
        if self.status in UNSETTLED and not self.live_shares:
            what = {"notice": notice, "reasons": tuple(reasons)}
            self.trigger_event(self.LineRecognised, timestamp=at, **what)
        elif self.notice != notice:
            raise errors.PaymentSettled

    def dismiss(self, note: str, at: datetime) -> None:
        """Let a person close what is no customer's money, nor takes any back: the note tells what it is."""
        waits = self.status in {PaymentStatus.UNPLACED, PaymentStatus.IN_REVIEW}
        if waits and not self.live_shares:
            self.trigger_event(self.LineDismissed, timestamp=at, note=self._kept(note))
        elif not self.dismissed:
            raise errors.PaymentSettled

    def undo_recognition(self, note: str | None, at: datetime) -> None:
        """Let a person say that it is not the line of that notice, but money of its own."""
        if self.notice is None or not self.entry.credit:
            raise errors.PaymentSettled
        self.trigger_event(self.RecognitionUndone, timestamp=at, note=self._kept(note))

    def allocate(self, allocations: Sequence[Allocation], note: str | None, at: datetime) -> None:
        """Let a person say what it is for; the sums are equal (case 25)."""
        if self.status is not PaymentStatus.IN_REVIEW:
            raise errors.PaymentSettled
        allocating.check(allocations, self.unallocated)
        what = {"allocations": tuple(allocations), "note": self._kept(note)}
        self.trigger_event(self.PaymentAllocated, timestamp=at, **what)

    def reassign(self, allocations: Sequence[Allocation], note: str | None, at: datetime) -> None:
        """Undo a wrong match (case 30): first the orders let go of it, then it is for others, or for a person."""
        if self.status not in {PaymentStatus.MATCHED, PaymentStatus.IN_REVIEW} or not self.live_shares:
            raise errors.PaymentSettled
        if allocations:
            allocating.check(allocations, self.entry.amount)
        what = {"allocations": tuple(allocations), "note": self._kept(note)}
        self.trigger_event(self.ReassignmentAsked, timestamp=at, **what)

    def note_counted(self, share_id: str, at: datetime) -> None:
        """Keep that an order has its share."""
        if self._share(share_id).state is ShareState.TO_TELL:
            self.trigger_event(self.PaymentCounted, timestamp=at, share_id=share_id)

    def note_refused(self, share_id: str, code: str, at: datetime) -> None:
        """Keep that an order would not have its share."""
        if self._share(share_id).state is ShareState.TO_TELL:
            self.trigger_event(self.ShareRefused, timestamp=at, share_id=share_id, code=code)

    def note_kept(self, share_id: str, code: str, at: datetime) -> None:
        """Keep that an order could not let go of its share: nothing of it is for others then."""
        if self._share(share_id).state is ShareState.TO_TAKE_BACK:
            self.trigger_event(self.ReassignmentRefused, timestamp=at, share_id=share_id, code=code)

    def note_released(self, share_id: str, at: datetime) -> None:
        """Keep that an order has let go of its share; after the last of them it is for whom it was reassigned to."""
        if self._share(share_id).state not in {ShareState.TO_TAKE_BACK, ShareState.TO_REVERSE}:
            return
        self.trigger_event(self.ShareReleased, timestamp=at, share_id=share_id)
        if self.reassigning and not self.live_shares:
            what = {"allocations": self.reassigning, "note": None}
            self.trigger_event(self.PaymentAllocated, timestamp=at, **what)

    def reverse(self, reversal: str, reversed_on: date, at: datetime) -> None:
        """Keep, once, that it was taken back (cases 28, 29). What follows for its orders they decide themselves."""
        if self.reversal not in {None, reversal}:
            raise errors.PaymentSettled
        if self.reversal is None:
            what = {"reversal": reversal, "reversed_on": reversed_on}
            self.trigger_event(self.PaymentReversed, timestamp=at, **what)

    def approve_return(self, to_account: str | None, note: str | None, at: datetime) -> None:
        """Send back what belongs to no order."""
        if self.status is not PaymentStatus.IN_REVIEW or self.live_shares:
            raise errors.PaymentSettled
        if DataClass.CONTACT in self.erased:
            raise errors.OrderClosed("Who paid was erased: send it back by hand, and dismiss it.")
        account = to_account or self.entry.counterparty_account
        if not account:
            raise errors.InvalidValue("The payer's account is not known: name one.", field="account")
        payout_id = f"P{self.id.hex[:20]}-{self.payouts + 1}"
        what = {"payout_id": payout_id, "to_account": account, "note": note}
        self.trigger_event(self.ReturnApproved, timestamp=at, **what)

    def order_return(self, payout_id: str, file_id: str, at: datetime) -> None:
        """Put the return into a file for the bank; into one only."""
        self._check_payout(payout_id)
        if self.payout_file == file_id:
            return
        if self.payout_file or self.status is not PaymentStatus.RETURN_PENDING:
            raise errors.PaidOutAlready
        what = {"payout_id": payout_id, "file_id": file_id}
        self.trigger_event(self.ReturnOrdered, timestamp=at, **what)

    def fail_return(self, payout_id: str, at: datetime) -> None:
        """Keep that the return has not reached anybody: it is a person's to look at again."""
        if self.payout_id == payout_id:
            self.trigger_event(self.ReturnFailed, timestamp=at, payout_id=payout_id)

    def confirm_return(self, payout_id: str, returned_on: date, at: datetime) -> None:
        """Keep, once, that the statement shows the return; nothing of one that is known to have come back."""
        if payout_id in self.failed_returns:
            return
        self._check_payout(payout_id)
        if not self.returned:
            what = {"payout_id": payout_id, "returned_on": returned_on}
            self.trigger_event(self.PaymentReturned, timestamp=at, **what)

    def erase(self, classes: Collection[DataClass], at: datetime) -> None:
        """Let go of who paid. Refused as long as a person may have to ask for it (case 55)."""
        untold = any(share.state is ShareState.TO_TELL for share in self.shares)
        if self.status not in SETTLED or untold:
            raise errors.OrderUnderWay
        if left := tuple(sorted(set(classes) - self.erased)):
            self.trigger_event(self.PersonalDataErased, timestamp=at, classes=left)

    def _share(self, share_id: str) -> Share:
        for share in self.shares:
            if share.share_id == share_id:
                return share
        raise errors.InvalidValue("It has no such share.", field="share_id")

    def _check_payout(self, payout_id: str) -> None:
        if self.payout_id != payout_id:
            raise errors.InvalidValue("No return of this id is open.", field="payout_id")

    # --------------------------------------------------------------- evolution

    @event(PaymentEvents.PaymentArrived)
    def _payment_arrived(self, timestamp: datetime, booked_on: date, amount: Money) -> None:
        self.arrived_at = timestamp
        self.entry = replace(self.entry, booked=True, booked_on=booked_on, amount=amount)

    @event(PaymentEvents.PaymentMatched)
    def _payment_matched(self, allocation: Allocation, reasons: tuple[str, ...]) -> None:
        self.looked_at = True
        self.reasons = reasons
        self._allot([allocation])

    @event(PaymentEvents.PaymentQueued)
    def _payment_queued(self, reasons: tuple[str, ...], suggestions: tuple[Suggested, ...]) -> None:
        self.looked_at = True
        self.reasons, self.suggestions = reasons, suggestions

    @event(PaymentEvents.PaymentAllocated)
    def _payment_allocated(self, allocations: tuple[Allocation, ...]) -> None:
        self.reassigning = ()
        self._allot(allocations)

    @event(PaymentEvents.PaymentCounted)
    def _payment_counted(self, share_id: str) -> None:
        self._set(share_id, ShareState.COUNTED)

    @event(PaymentEvents.ShareRefused)
    def _share_refused(self, share_id: str, code: str) -> None:
        self._set(share_id, ShareState.GONE)
        self.reasons, self.suggestions = (f"order_refused_{code}",), ()

    @event(PaymentEvents.ReassignmentAsked)
    def _reassignment_asked(self, allocations: tuple[Allocation, ...]) -> None:
        self.reassigning = allocations
        self.reasons, self.suggestions = ("match_undone",), ()
        self._set_live(ShareState.TO_TAKE_BACK)

    @event(PaymentEvents.ShareReleased)
    def _share_released(self, share_id: str) -> None:
        self._set(share_id, ShareState.GONE)

    @event(PaymentEvents.ReassignmentRefused)
    def _reassignment_refused(self, share_id: str, code: str) -> None:
        # Other orders may have let go of theirs by now: those go on, and what they leave is a person's to look at.
        self.reassigning = ()
        self.reasons = (f"order_refused_{code}",)
        self._set(share_id, ShareState.COUNTED)

    @event(PaymentEvents.LineRecognised)
    def _line_recognised(self, notice: UUID, reasons: tuple[str, ...]) -> None:
        self.notice, self.reasons, self.suggestions = notice, reasons, ()

    @event(PaymentEvents.RecognitionUndone)
    def _recognition_undone(self) -> None:
        self.notice, self.looked_at, self.reasons = None, True, ("match_undone",)

    @event(PaymentEvents.LineDismissed)
    def _line_dismissed(self) -> None:
        self.dismissed = True

    @event(PaymentEvents.PaymentReversed)
    def _payment_reversed(self, reversal: str) -> None:
        self.reversal = reversal
        self.reassigning = ()
        self._set_live(ShareState.TO_REVERSE)

    @event(PaymentEvents.ReturnApproved)
    def _return_approved(self, payout_id: str, to_account: str | None) -> None:
        self.payout_id, self.to_account, self.payout_file = payout_id, to_account, None
        self.payouts += 1

    @event(PaymentEvents.ReturnOrdered)
    def _return_ordered(self, file_id: str) -> None:
        self.payout_file = file_id

    @event(PaymentEvents.ReturnFailed)
    def _return_failed(self, payout_id: str) -> None:
        self.failed_returns = (*self.failed_returns, payout_id)
        self.payout_id = self.payout_file = None
        self.returned = False
        self.reasons = ("return_failed",)

    @event(PaymentEvents.PaymentReturned)
    def _payment_returned(self) -> None:
        self.returned = True

    @event(PaymentEvents.PersonalDataErased)
    def _personal_data_erased(self, classes: tuple[DataClass, ...]) -> None:
        self.erased |= set(classes)
        if DataClass.CONTACT in classes:
            self.entry = replace(self.entry, remittance=None, counterparty=None, counterparty_account=None)
            self.to_account = None

    def _kept(self, note: str | None) -> str | None:
        """Return a note as it can be kept: with the key of who paid, words about him are gone."""
        return None if DataClass.CONTACT in self.erased else note

    def _allot(self, allocations: Sequence[Allocation]) -> None:
        new = tuple(
            Share(share_id(self.id, number), each.order_id, each.amount, ShareState.TO_TELL)
            for number, each in enumerate(allocations, len(self.shares) + 1)
        )
        self.shares = (*self.shares, *new)

    def _set(self, share_id: str, state: ShareState) -> None:
        self.shares = tuple(
            replace(each, state=state) if each.share_id == share_id else each for each in self.shares
        )

    def _set_live(self, state: ShareState) -> None:
        self.shares = tuple(
            each if each.state is ShareState.GONE else replace(each, state=state) for each in self.shares
        )

    # --------------------------------------------------------------- questions

    @property
    def live_shares(self) -> tuple[Share, ...]:
        """Shares that orders have, or are about to be told of."""
        return tuple(each for each in self.shares if each.state is not ShareState.GONE)

    @property
    def _is_taking_back(self) -> bool:
        return any(share.state is ShareState.TO_TAKE_BACK for share in self.shares)

    @property
    def unallocated(self) -> Money:
        """What is no order's."""
        nothing = zero(self.entry.amount.currency)
        return self.entry.amount - sum((each.amount for each in self.live_shares), nothing)

    @property
    def status(self) -> PaymentStatus:
        """The first that holds: what ended it, what is under way, what it waits for."""
        ended = (
            (self.notice is not None, PaymentStatus.LINE_OF_NOTICE),
            (self.dismissed, PaymentStatus.DISMISSED),
            (self.reversal is not None, PaymentStatus.REVERSED),
            (not self.entry.credit, PaymentStatus.UNPLACED),
            (self.arrived_at is None, PaymentStatus.ANNOUNCED),
            (self.returned, PaymentStatus.RETURNED),
            (self.payout_id is not None, PaymentStatus.RETURN_PENDING),
            (self._is_taking_back, PaymentStatus.REASSIGNING),
            (not self.unallocated, PaymentStatus.MATCHED),
            (self.looked_at, PaymentStatus.IN_REVIEW),
        )
        return next((status for holds, status in ended if holds), PaymentStatus.TO_MATCH)


def _has_arrived(entry: BankEntry, *, test: bool) -> bool:
    """Tell whether it is money that is here: a reversal whose payment is not known moves other money (28)."""
    return entry.booked and entry.credit and not test
