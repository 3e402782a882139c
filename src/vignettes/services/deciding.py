"""Messages to decisions: what each command means to an order, and what is answered for it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from vignettes.domain import errors, references, schedule, vehicle
from vignettes.domain.catalogue import product
from vignettes.domain.details import Consent, Details, Payment
from vignettes.domain.order import Order
from vignettes.domain.outages import Outage
from vignettes.domain.planning import TWIN
from vignettes.domain.schedule import Start, Terms
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.journal import Cover
from vignettes.eventstore.orders import order_id_of
from vignettes.messages import commands
from vignettes.messages.forms import ConsentForm
from vignettes.services.deciding_internally import internal
from vignettes.services.decision import Decision, due, form, link, money, on, refusing
from vignettes.services.payment_codes import payment_code

#: What the fields of an order are called where they are changed.
_CHANGE_OF = {
    "product": "changes.product",
    "vehicle.country": "changes.vehicle_country",
    "vehicle.plate": "changes.plate",
    "valid_from": "changes.valid_from",
}


@dataclass(frozen=True, slots=True)
class Payee:
    """Whom the customer pays."""

    name: str
    iban: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator has decided: by which terms new orders are served, and whether a start needs a consent."""

    terms: Terms
    consent_needed: bool = False


class Deciding:
    """Knows for each command its order, its decision and its answer. Pure: numbers and times come in."""

    def __init__(
        self,
        policy: Policy,
        payee: Payee,
        next_number: Callable[[], str],
        outages: Callable[[], Collection[Outage]],
        digest: Callable[[Vehicle], bytes | None],
    ) -> None:
        self._policy = policy
        self._payee = payee
        self._next_number = next_number
        self._outages = outages
        self._digest = digest

    def decision(self, command: commands.AnyCommand) -> Decision:
        """Return what `command` means. Values that no order could take make a decision that refuses."""
        try:
            return self._decision(command)
        except errors.DomainError as refusal:
            return refusing(refusal)

    def _decision(self, command: commands.AnyCommand) -> Decision:
        match command:
            case commands.Place():
                return self._place(command)
            case commands.ReceivePayment():
                return self._receive_payment(command)
            case commands.CorrectDetails():
                return self._correct_details(command)
            case commands.CorrectEmail():
                return on(command.order_id, lambda order, at: order.correct_email(command.email, at), link)
            case commands.StartRegistration():
                return self._start_at_once(command)
            case commands.RequestRefund():
                return self._request_refund(command)
            case _:
                return internal(command)

    def _place(self, command: commands.Place) -> Decision:
        bought = product(command.product)
        details = Details(
            bought.code,
            Vehicle.of(command.vehicle.country, command.vehicle.plate),
            Start.parse(command.valid_from, bought),
        )

        def decide(_: Order | None, at: datetime) -> Order:
            number = self._next_number()  # drawn now, not earlier: a command asked again needs none
            return Order.place(
                order_id_of(number),
                number=number,
                details=details,
                email=command.email,
                language=command.language,
                consents=[_given(consent, command.language) for consent in command.consents],
                terms=self._policy.terms,
                at=at,
            )

        return Decision(None, decide, self._placed, _warnings, self._cover(details))

    def _cover(self, details: Details) -> Cover | None:
        digest = self._digest(details.vehicle)
        if digest is None:
            return None
        wanted = schedule.validity(details.bought, details.start)
        return Cover(digest, details.bought.country, wanted.starts_at, wanted.ends_at)

    def _placed(self, order: Order) -> dict[str, Any]:
        return {
            "price": {
                "official": form(order.price.official),
                "fee": form(order.price.fee),
                "total": form(order.price.total),
            },
            "payment": self._payment_forms(order),
            **link(order),
        }

    def _payment_forms(self, order: Order) -> dict[str, Any]:
        forms = {
            "variable_symbol": references.variable_symbol(order.number),
            "creditor_reference": references.creditor_reference(order.number),
        }
        code = payment_code(self._payee.name, self._payee.iban, order.price.total, order.number)
        return {**forms, code.form: code.text} if code else forms

    def _receive_payment(self, command: commands.ReceivePayment) -> Decision:
        amount = money(command.amount)

        def decide(order: Order, at: datetime) -> None:
            arrived = min(command.received_at, at)  # a payer's clock that is ahead brings nothing forward
            order.receive_payment(
                Payment(command.payment_id, amount, command.method, arrived, command.booked),
                at,
                self._outages(),
            )

        order_id = command.order_id or _order_of(command.order_number or "")
        return on(
            order_id,
            decide,
            lambda order: {**due(order), "outstanding": form(order.outstanding)},
            named_by="order_id" if command.order_id else "order_number",
        )

    def _correct_details(self, command: commands.CorrectDetails) -> Decision:
        def decide(order: Order, at: datetime) -> None:
            try:
                order.correct_details(_changed(order.details, command.changes), at, self._outages())
            except errors.InvalidValue as refusal:
                refusal.field = _CHANGE_OF.get(refusal.field or "", refusal.field)
                raise

        return replace(on(command.order_id, decide, due), private=_warnings)

    def _request_refund(self, command: commands.RequestRefund) -> Decision:
        reason = command.reason or "customer"

        def extra(order: Order) -> dict[str, Any]:
            return {"refund": form(order.refund or order.account.credited)}

        return on(command.order_id, lambda order, at: order.request_refund(reason, at), extra)

    def _start_at_once(self, command: commands.StartRegistration) -> Decision:
        def decide(order: Order, at: datetime) -> None:
            consent = _given(command.consent, order.language) if command.consent else None
            order.start_at_once(consent, at, consent_needed=self._policy.consent_needed)

        return on(command.order_id, decide)


def _changed(details: Details, changes: commands.DetailsChange) -> Details:
    """Return the details with the changes; a vehicle or start that was not mentioned stays as it was."""
    bought = product(changes.product) if changes.product else details.bought
    vehicle_now, start = details.vehicle, details.start
    if changes.plate or changes.vehicle_country:
        plate = changes.plate or vehicle_now.plate
        if plate is None:
            raise errors.OrderClosed("The plate of it was erased.")
        vehicle_now = Vehicle.of(changes.vehicle_country or vehicle_now.country, plate)
    if changes.valid_from:
        start = Start.parse(changes.valid_from, bought)
    return replace(details, product=bought.code, vehicle=vehicle_now, start=start)


def _order_of(text: str) -> UUID:
    number = references.parse_number(text)
    if number is None:
        raise errors.InvalidValue("Its check digits are wrong.", field="order_number")
    return order_id_of(number)


def _warnings(order: Order, is_covered: bool) -> dict[str, list[str]]:
    """Return what looks wrong with the vehicle, and that it has an order for this time already (case 48)."""
    return {"warnings": [*vehicle.warnings(order.details.vehicle), *([TWIN] if is_covered else [])]}


def _given(form: ConsentForm, language: str) -> Consent:
    """Return a consent as it is kept: in the language of the order, unless it names its own."""
    return Consent(form.kind, form.text_version, form.given_at, form.language or language)
