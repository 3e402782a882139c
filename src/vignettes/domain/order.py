"""The Order: a driver's wish for one vignette, from placing to issue or refund."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

from eventsourcing.domain import Aggregate, event

from vignettes.domain import errors, schedule
from vignettes.domain.account import Account
from vignettes.domain.catalogue import Price
from vignettes.domain.details import Consent, Consents, Details, Payment, Status, Vignette
from vignettes.domain.folding import Beginning, Evolving
from vignettes.domain.money import Money
from vignettes.domain.personal import ContactText, DataClass, VehicleText
from vignettes.domain.schedule import Terms
from vignettes.domain.standing import Standing


class Order(Standing, Aggregate, created_event_name="OrderPlaced"):
    """A driver's wish for one vignette, from placing to issue or refund."""

    TOPIC = "order"

    # ------------------------------------------------------------------ events

    class Event(Evolving):
        """Something that happened to one order."""

    class Created(Beginning):
        """What OrderPlaced is made of; never recorded itself (the library wants a topic for each class)."""

        TOPIC = "order.created"

    class OrderPlaced(Created, Event):
        TOPIC = "order.placed.v2"
        number: str
        details: Details
        price: Price
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

    class DetailsCorrected(Event):
        TOPIC = "order.details-corrected.v2"
        details: Details
        price: Price

    class EmailCorrected(Event):
        TOPIC = "order.email-corrected.v2"
        email: ContactText

    class StartWished(Event):
        TOPIC = "order.start-wished.v1"
        consent: Consent | None

    class OrderHeld(Event):
        TOPIC = "order.held.v1"
        reason: str

    class HoldReleased(Event):
        TOPIC = "order.hold-released.v1"

    class RegistrationStarted(Event):
        TOPIC = "order.registration-started.v1"
        rule: str
        due_at: datetime
        generation: int
        consent: Consent | None

    class VignetteIssued(Event):
        TOPIC = "order.vignette-issued.v1"
        vignette: Vignette

    class RegistrationRejected(Event):
        TOPIC = "order.registration-rejected.v2"
        reason: VehicleText

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

    # ------------------------------------------------------------------- state

    def __init__(  # the library passes the fields of OrderPlaced one by one
        self,
        number: str,
        details: Details,
        price: Price,
        email: str | None,
        language: str,
        consents: Consents,
    ) -> None:
        """Evolve from OrderPlaced, the only event that finds no order before it."""
        self.number = number
        self.details = details
        self.price = price
        self.email = email
        self.language = language
        self.consents = consents
        self.previous_email: str | None = None
        self.link_generation = 1
        self.account = Account.empty(price.total.currency)
        self.paid_at: datetime | None = None
        self.wished = False
        self.hold: str | None = None
        self.generation = 0
        self.generation_began_at: datetime | None = None
        self.started_at: datetime | None = None
        self.started_rule: str | None = None
        self.rejected = False
        self.rejection: str | None = None
        self.vignette: Vignette | None = None
        self.refund: Money | None = None
        self.refunded = False
        self.expired = False
        self.erased: frozenset[DataClass] = frozenset()

    # --------------------------------------------------------------- decisions

    @classmethod
    def place(  # noqa: PLR0913  # an order begins with all of it
        cls,
        order_id: UUID,
        *,
        number: str,
        details: Details,
        email: str,
        language: str,
        consents: Sequence[Consent] = (),
        at: datetime,
    ) -> Self:
        """Take an order down at today's price. Refused for a start that can't be kept (cases 11, 13)."""
        details.check_start(at)
        return cls._create(
            cls.OrderPlaced,
            id=order_id,
            timestamp=at,
            number=number,
            details=details,
            price=details.price_at(at),
            email=email,
            language=language,
            consents=tuple(consents),
        )

    def receive_payment(self, payment: Payment, at: datetime) -> None:
        """Count money once per payment_id (17); what is over is kept for a refund (20, 22, 26)."""
        if self.account.knows(payment):
            return
        reason = "overpaid" if self.outstanding else "not_awaited"
        over = (payment.amount - self.outstanding).positive()  # also refuses another currency (24)
        if not payment.booked:
            self.trigger_event(self.PaymentNoticed, timestamp=at, payment=payment)
            return
        self.trigger_event(self.PaymentReceived, timestamp=at, payment=payment)
        if over:
            self.trigger_event(self.SurplusSetAside, timestamp=at, amount=over, reason=reason)
        self._hold_or_release(at)

    def correct_details(self, details: Details, at: datetime) -> None:
        """Change what will be registered. Refused once registration has started (promise 7, case 40)."""
        if self.started_at:
            raise errors.RegistrationAlreadyStarted(self.details.bought.still_possible)
        if not self.is_open:
            raise errors.OrderClosed
        if details == self.details:
            return
        details.check_start(at, before=self.details)
        price = details.price_in_place_of(self.details, self.price, at)
        self.account.check_currency_of(price)
        self.trigger_event(self.DetailsCorrected, timestamp=at, details=details, price=price)
        if over := (self.account.credited - price.total).positive():
            self.trigger_event(self.SurplusSetAside, timestamp=at, amount=over, reason="cheaper_product")
        self._hold_or_release(at)

    def correct_email(self, email: str, at: datetime) -> None:
        """Change where mails go; possible at any time (promise 8). The management link is renewed by it."""
        if DataClass.CONTACT in self.erased:
            raise errors.OrderClosed("The personal data of it was erased: nobody is written to any more.")
        if email != self.email:
            self.trigger_event(self.EmailCorrected, timestamp=at, email=email)

    def start_at_once(self, consent: Consent | None, at: datetime) -> None:
        """Start for the customer (promise 3): a wish before payment (36), nothing the second time (35)."""
        if self.started_at:
            return
        if not self.is_open:
            raise errors.OrderClosed
        if self.is_paid:
            self.details.check_registrable(at)
            self._start(str(schedule.Rule.AT_ONCE), at, consent, at)
        elif not self.wished or (consent and consent not in self.consents):
            self.trigger_event(self.StartWished, timestamp=at, consent=consent)

    def start_when_due(self, generation: int, terms: Terms, at: datetime) -> None:
        """Start by a trigger. One that is old, early or repeated changes nothing (cases 16, 38, 53)."""
        deadline = self.deadline(terms)
        if generation != self.generation or deadline is None or at < deadline.due_at:
            return
        if self.details.is_over(at):  # our own outage outlasted it: there is nothing left to register
            self.trigger_event(self.OrderHeld, timestamp=at, reason="start_passed")
        else:
            self._start(str(deadline.rule), deadline.due_at, None, at)

    def record_issue(self, vignette: Vignette, generation: int, at: datetime) -> None:
        """Keep the authority's confirmation of this start, once (case 46)."""
        if not self.started_at or generation != self.generation:
            raise errors.OrderClosed("That registration of it is not under way.")
        if self.vignette is None:
            self.trigger_event(self.VignetteIssued, timestamp=at, vignette=vignette)
        elif self.vignette.number != vignette.number:
            raise errors.OrderClosed(f"Vignette {self.vignette.number} was issued for it already.")

    def record_rejection(self, reason: str, generation: int, at: datetime) -> None:
        """Keep the authority's refusal of this start; the customer must act (case 49)."""
        if self.vignette:
            raise errors.OrderClosed("A vignette was issued for it already.")
        if self.started_at and generation == self.generation:
            self.trigger_event(self.RegistrationRejected, timestamp=at, reason=reason)

    def request_refund(self, reason: str, at: datetime) -> None:
        """Give the money back before the service is provided (promise 10); never both (cases 29, 41)."""
        if self.started_at:
            raise errors.NotRefundable
        if self.refund is not None:
            return
        if not self.account.credited:
            raise errors.NotPaid
        self.trigger_event(self.RefundRequested, timestamp=at, amount=self.account.credited, reason=reason)

    def confirm_refund(self, refund_id: str, amount: Money, at: datetime) -> None:
        """Keep, once per refund_id, that money left for the payer: the requested refund, or surplus."""
        if self.account.has_paid_out(refund_id, amount):
            return
        if amount == self.refund and not self.refunded:
            self.trigger_event(self.OrderRefunded, timestamp=at, refund_id=refund_id, amount=amount)
        elif amount.amount > 0 and not self.account.surplus_open < amount:
            self.trigger_event(self.SurplusReturned, timestamp=at, refund_id=refund_id, amount=amount)
        else:
            raise errors.NotRefundable("No refund of this amount is open.", field="amount")

    def expire(self, terms: Terms, at: datetime) -> None:
        """End an order that nobody paid in time; money that came in part goes back."""
        if self.is_open and not self.is_paid and at >= self.details.unpaid_until(terms):
            self.trigger_event(self.OrderExpired, timestamp=at)
            if self.account.credited:
                self.request_refund("expired", at)

    def erase(self, classes: Collection[DataClass], at: datetime) -> None:
        """Let go of who ordered, or for which vehicle. Refused while the order is under way (case 55)."""
        if not self.has_ended:
            raise errors.OrderUnderWay
        if left := tuple(sorted(set(classes) - self.erased)):
            self.trigger_event(self.PersonalDataErased, timestamp=at, classes=left)

    def _hold_or_release(self, at: datetime) -> None:
        """Ask the customer rather than register a day that has passed (cases 3, 4)."""
        reason = self.details.hold_reason(at)
        if self.hold and not reason:
            self.trigger_event(self.HoldReleased, timestamp=at)
        elif reason and self.status is Status.SCHEDULED:
            self.trigger_event(self.OrderHeld, timestamp=at, reason=reason)

    def _start(self, rule: str, due_at: datetime, consent: Consent | None, at: datetime) -> None:
        what = {"rule": rule, "due_at": due_at, "generation": self.generation, "consent": consent}
        self.trigger_event(self.RegistrationStarted, timestamp=at, **what)

    # --------------------------------------------------------------- evolution

    @event(PaymentReceived)
    def _payment_received(self, timestamp: datetime, payment: Payment) -> None:
        self.account = self.account.with_payment(payment)
        if self.is_open and self.is_paid and self.paid_at is None:
            self.paid_at = payment.received_at
            self._begin_generation(timestamp)

    @event(PaymentNoticed)
    def _payment_noticed(self, payment: Payment) -> None:
        self.account = self.account.with_payment(payment)

    @event(SurplusSetAside)
    def _surplus_set_aside(self, amount: Money) -> None:
        self.account = self.account.with_surplus(amount)

    @event(SurplusReturned)
    def _surplus_returned(self, refund_id: str, amount: Money) -> None:
        self.account = self.account.with_surplus_returned(refund_id, amount)

    @event(DetailsCorrected)
    def _details_corrected(self, timestamp: datetime, details: Details, price: Price) -> None:
        self.details = details
        self.price = price
        self.account = self.account.in_currency_of(price)
        # A cheaper product may be paid by what came in part; a dearer one waits for the rest (case 39).
        self.paid_at = (self.paid_at or timestamp) if self.is_paid else None
        self._no_longer_rejected()
        self._begin_generation(timestamp)

    @event(EmailCorrected)
    def _email_corrected(self, email: str | None) -> None:
        self.previous_email, self.email = self.email, email
        self.link_generation += 1

    @event(StartWished)
    def _start_wished(self, consent: Consent | None) -> None:
        self.wished = True
        self.consents = (*self.consents, consent) if consent else self.consents

    @event(OrderHeld)
    def _order_held(self, reason: str) -> None:
        self.hold = reason

    @event(HoldReleased)
    def _hold_released(self, timestamp: datetime) -> None:
        self.hold = None
        self._begin_generation(timestamp)

    @event(RegistrationStarted)
    def _registration_started(self, timestamp: datetime, rule: str, consent: Consent | None) -> None:
        self.started_at = timestamp
        self.started_rule = rule
        self._no_longer_rejected()
        self.consents = (*self.consents, consent) if consent else self.consents

    @event(VignetteIssued)
    def _vignette_issued(self, vignette: Vignette) -> None:
        self.vignette = vignette

    @event(RegistrationRejected)
    def _registration_rejected(self, timestamp: datetime, reason: str | None) -> None:
        self.rejected, self.rejection = True, reason
        self.started_at = None
        self._begin_generation(timestamp)

    @event(RefundRequested)
    def _refund_requested(self, amount: Money) -> None:
        self.refund = amount

    @event(OrderRefunded)
    def _order_refunded(self, refund_id: str, amount: Money) -> None:
        self.account = self.account.with_payout(refund_id, amount)
        self.refunded = True

    @event(OrderExpired)
    def _order_expired(self) -> None:
        self.expired = True

    @event(PersonalDataErased)
    def _personal_data_erased(self, classes: tuple[DataClass, ...]) -> None:
        self.erased |= set(classes)
        if DataClass.CONTACT in classes:
            self.email = self.previous_email = None
        if DataClass.VEHICLE in classes:
            self.details = self.details.without_plate()
            self.rejection = None

    def _no_longer_rejected(self) -> None:
        self.rejected, self.rejection = False, None

    def _begin_generation(self, timestamp: datetime) -> None:
        self.generation += 1
        self.generation_began_at = timestamp
