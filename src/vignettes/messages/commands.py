"""Commands to the ordering service, by request/reply. The first six are open to every internal service."""

from typing import Annotated, ClassVar, Literal, Self, get_args
from uuid import UUID

from pydantic import Field, model_validator

from vignettes.messages.forms import (
    Amount,
    ConsentForm,
    DocumentForm,
    Email,
    Instant,
    Line,
    Message,
    OutageForm,
    RejectionCode,
    VehicleForm,
    one_of,
    wrong,
)


class Command(Message):
    """What every command carries."""

    subject: ClassVar[str]

    command_id: UUID
    actor: Line | None = None


class Place(Command):
    """Take down an order."""

    subject = "orders.v1.place"

    product: Line
    vehicle: VehicleForm
    valid_from: Line
    email: Email
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")]
    consents: tuple[ConsentForm, ...] = Field(default=(), max_length=10)


class ReceivePayment(Command):
    """Money has arrived for an order. `booked: false` is for notices of money that has not (yet)."""

    subject = "orders.v1.receive_payment"

    order_id: UUID | None = None
    order_number: Line | None = None
    payment_id: Line
    amount: Amount
    method: Line
    received_at: Instant
    booked: bool = True

    @model_validator(mode="after")
    def _names_one_order(self) -> Self:
        one_of(order_id=self.order_id, order_number=self.order_number)
        return self


class DetailsChange(Message):
    """What is to be corrected; at least one of them."""

    plate: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    vehicle_country: Annotated[str, Field(min_length=1, max_length=3)] | None = None
    valid_from: Line | None = None
    product: Line | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise wrong("changes", "names nothing to change: plate, vehicle_country, valid_from or product")
        return self


class CorrectDetails(Command):
    """Change what will be registered; possible until registration starts."""

    subject = "orders.v1.correct_details"

    order_id: UUID
    changes: DetailsChange


class CorrectEmail(Command):
    """Change where the mails go; possible at any time."""

    subject = "orders.v1.correct_email"

    order_id: UUID
    email: Email


class StartRegistration(Command):
    """Start at once, on the customer's request."""

    subject = "orders.v1.start_registration"

    order_id: UUID
    consent: ConsentForm | None = None


class RequestRefund(Command):
    """Ask for the money back; granted until registration starts, or when it was rejected."""

    subject = "orders.v1.request_refund"

    order_id: UUID
    reason: Line | None = None


class Withdraw(Command):
    """Withdraw from the contract; possible until registration starts, and money that is here goes back (order page).

    `name` is that of the customer, as the statement gives it.
    """

    subject = "orders.v1.withdraw"

    order_id: UUID
    name: Line | None = None


class LinkedOrderForm(Message):
    """Another order of the same customer, whose link goes into the same mail."""

    order_id: UUID
    order_number: Line
    product: Line
    starts_at: Instant
    placed_at: Instant
    status: Line
    link_generation: Annotated[int, Field(ge=1)]


class SendLink(Command):
    """Mail the management link to the customer, with those of `others`; rarely enough to fill no mailbox (web).

    `by_reference`: somebody has opened the page by the payment's reference.
    """

    subject = "orders.v1.send_link"

    order_id: UUID
    others: Annotated[tuple[LinkedOrderForm, ...], Field(max_length=20)] = ()
    by_reference: bool = False


class NoteReturnedMail(Command):
    """A mail of this order came back, or was called spam (mailing service)."""

    subject = "orders.v1.note_returned_mail"

    order_id: UUID
    message_id: Line
    why: Literal["permanent", "complaint"]
    status: Annotated[str, Field(pattern=r"^[245]\.[0-9]{1,3}\.[0-9]{1,3}$")] | None = None


class StartDueRegistration(Command):
    """A trigger has come: start if this generation of the deadline still counts (registration service)."""

    subject = "orders.v1.start_due_registration"

    order_id: UUID
    generation: int


class StartDueRegistrations(Message):
    """Triggers that have come together, each with a command of its own (registration service)."""

    subject: ClassVar[str] = "orders.v1.start_due_registrations"

    starts: Annotated[tuple[StartDueRegistration, ...], Field(min_length=1, max_length=500)]


class RecordIssue(Command):
    """The authority has registered the vehicle (registration service)."""

    subject = "orders.v1.record_issue"

    order_id: UUID
    generation: int
    number: Line
    reference: Line
    valid_from: Instant
    valid_until: Instant
    authorisation_code: Line | None = None
    document: DocumentForm | None = None


class RecordRejection(Command):
    """The authority has refused the registration; `reason` is in its own words (registration service)."""

    subject = "orders.v1.record_rejection"

    order_id: UUID
    generation: int
    reason: Line
    code: RejectionCode = "other"


