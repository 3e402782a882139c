"""Given, when, then for orders: facts in the past tense, commands in the imperative, events compared.

The clock shows Prague time. It stands still unless a step says `at="2026-07-19 12:00"`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from vignettes.domain.account import Purpose
from vignettes.domain.catalogue import product as product_of
from vignettes.domain.catalogue import zone
from vignettes.domain.details import Consent, Details, Payment, Status, Vignette
from vignettes.domain.errors import DomainError
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.domain.outages import Outage
from vignettes.domain.schedule import Start, Terms
from vignettes.domain.vehicle import Vehicle

PRAGUE = zone("Europe/Prague")
TERMS = Terms()
ORDER_ID = UUID("454fa8e6-b8dd-5b57-8225-7030578165d9")
OTHER_ORDER = UUID("a5c3a3a3-11b2-5d0d-8f0e-6a2d1b7c9e04")
CONSENT = Consent("immediate_performance", "2026-01", datetime(2026, 7, 1, 9, tzinfo=PRAGUE))
_NOT_COMPARED = {"originator_id", "originator_version", "originator_topic", "timestamp"}


def clock(text):
    """An instant as a clock in Prague shows it."""
    return datetime.fromisoformat(text).replace(tzinfo=PRAGUE)


def czk(amount):
    """Whole crowns."""
    return Money(amount * 100, "CZK")


def details(product="CZ-10D", start="2026-07-20", plate="1AB2345", country="CZ"):
    return Details(product, Vehicle.of(country, plate), Start.parse(start, product_of(product)))


def outage(begins, ends, country="CZ"):
    """An announced outage, by the clock in Prague; the same times are the same outage."""
    return Outage(uuid5(ORDER_ID, f"{country} {begins} {ends}"), country, clock(begins), clock(ends))


# --- commands: what `when` takes. A CZ-10D costs 399 CZK, a CZ-1D 329, a CZ-30D 579.


@dataclass(frozen=True)
class Command:
    act: Callable
    at: str | None = None
    when_due: bool = False


def pay(amount=None, payment_id="bank-1", at=None, received=None, booked=True, outages=()):
    """Pay `amount`, or all that is outstanding; `outages` are those that were announced by then."""

    def act(order, now):
        arrived = clock(received) if received else now
        money = amount if amount is not None else order.outstanding
        order.receive_payment(Payment(payment_id, money, "bank_transfer", arrived, booked), now, outages)

    return Command(act, at)


def notice(amount=None, payment_id="bank-1", at=None):
    """Tell that money was sent or authorised, which pays for nothing."""
    return pay(amount, payment_id, at, booked=False)


def correct(at=None, outages=(), **changes):
    """Change plate, country, start or product; `outages` are those that were announced by then."""

    def act(order, now):
        known = order.details
        wished = {
            "product": known.product,
            "start": known.start.text(),
            "plate": known.vehicle.plate,
            "country": known.vehicle.country,
        }
        order.correct_details(details(**wished | changes), now, outages)

    return Command(act, at)


def correct_email(email, at=None):
    return Command(lambda order, now: order.correct_email(email, now), at)


def start_at_once(consent=None, at=None, consent_needed=False):
    return Command(lambda order, now: order.start_at_once(consent, now, consent_needed=consent_needed), at)


def regard(announced, at=None):
    """Tell the order of an outage that was announced."""
    return Command(lambda order, now: order.regard_outage(announced, now), at)


def disregard(withdrawn, at=None):
    """Tell the order that an outage will not take place."""
    return Command(lambda order, now: order.disregard_outage(withdrawn.id, now), at)


def change_lead(hours, at=None):
    def act(order, now):
        order.change_terms(replace(order.terms, lead=timedelta(hours=hours)), now)

    return Command(act, at)


def hold_as_twin(twin=OTHER_ORDER, at=None):
    return Command(lambda order, now: order.hold_as_twin(twin, now), at)


def accept_twin(at=None):
    return Command(lambda order, now: order.accept_twin(now), at)


def call_person(why="outcome_unknown", at=None, act_by="2026-07-19 18:00", generation=None):
    """Call for a person: for the registration under way, unless another generation is given."""

    def act(order, now):
        wanted = order.generation if generation is None else generation
        order.call_person(why, clock(act_by), wanted, now)

    return Command(act, at)


def change_validity(valid_from="2026-07-20", valid_until="2026-07-30 23:59:59", at=None):
    """Tell that the authority has changed what it issued."""
    return Command(lambda order, now: order.record_validity(clock(valid_from), clock(valid_until), now), at)


def trigger(generation=None, at=None):
    """A trigger comes in: for the generation that counts, unless another is given."""

    def act(order, now):
        order.start_when_due(order.generation if generation is None else generation, now)

    return Command(act, at)


def issue(number="CZ26-1", at=None):
    def act(order, now):
        order.record_issue(
            Vignette(number, "ref-1", clock("2026-07-20"), clock("2026-07-29 23:59:59")),
            order.generation,
            now,
        )

    return Command(act, at)


def reject(reason="plate_not_accepted", at=None, code="other"):
    return Command(lambda order, now: order.record_rejection(code, reason, order.generation, now), at)


def request_refund(reason="journey cancelled", at=None):
    return Command(lambda order, now: order.request_refund(reason, now), at)


def withdraw(name=None, at=None):
    """Withdraw from the contract."""
    return Command(lambda order, now: order.withdraw(name, now), at)


def ask_for_link(others=(), at=None, by_reference=False):
    return Command(lambda order, now: order.send_link(others, now, by_reference=by_reference), at)


def return_mail(version=1, kind="placed", why="permanent", status="5.1.1", at=None):
    """Tell that a mail which an event of this version had called for came back."""
    return Command(lambda order, now: order.note_returned_mail(version, kind, why, status, now), at)


def refund_unanswered(at=None):
    return Command(lambda order, now: order.refund_unanswered(now), at)


def confirm_refund(amount, refund_id="out-1", at=None):
    return Command(lambda order, now: order.confirm_refund(refund_id, amount, now), at)


def reverse(payment_id="bank-1", at=None):
    """Tell that the bank has taken money back."""
    return Command(lambda order, now: order.reverse_payment(payment_id, now), at)


def take_back(payment_id="bank-1", at=None):
    """Tell that money was matched wrongly."""
    return Command(lambda order, now: order.take_back_payment(payment_id, now), at)


#: The first payout of the order, and the second.
FIRST, SECOND = "V9922747891-1", "V9922747891-2"


def approve(purpose="refund", at=None):
    """Let money go back: the `refund`, or the `surplus`."""
    return Command(lambda order, now: order.approve_payout(Purpose(purpose), "CZ65 0800", now), at)


def order_out(payout_id=FIRST, file_id="file-1", at=None):
    """Put a payout into a file for the bank."""
    return Command(lambda order, now: order.order_payout(payout_id, file_id, now), at)


def fail_payout(payout_id=FIRST, at=None):
    """Tell that a payout has reached nobody."""
    return Command(lambda order, now: order.fail_payout(payout_id, now), at)


def expire(at=None):
    return Command(lambda order, now: order.expire(now), at)


# --- facts: what `given` takes; each is its command, and must have recorded something


@dataclass(frozen=True)
class Begun:
    begin: Callable
    at: str
    when_due: bool = False


def placed(at="2026-07-01 10:00", **chosen):
    def begin(now):
        return Order.place(
            ORDER_ID,
            number="V9922747891",
            details=details(**chosen),
            email="driver@example.org",
            language="cs",
            at=now,
        )

    return Begun(begin, at)


def registration_started():
    """Wait for the deadline, and start by its trigger."""
    return replace(trigger(), when_due=True)


paid, noticed, corrected = pay, notice, correct
wished = started_at_once = start_at_once
regarded, disregarded, lead_changed = regard, disregard, change_lead
held_as_twin, twin_accepted, person_called, validity_changed = (
    hold_as_twin,
    accept_twin,
    call_person,
    change_validity,
)
issued, rejected, expired = issue, reject, expire
refund_requested, refund_confirmed, triggered = request_refund, confirm_refund, trigger
reversed_, taken_back = reverse, take_back
withdrawn, link_asked_for, mail_returned, email_corrected = withdraw, ask_for_link, return_mail, correct_email
approved, ordered_out, payout_failed = approve, order_out, fail_payout


# --- events: what `then` takes


@dataclass(frozen=True)
class Expected:
    event: type
    fields: dict = field(default_factory=dict)

    def told_by(self, event):
        """Compare the class, and the fields that the example is about."""
        return type(event) is self.event and self.fields == {
            key: value for key, value in said(event).items() if key in self.fields
        }


def event(event_class, **fields):
    unknown = fields.keys() - event_class.__dataclass_fields__.keys()
    assert not unknown, f"{event_class.__name__} has no {unknown}"
    return Expected(event_class, fields)


def said(recorded):
    """What an event says, without ids and times of its own."""
    return {key: value for key, value in vars(recorded).items() if key not in _NOT_COMPARED}


class Example:
    """The past of one order or payment, what is asked of it, and what it records."""

    def __init__(self):
        self.subject = None
        self.now = None
        self.recorded = []
        self.refused = None

    def given(self, *facts):
        for fact in facts:
            self._move(fact)
            if isinstance(fact, Begun):
                self.subject = fact.begin(self.now)
            else:
                fact.act(self.subject, self.now)
            assert self.subject.collect_events(), f"{fact} changed nothing: no fact"
        return self

    def when(self, command):
        """Ask; what is recorded or refused is for `then`."""
        self.refused = None
        self._move(command)
        try:
            command.act(self.subject, self.now)
        except DomainError as refusal:
            self.refused = refusal
        self.recorded = list(self.subject.collect_events())

    def then(self, *expected):
        """These events, in this order, and no others."""
        if self.refused:
            raise self.refused
        wanted = [each if isinstance(each, Expected) else event(each) for each in expected]
        told = len(wanted) == len(self.recorded) and all(
            each.told_by(recorded) for each, recorded in zip(wanted, self.recorded, strict=True)
        )
        shown = [(type(each).__name__, said(each)) for each in self.recorded]
        assert told, f"recorded {shown}, not {wanted}"

    def then_nothing(self):
        self.then()

    def then_refused(self, error, **named):
        assert type(self.refused) is error, f"{self.refused!r}, recorded {self.recorded}"
        assert not self.recorded
        for name, value in named.items():
            assert getattr(self.refused, name) == value

    def _move(self, command):
        if command.when_due:
            self.now = self.subject.deadline.due_at
        elif command.at:
            self.now = clock(command.at)


class Scenario(Example):
    """An example of an order."""

    @property
    def order(self):
        return self.subject

    def then_status(self, status):
        assert self.order.status is Status(status)

    def then_due(self, text, rule=None):
        """Registration is due at this time in Prague; None: it waits for something else."""
        deadline = self.order.deadline
        assert (deadline and deadline.due_at) == (clock(text) if text else None)
        if rule:
            assert deadline.rule == rule

    def then_money(self, received, surplus=0, outstanding=0, owed=0, refund=None):
        """What is here, what of it is too much, what is awaited, owed to us, and to be refunded; in crowns."""
        account = self.order.account
        told = (account.received, account.surplus_open, self.order.outstanding, self.order.owed)
        assert told == tuple(map(czk, (received, surplus, outstanding, owed)))
        assert self.order.refund == (None if refund is None else czk(refund))
