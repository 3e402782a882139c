"""Notices of Stripe: its signature checked by its own library, its events read without asking anything back."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from stripe import SignatureVerificationError, WebhookSignature

from vignettes.domain.money import Money
from vignettes.services.notices import Acknowledgement, Delivery, Ignored, Notice, NoticeState, reading
from vignettes.services.notices.signatures import Signature, wrong

Amount = Annotated[int, Field(ge=0, le=10**15)]
Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z_]{1,90}$")]
CurrencyCode = Annotated[str, Field(pattern=r"^[a-z]{3}$")]

#: Amounts come in minor units of ISO 4217, save these (docs.stripe.com/currencies): as if they had cents, or had none.
_AS_IF_WITH_CENTS: Final = frozenset({"ISK", "UGX"})
_WITHOUT_CENTS: Final = frozenset({"MGA"})


class Loose(BaseModel):
    """A part of Stripe's objects: they have many more fields, and get new ones at any time."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, hide_input_in_errors=True)


class EventData(Loose):
    """Holds the object that the event is about."""

    object: dict[str, Any]


class Event(Loose):
    """The envelope of each event. `created` in Unix seconds."""

    type: Annotated[str, Field(pattern=r"^[a-z0-9_.]{1,100}$")]
    created: Annotated[int, Field(ge=0, le=2**33)]
    livemode: bool
    data: EventData


class Intent(Loose):
    """A PaymentIntent: the wish for a payment, and what has become of it."""

    id: Id
    amount: Amount
    amount_received: Amount = 0
    amount_capturable: Amount = 0
    currency: CurrencyCode
    metadata: dict[str, str] = Field(default_factory=dict)
    payment_method_types: list[str] = Field(default_factory=list)


class MethodDetails(Loose):
    """How a charge was paid."""

    type: str


class Charge(Loose):
    """A Charge: money that was taken. `amount_refunded` is all that went back so far."""

    id: Id
    payment_intent: Id | None
    amount_refunded: Amount
    currency: CurrencyCode
    metadata: dict[str, str] = Field(default_factory=dict)
    payment_method_details: MethodDetails | None = None


class Dispute(Loose):
    """A Dispute. One that only asks, before any money is taken back, has a status that begins with `warning`."""

    id: Id
    charge: Id
    payment_intent: Id | None
    amount: Amount
    currency: CurrencyCode
    status: str
    metadata: dict[str, str] = Field(default_factory=dict)


class Told(Loose):
    """What our notices need of any of these objects."""

    payment_id: str
    state: NoticeState
    amount: Amount
    currency: CurrencyCode
    reference: str | None = None
    method: str | None = None


_Object = TypeVar("_Object", bound=Loose)


class Stripe:
    """Takes events of Stripe whose `Stripe-Signature` is made with one of the endpoint's secrets."""

    media_type = "application/json"
    acknowledgement = Acknowledgement("application/json", '{"ok":true}')

    def __init__(
        self, name: str, secrets: Sequence[str], tolerance: int, now: Callable[[], float], *, test: bool
    ) -> None:
        self._name = name
        self._secrets = secrets
        self._tolerance = tolerance
        self._now = now
        self._test = test

    async def read(self, delivery: Delivery) -> Notice | Ignored:
        """Return what is told. Raises Refused."""
        self._check(delivery)
        event = reading.parsed(Event, delivery.body)
        told = _told(event)
        return self._notice(event, told) if told and told.amount else Ignored(event.type)

    def _check(self, delivery: Delivery) -> None:
        header = delivery.headers.get("stripe-signature")
        signature = Signature.read(header)
        if not any(_is_signed(delivery.body, header, secret) for secret in self._secrets):
            raise wrong()
        # Not left to the library: it looks at the machine's own clock, and takes what comes from the future.
        signature.check_age(self._now(), self._tolerance)

    def _notice(self, event: Event, told: Told) -> Notice:
        return Notice(
            provider=self._name,
            payment_id=told.payment_id,
            state=told.state,
            amount=_money(told),
            order_reference=reading.line(told.reference),
            method=reading.line(told.method) or "other",
            occurred_at=datetime.fromtimestamp(event.created, UTC),
            test=self._test or not event.livemode,
            payer=None,
            payer_account=None,
            line_reference=None,  # many payments come as one payout
        )


