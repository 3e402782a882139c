"""What is answered. `ok: true` means that the events are durable; `ok: false` names the code and the way out."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from vignettes.messages import audit, bank_files, commands, links, ops, outages, payments, queries, support
from vignettes.messages.answers import Answer, absent
from vignettes.messages.forms import Amount, Message


class Problem(Answer):
    """Why a request was refused."""

    code: str = Field(examples=["already_started", "command_id_reused", "invalid_request", "not_found"])
    message: str
    field: str | None = Field(default=None, exclude_if=absent)


class Refused(Answer):
    """Nothing was recorded, except that the same command_id is refused again in the same way."""

    ok: Literal[False] = False
    command_id: UUID | None = None
    error: Problem


class Done(Answer):
    """The common part of every answer to a command."""

    ok: Literal[True] = True
    command_id: UUID
    order_id: UUID
    order_number: str
    version: int
    position: int
    status: str


class PriceForm(Answer):
    """The authority's price and our fee, always apart."""

    official: Amount
    fee: Amount
    total: Amount


class PaymentForm(Answer):
    """How to pay so that the money finds the order."""

    variable_symbol: str
    creditor_reference: str
    spayd: str | None = Field(default=None, exclude_if=absent)
    epc: str | None = Field(default=None, exclude_if=absent)


class Placed(Done):
    """The order is on record: what it costs, how to pay, where to manage it."""

    price: PriceForm
    payment: PaymentForm
    manage_url: str
    warnings: list[str]


class PaymentCounted(Done):
    """The money is on record; `due` is when registration starts, null unless fully paid."""

    due: AwareDatetime | None
    outstanding: Amount


class DetailsNowCorrect(Done):
    """The details are as wished (or were already)."""

    due: AwareDatetime | None
    warnings: list[str]


class EmailNowCorrect(Done):
    """The address is as wished; the old management link is void."""

    manage_url: str


class RefundGranted(Done):
    """The amount that goes back."""

    refund: Amount


class Withdrawn(Done):
    """The amount that goes back; null where none had come in."""

    refund: Amount | None


class Planned(Done):
    """When registration is due now; null where the order waits for something else."""

    due: AwareDatetime | None


class PayoutForm(Answer):
    """Money on its way back; statements show it under its id."""

    payout_id: str
    purpose: str
    amount: Amount


class PayoutsUnderWay(Done):
    """What of the order's money is on its way back."""

    payouts: list[PayoutForm]


class StartOutcome(Answer):
    """What became of one start; `code` says why it was refused."""

    command_id: UUID
    ok: bool
    code: str | None = Field(default=None, exclude_if=absent)


class Starts(Answer):
    """What became of each start, in the order in which they were asked for."""

    ok: Literal[True] = True
    outcomes: list[StartOutcome]


class Erased(Done):
    """What of the order's personal data is gone, by now or before."""

    erased: list[str]


class Standing(Answer):
    """The row of read.order_status, and how much of the log it knows."""

    ok: Literal[True] = True
    order: dict[str, Any]
    as_of_position: int


class HistoryEvent(Answer):
    """One event of the log with its envelope. Erased personal data is null."""

    position: int
    version: int
    type: str
    recorded_at: datetime
    actor: str
    command_id: UUID | None
    correlation_id: UUID | None
    data: dict[str, Any]


class History(Answer):
    """The events asked for, and the state that they make."""

    ok: Literal[True] = True
    order_id: UUID
    events: list[HistoryEvent]
    state: dict[str, Any]


class Mail(Answer):
    """One mail that the log called for, and whether it left. One whose address was erased before never will.

    `returned`: it came back for good, or whoever got it called it spam (`return_kind` says which).
    """

    kind: str
    to: str | None
    language: str
    subject: str
    state: Literal["waiting", "retrying", "sent", "returned", "erased", "not_called"]
    message_id: str
    called_at: datetime
    sent_at: datetime | None
    returned_at: datetime | None = None
    return_kind: Literal["permanent", "complaint"] | None = None


