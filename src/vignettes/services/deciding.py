"""Messages to decisions: what each command means to an order, and what is answered for it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

from vignettes.domain import errors, references, schedule, vehicle
from vignettes.domain.account import Purpose
from vignettes.domain.catalogue import product
from vignettes.domain.details import Consent, Details, Document, Payment, Vignette
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.domain.outages import Outage
from vignettes.domain.personal import DataClass
from vignettes.domain.planning import TWIN
from vignettes.domain.schedule import Start, Terms
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.journal import Cover
from vignettes.eventstore.orders import order_id_of
from vignettes.messages import commands
from vignettes.messages.forms import Amount, ConsentForm
from vignettes.services.payment_codes import payment_code

Decide = Callable[[Order | None, datetime], Order]

#: What the fields of an order are called where they are changed.
_CHANGE_OF = {
    "product": "changes.product",
    "vehicle.country": "changes.vehicle_country",
    "vehicle.plate": "changes.plate",
    "valid_from": "changes.valid_from",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """How to decide a command on its order, and what to remember as its answer beside the common part.

    `private` is what the answer tells of the vehicle: also that another order is for the same `cover`.
    """

    order_id: UUID | None
    decide: Decide
    extra: Callable[[Order], dict[str, Any]]
    private: Callable[[Order, bool], dict[str, list[str]]] = lambda *_: {}
    cover: Cover | None = None


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
            return _refusing(refusal)

    def _decision(self, command: commands.AnyCommand) -> Decision:
        match command:
            case commands.Place():
                return self._place(command)
            case commands.ReceivePayment():
                return self._receive_payment(command)
            case commands.CorrectDetails():
                return self._correct_details(command)
            case commands.CorrectEmail():
                return _on(command.order_id, lambda order, at: order.correct_email(command.email, at), _link)
            case commands.StartRegistration():
                return self._start_at_once(command)
            case commands.RequestRefund():
                return self._request_refund(command)
            case _:
                return _internal(command)

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
                "official": _form(order.price.official),
                "fee": _form(order.price.fee),
                "total": _form(order.price.total),
            },
            "payment": self._payment_forms(order),
            **_link(order),
        }

    def _payment_forms(self, order: Order) -> dict[str, Any]:
        forms = {
            "variable_symbol": references.variable_symbol(order.number),
            "creditor_reference": references.creditor_reference(order.number),
        }
        code = payment_code(self._payee.name, self._payee.iban, order.price.total, order.number)
        return {**forms, code.form: code.text} if code else forms

    def _receive_payment(self, command: commands.ReceivePayment) -> Decision:
        amount = _money(command.amount)

        def decide(order: Order, at: datetime) -> None:
            arrived = min(command.received_at, at)  # a payer's clock that is ahead brings nothing forward
            order.receive_payment(
                Payment(command.payment_id, amount, command.method, arrived, command.booked),
                at,
                self._outages(),
            )

        order_id = command.order_id or _order_of(command.order_number or "")
        return _on(
            order_id,
            decide,
            lambda order: {**_due(order), "outstanding": _form(order.outstanding)},
            named_by="order_id" if command.order_id else "order_number",
        )

    def _correct_details(self, command: commands.CorrectDetails) -> Decision:
        def decide(order: Order, at: datetime) -> None:
            try:
                order.correct_details(_changed(order.details, command.changes), at, self._outages())
            except errors.InvalidValue as refusal:
                refusal.field = _CHANGE_OF.get(refusal.field or "", refusal.field)
                raise

        return replace(_on(command.order_id, decide, _due), private=_warnings)

    def _request_refund(self, command: commands.RequestRefund) -> Decision:
        reason = command.reason or "customer"

        def extra(order: Order) -> dict[str, Any]:
            return {"refund": _form(order.refund or order.account.credited)}

        return _on(command.order_id, lambda order, at: order.request_refund(reason, at), extra)

    def _start_at_once(self, command: commands.StartRegistration) -> Decision:
        def decide(order: Order, at: datetime) -> None:
            consent = _given(command.consent, order.language) if command.consent else None
            order.start_at_once(consent, at, consent_needed=self._policy.consent_needed)

        return _on(command.order_id, decide)


def _internal(command: commands.InternalCommand) -> Decision:
    match command:
        case commands.ExpireOrder(order_id=order_id):
            return _on(order_id, lambda order, at: order.expire(at))
        case commands.RefundUnanswered(order_id=order_id):
            return _on(order_id, lambda order, at: order.refund_unanswered(at))
        case commands.EraseOrder(order_id=order_id):
            classes = [DataClass(each) for each in command.classes]
            return _on(order_id, lambda order, at: order.erase(classes, at), _erased)
        case commands.ReversePayment(order_id=order_id, payment_id=payment_id):
            return _on(order_id, lambda order, at: order.reverse_payment(payment_id, at), _due)
        case commands.TakeBackPayment(order_id=order_id, payment_id=payment_id):
            return _on(order_id, lambda order, at: order.take_back_payment(payment_id, at), _due)
        case (
            commands.ConfirmRefund()
            | commands.ApprovePayout()
            | commands.OrderPayout()
            | commands.FailPayout()
        ):
            return _paying_out(command)
        case (
            commands.RegardOutage()
            | commands.HoldAsTwin()
            | commands.ReleaseTwin()
            | commands.AcceptTwin()
            | commands.ChangeTerms()
        ):
            return _planning(command)
        case _:
            return _registering(command)


def _registering(command: commands.RegisteringCommand) -> Decision:
    """Return what becomes of a registration that is due, or under way, or done."""
    match command:
        case commands.StartDueRegistration(order_id=order_id, generation=generation):
            return _on(order_id, lambda order, at: order.start_when_due(generation, at))
        case commands.RecordIssue(order_id=order_id, generation=generation):
            vignette = _vignette(command)
            return _on(order_id, lambda order, at: order.record_issue(vignette, generation, at))
        case commands.RecordRejection(order_id=order_id, generation=generation, reason=reason):
            code = command.code
            return _on(order_id, lambda order, at: order.record_rejection(code, reason, generation, at))
        case commands.RecordValidity(order_id=order_id, valid_from=since, valid_until=until):
            return _on(order_id, lambda order, at: order.record_validity(since, until, at))
        case commands.CallPerson(order_id=order_id, generation=generation, why=why, act_by=act_by):
            return _on(order_id, lambda order, at: order.call_person(why, act_by, generation, at))
        case _:
            assert_never(command)


def _paying_out(command: commands.PayoutCommand) -> Decision:
    """Return how money goes back to the payer."""
    match command:
        case commands.ApprovePayout(order_id=order_id, account=account):
            purpose = Purpose(command.purpose)
            return _on(order_id, lambda order, at: order.approve_payout(purpose, account, at), _payouts)
        case commands.OrderPayout(order_id=order_id, payout_id=payout_id, file_id=file_id):
            return _on(order_id, lambda order, at: order.order_payout(payout_id, file_id, at), _payouts)
        case commands.FailPayout(order_id=order_id, payout_id=payout_id):
            return _on(order_id, lambda order, at: order.fail_payout(payout_id, at), _payouts)
        case commands.ConfirmRefund(order_id=order_id, refund_id=refund_id):
            amount = _money(command.amount)
            return _on(order_id, lambda order, at: order.confirm_refund(refund_id, amount, at))
        case _:
            assert_never(command)


def _payouts(order: Order) -> dict[str, Any]:
    """Return what is on its way back: the ids under which statements show it."""
    return {
        "payouts": [
            {"payout_id": each.payout_id, "purpose": each.purpose, "amount": _form(each.amount)}
            for each in order.payouts.values()
        ]
    }


def _planning(command: commands.PlanningCommand) -> Decision:
    """Return what moves the plan of an order without changing what it is for."""
    match command:
        case commands.RegardOutage(order_id=order_id, outage=form, withdrawn=True):
            return _on(order_id, lambda order, at: order.disregard_outage(form.id, at), _due)
        case commands.RegardOutage(order_id=order_id, outage=form):
            outage = Outage(form.id, form.country, form.begins_at, form.ends_at)
            return _on(order_id, lambda order, at: order.regard_outage(outage, at), _due)
        case commands.HoldAsTwin(order_id=order_id, twin=twin):
            return _on(order_id, lambda order, at: order.hold_as_twin(twin, at))
        case commands.ReleaseTwin(order_id=order_id, twin=twin):
            return _on(order_id, lambda order, at: order.release_twin(twin, at))
        case commands.AcceptTwin(order_id=order_id):
            return _on(order_id, lambda order, at: order.accept_twin(at), _due)
        case commands.ChangeTerms(order_id=order_id, lead_hours=hours):
            lead = timedelta(hours=hours)
            return _on(
                order_id, lambda order, at: order.change_terms(replace(order.terms, lead=lead), at), _due
            )
        case _:
            assert_never(command)


def _on(
    order_id: UUID,
    act: Callable[[Order, datetime], None],
    extra: Callable[[Order], dict[str, Any]] = lambda _: {},
    named_by: str = "order_id",
) -> Decision:
    """Return a decision on an order that must exist."""

    def decide(order: Order | None, at: datetime) -> Order:
        if not isinstance(order, Order):  # none, or a bank payment's id
            raise errors.OrderNotFound(field=named_by)
        act(order, at)
        return order

    return Decision(order_id, decide, extra)


def _refusing(refusal: errors.DomainError) -> Decision:
    """Return a decision that is taken down like any other, so that its command_id stands for it."""

    def decide(_: Order | None, __: datetime) -> Order:
        raise refusal

    return Decision(None, decide, lambda _: {})


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


def _erased(order: Order) -> dict[str, Any]:
    return {"erased": sorted(order.erased)}


def _warnings(order: Order, is_covered: bool) -> dict[str, list[str]]:
    """Return what looks wrong with the vehicle, and that it has an order for this time already (case 48)."""
    return {"warnings": [*vehicle.warnings(order.details.vehicle), *([TWIN] if is_covered else [])]}


def _link(order: Order) -> dict[str, Any]:
    """Remember the link's generation, never the link: it is a key to personal data."""
    return {"link_generation": order.link_generation}


def _due(order: Order) -> dict[str, Any]:
    deadline = order.deadline
    return {"due": deadline.due_at.isoformat() if deadline else None}


def _given(form: ConsentForm, language: str) -> Consent:
    """Return a consent as it is kept: in the language of the order, unless it names its own."""
    return Consent(form.kind, form.text_version, form.given_at, form.language or language)


def _vignette(command: commands.RecordIssue) -> Vignette:
    kept = command.document
    return Vignette(
        command.number,
        command.reference,
        command.valid_from,
        command.valid_until,
        command.authorisation_code,
        Document(kept.media_type, kept.size, kept.digest) if kept else None,
    )


def _money(form: Amount) -> Money:
    return Money(form.amount, form.currency)


def _form(money: Money) -> dict[str, Any]:
    return {"amount": money.amount, "currency": money.currency}
