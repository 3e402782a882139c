"""Every event as a sentence in plain English: what happened, who asked for it, by which command."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from eventsourcing.domain import AggregateEvent

from vignettes.domain.order import Order
from vignettes.domain.payment import BankPayment
from vignettes.domain.payment_events import Allocation
from vignettes.domain.support_case import SupportCase
from vignettes.eventstore.codec import Recorded

#: How much of a command's id tells it from the others of one history.
_SHORT_ID = 8

Tell = Callable[[Any], str]


def sentence(event: Recorded) -> str:
    """Return what an event says, less what is personal."""
    what = _TOLD[type(event.event)](event.event)
    command = event.envelope.command_id
    by = f"command {str(command)[:_SHORT_ID]}" if command else "without a command"
    return f"{what}, by {event.envelope.actor} ({by})."


def told_of() -> frozenset[type[AggregateEvent]]:
    """Return the events that there are sentences for."""
    return frozenset(_TOLD)


def _at(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _words(code: str) -> str:
    return code.replace("_", " ")


def _listed(codes: Sequence[str]) -> str:
    return ", ".join(map(_words, codes)) or "nothing"


def _shares(allocations: Sequence[Allocation]) -> str:
    return " and ".join(f"{each.amount} for order {each.order_id}" for each in allocations) or "no order"


def _consent(event: Any) -> str:
    return f", with the consent of text {event.consent.text_version}" if event.consent else ""


def _placed(event: Any) -> str:
    details = event.details
    wish = f"{details.product} from {details.start.text()} for a vehicle of {details.vehicle.country}"
    return f"Order {event.number} was placed: {wish}, at {event.price.total}"


def _paid(event: Any) -> str:
    payment = event.payment
    return f"{payment.amount} arrived by {_words(payment.method)} as payment {payment.payment_id}"


def _noticed(event: Any) -> str:
    payment = event.payment
    return f"{payment.amount} was announced as payment {payment.payment_id}, and is not booked yet"


def _payout_approved(event: Any) -> str:
    payout = event.payout
    return f"Payout {payout.payout_id} of {payout.amount} ({payout.purpose}) was approved"


def _corrected(event: Any) -> str:
    details = event.details
    wish = f"{details.product} from {details.start.text()} for a vehicle of {details.vehicle.country}"
    return f"The details were corrected: {wish}, at {event.price.total}"


def _link_requested(event: Any) -> str:
    what = "a link by its references" if event.by_reference else "the management link"
    others = f", and those of {len(event.others)} other orders" if event.others else ""
    return f"The customer asked for {what}{others}"


def _held(event: Any) -> str:
    other = f" (order {event.because_of})" if event.because_of else ""
    return f"The order was put on hold: {_words(event.reason)}{other}"


def _issued(event: Any) -> str:
    vignette = event.vignette
    span = f"{_at(vignette.valid_from)} to {_at(vignette.valid_until)}"
    return f"The authority issued vignette {vignette.number}, valid {span}"


def _booked(event: Any) -> str:
    entry = event.entry
    which = "credit" if entry.credit else "debit"
    kind = ("test " if event.test else "") + ("reversed " if entry.reversal else "") + which
    return f"A {kind} of {entry.amount} was booked on {entry.booked_on} from a {_words(event.source)}"


def _opened(event: Any) -> str:
    about = f" about order {event.particulars.order_number}" if event.particulars.order_number else ""
    return f"Case {event.number} was opened{about}: {_words(event.topic)}, by {_words(event.channel)}"


def _erased(what: str) -> Tell:
    return lambda event: f"The {' and '.join(event.classes)} data of the {what} was erased"


def _returned(event: Any) -> str:
    status = f" with status {event.status}" if event.status else ""
    return (
        f"The mail {_words(event.mail_kind)} of version {event.mail_version} came back ({event.why}){status}"
    )


_ORDERS: Final[Mapping[type[AggregateEvent], Tell]] = {
    Order.OrderPlaced: _placed,
    Order.PaymentReceived: _paid,
    Order.PaymentNoticed: _noticed,
    Order.SurplusSetAside: lambda e: f"{e.amount} was set aside as surplus: {_words(e.reason)}",
    Order.SurplusReturned: lambda e: f"The surplus of {e.amount} went back as {e.refund_id}",
    Order.PaymentReversed: lambda e: f"The bank took back {e.amount} of payment {e.payment_id}",
    Order.PaymentTakenBack: lambda e: (
        f"{e.amount} of payment {e.payment_id} was taken back: not this order's"
    ),
    Order.PayoutApproved: _payout_approved,
    Order.PayoutOrdered: lambda e: f"Payout {e.payout_id} was put into file {e.file_id} for the bank",
    Order.PayoutFailed: lambda e: f"Payout {e.payout_id} was not carried out by the bank, or came back",
    Order.DetailsCorrected: _corrected,
    Order.EmailCorrected: lambda _: "The address was corrected, and the old management link ended",
    Order.LinkRequested: _link_requested,
    Order.MailReturned: _returned,
    Order.StartWished: lambda e: f"The customer wished the start at once{_consent(e)}",
    Order.TermsChanged: lambda e: f"The terms were changed: lead {e.terms.lead}, grace {e.terms.grace}",
    Order.OutageRegarded: lambda e: (
        f"An outage of the authority of {e.outage.country}, {_at(e.outage.begins_at)} to {_at(e.outage.ends_at)},"
        " was regarded"
    ),
    Order.OutageDisregarded: lambda e: f"Outage {e.outage_id} was withdrawn, and regarded no longer",
    Order.OrderHeld: _held,
    Order.HoldReleased: lambda _: "The hold was released",
    Order.TwinAccepted: lambda e: f"It was accepted beside order {e.twin} for the same vehicle and period",
    Order.RegistrationStarted: lambda e: (
        f"Registration {e.generation} was started by rule {_words(e.rule)}, due {_at(e.due_at)}{_consent(e)}"
    ),
    Order.PersonCalled: lambda e: f"A person was called, to act by {_at(e.act_by)}: {_words(e.why)}",
    Order.VignetteIssued: _issued,
    Order.ValidityChanged: lambda e: (
        f"The authority changed the validity: {_at(e.valid_from)} to {_at(e.valid_until)}"
    ),
    Order.RegistrationRejected: lambda e: f"The authority refused the registration: {_words(e.code)}",
    Order.OrderWithdrawn: lambda _: "The customer withdrew from the contract",
    Order.RefundRequested: lambda e: f"A refund of {e.amount} was granted",
    Order.OrderRefunded: lambda e: f"The refund of {e.amount} went back as {e.refund_id}",
    Order.OrderExpired: lambda _: "The order expired unpaid",
    Order.PersonalDataErased: _erased("order"),
}

_BANK_PAYMENTS: Final[Mapping[type[AggregateEvent], Tell]] = {
    BankPayment.PaymentBooked: _booked,
    BankPayment.PaymentArrived: lambda e: f"What was announced was booked on {e.booked_on}: {e.amount}",
    BankPayment.PaymentMatched: lambda e: f"It was matched: {_shares([e.allocation])} ({_listed(e.reasons)})",
    BankPayment.PaymentQueued: lambda e: f"It was left to a person: {_listed(e.reasons)}",
    BankPayment.PaymentAllocated: lambda e: f"A person allocated {_shares(e.allocations)}",
    BankPayment.PaymentCounted: lambda e: f"An order has counted share {e.share_id}",
    BankPayment.ShareRefused: lambda e: f"An order refused share {e.share_id}: {_words(e.code)}",
    BankPayment.ReassignmentAsked: lambda e: f"A person reassigned it: {_shares(e.allocations)}",
    BankPayment.ShareReleased: lambda e: f"An order has let go of share {e.share_id}",
    BankPayment.ReassignmentRefused: lambda e: f"An order kept share {e.share_id}: {_words(e.code)}",
    BankPayment.LineRecognised: lambda e: (
        f"It was recognised as the line of {e.notice} ({_listed(e.reasons)})"
    ),
    BankPayment.RecognitionUndone: lambda _: "A person took it for money of its own again",
    BankPayment.LineDismissed: lambda _: "A person dismissed it: no customer's money",
    BankPayment.PaymentReversed: lambda e: f"It was taken back on {e.reversed_on} by {e.reversal}",
    BankPayment.ReturnApproved: lambda e: f"Its return was approved as payout {e.payout_id}",
    BankPayment.ReturnOrdered: lambda e: f"Payout {e.payout_id} was put into file {e.file_id} for the bank",
    BankPayment.ReturnFailed: lambda e: f"Payout {e.payout_id} was not carried out by the bank, or came back",
    BankPayment.PaymentReturned: lambda e: f"It went back on {e.returned_on} as payout {e.payout_id}",
    BankPayment.PersonalDataErased: _erased("payment"),
}

_CASES: Final[Mapping[type[AggregateEvent], Tell]] = {
    SupportCase.CaseOpened: _opened,
    SupportCase.MessageAdded: lambda e: f"The customer wrote again, by {_words(e.channel)}",
    SupportCase.CaseAnswered: lambda _: "The customer was answered by mail",
    SupportCase.CaseClosed: lambda _: "The case was closed",
    SupportCase.CaseReopened: lambda _: "The case was opened again",
    SupportCase.AnswerReturned: _returned,
    SupportCase.PersonalDataErased: _erased("case"),
}

_TOLD: Final[Mapping[type[AggregateEvent], Tell]] = {**_ORDERS, **_BANK_PAYMENTS, **_CASES}