class Mails(Answer):
    """All mails of one order, in order."""

    ok: Literal[True] = True
    order_id: UUID
    emails: list[Mail]


class FoundOrder(Answer):
    """An order that fits what was asked for, and nothing that was not known before."""

    order_id: UUID
    order_number: str
    status: str
    placed_at: AwareDatetime


class FoundOrders(Answer):
    """The orders that fit, the newest first, at most 20."""

    ok: Literal[True] = True
    orders: list[FoundOrder]


class OutageOnRecord(Answer):
    """An announced outage: who announced it, and who withdrew it."""

    ok: Literal[True] = True
    outage_id: UUID
    country: str
    begins_at: AwareDatetime
    ends_at: AwareDatetime
    note: str | None
    announced_by: str
    announced_at: AwareDatetime
    withdrawn_by: str | None = None
    withdrawn_at: AwareDatetime | None = None


class Outages(Answer):
    """Outages by their beginning."""

    ok: Literal[True] = True
    outages: list[OutageOnRecord]


#: What each request is answered with when it is not refused; `Done` for the rest of the commands.
REPLY_OF: dict[type[Message], type[Answer]] = {
    **dict.fromkeys(commands.COMMANDS, Done),
    commands.Place: Placed,
    commands.ReceivePayment: PaymentCounted,
    commands.CorrectDetails: DetailsNowCorrect,
    commands.CorrectEmail: EmailNowCorrect,
    commands.RequestRefund: RefundGranted,
    commands.EraseOrder: Erased,
    commands.Withdraw: Withdrawn,
    commands.RegardOutage: Planned,
    commands.AcceptTwin: Planned,
    commands.ChangeTerms: Planned,
    commands.ReversePayment: Planned,
    commands.TakeBackPayment: Planned,
    commands.ApprovePayout: PayoutsUnderWay,
    commands.OrderPayout: PayoutsUnderWay,
    commands.FailPayout: PayoutsUnderWay,
    commands.StartDueRegistrations: Starts,
    bank_files.ImportFile: bank_files.FileTaken,
    bank_files.BookEntries: bank_files.Booked,
    bank_files.NoteFile: bank_files.FileNoted,
    bank_files.AskStandings: bank_files.Standings,
    payments.TakeNotice: payments.NoticeTaken,
    payments.AskReview: payments.ReviewQueue,
    payments.Allocate: payments.PaymentMoved,
    payments.Reassign: payments.PaymentMoved,
    payments.PlaceReversal: payments.PaymentMoved,
    payments.DismissLine: payments.PaymentMoved,
    payments.ReturnPayment: payments.PaymentMoved,
    payments.AskPayouts: payments.Payouts,
    payments.ApproveRefund: PayoutsUnderWay,
    payments.PayOut: payments.PayoutFile,
    payments.AskBalance: payments.Balance,
    support.OpenCase: support.CaseMoved,
    support.AddMessage: support.CaseMoved,
    support.AnswerCase: support.CaseMoved,
    support.CloseCase: support.CaseMoved,
    support.EraseCase: support.CaseMoved,
    support.AskCases: support.Cases,
    support.AskCase: support.CaseTold,
    ops.ResendMail: ops.MailToBeSent,
    ops.RetryParked: ops.RetryWanted,
    **audit.REPLY_OF_LOOK,
    outages.AskOutages: Outages,
    outages.AnnounceOutage: OutageOnRecord,
    outages.WithdrawOutage: OutageOnRecord,
    queries.AskStatus: Standing,
    queries.AskHistory: History,
    queries.AskEmails: Mails,
    queries.FindOrders: FoundOrders,
    links.RequestLink: links.LinkRequestTaken,
    links.OpenPage: links.PageOpened,
    links.AskDocument: links.DocumentGiven,
}
