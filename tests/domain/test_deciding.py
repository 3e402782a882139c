"""Messages to decisions: what of a command comes on record, and what is answered."""

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import pytest

from domain.ordering import CONSENT, PRAGUE, TERMS
from vignettes.domain import errors
from vignettes.domain.references import creditor_reference, number_from_serial, parse_number
from vignettes.messages import commands
from vignettes.messages.forms import Amount, ConsentForm, VehicleForm
from vignettes.services.deciding import Deciding, Payee, Policy

AT = datetime(2026, 7, 1, 10, tzinfo=PRAGUE)
FORM = ConsentForm(kind="immediate_performance", text_version="2026-01", given_at=AT)


def deciding(*, needed):
    """Decide as the ordering service does."""
    numbers = iter(range(1, 9))
    return Deciding(
        Policy(TERMS, consent_needed=needed),
        Payee("Vignettes", "CZ6508000000192000145399"),
        lambda: number_from_serial(next(numbers)),
        tuple,
        lambda _: None,
    )


def place(*consents, plate="1AB2345"):
    return commands.Place(
        command_id=uuid4(),
        product="CZ-10D",
        vehicle=VehicleForm(country="CZ", plate=plate),
        valid_from="2026-07-20",
        email="driver@example.org",
        language="cs",
        consents=consents,
    )


def test_its_language_is_the_orders_unless_it_names_its_own():
    """Auditors are shown which text it was."""
    other = FORM.model_copy(update={"language": "de"})
    placed_order = deciding(needed=True).decision(place(FORM, other)).decide(None, AT)
    kept = replace(CONSENT, given_at=AT)
    assert placed_order.consents == (replace(kept, language="cs"), replace(kept, language="de"))


def test_the_language_of_one_that_comes_with_the_start():
    decide = deciding(needed=True)
    order = decide.decision(place()).decide(None, AT)
    start = commands.StartRegistration(command_id=uuid4(), order_id=order.id, consent=FORM)
    decide.decision(start).decide(order, AT)
    assert [(each.text_version, each.language) for each in order.consents] == [("2026-01", "cs")]


@pytest.mark.parametrize("needed", [True, False])
def test_whether_it_is_needed_is_the_operators_policy(needed):
    decide = deciding(needed=needed)
    order = decide.decision(place()).decide(None, AT)
    start = decide.decision(commands.StartRegistration(command_id=uuid4(), order_id=order.id))
    if needed:
        with pytest.raises(errors.ConsentNeeded):
            start.decide(order, AT)
    else:
        assert start.decide(order, AT).wished


@pytest.mark.case(50)
def test_several_vehicles_in_one_cart_are_several_orders():
    """Each has a number, an id and payment references of its own: money for one is not money for another."""
    decide = deciding(needed=False)
    decisions = [decide.decision(place(plate=plate)) for plate in ("1AB2345", "1AB2346", "1AB2347")]
    orders = [each.decide(None, AT) for each in decisions]
    answers = [each.extra(order) for each, order in zip(decisions, orders, strict=True)]
    for order, answer in zip(orders, answers, strict=True):
        references = answer["payment"]
        assert parse_number(references["variable_symbol"]) == order.number
        assert references["creditor_reference"] == creditor_reference(order.number)
        assert order.number[1:] in references["spayd"]
    for different in ("id", "number"):
        assert len({getattr(order, different) for order in orders}) == 3


@pytest.mark.case(50)
def test_the_money_for_one_vehicle_of_a_cart():
    """By its own reference it finds its own order, and leaves the others as they are."""
    decide = deciding(needed=False)
    mine, other = (decide.decision(place(plate=plate)).decide(None, AT) for plate in ("1AB2345", "1AB2346"))
    payment = commands.ReceivePayment(
        command_id=uuid4(),
        order_number=creditor_reference(mine.number),
        payment_id="bank-1",
        amount=Amount(amount=mine.price.total.amount, currency="CZK"),
        method="bank_transfer",
        received_at=AT,
    )
    decision = decide.decision(payment)
    assert decision.order_id == mine.id
    decision.decide(mine, AT)
    assert (mine.status, other.status) == ("scheduled", "awaiting_payment")
