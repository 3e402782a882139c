"""What other services are told: other types than the domain's, as CloudEvents, without personal data."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from vignettes.messages.forms import Amount

STREAM = "ORDERS"
SUBJECTS = "orders.events.v1.>"


def subject(event_type: str, order_id: UUID | Literal[">"]) -> str:
    """Return where events of this type and order are published; `>` stands for every order."""
    return f"orders.events.v1.{event_type}.{order_id}"


class OrderEvent(BaseModel):
    """What every event says. Types are the names below in kebab case: `order-placed`, ..."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    order_id: UUID
    order_number: str
    version: int
    status: str
    country: str
    product: str


class OrderPlaced(OrderEvent):
    """An order was taken down; `total` is to be paid."""

    total: Amount


class PaymentReceived(OrderEvent):
    """Money has arrived; `due_at` is when registration starts, null unless fully paid."""

    payment_id: str
    amount: Amount
    outstanding: Amount
    due_at: AwareDatetime | None


class PaymentNoticed(OrderEvent):
    """Money was announced (authorised, pending, test); it pays for nothing yet."""

    payment_id: str
    amount: Amount


class SurplusSetAside(OrderEvent):
    """More money came than the order needs; it waits to go back."""

    amount: Amount
    reason: str


class SurplusReturned(OrderEvent):
    """A surplus has left for the payer."""

    amount: Amount


class PaymentReversed(OrderEvent):
    """Money was taken back by the bank: what is outstanding now; what is owed, where it was spent already."""

    payment_id: str
    amount: Amount
    outstanding: Amount
    owed: Amount


class PaymentTakenBack(OrderEvent):
    """Money was matched wrongly, and counts for another order, or for none; the rest as in PaymentReversed."""

    payment_id: str
    amount: Amount
    outstanding: Amount
    owed: Amount


class PayoutApproved(OrderEvent):
    """The requested refund, or surplus, may leave for the payer; to which account is not told."""

    payout_id: str
    purpose: Literal["refund", "surplus"]
    amount: Amount


class PayoutOrdered(OrderEvent):
    """A payout was put into a file for the bank."""

    payout_id: str
    file_id: str


class PayoutFailed(OrderEvent):
    """A payout has not reached the payer; its money is open again."""

    payout_id: str


class DetailsCorrected(OrderEvent):
    """What will be registered was changed."""

    due_at: AwareDatetime | None


class EmailCorrected(OrderEvent):
    """The customer's address was changed; which one is not told."""


class LinkRequested(OrderEvent):
    """The management link was mailed to the customer once more; also when the page was opened `by_reference`."""

    by_reference: bool


class MailReturned(OrderEvent):
    """A mail to the customer came back for good, or was called spam."""

    mail_kind: str
    why: Literal["permanent", "complaint"]


class OrderWithdrawn(OrderEvent):
    """The customer has withdrawn from the contract; what money is here is told by refund-requested."""


class StartWished(OrderEvent):
    """The customer wants the start at once, as soon as the money is there."""


class OrderHeld(OrderEvent):
    """The customer must be asked before registration can start."""

    reason: str


class HoldReleased(OrderEvent):
    """The question was answered; the order goes on."""


class RegistrationStarted(OrderEvent):
    """From here on nothing can be corrected or refunded; `rule` says why it was due."""

    rule: str
    due_at: AwareDatetime


class VignetteIssued(OrderEvent):
    """The authority has registered the vehicle."""

    vignette_number: str
    valid_from: AwareDatetime
    valid_until: AwareDatetime


class RegistrationRejected(OrderEvent):
    """The authority refused; the customer must act."""

    reason: str


class TermsChanged(OrderEvent):
    """Registration is due by another lead now."""

    due_at: AwareDatetime | None


class OutageRegarded(OrderEvent):
    """Registration is due sooner, because the authority has announced an outage."""

    outage_id: UUID
    due_at: AwareDatetime | None


class OutageDisregarded(OrderEvent):
    """An outage that had brought registration forward was withdrawn."""

    outage_id: UUID
    due_at: AwareDatetime | None


class TwinAccepted(OrderEvent):
    """A second order for the same vehicle and period is meant, and goes on."""

    due_at: AwareDatetime | None


class PersonCalled(OrderEvent):
    """The authority has not answered, and time gets short: somebody must look after it before `act_by`."""

    why: str
    act_by: AwareDatetime


class ValidityChanged(OrderEvent):
    """The authority has changed the validity of the vignette."""

    vignette_number: str
    valid_from: AwareDatetime
    valid_until: AwareDatetime


class RefundRequested(OrderEvent):
    """All that counts is to go back. The reason stays inside: people write names into it."""

    amount: Amount


class OrderRefunded(OrderEvent):
    """The refund has left for the payer."""

    amount: Amount


class OrderExpired(OrderEvent):
    """Nobody paid in time."""


class PersonalDataErased(OrderEvent):
    """Whoever keeps data of these classes for this order lets go of them now; the keys to ours are destroyed."""

    classes: list[Literal["contact", "vehicle"]]


EVENTS: dict[str, type[OrderEvent]] = {
    "order-placed": OrderPlaced,
    "payment-received": PaymentReceived,
    "payment-noticed": PaymentNoticed,
    "surplus-set-aside": SurplusSetAside,
    "surplus-returned": SurplusReturned,
    "payment-reversed": PaymentReversed,
    "payment-taken-back": PaymentTakenBack,
    "payout-approved": PayoutApproved,
    "payout-ordered": PayoutOrdered,
    "payout-failed": PayoutFailed,
    "details-corrected": DetailsCorrected,
    "email-corrected": EmailCorrected,
    "link-requested": LinkRequested,
    "mail-returned": MailReturned,
    "start-wished": StartWished,
    "terms-changed": TermsChanged,
    "outage-regarded": OutageRegarded,
    "outage-disregarded": OutageDisregarded,
    "order-held": OrderHeld,
    "hold-released": HoldReleased,
    "twin-accepted": TwinAccepted,
    "registration-started": RegistrationStarted,
    "person-called": PersonCalled,
    "vignette-issued": VignetteIssued,
    "validity-changed": ValidityChanged,
    "registration-rejected": RegistrationRejected,
    "order-withdrawn": OrderWithdrawn,
    "refund-requested": RefundRequested,
    "order-refunded": OrderRefunded,
    "order-expired": OrderExpired,
    "personal-data-erased": PersonalDataErased,
}

#: Signed heads of the ledger: whoever keeps them can tell that the log was not rewritten.
HEAD_STREAM = "HEADS"
HEAD_SUBJECTS = "heads.v1.*"


def head_subject(fingerprint: str) -> str:
    """Return where the heads are published that a key has signed, by its fingerprint."""
    return f"heads.v1.{fingerprint}"


class SignedHead(BaseModel):
    """The state of the log at one moment: its first `size` events hash to `root`. Only `note` is signed."""

    model_config = ConfigDict(extra="forbid")

    size: int
    position: int
    root: str
    at: AwareDatetime
    note: str


TRIGGER_STREAM = "REGISTRATIONS"
TRIGGER_SUBJECTS = "registrations.triggers.v1.>"


class Trigger(BaseModel):
    """An order is due. Harmless when late or repeated: the generation tells whether it still counts."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    order_id: UUID
    generation: int
    due_at: AwareDatetime
    rule: Literal["lead", "grace", "at_once", "window", "notice", "outage"]
    emitted_at: AwareDatetime


def trigger_subject(country: str) -> str:
    """Return where triggers for one country's authority are published."""
    return f"registrations.triggers.v1.{country}"
