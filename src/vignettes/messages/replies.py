"""What is answered. `ok: true` means that the events are durable; `ok: false` names the code and the way out."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from vignettes.messages.forms import Amount


def _absent(value: object) -> bool:
    """Leave a field out of the JSON rather than send null where the contract says that it may be missing."""
    return value is None


class Answer(BaseModel):
    """Replies are ours: closed, but not strict about how we build them."""

    model_config = ConfigDict(extra="forbid")


class Problem(Answer):
    """Why a request was refused."""

    code: str = Field(examples=["already_started", "command_id_reused", "invalid_request", "not_found"])
    message: str
    field: str | None = Field(default=None, exclude_if=_absent)


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
    spayd: str | None = Field(default=None, exclude_if=_absent)
    epc: str | None = Field(default=None, exclude_if=_absent)


class Placed(Done):
    price: PriceForm
    payment: PaymentForm
    manage_url: str
    warnings: list[str]


class PaymentCounted(Done):
    due: AwareDatetime | None
    outstanding: Amount


class DetailsNowCorrect(Done):
    due: AwareDatetime | None
    warnings: list[str]


class EmailNowCorrect(Done):
    manage_url: str


class RefundGranted(Done):
    refund: Amount


class Standing(Answer):
    """The row of read.order_status, and how much of the log it knows."""

    ok: Literal[True] = True
    order: dict[str, Any]
    as_of_position: int


class HistoryEvent(Answer):
    position: int
    version: int
    type: str
    recorded_at: datetime
    actor: str
    command_id: UUID | None
    correlation_id: UUID | None
    data: dict[str, Any]


class History(Answer):
    ok: Literal[True] = True
    order_id: UUID
    events: list[HistoryEvent]
    state: dict[str, Any]


class Mail(Answer):
    kind: str
    to: str | None
    language: str
    subject: str
    state: Literal["waiting", "retrying", "sent"]
    message_id: str
    called_at: datetime
    sent_at: datetime | None


class Mails(Answer):
    ok: Literal[True] = True
    order_id: UUID
    emails: list[Mail]
