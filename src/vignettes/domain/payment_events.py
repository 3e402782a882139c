"""What can happen to money that came in. Each topic is for ever, and carries the version of its form."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from vignettes.domain.entry import BankEntry
from vignettes.domain.folding import Beginning, Evolving
from vignettes.domain.money import Money
from vignettes.domain.personal import ContactText, DataClass


@dataclass(frozen=True, slots=True)
class Allocation:
    """How much of a payment is for one order."""

    order_id: UUID
    amount: Money


@dataclass(frozen=True, slots=True)
class Suggested:
    """An order, or several that share, that a person may allocate the money to; the best suggestion is first."""

    allocations: tuple[Allocation, ...]
    reasons: tuple[str, ...]


class PaymentEvents:
    """The events of a bank payment, from its booking until it counts for an order or has gone back."""

    class Event(Evolving):
        """Something that happened to one payment."""

    class Created(Beginning):
        """What PaymentBooked is made of; never recorded itself (the library wants a topic for each class)."""

        TOPIC = "bank-payment.created"

    class PaymentBooked(Created, Event):
        """It came to be known. Money only where the entry is booked, and no test (case 27)."""

        TOPIC = "bank-payment.booked.v1"
        entry: BankEntry
        source: str
        method: str
        test: bool

    class PaymentArrived(Event):
        """What was announced before is booked now: of what was authorised, often a part only."""

        TOPIC = "bank-payment.arrived.v1"
        booked_on: date
        amount: Money

    class PaymentMatched(Event):
        """It is certain which order it is for."""

        TOPIC = "bank-payment.matched.v1"
        allocation: Allocation
        reasons: tuple[str, ...]

    class PaymentQueued(Event):
        """It is not certain what it is for: a person looks at it, best suggestions first."""

        TOPIC = "bank-payment.queued.v1"
        reasons: tuple[str, ...]
        suggestions: tuple[Suggested, ...]

    class PaymentAllocated(Event):
        """A person has said what it is for, or a reassignment was carried out."""

        TOPIC = "bank-payment.allocated.v1"
        allocations: tuple[Allocation, ...]
        note: ContactText

    class PaymentCounted(Event):
        """An order has it."""

        TOPIC = "bank-payment.counted.v1"
        share_id: str

    class ShareRefused(Event):
        """An order would not have it: its money is without an order again."""

        TOPIC = "bank-payment.share-refused.v1"
        share_id: str
        code: str

    class ReassignmentAsked(Event):
        """A person has undone a match: its orders are to let go of it first."""

        TOPIC = "bank-payment.reassignment-asked.v1"
        allocations: tuple[Allocation, ...]
        note: ContactText

    class ShareReleased(Event):
        """An order has let go of it."""

        TOPIC = "bank-payment.share-released.v1"
        share_id: str

    class ReassignmentRefused(Event):
        """An order could not let go of it: the money of it is on its way back already."""

        TOPIC = "bank-payment.reassignment-refused.v1"
        share_id: str
        code: str

    class LineRecognised(Event):
        """The bank's line of money that a provider's notice has told of: it is not counted again (case 18)."""

        TOPIC = "bank-payment.line-recognised.v1"
        notice: UUID
        reasons: tuple[str, ...]

    class RecognitionUndone(Event):
        """A person has looked at it: it is money of its own."""

        TOPIC = "bank-payment.recognition-undone.v1"
        note: ContactText

    class LineDismissed(Event):
        """A person has looked at it: it is no customer's money, nor takes any back."""

        TOPIC = "bank-payment.line-dismissed.v1"
        note: ContactText

    class PaymentReversed(Event):
        """The bank has taken it back, or the payer through his (cases 28, 29)."""

        TOPIC = "bank-payment.reversed.v1"
        reversal: str
        reversed_on: date

    class ReturnApproved(Event):
        """It belongs to no order, and is to go back to where it came from."""

        TOPIC = "bank-payment.return-approved.v1"
        payout_id: str
        to_account: ContactText
        note: ContactText

    class ReturnOrdered(Event):
        """The return stands in a file for the bank, and in no other."""

        TOPIC = "bank-payment.return-ordered.v1"
        payout_id: str
        file_id: str

    class ReturnFailed(Event):
        """The bank did not carry the return out, or brought it back."""

        TOPIC = "bank-payment.return-failed.v1"
        payout_id: str

    class PaymentReturned(Event):
        """The statement shows that it has gone back."""

        TOPIC = "bank-payment.returned.v1"
        payout_id: str
        returned_on: date

    class PersonalDataErased(Event):
        """The keys were destroyed: who paid is not known any more."""

        TOPIC = "bank-payment.personal-data-erased.v1"
        classes: tuple[DataClass, ...]
