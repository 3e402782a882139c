"""What people on duty ask of the service beside orders and money: try again what is put off or set aside."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from vignettes.messages.answers import Answer
from vignettes.messages.forms import Line, Message


class ResendMail(Message):
    """Let a mail be tried at once: one that is put off, or one that came back and may arrive by now.

    It goes to the address that it was written for. What somebody called spam is not sent again.
    """

    subject: ClassVar[str] = "mails.v1.resend"

    command_id: UUID
    actor: Line
    message_id: Line


class RetryParked(Message):
    """Let parked orders be tried again: of one view, or of all; one order, or all of them."""

    subject: ClassVar[str] = "projections.v1.retry"

    command_id: UUID
    actor: Line
    view: Line | None = None
    order_id: UUID | None = None


# ------------------------------------------------------------------ answers


class MailToBeSent(Answer):
    """The mail is the next to be tried; `orders.v1.emails` tells what became of it."""

    ok: Literal[True] = True
    command_id: UUID
    message_id: str
    order_id: UUID


class RetryWanted(Answer):
    """So many parked orders are tried at once; `read.parked_events` tells which wait still."""

    ok: Literal[True] = True
    command_id: UUID
    orders: int = Field(ge=0)
