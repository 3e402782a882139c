"""Given, when, then for cases of support, in the words of `ordering`."""

from datetime import date
from uuid import UUID

from domain.ordering import ORDER_ID, Begun, Command, Example
from vignettes.domain.personal import DataClass
from vignettes.domain.support_case import CaseStatus, SupportCase, case_id_of, case_number
from vignettes.domain.support_events import Channel, Particulars, Topic

COMMAND_ID = UUID("9d2c1f0e-7a55-4c6a-8f6b-2b0e5f7a9c31")
CASE_ID = case_id_of(COMMAND_ID)
NUMBER = case_number(CASE_ID)
EMAIL = "driver@example.org"
MESSAGE = "My plate is wrong.\nWhat now?"
KNOWN = Particulars(
    order_id=ORDER_ID,
    order_number="V9922747891",
    email=EMAIL,
    link_generation=1,
    country="CZ",
    plate="1AB2345",
    ordered_on=date(2026, 7, 1),
)


# --- commands


def write(message="And by when?", channel=Channel.MAIL, at=None):
    """The customer writes again."""
    return Command(lambda case, now: case.add_message(message, channel, now), at)


def answer(text="Correct it on your order page.", email=EMAIL, link_generation=1, at=None):
    return Command(lambda case, now: case.answer(text, email, link_generation, now), at)


def close(at=None):
    return Command(lambda case, now: case.close(now), at)


def come_back(version, kind="case_answered", why="permanent", at=None):
    """A mail comes back; `version` is that of the event which called for it."""
    return Command(lambda case, now: case.note_returned_mail(version, kind, why, "5.1.1", now), at)


def erase(*classes):
    return Command(lambda case, now: case.erase(classes or tuple(DataClass), now))


# --- facts


def opened(
    at="2026-07-02 09:00", topic=Topic.QUESTION, channel=Channel.PAGE, particulars=KNOWN, message=MESSAGE
):
    """Somebody asks on the order page, or by another way."""

    def begin(now):
        return SupportCase.open(
            CASE_ID,
            topic=topic,
            channel=channel,
            particulars=particulars,
            language="cs",
            message=message,
            at=now,
        )

    return Begun(begin, at)


def opened_by_us(topic=Topic.MAIL_RETURNED):
    """Nobody has asked: a mail has come back, or money was taken back."""
    return opened(
        topic=topic, channel=Channel.SERVICE, particulars=Particulars(order_id=ORDER_ID), message=None
    )


written, answered, closed, erased, came_back = write, answer, close, erase, come_back


class CaseScenario(Example):
    """An example of a case."""

    @property
    def case(self):
        return self.subject

    def then_status(self, state):
        assert self.case.status is CaseStatus(state)

    def then_thread(self, *texts):
        """What was written both ways, in order."""
        assert [each.text for each in self.case.thread] == list(texts)
