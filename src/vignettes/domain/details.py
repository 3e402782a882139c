"""What an order is made of: its details, its money, its consents, its vignette, and where it stands."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID

from vignettes.domain import errors, schedule
from vignettes.domain.catalogue import Price, Product, product
from vignettes.domain.money import Money
from vignettes.domain.outages import Outage
from vignettes.domain.personal import VehicleText
from vignettes.domain.schedule import Deadline, Start, Terms
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


Consents = tuple[Consent, ...]


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

    def without_plate(self) -> "Details":
        """Return what is left once the plate was erased."""
        return replace(self, vehicle=self.vehicle.erased)

    def price_at(self, at: datetime) -> Price:
        """Return the price of the day it is for the authority."""
        return self.bought.price_on(at.astimezone(self.bought.zone).date())

    def price_in_place_of(self, known: "Details", price: Price, at: datetime) -> Price:
        """Return the customer's price while the product stays (case 14), today's for another one (39)."""
        return price if self.product == known.product else self.price_at(at)

    def check_start(self, at: datetime, *, before: "Details | None" = None) -> None:
        """Refuse a start that can't be kept (cases 11, 13); one that is as it was is not judged again."""
        if before is None or (before.product, before.start) != (self.product, self.start):
            schedule.check_start(self.bought, self.start, at)

    def hold_reason(self, at: datetime) -> str | None:
        """Return why the driver must be asked before registering, if so (cases 3, 4)."""
        return schedule.hold_reason(self.bought, self.start, at)

    def is_over(self, at: datetime) -> bool:
        """Tell whether the whole validity has passed."""
        return at > schedule.validity(self.bought, self.start).ends_at

    def check_registrable(self, at: datetime) -> None:
        """Refuse what the authority would not register any more, or does not sell yet."""
        if self.hold_reason(at):
            raise errors.OnHold
        if opens := schedule.can_register_at(self.bought, self.start, at):
            raise errors.TooEarly(f"It can be registered from {opens.isoformat()} on, and will be then.")

    def deadline(
        self,
        paid_at: datetime,
        terms: Terms,
        *,
        wished: bool,
        not_before: datetime,
        outages: Iterable[Outage] = (),
    ) -> Deadline:
        """Return when registration is due for money that arrived at `paid_at`; never before `not_before`."""
        due = schedule.registration_deadline(self.bought, self.start, paid_at, terms, wished=wished)
        here = [outage for outage in outages if outage.country == self.bought.country]
        due = due.not_before(not_before)
        return due.ahead_of(here, not_before) if here else due

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
class Document:
    """The authority's own document, kept beside the log under the vehicle's key.

    `size` in bytes; `digest` is the SHA-256 of the sealed bytes, in hexadecimal digits.
    """

    media_type: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class LinkedOrder:
    """Another order of the same customer, as a mail with its link tells of it; `generation` is that of the link."""

    order_id: UUID
    number: str
    product: str
    starts_at: datetime
    placed_at: datetime
    status: Status
    generation: int


@dataclass(frozen=True, slots=True)
class Vignette:
    """What the authority confirmed; its validity wins over the one we computed.

    With the `authorisation_code` the driver can turn to the authority itself, to correct the plate for instance.
    """

    number: str
    reference: str
    valid_from: datetime
    valid_until: datetime
    authorisation_code: VehicleText = None
    document: Document | None = None
