"""The Order: a driver's wish for one vignette, from placing to issue or refund."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Self
from uuid import UUID

from eventsourcing.domain import Aggregate, event

from vignettes.domain import errors, schedule
from vignettes.domain.catalogue import Price
from vignettes.domain.details import Consent, Details, Payment, Status, Vignette
from vignettes.domain.money import Money, zero
from vignettes.domain.schedule import Deadline, Terms


Consents = tuple[Consent, ...]


class Order(Aggregate, created_event_name="OrderPlaced"):
    """A driver's wish for one vignette, from placing to issue or refund."""

    TOPIC = "order"

    # ------------------------------------------------------------------ events

    class Event(Aggregate.Event):
        """Something that happened to one order."""

    class Created(Aggregate.Created):
        """What OrderPlaced is made of; never recorded itself (the library wants a topic for each class)."""

        TOPIC = "order.created"

    class OrderPlaced(Created, Event):
        TOPIC = "order.placed.v1"
        number: str
        details: Details
        price: Price
        email: str
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
        TOPIC = "order.details-corrected.v1"
        details: Details
        price: Price

    class EmailCorrected(Event):
        TOPIC = "order.email-corrected.v1"
        email: str

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
        TOPIC = "order.registration-rejected.v1"
        reason: str

    class RefundRequested(Event):
        TOPIC = "order.refund-requested.v1"
        amount: Money
        reason: str

    class OrderRefunded(Event):
        TOPIC = "order.refunded.v1"
        refund_id: str
        amount: Money

    class OrderExpired(Event):
        TOPIC = "order.expired.v1"

    # ------------------------------------------------------------------- state

    def __init__(  # noqa: PLR0913, PLR0917  # the library passes the fields of OrderPlaced one by one
        self, number: str, details: Details, price: Price, email: str, language: str, consents: Consents
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
        self.payments: dict[str, Payment] = {}
        self.payouts: dict[str, Money] = {}
        self.received = self.surplus = self.surplus_returned = zero(price.total.currency)
        self.paid_at: datetime | None = None
        self.wished = False
        self.hold: str | None = None
        self.generation = 0
        self.generation_began_at: datetime | None = None
        self.started_at: datetime | None = None
        self.started_rule: str | None = None
        self.rejection: str | None = None
        self.vignette: Vignette | None = None
        self.refund: Money | None = None
        self.refunded = False
        self.expired = False

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
        if self._knows(payment):
            return
        outstanding = self.outstanding
        over = (payment.amount - outstanding).positive()  # also refuses another currency (24)
        if not payment.booked:
            self.trigger_event(self.PaymentNoticed, timestamp=at, payment=payment)
            return
        self.trigger_event(self.PaymentReceived, timestamp=at, payment=payment)
        if over:
            reason = "overpaid" if outstanding else "not_awaited"
            self.trigger_event(self.SurplusSetAside, timestamp=at, amount=over, reason=reason)
        self._hold_if_too_late(at)

    def correct_details(self, details: Details, at: datetime) -> None:
        """Change what will be registered. Refused once registration has started (promise 7, case 40)."""
        if self.started_at:
            raise errors.RegistrationAlreadyStarted
        self._refuse_when_closed()
        if details == self.details:
            return
        if (details.product, details.start) != (self.details.product, self.details.start):
            details.check_start(at)
        price = self._price_for(details, at)
        self.trigger_event(self.DetailsCorrected, timestamp=at, details=details, price=price)
        if over := (self.credited - price.total).positive():
            self.trigger_event(self.SurplusSetAside, timestamp=at, amount=over, reason="cheaper_product")
        if self.hold and not details.hold_reason(at):
            self.trigger_event(self.HoldReleased, timestamp=at)
        self._hold_if_too_late(at)

    def correct_email(self, email: str, at: datetime) -> None:
        """Change where mails go; possible at any time (promise 8). The management link is renewed by it."""
        if email != self.email:
            self.trigger_event(self.EmailCorrected, timestamp=at, email=email)

    def start_at_once(self, consent: Consent | None, at: datetime) -> None:
        """Start for the customer (promise 3): a wish before payment (36), nothing new the second time (35)."""
        if self.started_at:
            return
        self._refuse_when_closed()
        if self.is_paid:
            self._refuse_when_not_yet_or_no_more(at)
            self._start(str(schedule.Rule.AT_ONCE), at, consent, at)
        elif not self.wished:
            self.trigger_event(self.StartWished, timestamp=at, consent=consent)

    def start_when_due(self, generation: int, terms: Terms, at: datetime) -> None:
        """Start by a trigger. One that is old, early or repeated changes nothing (cases 16, 38, 53)."""
        deadline = self.deadline(terms)
        if generation != self.generation or deadline is None or at < deadline.due_at:
            return
        if not self._hold_if_too_late(at):
            self._start(str(deadline.rule), deadline.due_at, None, at)

    def record_issue(self, vignette: Vignette, at: datetime) -> None:
        """Keep the authority's confirmation, once (case 46)."""
        if self.vignette:
            if self.vignette.number != vignette.number:
                raise errors.OrderClosed(f"Vignette {self.vignette.number} was issued for it already.")
            return
        if not self.is_registering:
            raise errors.OrderClosed("Its registration is not under way.")
        self.trigger_event(self.VignetteIssued, timestamp=at, vignette=vignette)

    def record_rejection(self, reason: str, at: datetime) -> None:
        """Keep the authority's refusal; the customer must act (case 49)."""
        if self.vignette:
            raise errors.OrderClosed("A vignette was issued for it already.")
        if self.is_registering:
            self.trigger_event(self.RegistrationRejected, timestamp=at, reason=reason)

    def request_refund(self, reason: str, at: datetime) -> None:
        """Give the money back before the service is provided (promise 10); never both (cases 29, 41)."""
        if self.started_at:
            raise errors.NotRefundable
        if self.refund is not None:
            return
        if not self.credited:
            raise errors.NotPaid
        self.trigger_event(self.RefundRequested, timestamp=at, amount=self.credited, reason=reason)

    def confirm_refund(self, refund_id: str, amount: Money, at: datetime) -> None:
        """Keep, once per refund_id, that money left for the payer: the requested refund, or surplus."""
        if self.payouts.get(refund_id, amount) != amount:
            raise errors.InvalidValue("It stands for another amount already.", field="refund_id")
        if refund_id in self.payouts:
            return
        if amount == self.refund and not self.refunded:
            self.trigger_event(self.OrderRefunded, timestamp=at, refund_id=refund_id, amount=amount)
        elif amount.amount > 0 and not self.surplus_open < amount:
            self.trigger_event(self.SurplusReturned, timestamp=at, refund_id=refund_id, amount=amount)
        else:
            raise errors.NotRefundable("No refund of this amount is open.", field="amount")

    def expire(self, terms: Terms, at: datetime) -> None:
        """End an order that nobody paid in time; money that came in part goes back."""
        if self.is_open and not self.is_paid and at >= self.expires_at(terms):
            self.trigger_event(self.OrderExpired, timestamp=at)
            if self.credited:
                self.trigger_event(self.RefundRequested, timestamp=at, amount=self.credited, reason="expired")

    # --- what decisions share

    def _knows(self, payment: Payment) -> bool:
        """Tell whether it says nothing new; a notice turns into money once, when it is booked (27)."""
        if payment.amount.amount <= 0:
            raise errors.InvalidValue("A payment is above zero.", field="amount.amount")
        known = self.payments.get(payment.payment_id)
        if known and known.amount != payment.amount:
            raise errors.PaymentIdReused(field="payment_id")
        return known is not None and (known.booked or not payment.booked)

    def _refuse_when_closed(self) -> None:
        if not self.is_open:
            raise errors.OrderClosed

    def _refuse_when_not_yet_or_no_more(self, at: datetime) -> None:
        if self.hold or self.details.hold_reason(at):
            raise errors.OrderClosed("It is on hold: choose a new start, or ask for the money back.")
        if opens := self.details.opens_after(at):
            raise errors.TooEarly(f"It can be registered from {opens.isoformat()} on, and will be then.")

    def _price_for(self, details: Details, at: datetime) -> Price:
        """Return the customer's price while the product stays (case 14), today's for another one (39)."""
        if details.product == self.details.product:
            return self.price
        price = details.price_at(at)
        if self.received and price.total.currency != self.received.currency:
            way_out = "It is priced in another currency: ask for the money back and order anew."
            raise errors.InvalidValue(way_out, field="product")
        return price

    def _hold_if_too_late(self, at: datetime) -> bool:
        """Ask the customer rather than register a day that has passed (cases 3, 4)."""
        reason = self.details.hold_reason(at) if self.status is Status.SCHEDULED else None
        if reason:
            self.trigger_event(self.OrderHeld, timestamp=at, reason=reason)
        return reason is not None

    def _start(self, rule: str, due_at: datetime, consent: Consent | None, at: datetime) -> None:
        what = {"rule": rule, "due_at": due_at, "generation": self.generation, "consent": consent}
        self.trigger_event(self.RegistrationStarted, timestamp=at, **what)

    # --------------------------------------------------------------- evolution

    @event(PaymentReceived)
    def _payment_received(self, timestamp: datetime, payment: Payment) -> None:
        self.payments[payment.payment_id] = payment
        self.received += payment.amount
        if self.is_open and self.is_paid and self.paid_at is None:
            self.paid_at = payment.received_at
            self._begin_generation(timestamp)

    @event(PaymentNoticed)
    def _payment_noticed(self, payment: Payment) -> None:
        self.payments[payment.payment_id] = payment

    @event(SurplusSetAside)
    def _surplus_set_aside(self, amount: Money) -> None:
        self.surplus += amount

    @event(SurplusReturned)
    def _surplus_returned(self, refund_id: str, amount: Money) -> None:
        self.payouts[refund_id] = amount
        self.surplus_returned += amount

    @event(DetailsCorrected)
    def _details_corrected(self, timestamp: datetime, details: Details, price: Price) -> None:
        self.details = details
        self.price = price
        if not self.received:
            self.received = self.surplus = self.surplus_returned = zero(price.total.currency)
        # A cheaper product may be paid by what came in part; a dearer one waits for the rest (case 39).
        self.paid_at = (self.paid_at or timestamp) if self.is_paid else None
        self.rejection = None
        self._begin_generation(timestamp)

    @event(EmailCorrected)
    def _email_corrected(self, email: str) -> None:
        self.previous_email = self.email
        self.email = email
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
        self.rejection = None
        self.consents = (*self.consents, consent) if consent else self.consents

    @event(VignetteIssued)
    def _vignette_issued(self, vignette: Vignette) -> None:
        self.vignette = vignette

    @event(RegistrationRejected)
    def _registration_rejected(self, timestamp: datetime, reason: str) -> None:
        self.rejection = reason
        self.started_at = None
        self._begin_generation(timestamp)

    @event(RefundRequested)
    def _refund_requested(self, amount: Money) -> None:
        self.refund = amount

    @event(OrderRefunded)
    def _order_refunded(self, refund_id: str, amount: Money) -> None:
        self.payouts[refund_id] = amount
        self.refunded = True

    @event(OrderExpired)
    def _order_expired(self) -> None:
        self.expired = True

    def _begin_generation(self, timestamp: datetime) -> None:
        self.generation += 1
        self.generation_began_at = timestamp

    # --------------------------------------------------------------- questions

    @property
    def credited(self) -> Money:
        """Money that counts for this order: received, less what was set aside as surplus."""
        return self.received - self.surplus

    @property
    def outstanding(self) -> Money:
        """What is still to be paid; nothing once the order has ended."""
        open_price = self.price.total if self.is_open else self.credited
        return (open_price - self.credited).positive()

    @property
    def surplus_open(self) -> Money:
        """Surplus that has not gone back yet."""
        return self.surplus - self.surplus_returned

    @property
    def is_paid(self) -> bool:
        return not self.credited < self.price.total

    @property
    def is_open(self) -> bool:
        """Neither on its way back to the payer nor expired."""
        return self.refund is None and not self.expired

    @property
    def is_registering(self) -> bool:
        return self.started_at is not None and self.vignette is None

    @property
    def status(self) -> Status:
        """The first that holds: what ended it, what is under way, what it waits for."""
        standing = (
            (Status.ISSUED, self.vignette),
            (Status.REFUNDED, self.refunded),
            (Status.REFUND_PENDING, self.refund is not None),
            (Status.EXPIRED, self.expired),
            (Status.REGISTERING, self.is_registering),
            (Status.ACTION_NEEDED, self.rejection is not None),
            (Status.ON_HOLD, self.is_paid and self.hold),
            (Status.SCHEDULED, self.is_paid),
            (Status.PARTIALLY_PAID, self.credited),
        )
        return next((status for status, holds in standing if holds), Status.AWAITING_PAYMENT)

    def deadline(self, terms: Terms) -> Deadline | None:
        """When registration must start, and by which rule; None unless the order waits for just that.

        Never before its generation began: what a correction made overdue is due at once, and not late.
        """
        if self.status is not Status.SCHEDULED or self.paid_at is None or self.generation_began_at is None:
            return None
        again = self.started_rule is not None  # rejected before: the corrected data are tried at once (49)
        due = schedule.registration_deadline(
            self.details.bought, self.details.start, self.paid_at, terms, wished=self.wished or again
        )
        return replace(due, due_at=max(due.due_at, self.generation_began_at))

    def expires_at(self, terms: Terms) -> datetime:
        """When an order that nobody paid ends."""
        return self.details.unpaid_until(terms)
