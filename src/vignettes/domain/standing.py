"""Where an order stands: the questions that its state answers."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from vignettes.domain import schedule
from vignettes.domain.account import Account
from vignettes.domain.catalogue import Price
from vignettes.domain.details import Details, Status, Vignette
from vignettes.domain.money import Money, zero
from vignettes.domain.outages import Outage
from vignettes.domain.schedule import Deadline, Terms

TIME_TO_ANSWER = timedelta(days=1)
"""How long a customer has at least to answer a rejection (case 49)."""


class Standing:
    """What follows from the state of an order; the Order itself assigns that state, and nothing else does."""

    terms: Terms
    details: Details
    price: Price
    account: Account
    paid_at: datetime | None
    wished: bool
    hold: str | None
    twin_accepted: bool
    held_because_of: UUID | None
    outages: Mapping[UUID, Outage]
    generation_began_at: datetime | None
    promised_since: datetime | None
    started_at: datetime | None
    started_rule: str | None
    rejected: bool
    vignette: Vignette | None
    refund: Money | None
    refunded: bool
    withdrawn_at: datetime | None
    expired: bool

    @property
    def outstanding(self) -> Money:
        """What is still to be paid; nothing once the order has ended."""
        rest = (self.price.total - self.account.credited).positive()
        return rest if self.is_open else zero(rest.currency)

    @property
    def owed(self) -> Money:
        """What is owed to us: money was taken back after the start, or after it had gone back (28, 29)."""
        counts = self.price.total if self.started_at else zero(self.price.total.currency)
        if self.refund is not None:
            counts = self.refund
        return (counts - self.account.credited).positive()

    @property
    def is_paid(self) -> bool:
        return not self.account.credited < self.price.total

    @property
    def is_open(self) -> bool:
        """Neither on its way back to the payer, nor expired, nor withdrawn from."""
        return self.refund is None and not self.expired and self.withdrawn_at is None

    @property
    def can_be_corrected(self) -> bool:
        """What will be registered can still be changed (promise 7)."""
        return self.is_open and not self.started_at

    @property
    def can_be_refunded(self) -> bool:
        """Money is here that can still be asked back (promise 10)."""
        return self.is_open and not self.started_at and self.account.credited.amount > 0

    @property
    def has_ended(self) -> bool:
        """Nothing is owed any more by anybody, neither a vignette nor money (case 55)."""
        over = self.status in {Status.ISSUED, Status.REFUNDED, Status.EXPIRED}
        return over and not self.account.surplus_open and not self.owed

    @property
    def status(self) -> Status:
        """The first that holds: what ended it, what is under way, what it waits for."""
        if self.vignette:
            return Status.ISSUED
        if self.refund is not None:
            return Status.REFUNDED if self.refunded else Status.REFUND_PENDING
        if self.expired or self.withdrawn_at:
            return Status.EXPIRED
        if self.started_at:
            return Status.REGISTERING
        if self.rejected:
            return Status.ACTION_NEEDED
        if self.is_paid:
            return Status.ON_HOLD if self.hold else Status.SCHEDULED
        return Status.PARTIALLY_PAID if self.account.credited.amount > 0 else Status.AWAITING_PAYMENT

    @property
    def answer_by(self) -> datetime | None:
        """Until when a rejected customer can answer before the money goes back: the start, and a day at least (49)."""
        if self.status is not Status.ACTION_NEEDED or self.generation_began_at is None:
            return None
        begins = schedule.validity(self.details.bought, self.details.start).starts_at
        return max(begins, self.generation_began_at + TIME_TO_ANSWER)

    @property
    def deadline(self) -> Deadline | None:
        """When registration must start, and by which rule; None unless the order waits for just that."""
        return self.deadline_under(self.terms)

    def deadline_under(self, terms: Terms) -> Deadline | None:
        """When it would have to start by other terms than its own."""
        since = self.generation_began_at
        if self.status is not Status.SCHEDULED or self.paid_at is None or since is None:
            return None
        return self.details.deadline(
            self.paid_at,
            terms,
            wished=self.starts_at_once,
            not_before=since,
            outages=self.outages.values(),
        )

    @property
    def starts_at_once(self) -> bool:
        """The customer wished it so, or it was tried already and rejected (49)."""
        return self.wished or self.started_rule is not None
