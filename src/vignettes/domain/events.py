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
        """A driver has asked for a vignette; the price and the terms of that moment are kept with it."""

        TOPIC = "order.placed.v3"
        number: str
        details: Details
        price: Price
        terms: Terms
        email: ContactText
        language: str
        consents: Consents

    class PaymentReceived(Event):
        """Money has arrived, and counts for this order."""

        TOPIC = "order.payment-received.v1"
        payment: Payment

    class PaymentNoticed(Event):
        """Money was announced, or was a test; it pays for nothing."""

        TOPIC = "order.payment-noticed.v1"
        payment: Payment

    class SurplusSetAside(Event):
        """Of what has arrived, so much is more than the order needs: it is to go back."""

        TOPIC = "order.surplus-set-aside.v1"
        amount: Money
        reason: str

    class SurplusReturned(Event):
        """What was too much has left for the payer."""

        TOPIC = "order.surplus-returned.v1"
        refund_id: str
        amount: Money

    class PaymentReversed(Event):
        """The bank has taken money back.

        `surplus` and `refund` are those of the order after it; `amount` is zero for what it never had.
        """

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
        """Money of this order may leave for an account, once."""

        TOPIC = "order.payout-approved.v1"
        payout: Payout
        to_account: ContactText

    class PayoutOrdered(Event):
        """The payout stands in a file for the bank, and in no other."""

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
        """What will be registered was changed; all of it as it is now, with its price."""

        TOPIC = "order.details-corrected.v2"
        details: Details
        price: Price

    class EmailCorrected(Event):
        """The address was changed; links that were given out before end with it."""

        TOPIC = "order.email-corrected.v2"
        email: ContactText

    class LinkRequested(Event):
        """The management link is to be mailed once more, with those of the customer's other orders."""

        TOPIC = "order.link-requested.v1"
        others: tuple[LinkedOrder, ...]
        by_reference: bool

    class MailReturned(Event):
        """A mail came back, or was called spam; `mail_version` is that of the order's event which had called for it."""

        TOPIC = "order.mail-returned.v1"
        mail_version: int
        mail_kind: str
        why: str
        status: str | None

    class StartWished(Event):
        """The customer wants the start at once; registration follows when the money is there."""

        TOPIC = "order.start-wished.v1"
        consent: Consent | None

    class TermsChanged(Event):
        """The operator serves this order by other terms now; `before_mark`: they came before it was due."""

        TOPIC = "order.terms-changed.v1"
        terms: Terms
        before_mark: bool

    class OutageRegarded(Event):
        """Registration is due sooner because of an outage; `in_passing`: seen with another command."""

        TOPIC = "order.outage-regarded.v1"
        outage: Outage
        in_passing: bool

    class OutageDisregarded(Event):
        """An outage that was regarded was withdrawn."""

        TOPIC = "order.outage-disregarded.v1"
        outage_id: UUID

    class OrderHeld(Event):
        """The customer must be asked first; `because_of` is the other order, where there is one."""

        TOPIC = "order.held.v2"
        reason: str
        because_of: UUID | None

    class HoldReleased(Event):
        """What the order was held for is none any more."""

        TOPIC = "order.hold-released.v1"

    class TwinAccepted(Event):
        """A second order for the same vehicle and period is meant."""

        TOPIC = "order.twin-accepted.v1"
        twin: UUID

    class RegistrationStarted(Event):
        """The fence: from here on nothing is corrected or refunded, and the authority may be asked."""

        TOPIC = "order.registration-started.v1"
        rule: str
        due_at: datetime
        generation: int
        consent: Consent | None

    class PersonCalled(Event):
        """The authority has not answered as it should: somebody must act before `act_by`."""

        TOPIC = "order.person-called.v1"
        why: str
        act_by: datetime
        generation: int

    class VignetteIssued(Event):
        """The authority has registered the vehicle."""

        TOPIC = "order.vignette-issued.v1"
        vignette: Vignette

    class ValidityChanged(Event):
        """The authority has changed when the vignette holds."""

        TOPIC = "order.validity-changed.v1"
        valid_from: datetime
        valid_until: datetime

    class RegistrationRejected(Event):
        """The authority has refused; `reason` is in its own words, `code` in ours."""

        TOPIC = "order.registration-rejected.v3"
        code: str
        reason: VehicleText

    class OrderWithdrawn(Event):
        """The customer has withdrawn from the contract, under this name."""

        TOPIC = "order.withdrawn.v1"
        name: ContactText

    class RefundRequested(Event):
        """All that counts for the order is to go back."""

        TOPIC = "order.refund-requested.v2"
        amount: Money
        reason: ContactText

    class OrderRefunded(Event):
        """The refund has left for the payer."""

        TOPIC = "order.refunded.v1"
        refund_id: str
        amount: Money

    class OrderExpired(Event):
        """Nobody paid in time."""

        TOPIC = "order.expired.v1"

    class PersonalDataErased(Event):
        """The keys of these classes were destroyed; what they sealed is gone wherever it was."""

        TOPIC = "order.personal-data-erased.v1"
        classes: tuple[DataClass, ...]
