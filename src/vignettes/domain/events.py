"""What can happen to an order, in the customer's words. Each topic is for ever, and carries the version of its form."""

from datetime import datetime
from uuid import UUID

from vignettes.domain.account import Payout
from vignettes.domain.catalogue import Price
from vignettes.domain.details import Consent, Consents, Details, LinkedOrder, Payment, Vignette
from vignettes.domain.folding import Beginning, Evolving
from vignettes.domain.money import Money
from vignettes.domain.outages import Outage
from vignettes.domain.personal import ContactText, DataClass, VehicleText
from vignettes.domain.schedule import Terms


class OrderEvents:
    """The events of an order, from placing to issue or refund, and what may follow."""

    class Event(Evolving):
        """Something that happened to one order."""

    class Created(Beginning):
        """What OrderPlaced is made of; never recorded itself (the library wants a topic for each class)."""

        TOPIC = "order.created"

    class OrderPlaced(Created, Event):
        TOPIC = "order.placed.v3"
        number: str
        details: Details
        price: Price
        terms: Terms
        email: ContactText
        language: str
        consents: Consents

    class PaymentReceived(Event):
        TOPIC = "order.payment-received.v1"
        payment: Payment

    class PaymentNoticed(Event):
        TOPIC = "order.payment-noticed.v1"
        payment: Payment

    class SurplusSetAside(Event):
        TOPIC = "order.surplus-set-aside.v1"
        amount: Money
        reason: str

    class SurplusReturned(Event):
        TOPIC = "order.surplus-returned.v1"
        refund_id: str
        amount: Money

    class PaymentReversed(Event):
        """`surplus` and `refund` are those of the order after it; `amount` is zero for what it never had."""

        TOPIC = "order.payment-reversed.v1"
        payment_id: str
        amount: Money
        surplus: Money
        refund: Money | None

    class PaymentTakenBack(Event):
        """It was matched wrongly; fields as in PaymentReversed. What is to be refunded is never touched by it."""

        TOPIC = "order.payment-taken-back.v1"
        payment_id: str
        amount: Money
        surplus: Money

    class PayoutApproved(Event):
        TOPIC = "order.payout-approved.v1"
        payout: Payout
        to_account: ContactText

    class PayoutOrdered(Event):
        TOPIC = "order.payout-ordered.v1"
        payout_id: str
        file_id: str

    class PayoutFailed(Event):
        """The bank did not carry it out, or brought it back. `surplus` and `refund` are those of the order after it."""

        TOPIC = "order.payout-failed.v1"
        payout_id: str
        surplus: Money
        refund: Money | None

    class DetailsCorrected(Event):
        TOPIC = "order.details-corrected.v2"
        details: Details
        price: Price

    class EmailCorrected(Event):
        TOPIC = "order.email-corrected.v2"
        email: ContactText

    class LinkRequested(Event):
        TOPIC = "order.link-requested.v1"
        others: tuple[LinkedOrder, ...]
        by_reference: bool

    class MailReturned(Event):
        """`mail_version` is that of the order's event which had called for it."""

        TOPIC = "order.mail-returned.v1"
        mail_version: int
        mail_kind: str
        why: str
        status: str | None

    class StartWished(Event):
        TOPIC = "order.start-wished.v1"
        consent: Consent | None

    class TermsChanged(Event):
        TOPIC = "order.terms-changed.v1"
        terms: Terms
        before_mark: bool

    class OutageRegarded(Event):
        TOPIC = "order.outage-regarded.v1"
        outage: Outage
        in_passing: bool

    class OutageDisregarded(Event):
        TOPIC = "order.outage-disregarded.v1"
        outage_id: UUID

    class OrderHeld(Event):
        TOPIC = "order.held.v2"
        reason: str
        because_of: UUID | None

    class HoldReleased(Event):
        TOPIC = "order.hold-released.v1"

    class TwinAccepted(Event):
        TOPIC = "order.twin-accepted.v1"
        twin: UUID

    class RegistrationStarted(Event):
        TOPIC = "order.registration-started.v1"
        rule: str
        due_at: datetime
        generation: int
        consent: Consent | None

    class PersonCalled(Event):
        TOPIC = "order.person-called.v1"
        why: str
        act_by: datetime
        generation: int

    class VignetteIssued(Event):
        TOPIC = "order.vignette-issued.v1"
        vignette: Vignette

    class ValidityChanged(Event):
        TOPIC = "order.validity-changed.v1"
        valid_from: datetime
        valid_until: datetime

    class RegistrationRejected(Event):
        TOPIC = "order.registration-rejected.v3"
        code: str
        reason: VehicleText

    class OrderWithdrawn(Event):
        TOPIC = "order.withdrawn.v1"
        name: ContactText

    class RefundRequested(Event):
        TOPIC = "order.refund-requested.v2"
        amount: Money
        reason: ContactText

    class OrderRefunded(Event):
        TOPIC = "order.refunded.v1"
        refund_id: str
        amount: Money

    class OrderExpired(Event):
        TOPIC = "order.expired.v1"

    class PersonalDataErased(Event):
        TOPIC = "order.personal-data-erased.v1"
        classes: tuple[DataClass, ...]
