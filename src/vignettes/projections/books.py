"""The books: what came in, and whether it is an order's, waits for a person, or went back."""

from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.domain.events import OrderEvents
from vignettes.domain.money import Money, zero
from vignettes.domain.order import Order
from vignettes.domain.payment import BankPayment
from vignettes.domain.payment_events import PaymentEvents
from vignettes.domain.payment_status import PaymentStatus
from vignettes.domain.shares import is_share
from vignettes.eventstore.codec import Recorded
from vignettes.projections.view import Definition, Edition, Row, Table, upsert

DEFINITION = Definition(
    "books",
    1,
    ("books",),
    ("books",),
    about=(PaymentEvents.Event, OrderEvents.Event),
    id_column="source_id",
)

Source = Order | BankPayment


@dataclass(frozen=True, slots=True)
class Held:
    """How much money of one source came in, and where it is: what is neither an order's nor back is in review."""

    money_in: Money
    matched: Money
    returned: Money

    @property
    def in_review(self) -> Money:
        return self.money_in - self.matched - self.returned


class BooksView(Table):
    """Bookings of each event that moves money, or changes whose it is.

    Money by bank and provider is booked by its payment's events. What orders are told directly came in with that word.
    """

    definition = DEFINITION

    def __init__(self) -> None:
        self._rows: dict[tuple[UUID, int, int], Row] = {}

    def before(self, source: Source | None) -> Held | None:
        """Note where the money is before the event."""
        return None if source is None else _held(source)

    def see(self, event: Recorded, source: Source, noted: Held | None) -> None:
        now = _held(source)
        if noted and noted.money_in.currency != now.money_in.currency:
            noted = None  # an order without money may change its currency
        for place, account in enumerate(("money_in", "matched", "in_review", "returned")):
            after: Money = getattr(now, account)
            amount = after if noted is None else after - getattr(noted, account)
            if amount:
                self._rows[source.id, event.version, place] = _row(event, source.id, place, account, amount)

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        key = ("source_id", "version", "place")
        await upsert(connection, edition, "books", list(self._rows.values()), key=key)
        self.forget()

    def forget(self) -> None:
        self._rows.clear()


def _held(source: Source) -> Held:
    """Return where the money is that this payment or order is to tell of."""
    return _of_payment(source) if isinstance(source, BankPayment) else _of_order(source)


def _of_payment(payment: BankPayment) -> Held:
    nothing = zero(payment.entry.amount.currency)
    came_in = payment.arrived_at is not None and payment.notice is None and not payment.dismissed
    amount = payment.entry.amount if came_in else nothing
    if payment.status is PaymentStatus.REVERSED:
        # What its return has sent to the payer as well is owed to us: in review is less than nothing.
        return Held(amount, nothing, amount + (amount if payment.returned else nothing))
    shares = sum((share.amount for share in payment.live_shares), nothing)
    return Held(amount, shares, amount if payment.returned else nothing)


def _of_order(order: Order) -> Held:
    """Return what an order was told directly; and of all its money, what it has given back is not its own any more."""
    account, nothing = order.account, zero(order.account.received.currency)
    told = {
        each: paid.amount for each, paid in account.payments.items() if paid.booked and not is_share(each)
    }
    came_in = sum(told.values(), nothing)
    gone = sum((amount for each, amount in told.items() if each in account.gone), nothing)
    paid_out = sum(account.payouts.values(), nothing)
    return Held(came_in, came_in - gone - paid_out, gone + paid_out)


def _row(event: Recorded, source_id: UUID, place: int, account: str, amount: Money) -> Row:
    return {
        "source_id": source_id,
        "version": event.version,
        "place": place,
        "day": event.recorded_at.date(),
        "currency": amount.currency,
        "account": account,
        "amount": amount.amount,
        "why": event.type,
        "position": event.position,
    }
