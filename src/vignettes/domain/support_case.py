"""The SupportCase: what somebody needs help with, until it is answered and closed."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.domain import Aggregate, event
from stdnum.iso7064 import mod_11_10

from vignettes.domain import errors
from vignettes.domain.personal import DataClass
from vignettes.domain.support_events import Channel, Particulars, SupportEvents, Topic

_CASES = uuid5(NAMESPACE_URL, "https://vignettes.example/support-cases")
_FIRST_BODY, _BODIES = 10_000_000, 90_000_000
_FORM = re.compile(r"C?([0-9]{9})", re.ASCII)
_BETWEEN_DIGITS = re.compile(r"[\s.-]+")


class CaseStatus(StrEnum):
    """Whose turn it is: ours, the customer's, nobody's."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"


def case_id_of(command_id: UUID) -> UUID:
    """Return the case's id, which is derived from the command that opens it: asked again, it is the same case."""
    return uuid5(_CASES, str(command_id))


def call_id(order_id: UUID, topic: Topic, occasion: int) -> UUID:
    """Return the id of the command by which we open a case ourselves: whoever finds the same asks the same."""
    return uuid5(_CASES, f"{order_id}:{topic}:{occasion}")


def case_number(case_id: UUID) -> str:
    """Return nine digits to be read aloud, the last of them a check (ISO 7064 MOD 11,10), after a C.

    It follows from the id. Two cases may have the same, once in ninety million; the id tells them apart.
    """
    body = str(_FIRST_BODY + case_id.int % _BODIES)
    return f"C{body}{mod_11_10.calc_check_digit(body)}"


def parse_case_number(text: str) -> str | None:
    """Return a case's number however it was typed; None if its check fails."""
    found = _FORM.fullmatch(_BETWEEN_DIGITS.sub("", text).upper())
    return f"C{found[1]}" if found and mod_11_10.is_valid(found[1]) else None


@dataclass(frozen=True, slots=True)
class Said:
    """What was written, by the customer (through a channel) or to him; None: without a word, or erased."""

    text: str | None
    at: datetime
    channel: Channel | None = None


