"""Support, by request/reply: cases are opened, answered and closed by any program that stands for people."""

import re
from datetime import date
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from vignettes.messages.answers import Answer
from vignettes.messages.forms import Country, Email, Line, Message, one_of

MOST_LETTERS = 5000
#: Unicode's categories Cc, Cs, Zl and Zp, but for line breaks and tabs.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

Topic = Literal["question", "mail_returned", "complaint", "debt"]
Channel = Literal["page", "form", "mail", "service", "operations"]
State = Literal["open", "answered", "closed"]


def _plain_words(text: str) -> str:
    """Return what somebody wrote, in lines as we keep them; refuse other controls."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if found := _CONTROL.search(lines):
        raise ValueError(f"holds the control character U+{ord(found[0]):04X}")
    if not lines:
        raise ValueError("says nothing")
    return lines


#: What people write to each other, in lines.
Words = Annotated[str, StringConstraints(max_length=MOST_LETTERS), AfterValidator(_plain_words)]


class OpenCase(Message):
    """Take down that somebody needs help. Whatever is known is told; nothing of it has to be."""

    subject: ClassVar[str] = "support.v1.open"

    command_id: UUID
    actor: Line | None = None
    topic: Topic
    channel: Channel
    order_id: UUID | None = None
    order_number: Line | None = None
    email: Email | None = None
    country: Country | None = None
    plate: Annotated[Line, Field(max_length=40)] | None = None
    ordered_on: date | None = None
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")]
    message: Words | None = None


class _OfOneCase(Message):
    case_id: UUID | None = None
    case_number: Line | None = None

    @model_validator(mode="after")
    def _names_one_case(self) -> Self:
        one_of(case_id=self.case_id, case_number=self.case_number)
        return self


class AddMessage(_OfOneCase):
    """Pass on what the customer writes next: by mail, or told to a person. A closed case is open again by it."""

    subject: ClassVar[str] = "support.v1.add_message"

    command_id: UUID
    actor: Line | None = None
    channel: Channel
    message: Words


class AnswerCase(_OfOneCase):
    """Answer the customer by mail: at the address of the case, or else of the order it is about."""

    subject: ClassVar[str] = "support.v1.answer"

    command_id: UUID
    actor: Line
    text: Words


class CloseCase(_OfOneCase):
    """End a case."""

    subject: ClassVar[str] = "support.v1.close"

    command_id: UUID
    actor: Line


class EraseCase(_OfOneCase):
    """Let go of whom a case concerns, and of all that was written; refused while somebody waits for an answer."""

    subject: ClassVar[str] = "support.v1.erase"

    command_id: UUID
    actor: Line


class AskCases(Message):
    """Cases, those that have waited longest first: all that are not closed, or those of one state."""

    subject: ClassVar[str] = "support.v1.cases"

    actor: Line | None = None
    state: State | None = None
    order_id: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class AskCase(_OfOneCase):
    """One case, with all that was written."""

    subject: ClassVar[str] = "support.v1.case"

    actor: Line | None = None


# ------------------------------------------------------------------ answers


class CaseMoved(Answer):
    """The case as the command has left it."""

    ok: Literal[True] = True
    command_id: UUID
    case_id: UUID
    case_number: str
    state: State
    version: int
    position: int | None


class CaseShown(Answer):
    """A case. `message` is the beginning of what the customer wrote first; erased personal data is null.

    `returned` is there while the customer has not got what we wrote last: its mail came back for good (permanent), or
    whoever got it called it spam (complaint).
    """

    case_id: UUID
    case_number: str
    state: State
    topic: Topic
    channel: Channel
    order_id: UUID | None
    order_number: str | None
    email: str | None
    country: str | None
    plate: str | None
    ordered_on: date | None
    language: str
    message: str | None
    messages: int
    answers: int
    opened_at: AwareDatetime
    open_since: AwareDatetime | None
    closed_at: AwareDatetime | None
    updated_at: AwareDatetime
    returned: Literal["permanent", "complaint"] | None


class Cases(Answer):
    """Cases, and how many are open in all."""

    ok: Literal[True] = True
    cases: list[CaseShown]
    open: int


class WrittenShown(Answer):
    """What was written: by the customer through a channel, or by us (null)."""

    number: int
    channel: Channel | None
    text: str | None
    written_at: AwareDatetime


class CaseMail(Answer):
    """A mail of the case, and whether it left or came back; its states are those of `orders.v1.emails`."""

    kind: str
    state: str
    called_at: AwareDatetime


class CaseTold(Answer):
    """One case, what was written, and the mails that told of it, in order."""

    ok: Literal[True] = True
    case: CaseShown
    thread: list[WrittenShown]
    mails: list[CaseMail]
