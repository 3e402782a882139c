"""What can happen to a case of support. Each topic is for ever, and carries the version of its form."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from vignettes.domain.folding import Beginning, Evolving
from vignettes.domain.personal import ContactText, DataClass, VehicleText


class Topic(StrEnum):
    """What a case is about."""

    QUESTION = "question"
    MAIL_RETURNED = "mail_returned"
    COMPLAINT = "complaint"
    DEBT = "debt"


class Channel(StrEnum):
    """By which way it came; `service` is ourselves: nobody has asked."""

    PAGE = "page"
    FORM = "form"
    MAIL = "mail"
    SERVICE = "service"
    OPERATIONS = "operations"


@dataclass(frozen=True, slots=True)
class Particulars:
    """What is known of whom it concerns. All of it may be missing (case 56).

    `order_number` is that of the order; `typed_number` stands in its place where no order has the number that was
    given. `link_generation` is there only where the address is the order's own: its link is nobody else's business.
    """

    order_id: UUID | None = None
    order_number: str | None = None
    typed_number: ContactText = None
    email: ContactText = None
    link_generation: int | None = None
    country: str | None = None
    plate: VehicleText = None
    ordered_on: date | None = None


class SupportEvents:
    """The events of a case, from its opening until it is closed, and opened again."""

    class Event(Evolving):
        """Something that happened to one case."""

    class Created(Beginning):
        """What CaseOpened is made of; never recorded itself (the library wants a topic for each class)."""

        TOPIC = "support-case.created"

    class CaseOpened(Created, Event):
        """Somebody needs help; `acknowledged`: whoever has asked is told by mail that it has come."""

        TOPIC = "support-case.opened.v1"
        number: str
        topic: Topic
        channel: Channel
        particulars: Particulars
        language: str
        message: ContactText
        acknowledged: bool

    class MessageAdded(Event):
        """The customer has written again."""

        TOPIC = "support-case.message-added.v1"
        channel: Channel
        message: ContactText

    class CaseAnswered(Event):
        """We have written to the customer; `link_generation` as in the particulars, for the address that it goes to."""

        TOPIC = "support-case.answered.v1"
        text: ContactText
        email: ContactText
        link_generation: int | None

    class CaseClosed(Event):
        """A person has ended it."""

        TOPIC = "support-case.closed.v1"

    class CaseReopened(Event):
        """The customer has written after it was closed, or has not got what we wrote."""

        TOPIC = "support-case.reopened.v1"

    class AnswerReturned(Event):
        """What we wrote last has come back; `mail_version` is that of the case's event which had called for it."""

        TOPIC = "support-case.answer-returned.v1"
        mail_version: int
        mail_kind: str
        why: str
        status: str | None

    class PersonalDataErased(Event):
        """The keys were destroyed: whom it concerned, and what was written, is gone."""

        TOPIC = "support-case.personal-data-erased.v1"
        classes: tuple[DataClass, ...]
