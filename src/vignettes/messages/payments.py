"""Money by bank and provider, by request/reply: notices, the review queue, payouts, the books."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from vignettes.messages.answers import Answer
from vignettes.messages.forms import AccountNumber, Amount, Instant, Line, Message, Text, one_of, wrong


class TakeNotice(Message):
    """What a payment provider has told of one payment, checked to be its word (web service)."""

    subject: ClassVar[str] = "payments.v1.notice"

    provider: Line
    payment_id: Line
    state: Literal["authorised", "pending", "paid", "failed", "reversed", "refunded"]
    amount: Amount
    order_reference: Line | None = None
    method: Line
    occurred_at: Instant
    test: bool
    payer: Text | None = None
    payer_account: AccountNumber | None = None
    line_reference: Line | None = None


class AskReview(Message):
    """What waits for a person, the oldest first; or one payment, wherever it stands."""

    subject: ClassVar[str] = "payments.v1.review"

    actor: Line | None = None
    payment_id: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    after: Annotated[int, Field(ge=0)] = 0


class AllocationForm(Message):
    """What of a payment is for which order; without an amount all of it."""

    order_id: UUID | None = None
    order_number: Line | None = None
    amount: Amount | None = None

    @model_validator(mode="after")
    def _names_one_order(self) -> Self:
        one_of(order_id=self.order_id, order_number=self.order_number)
        return self


class _Allocating(Message):
    command_id: UUID
    actor: Line
    payment_id: UUID
    allocations: Annotated[tuple[AllocationForm, ...], Field(max_length=50)]
    note: Line | None = None

    @model_validator(mode="after")
    def _tells_amounts(self) -> Self:
        if len(self.allocations) > 1 and any(each.amount is None for each in self.allocations):
            raise wrong("allocations", "needs an amount for each order where there are several")
        return self


class Allocate(_Allocating):
    """Say what a payment in review is for: one order, or several whose amounts are equal to it in sum."""

    subject: ClassVar[str] = "payments.v1.allocate"

    allocations: Annotated[tuple[AllocationForm, ...], Field(min_length=1, max_length=50)]


class Reassign(_Allocating):
    """Undo a wrong match: the orders let go of the payment, and it is for these, or for nobody yet.

    A payment that was taken for the line of a notice is money of its own again, without allocations.
    """

    subject: ClassVar[str] = "payments.v1.reassign"


class PlaceReversal(Message):
    """Say which payment a reversal in review has taken back."""

    subject: ClassVar[str] = "payments.v1.place_reversal"

    command_id: UUID
    actor: Line
    payment_id: UUID
    reverses: UUID


class DismissLine(Message):
    """Close what is in review and is no customer's money, nor takes any back: `note` tells what it is."""

    subject: ClassVar[str] = "payments.v1.dismiss"

    command_id: UUID
    actor: Line
    payment_id: UUID
    note: Line


class ReturnPayment(Message):
    """Send money in review back, to where it came from unless an account is named."""

    subject: ClassVar[str] = "payments.v1.return"

    command_id: UUID
    actor: Line
    payment_id: UUID
    account: AccountNumber | None = None
    note: Line | None = None


class AskPayouts(Message):
    """Money that is to go back: what waits for an approval, for a file, for the bank's word."""

    subject: ClassVar[str] = "payments.v1.payouts"

    actor: Line | None = None


class ApproveRefund(Message):
    """Let an order's refund or surplus go back, to where its money came from unless an account is named."""

    subject: ClassVar[str] = "payments.v1.approve"

    command_id: UUID
    actor: Line
    order_id: UUID | None = None
    order_number: Line | None = None
    purpose: Literal["refund", "surplus"]
    account: AccountNumber | None = None

    @model_validator(mode="after")
    def _names_one_order(self) -> Self:
        one_of(order_id=self.order_id, order_number=self.order_number)
        return self


class PayOut(Message):
    """Put everything that is approved in one currency into a file for the bank. Asked again, it is the same file."""

    subject: ClassVar[str] = "payments.v1.pay_out"

    command_id: UUID
    actor: Line
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class AskBalance(Message):
    """The books, by day and currency: money in = matched + in review + returned."""

    subject: ClassVar[str] = "payments.v1.balance"

    actor: Line | None = None
    since: date | None = None
    until: date | None = None


# ------------------------------------------------------------------ answers


class NoticeTaken(Answer):
    """It is on record what the provider has told of this payment."""

    ok: Literal[True] = True
    payment_id: UUID


class SuggestionShown(Answer):
    """Orders that a payment may be for, and why."""

    orders: list[dict[str, Any]]
    reasons: list[str]


class PaymentShown(Answer):
    """A payment: what came, from whom, where it stands, and why."""

    payment_id: UUID
    status: str
    source: str
    method: str
    account: str
    amount: Amount
    unallocated: Amount
    booked_on: date
    arrived_at: datetime | None
    variable_symbol: str | None
    creditor_reference: str | None
    remittance: str | None
    counterparty: str | None
    counterparty_account: str | None
    reasons: list[str]
    why: list[str]
    suggestions: list[SuggestionShown]
    shares: list[dict[str, Any]]
    position: int


class ReviewQueue(Answer):
    """Payments, and how many wait in all."""

    ok: Literal[True] = True
    payments: list[PaymentShown]
    waiting: int


class PaymentMoved(Answer):
    """The payment as the command has left it; its orders are told at once, and tell in their own status."""

    ok: Literal[True] = True
    command_id: UUID
    payment_id: UUID
    status: str
    version: int
    position: int | None


class PayoutShown(Answer):
    """Money on its way back. `official` and `fee` are what of the price it gives back, where it is a refund."""

    payout_id: str | None
    state: Literal["to_approve", "approved", "with_bank", "paid_out"]
    purpose: Literal["refund", "surplus", "return"]
    order_id: UUID | None
    order_number: str | None
    payment_id: UUID | None
    amount: Amount
    official: Amount | None
    fee: Amount | None
    account: str | None
    file_id: str | None
    since: AwareDatetime


class Payouts(Answer):
    """Payouts, the oldest first."""

    ok: Literal[True] = True
    payouts: list[PayoutShown]


class PayoutFile(Answer):
    """A pain.001 file for the bank: `content` in base64. Nothing to pay out: no file."""

    ok: Literal[True] = True
    command_id: UUID
    file_id: str | None
    payouts: int
    total: Amount
    content: str | None


class BookedDay(Answer):
    """Movements of one day and currency, in minor units."""

    day: date
    currency: str
    money_in: int
    matched: int
    in_review: int
    returned: int


class Balance(Answer):
    """The books; `equal` unless something is badly wrong."""

    ok: Literal[True] = True
    days: list[BookedDay]
    totals: list[BookedDay]
    equal: bool
    as_of_position: int