class SupportCase(SupportEvents, Aggregate, created_event_name="CaseOpened"):
    """Something that a person is to look after. Nothing of whom it concerns has to be known (case 56)."""

    TOPIC = "support-case"

    # ------------------------------------------------------------------ events

    # All of them are in support_events.py; the library looks for these in the class itself.
    Event = SupportEvents.Event
    Created = SupportEvents.Created
    CaseOpened = SupportEvents.CaseOpened

    # ------------------------------------------------------------------- state

    def __init__(
        self,
        number: str,
        topic: Topic,
        channel: Channel,
        particulars: Particulars,
        language: str,
        message: str | None,
    ) -> None:
        """Evolve from CaseOpened, the only event that finds no case before it."""
        self.number = number
        self.topic = topic
        self.channel = channel
        self.particulars = particulars
        self.language = language
        # Without a word it is an entry as well: once erased, nobody could tell the two apart.
        self.thread: tuple[Said, ...] = (Said(message, self.created_on, channel),)
        self.open_since: datetime | None = self.created_on
        self.answered_at: datetime | None = None
        self.closed_at: datetime | None = None
        # Of what we wrote last: the version whose event called for its mail, and why that came back.
        self.told_at = 1
        self.returned: str | None = None
        self.erased: frozenset[DataClass] = frozenset()

    # --------------------------------------------------------------- decisions

    @classmethod
    def open(  # noqa: PLR0913  # a case begins with all of it
        cls,
        case_id: UUID,
        *,
        topic: Topic,
        channel: Channel,
        particulars: Particulars,
        language: str,
        message: str | None,
        at: datetime,
    ) -> Self:
        """Take down that somebody needs help."""
        return cls._create(
            cls.CaseOpened,
            id=case_id,
            timestamp=at,
            number=case_number(case_id),
            topic=topic,
            channel=channel,
            particulars=particulars,
            language=language,
            message=message,
            acknowledged=channel is not Channel.SERVICE and particulars.email is not None,
        )

    def add_message(self, message: str, channel: Channel, at: datetime) -> None:
        """Keep what the customer writes next; a case that was closed is open again by it."""
        self._refuse_forgotten()
        if self.status is CaseStatus.OPEN and self._was_just_said(message, by_customer=True):
            return
        if self.status is CaseStatus.CLOSED:
            self.trigger_event(self.CaseReopened, timestamp=at)
        self.trigger_event(self.MessageAdded, timestamp=at, channel=channel, message=message)

    def answer(self, text: str, email: str | None, link_generation: int | None, at: datetime) -> None:
        """Answer, by mail to an address: the customer's own, or that of the order it is about."""
        self._refuse_forgotten()
        if self.status is CaseStatus.CLOSED:
            raise errors.CaseIsClosed
        if email is None:
            raise errors.NoAddress
        if self.status is CaseStatus.ANSWERED and self._was_just_said(text, by_customer=False):
            return
        what = {"text": text, "email": email, "link_generation": link_generation}
        self.trigger_event(self.CaseAnswered, timestamp=at, **what)

    def note_returned_mail(
        self, mail_version: int, mail_kind: str, why: str, status: str | None, at: datetime
    ) -> None:
        """Open it again when the answer, or else the acknowledgement, has come back, once; an earlier one is past.

        Nobody could write to whoever is forgotten, and who closes a case unanswered has not waited for a mail.
        """
        unread = mail_version == self.told_at and self.returned is None
        unanswered = self.status is CaseStatus.CLOSED and not self.answers
        if not unread or unanswered or DataClass.CONTACT in self.erased:
            return
        if self.status is CaseStatus.CLOSED:
            self.trigger_event(self.CaseReopened, timestamp=at)
        what = {"mail_version": mail_version, "mail_kind": mail_kind, "why": why, "status": status}
        self.trigger_event(self.AnswerReturned, timestamp=at, **what)

    def close(self, at: datetime) -> None:
        """End it; nothing more is to be done."""
        if self.status is not CaseStatus.CLOSED:
            self.trigger_event(self.CaseClosed, timestamp=at)

    def erase(self, classes: Collection[DataClass], at: datetime) -> None:
        """Let go of whom it concerns. Refused while somebody waits for an answer (as case 55).

        Where nobody has asked, it ends: without the person nothing is left to be done.
        """
        if self.status is CaseStatus.OPEN:
            if self.was_asked or DataClass.CONTACT not in classes:
                raise errors.CaseUnderWay
            self.close(at)
        if left := tuple(sorted(set(classes) - self.erased)):
            self.trigger_event(self.PersonalDataErased, timestamp=at, classes=left)

    def _refuse_forgotten(self) -> None:
        if DataClass.CONTACT in self.erased:
            raise errors.CaseForgotten

    def _was_just_said(self, text: str, *, by_customer: bool) -> bool:
        last = self.thread[-1]
        return last.text == text and (last.channel is not None) is by_customer

    # --------------------------------------------------------------- evolution

    @event(SupportEvents.MessageAdded)
    def _message_added(self, timestamp: datetime, channel: Channel, message: str | None) -> None:
        self.thread = (*self.thread, Said(message, timestamp, channel))
        self.open_since = self.open_since or timestamp
        self.answered_at = None

    @event(SupportEvents.CaseAnswered)
    def _case_answered(self, timestamp: datetime, text: str | None) -> None:
        self.thread = (*self.thread, Said(text, timestamp))
        self.open_since, self.answered_at = None, timestamp
        self.told_at, self.returned = self.version + 1, None

    @event(SupportEvents.AnswerReturned)
    def _answer_returned(self, timestamp: datetime, why: str) -> None:
        self.returned = why
        self.open_since = self.open_since or timestamp
        self.answered_at = None

    @event(SupportEvents.CaseClosed)
    def _case_closed(self, timestamp: datetime) -> None:
        self.open_since, self.closed_at = None, timestamp

    @event(SupportEvents.CaseReopened)
    def _case_reopened(self, timestamp: datetime) -> None:
        self.open_since, self.closed_at = timestamp, None

    @event(SupportEvents.PersonalDataErased)
    def _personal_data_erased(self, classes: tuple[DataClass, ...]) -> None:
        self.erased |= set(classes)
        if DataClass.CONTACT in classes:
            self.particulars = replace(self.particulars, typed_number=None, email=None)
            self.thread = tuple(replace(each, text=None) for each in self.thread)
        if DataClass.VEHICLE in classes:
            self.particulars = replace(self.particulars, plate=None)

    # --------------------------------------------------------------- questions

    @property
    def answers(self) -> int:
        """How often we have written."""
        return sum(each.channel is None for each in self.thread)

    @property
    def was_asked(self) -> bool:
        """Whether a customer has written, and not only we ourselves have opened it."""
        return any(each.channel not in {None, Channel.SERVICE} for each in self.thread)

    @property
    def status(self) -> CaseStatus:
        """Closed, or whoever wrote last."""
        if self.closed_at:
            return CaseStatus.CLOSED
        return CaseStatus.ANSWERED if self.answered_at else CaseStatus.OPEN
