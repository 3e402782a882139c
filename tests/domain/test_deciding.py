"""Messages to decisions: what of a command comes on record, and what is answered."""

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

import pytest

from domain.ordering import CONSENT, OTHER_ORDER, PRAGUE, TERMS, clock
from vignettes.domain import errors
from vignettes.domain.details import Document, Payment, Vignette
from vignettes.domain.order import Order
from vignettes.domain.references import creditor_reference, number_from_serial, parse_number
from vignettes.messages import commands
from vignettes.messages.forms import Amount, ConsentForm, DocumentForm, OutageForm, VehicleForm
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


# --- what services ask of an order


def placed_and_paid(decide):
    order = decide.decision(place()).decide(None, AT)
    order.receive_payment(Payment("bank-1", order.outstanding, "card", AT), AT)
    order.collect_events()
    return order


def asked(decide, order, command, **said):
    """Return what is on record of a command, and the answer beside the common part."""
    decision = decide.decision(command(command_id=uuid4(), order_id=order.id, **said))
    decision.decide(order, AT)
    return [type(each) for each in order.collect_events()], decision.extra(order)


def test_an_outage_and_its_withdrawal_answer_when_it_is_due():
    """The deadline service passes them on."""
    decide = deciding(needed=False)
    order = placed_and_paid(decide)
    begins, ends = clock("2026-07-19 10:00"), clock("2026-07-19 16:00")
    form = OutageForm(id=OTHER_ORDER, country="CZ", begins_at=begins, ends_at=ends)
    told, answer = asked(decide, order, commands.RegardOutage, outage=form)
    assert (told, answer) == ([Order.OutageRegarded], {"due": "2026-07-19T07:00:00+00:00"})
    told, answer = asked(decide, order, commands.RegardOutage, outage=form, withdrawn=True)
    assert (told, answer) == ([Order.OutageDisregarded], {"due": "2026-07-19T10:00:00+00:00"})


def test_other_terms_answer_when_it_is_due():
    decide = deciding(needed=False)
    order = placed_and_paid(decide)
    told, answer = asked(decide, order, commands.ChangeTerms, lead_hours=13.5)
    assert (told, answer) == ([Order.TermsChanged], {"due": "2026-07-19T08:30:00+00:00"})


@pytest.mark.case(48)
def test_a_question_about_a_twin_and_its_answer():
    decide = deciding(needed=False)
    order = placed_and_paid(decide)
    assert asked(decide, order, commands.HoldAsTwin, twin=OTHER_ORDER) == ([Order.OrderHeld], {})
    told, answer = asked(decide, order, commands.AcceptTwin)
    assert (told, answer) == ([Order.TwinAccepted], {"due": "2026-07-19T10:00:00+00:00"})


def test_what_the_authority_gave_is_kept_whole():
    """Its code and its document with the vignette, another validity when it says so; a person where it says nothing."""
    decide = deciding(needed=False)
    order = placed_and_paid(decide)
    order.start_at_once(None, AT)
    order.collect_events()
    generation = {"generation": order.generation}
    call = {"why": "authority_down", "act_by": clock("2026-07-01 14:00"), **generation}
    assert asked(decide, order, commands.CallPerson, **call) == ([Order.PersonCalled], {})
    document = DocumentForm(media_type="application/pdf", size=10, digest="9f" * 32)
    since, until = clock("2026-07-20"), clock("2026-07-29 23:59:59")
    validity = {"valid_from": since, "valid_until": until}
    given = {"number": "CZ-1", "reference": "r", "authorisation_code": "K7", "document": document, **validity}
    assert asked(decide, order, commands.RecordIssue, **given, **generation) == ([Order.VignetteIssued], {})
    kept = Document("application/pdf", 10, "9f" * 32)
    assert order.vignette == Vignette("CZ-1", "r", since, until, "K7", kept)
    longer = {"valid_from": since, "valid_until": clock("2026-07-30 23:59:59")}
    assert asked(decide, order, commands.RecordValidity, **longer) == ([Order.ValidityChanged], {})
