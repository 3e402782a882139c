"""What an order is made of: its details, its money, its consents, its vignette, and where it stands."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from vignettes.domain import schedule
from vignettes.domain.catalogue import Price, Product, product
from vignettes.domain.money import Money
from vignettes.domain.schedule import Start, Terms
from vignettes.domain.vehicle import Vehicle


class Status(StrEnum):
    """Where an order stands, in the words other programs read (contracts: status values)."""

    AWAITING_PAYMENT = "awaiting_payment"
    PARTIALLY_PAID = "partially_paid"
    SCHEDULED = "scheduled"
    ON_HOLD = "on_hold"
    REGISTERING = "registering"
    ISSUED = "issued"
    ACTION_NEEDED = "action_needed"
    REFUND_PENDING = "refund_pending"
    REFUNDED = "refunded"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Consent:
    """What the customer expressly agreed to, by which version of the text, and when."""

    kind: str
    text_version: str
    given_at: datetime
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Details:
    """What will be registered with the authority, and what its calendar and catalogue say about it."""

    product: str
    vehicle: Vehicle
    start: Start

    @property
    def bought(self) -> Product:
        """The product of the catalogue."""
        return product(self.product)

    def price_at(self, at: datetime) -> Price:
        """Return the price of the day it is for the authority."""
        return self.bought.price_on(at.astimezone(self.bought.zone).date())

    def check_start(self, at: datetime) -> None:
        """Refuse a start that can't be kept any more (cases 11, 13)."""
        schedule.check_start(self.bought, self.start, at)

    def hold_reason(self, at: datetime) -> str | None:
        """Return why the driver must be asked before registering, if so (cases 3, 4)."""
        return schedule.hold_reason(self.bought, self.start, at)

    def opens_after(self, at: datetime) -> datetime | None:
        """Return when the authority begins to sell it; None when it does already."""
        return schedule.can_register_at(self.bought, self.start, at)

    def unpaid_until(self, terms: Terms) -> datetime:
        """Return when an unpaid order for it ends: some days after the day on which it should have begun."""
        day = self.start.day + timedelta(days=1) + terms.unpaid_expiry
        return datetime.combine(day, time.min, self.bought.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Payment:
    """Money for an order. Only a `booked` one pays (case 27); `payment_id` is the payer side's unique id."""

    payment_id: str
    amount: Money
    method: str
    received_at: datetime
    booked: bool = True


@dataclass(frozen=True, slots=True)
class Vignette:
    """What the authority confirmed; its validity wins over the one we computed."""

    number: str
    reference: str
    valid_from: datetime
    valid_until: datetime