class RecordValidity(Command):
    """The authority has changed the validity of a vignette that it issued (registration service, support)."""

    subject = "orders.v1.record_validity"

    order_id: UUID
    valid_from: Instant
    valid_until: Instant

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.valid_until <= self.valid_from:
            raise wrong("valid_until", "lies before valid_from")
        return self


class CallPerson(Command):
    """Somebody must look after this registration before `act_by` (registration service)."""

    subject = "orders.v1.call_person"

    order_id: UUID
    generation: int
    why: Literal["outcome_unknown", "authority_down", "not_registered", "registered_otherwise"]
    act_by: Instant


class RegardOutage(Command):
    """An authority has announced that it will not be there; bring the start forward if need be (deadline service).

    `withdrawn`: it will be there after all.
    """

    subject = "orders.v1.regard_outage"

    order_id: UUID
    outage: OutageForm
    withdrawn: bool = False


class HoldAsTwin(Command):
    """Another paid order is for the same vehicle and period: ask the customer (deadline service)."""

    subject = "orders.v1.hold_as_twin"

    order_id: UUID
    twin: UUID


class ReleaseTwin(Command):
    """The order that this one was held for is none any more (deadline service)."""

    subject = "orders.v1.release_twin"

    order_id: UUID
    twin: UUID


class AcceptTwin(Command):
    """Both orders for the same vehicle and period are meant: go on with this one too (support)."""

    subject = "orders.v1.accept_twin"

    order_id: UUID


class ChangeTerms(Command):
    """Serve an order that has not started by another lead from now on (operator)."""

    subject = "orders.v1.change_terms"

    order_id: UUID
    lead_hours: Annotated[float, Field(ge=0, le=30 * 24)]


class ExpireOrder(Command):
    """The time to pay is over (deadline service)."""

    subject = "orders.v1.expire_order"

    order_id: UUID


class RefundUnanswered(Command):
    """The time to answer a rejection is over (deadline service)."""

    subject = "orders.v1.refund_unanswered"

    order_id: UUID


class ConfirmRefund(Command):
    """Money has left for the payer (accounting)."""

    subject = "orders.v1.confirm_refund"

    order_id: UUID
    refund_id: Line
    amount: Amount


class ReversePayment(Command):
    """The bank, or a provider, has taken money back that this order was told of (payments service)."""

    subject = "orders.v1.reverse_payment"

    order_id: UUID
    payment_id: Line


class TakeBackPayment(Command):
    """Money was matched to this order wrongly: it is to let go of it (payments service)."""

    subject = "orders.v1.take_back_payment"

    order_id: UUID
    payment_id: Line


class ApprovePayout(Command):
    """Let money of an order that is open go back to an account: its refund, or what came in too much."""

    subject = "orders.v1.approve_payout"

    order_id: UUID
    purpose: Literal["refund", "surplus"]
    account: Line


class OrderPayout(Command):
    """A payout goes into this file for the bank, and into no other (payments service)."""

    subject = "orders.v1.order_payout"

    order_id: UUID
    payout_id: Line
    file_id: Line


class FailPayout(Command):
    """A payout has not reached anybody: its money is open again (payments service)."""

    subject = "orders.v1.fail_payout"

    order_id: UUID
    payout_id: Line


class EraseOrder(Command):
    """Destroy the keys of an ended order's personal data: it is gone wherever it was (privacy officer).

    `contact` is what tells the person, `vehicle` what tells the vehicle.
    """

    subject = "orders.v1.erase"

    order_id: UUID
    classes: Annotated[tuple[Literal["contact", "vehicle"], ...], Field(min_length=1, max_length=2)] = (
        "contact",
        "vehicle",
    )


OpenCommand = Place | ReceivePayment | CorrectDetails | CorrectEmail | StartRegistration | RequestRefund
RegisteringCommand = StartDueRegistration | RecordIssue | RecordRejection | RecordValidity | CallPerson
MoneyTold = ReceivePayment | ReversePayment | TakeBackPayment
PayoutCommand = ApprovePayout | OrderPayout | FailPayout | ConfirmRefund
MoneyCommand = ExpireOrder | RefundUnanswered | ReversePayment | TakeBackPayment | PayoutCommand
PlanningCommand = RegardOutage | HoldAsTwin | ReleaseTwin | AcceptTwin | ChangeTerms
CustomerCommand = Withdraw | SendLink | NoteReturnedMail
InternalCommand = RegisteringCommand | PlanningCommand | MoneyCommand | CustomerCommand | EraseOrder
AnyCommand = OpenCommand | InternalCommand

COMMANDS: tuple[type[AnyCommand], ...] = get_args(AnyCommand)
