"""Money by bank and provider, by request/reply: files, the review queue, payouts, the books."""

from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from vignettes.messages.answers import Answer, absent
from vignettes.messages.forms import Amount, Instant, Line, Message, one_of, plain_line, wrong

_Text = Annotated[str, Field(max_length=2000), AfterValidator(plain_line)]
_Account = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(plain_line)]

#: What fits into one message of NATS beside the rest of the request, as base64.
LARGEST_CONTENT = 900_000


class EntryForm(Message):
    """A movement of money on an account of ours, as `vignettes payments parse` prints it, and its references."""

    entry_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    account: _Account
    booked_on: date
    amount: Annotated[int, Field(gt=0, le=10**15)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    credit: bool
    reversal: bool
    booked: bool
    variable_symbol: Line | None = None
    creditor_reference: Line | None = None
    remittance: _Text | None = None
    counterparty: _Text | None = None
    counterparty_account: _Account | None = None
    end_to_end_id: Line | None = None
    bank_reference: Line | None = None


class FileForm(Message):
    """A bank file: the SHA-256 of its bytes, whatever it is called."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    name: Line
    format: Line


class ImportFile(Message):
    """Take a bank file in: every entry of it, or none when it does not add up. The same file again changes nothing.

    `content` is its bytes in base64; larger ones go through `vignettes payments import` or the watched folder.
    """

    subject: ClassVar[str] = "payments.v1.import"

    command_id: UUID
    actor: Line
    file_name: Line
    content: Annotated[
        str, Field(min_length=1, max_length=LARGEST_CONTENT, pattern=r"^[A-Za-z0-9+/]+={0,2}$")
    ]
    format: Literal["camt", "mt940", "abo", "csv"] | None = None
    encoding: Line | None = None
    csv_map: Annotated[str, Field(max_length=20_000)] | None = None


class BookEntries(Message):
    """Take entries of a file down that was checked as a whole (who imports it)."""

    subject: ClassVar[str] = "payments.v1.book"

    actor: Line
    file: FileForm
    entries: Annotated[tuple[EntryForm, ...], Field(min_length=1, max_length=500)]


class NoteFile(Message):
    """Keep what became of a file as a whole (who imports it)."""

    subject: ClassVar[str] = "payments.v1.note_file"

    actor: Line
    file: FileForm
    state: Literal["imported", "set_aside"]
    reason: _Text | None = None
    entries: Annotated[int, Field(ge=0)] = 0


class AskStandings(Message):
    """How far payments are: matched, in review, or not decided upon yet (who imports a file)."""

    subject: ClassVar[str] = "payments.v1.standings"

    payment_ids: Annotated[tuple[UUID, ...], Field(max_length=10_000)]


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
    payer: _Text | None = None
    payer_account: _Account | None = None
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
    """Undo a wrong match: the orders let go of the payment, and it is for these, or for nobody yet."""

    subject: ClassVar[str] = "payments.v1.reassign"


class PlaceReversal(Message):
    """Say which payment a reversal in review has taken back."""

    subject: ClassVar[str] = "payments.v1.place_reversal"

    command_id: UUID
    actor: Line
    payment_id: UUID
    reverses: UUID


class ReturnPayment(Message):
    """Send money in review back, to where it came from unless an account is named."""

    subject: ClassVar[str] = "payments.v1.return"

    command_id: UUID
    actor: Line
    payment_id: UUID
    account: _Account | None = None
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
    account: _Account | None = None

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


class Booked(Answer):
    """What the entries were: new, known before, taking others back, confirming our payouts, or not our business."""

    ok: Literal[True] = True
    new: int
    known: int
    reversals: int
    payouts: int
    ignored: int
    payment_ids: list[UUID]


class FileTaken(Answer):
    """What became of a file; `reason` is why it was set aside. Counts as far as they are known by now."""

    ok: Literal[True] = True
    file_id: str
    file_name: str
    state: Literal["imported", "set_aside"]
    reason: str | None = Field(default=None, exclude_if=absent)
    entries: int = 0
    new: int = 0
    known: int = 0
    matched: int = 0
    in_review: int = 0
    reversals: int = 0
    payouts: int = 0
    ignored: int = 0


class FileNoted(Answer):
    """It is kept what became of the file."""

    ok: Literal[True] = True
    file_id: str


class Standings(Answer):
    """How many of the payments are matched or wait for a person, and those that are not decided upon yet."""

    ok: Literal[True] = True
    matched: int
    in_review: int
    undecided: list[UUID]


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
