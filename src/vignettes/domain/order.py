"""The Order: a driver's wish for one vignette, from placing to issue or refund."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from eventsourcing.domain import Aggregate, event

from vignettes.domain import errors, schedule
from vignettes.domain.account import Account, Payout
from vignettes.domain.catalogue import Price
from vignettes.domain.corresponding import MOST_LINKS, PERMANENT, TO_OLD_ADDRESS, Corresponding
from vignettes.domain.details import Consent, Consents, Details, Payment, Status, Vignette
from vignettes.domain.events import OrderEvents
from vignettes.domain.money import Money
from vignettes.domain.outages import Outage
from vignettes.domain.personal import DataClass
from vignettes.domain.registering import Registering
from vignettes.domain.schedule import Terms

WITHDRAWAL = timedelta(days=14)
"""How long after the order a customer can withdraw (2011/83/EU, Art. 9): to start before needs an express request."""

USUAL = Terms()
"""What an order is served by unless the operator says otherwise."""


class Order(Corresponding, Registering, Aggregate, created_event_name="OrderPlaced"):
    """A driver's wish for one vignette, from placing to issue or refund."""

    TOPIC = "order"

    # ------------------------------------------------------------------ events

    # All of them are in events.py; the library looks for these in the class itself.
    Event = OrderEvents.Event
    Created = OrderEvents.Created
    OrderPlaced = OrderEvents.OrderPlaced

    # ------------------------------------------------------------------- state

    def __init__(  # noqa: PLR0913, PLR0917  # the library passes the fields of OrderPlaced one by one
        self,
        number: str,
        details: Details,
        price: Price,
        terms: Terms,
        email: str | None,
        language: str,
        consents: Consents,
    ) -> None:
        """Evolve from OrderPlaced, the only event that finds no order before it."""
        self.number = number
        self.details = details
        self.price = price
        self.terms = terms
        self.email = email
        self.language = language
        self.consents = consents
        self.previous_email: str | None = None
        self.email_since = 1
        self.email_fails = False
        self.returned: frozenset[tuple[int, str]] = frozenset()
        self.link_generation = 1
        self.links_sent: tuple[datetime, ...] = ()
        self.openings_told: tuple[datetime, ...] = ()
        self.account = Account.empty(price.total.currency)
        self.paid_at: datetime | None = None
        self.wished = False
        self.hold: str | None = None
        self.held_because_of: UUID | None = None
        self.twin_accepted = False
        self.outages: Mapping[UUID, Outage] = {}
        self.generation = 0
        self.generation_began_at: datetime | None = None
        self.promised_since: datetime | None = None
        self.started_at: datetime | None = None
        self.started_rule: str | None = None
        self.rejected = False
        self.rejection_code: str | None = None
        self.rejection: str | None = None
        self.person_called_at: datetime | None = None
        self.act_by: datetime | None = None
        self.vignette: Vignette | None = None
        self.issued_at: datetime | None = None
        self.withdrawn_at: datetime | None = None
        self.withdrawn_by: str | None = None
        self.refund: Money | None = None
        self.refunded = False
        self.refunded_by: str | None = None
        self.payouts: Mapping[str, Payout] = {}
        self.payouts_made = 0
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
        terms: Terms = USUAL,
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
            terms=terms,
            email=email,
            language=language,
            consents=tuple(consents),
        )

    def correct_details(self, details: Details, at: datetime, outages: Iterable[Outage] = ()) -> None:
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
        if self.account.credited and not self.account.credited < price.total:
            self._regard(outages, details, self.paid_at or at, at)
        self.trigger_event(self.DetailsCorrected, timestamp=at, details=details, price=price)
        if over := (self.account.credited - price.total).positive():
            self.trigger_event(self.SurplusSetAside, timestamp=at, amount=over, reason="cheaper_product")
        self._hold_or_release(at)

    def start_at_once(self, consent: Consent | None, at: datetime, *, consent_needed: bool = False) -> None:
        """Start for the customer (promise 3): a wish before payment (36), nothing the second time (35).

        `consent_needed`: refuse it within the time of withdrawal unless the customer asked for it expressly.
        """
        if self.started_at:
            return
        if not self.is_open:
            raise errors.OrderClosed
        if consent_needed and not consent and not self.consents and at < self.created_on + WITHDRAWAL:
            raise errors.ConsentNeeded(field="consent")
        if self.is_paid:
            if self.hold:
                raise errors.OnHold
            self.details.check_registrable(at)
            self._start(str(schedule.Rule.AT_ONCE), at, consent, at)
        elif not self.wished or (consent and consent not in self.consents):
            self.trigger_event(self.StartWished, timestamp=at, consent=consent)

    def start_when_due(self, generation: int, at: datetime) -> None:
        """Start by a trigger. One that is old, early or repeated changes nothing (cases 16, 38, 53)."""
        deadline = self.deadline
        if generation != self.generation or deadline is None or at < deadline.due_at:
            return
        if self.details.is_over(at):  # our own outage outlasted it: there is nothing left to register
            self._hold("start_passed", at)
        else:
            self._start(str(deadline.rule), deadline.due_at, None, at)

    def erase(self, classes: Collection[DataClass], at: datetime) -> None:
        """Let go of who ordered, or for which vehicle. Refused while the order is under way (case 55)."""
        if not self.has_ended:
            raise errors.OrderUnderWay
        if left := tuple(sorted(set(classes) - self.erased)):
            self.trigger_event(self.PersonalDataErased, timestamp=at, classes=left)

    def _start(self, rule: str, due_at: datetime, consent: Consent | None, at: datetime) -> None:
        what = {"rule": rule, "due_at": due_at, "generation": self.generation, "consent": consent}
        self.trigger_event(self.RegistrationStarted, timestamp=at, **what)

    # --------------------------------------------------------------- evolution

    @event(OrderEvents.PaymentReceived)
    def _payment_received(self, timestamp: datetime, payment: Payment) -> None:
        self.account = self.account.with_payment(payment)
        if self.is_open and self.is_paid and self.paid_at is None:
            self.paid_at = payment.received_at
            self._begin_generation(timestamp)

    @event(OrderEvents.PaymentNoticed)
    def _payment_noticed(self, payment: Payment) -> None:
        self.account = self.account.with_payment(payment)

    @event(OrderEvents.SurplusSetAside)
    def _surplus_set_aside(self, amount: Money) -> None:
        self.account = self.account.with_surplus(amount)

    @event(OrderEvents.SurplusReturned)
    def _surplus_returned(self, refund_id: str, amount: Money) -> None:
        self.account = self.account.with_surplus_returned(refund_id, amount)
        self._close_payout(refund_id)

    @event(OrderEvents.PaymentReversed)
    def _payment_reversed(self, payment_id: str, amount: Money, surplus: Money, refund: Money | None) -> None:
        self._let_go(payment_id, amount, surplus, refund)

    @event(OrderEvents.PaymentTakenBack)
    def _payment_taken_back(self, payment_id: str, amount: Money, surplus: Money) -> None:
        self._let_go(payment_id, amount, surplus, self.refund)

    @event(OrderEvents.PayoutApproved)
    def _payout_approved(self, payout: Payout) -> None:
        self.payouts = {**self.payouts, payout.payout_id: payout}
        self.payouts_made += 1

    @event(OrderEvents.PayoutOrdered)
    def _payout_ordered(self, payout_id: str, file_id: str) -> None:
        self.payouts = {**self.payouts, payout_id: replace(self.payouts[payout_id], file_id=file_id)}

    @event(OrderEvents.PayoutFailed)
    def _payout_failed(self, payout_id: str, surplus: Money, refund: Money | None) -> None:
        of_refund = payout_id == self.refunded_by
        self.account = self.account.without_payout(payout_id, surplus, of_surplus=not of_refund)
        if of_refund:
            self.refunded, self.refunded_by = False, None
        self.refund = refund
        self._close_payout(payout_id)
        self._refund_is(refund)

    @event(OrderEvents.DetailsCorrected)
    def _details_corrected(self, timestamp: datetime, details: Details, price: Price) -> None:
        self.details = details
        self.price = price
        self.twin_accepted = False
        self.account = self.account.in_currency_of(price)
        # A cheaper product may be paid by what came in part; a dearer one waits for the rest (case 39).
        self.paid_at = (self.paid_at or timestamp) if self.is_paid else None
        self._no_longer_rejected()
        self._begin_generation(timestamp)

    @event(OrderEvents.EmailCorrected)
    def _email_corrected(self, email: str | None) -> None:
        self.previous_email, self.email = self.email, email
        self.email_since, self.email_fails = self.version + 1, False
        self.link_generation += 1

    @event(OrderEvents.LinkRequested)
    def _link_requested(self, timestamp: datetime, by_reference: bool) -> None:
        if by_reference:
            self.openings_told = (*self.openings_told, timestamp)[-MOST_LINKS:]
        else:
            self.links_sent = (*self.links_sent, timestamp)[-MOST_LINKS:]

    @event(OrderEvents.MailReturned)
    def _mail_returned(self, mail_version: int, mail_kind: str, why: str) -> None:
        self.returned |= {(mail_version, mail_kind)}
        to_this_address = mail_version >= self.email_since and mail_kind != TO_OLD_ADDRESS
        self.email_fails = self.email_fails or (why == PERMANENT and to_this_address)

    @event(OrderEvents.StartWished)
    def _start_wished(self, consent: Consent | None) -> None:
        self.wished = True
        self.consents = (*self.consents, consent) if consent else self.consents

    @event(OrderEvents.TermsChanged)
    def _terms_changed(self, timestamp: datetime, terms: Terms, before_mark: bool) -> None:
        self.terms = terms
        self.promised_since = timestamp if before_mark else self.promised_since
        self._plan_anew(timestamp)

    @event(OrderEvents.OutageRegarded)
    def _outage_regarded(self, timestamp: datetime, outage: Outage, in_passing: bool) -> None:
        self.outages = {**self.outages, outage.id: outage}
        if not in_passing:  # else the event that follows makes the plan
            self._plan_anew(timestamp)

    @event(OrderEvents.OutageDisregarded)
    def _outage_disregarded(self, timestamp: datetime, outage_id: UUID) -> None:
        self.outages = {known: outage for known, outage in self.outages.items() if known != outage_id}
        self._plan_anew(timestamp)

    @event(OrderEvents.OrderHeld)
    def _order_held(self, reason: str, because_of: UUID | None) -> None:
        self.hold = reason
        self.held_because_of = because_of

    @event(OrderEvents.HoldReleased)
    def _hold_released(self, timestamp: datetime) -> None:
        self.hold = self.held_because_of = None
        self._begin_generation(timestamp)

    @event(OrderEvents.TwinAccepted)
    def _twin_accepted(self, timestamp: datetime) -> None:
        self.twin_accepted = True
        self.hold = self.held_because_of = None
        self._begin_generation(timestamp)

    @event(OrderEvents.RegistrationStarted)
    def _registration_started(self, timestamp: datetime, rule: str, consent: Consent | None) -> None:
        self.started_at = timestamp
        self.started_rule = rule
        self.person_called_at = self.act_by = None
        self._no_longer_rejected()
        self.consents = (*self.consents, consent) if consent else self.consents

    @event(OrderEvents.VignetteIssued)
    def _vignette_issued(self, timestamp: datetime, vignette: Vignette) -> None:
        self.vignette, self.issued_at = vignette, timestamp

    @event(OrderEvents.ValidityChanged)
    def _validity_changed(self, valid_from: datetime, valid_until: datetime) -> None:
        if self.vignette:
            self.vignette = replace(self.vignette, valid_from=valid_from, valid_until=valid_until)

    @event(OrderEvents.PersonCalled)
    def _person_called(self, timestamp: datetime, act_by: datetime) -> None:
        self.person_called_at, self.act_by = timestamp, act_by

    @event(OrderEvents.RegistrationRejected)
    def _registration_rejected(self, timestamp: datetime, code: str, reason: str | None) -> None:
        self.rejected, self.rejection_code, self.rejection = True, code, reason
        self.started_at = None
        self._begin_generation(timestamp)

    @event(OrderEvents.OrderWithdrawn)
    def _order_withdrawn(self, timestamp: datetime, name: str | None) -> None:
        self.withdrawn_at, self.withdrawn_by = timestamp, name

    @event(OrderEvents.RefundRequested)
    def _refund_requested(self, amount: Money) -> None:
        self.refund = amount

    @event(OrderEvents.OrderRefunded)
    def _order_refunded(self, refund_id: str, amount: Money) -> None:
        self.account = self.account.with_payout(refund_id, amount)
        self.refunded, self.refunded_by = True, refund_id
        self._close_payout(refund_id)

    @event(OrderEvents.OrderExpired)
    def _order_expired(self) -> None:
        self.expired = True

    @event(OrderEvents.PersonalDataErased)
    def _personal_data_erased(self, classes: tuple[DataClass, ...]) -> None:
        self.erased |= set(classes)
        if DataClass.CONTACT in classes:
            self.email = self.previous_email = self.withdrawn_by = None
        if DataClass.VEHICLE in classes:
            self.details = self.details.without_plate()
            self.rejection = None
            if self.vignette:
                self.vignette = replace(self.vignette, authorisation_code=None)

    def _let_go(self, payment_id: str, amount: Money, surplus: Money, refund: Money | None) -> None:
        self.account = self.account.without_payment(payment_id, amount, surplus)
        self._refund_is(refund)
        if self.is_open and not self.is_paid and not self.started_at:
            self.paid_at = None

    def _refund_is(self, refund: Money | None) -> None:
        """Stand with this refund. One of nothing is over: the bank has given it all back by itself (29)."""
        self.refund = refund
        self.refunded = self.refunded or (refund is not None and not refund)
        self.payouts = self._covered(self.payouts)

    def _close_payout(self, payout_id: str) -> None:
        open_ = {each: payout for each, payout in self.payouts.items() if each != payout_id}
        self.payouts = self._covered(open_)

    def _no_longer_rejected(self) -> None:
        self.rejected, self.rejection_code, self.rejection = False, None, None

    def _plan_anew(self, timestamp: datetime) -> None:
        """Make triggers of the plan before harmless, and not promise 2 anew; without a plan keep the generation."""
        if self.status is Status.SCHEDULED:
            self.generation += 1
            self.generation_began_at = timestamp

    def _begin_generation(self, timestamp: datetime) -> None:
        self.generation += 1
        self.generation_began_at = self.promised_since = timestamp