def _is_signed(body: bytes, header: str | None, secret: str) -> bool:
    try:
        return bool(WebhookSignature.verify_header(body, header, secret))
    except (SignatureVerificationError, UnicodeDecodeError):
        return False


def _told(event: Event) -> Told | None:
    read = _READERS.get(event.type)
    return read(event.data.object) if read else None


def _of_intent(state: NoticeState, amount: str) -> Callable[[Mapping[str, Any]], Told]:
    def read(found: Mapping[str, Any]) -> Told:
        intent = _formed(Intent, found)
        types = intent.payment_method_types
        return Told(
            payment_id=intent.id,
            state=state,
            amount=getattr(intent, amount),
            currency=intent.currency,
            reference=intent.metadata.get("order_number"),
            method=types[0]
            if len(types) == 1
            else None,  # which of several was used stands on the charge only
        )

    return read


def _of_charge(found: Mapping[str, Any]) -> Told:
    charge = _formed(Charge, found)
    return Told(
        payment_id=charge.payment_intent or charge.id,
        state=NoticeState.REFUNDED,
        amount=charge.amount_refunded,
        currency=charge.currency,
        reference=charge.metadata.get("order_number"),
        method=charge.payment_method_details.type if charge.payment_method_details else None,
    )


def _of_dispute(found: Mapping[str, Any]) -> Told | None:
    dispute = _formed(Dispute, found)
    if dispute.status.startswith("warning"):
        return None
    return Told(
        payment_id=dispute.payment_intent or dispute.charge,
        state=NoticeState.REVERSED,
        amount=dispute.amount,
        currency=dispute.currency,
    )


def _of_won_dispute(found: Mapping[str, Any]) -> Told:
    """Read what came back of a payment that stays taken back: it is money of its own."""
    dispute = _formed(Dispute, found)
    return Told(
        payment_id=f"{dispute.charge}:reinstated:{dispute.id}",
        state=NoticeState.PAID,
        amount=dispute.amount,
        currency=dispute.currency,
        reference=dispute.metadata.get("order_number"),
    )


_READERS: Final[dict[str, Callable[[Mapping[str, Any]], Told | None]]] = {
    "payment_intent.processing": _of_intent(NoticeState.PENDING, "amount"),
    "payment_intent.amount_capturable_updated": _of_intent(NoticeState.AUTHORISED, "amount_capturable"),
    "payment_intent.succeeded": _of_intent(NoticeState.PAID, "amount_received"),
    "payment_intent.payment_failed": _of_intent(NoticeState.FAILED, "amount"),
    "payment_intent.canceled": _of_intent(NoticeState.FAILED, "amount"),
    "charge.refunded": _of_charge,
    "charge.dispute.created": _of_dispute,
    "charge.dispute.funds_withdrawn": _of_dispute,
    "charge.dispute.funds_reinstated": _of_won_dispute,
}


def _formed(form: type[_Object], found: Mapping[str, Any]) -> _Object:
    try:
        return form.model_validate(found)
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_url=False, include_input=False)[0]["loc"]))
        raise reading.invalid(
            f"This is no {form.__name__} as Stripe has it.", f"data.object.{place}"
        ) from None


def _money(told: Told) -> Money:
    currency = told.currency.upper()
    if currency in _WITHOUT_CENTS:
        return Money(told.amount * 100, currency)
    if currency not in _AS_IF_WITH_CENTS:
        return Money(told.amount, currency)
    whole, cents = divmod(told.amount, 100)
    if cents:
        raise reading.invalid("An amount in this currency ends in 00.", "data.object.amount")
    return Money(whole, currency)
