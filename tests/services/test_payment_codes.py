"""Payment QR codes, drawn by one library and read again by another."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
import segno
from stdnum import iban as ibans

from domain.ordering import TERMS
from payment_codes import epc_fields, painted, scanned, spayd_fields
from vignettes.domain.money import Money
from vignettes.domain.references import creditor_reference, number_from_serial, parse_number, variable_symbol
from vignettes.messages import commands
from vignettes.messages.forms import VehicleForm
from vignettes.services.deciding import Deciding, Payee, Policy
from vignettes.services.payment_codes import payment_code

IBAN = "CZ65 0800 0000 1920 0014 5399"
NAME = "Dálniční známky & Söhne"
NUMBERS = [number_from_serial(serial) for serial in (0, 1, 7, 89_999_999)]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("amount", [1, 10, 99, 100, 39900, 999_999_999])
def test_crowns_are_asked_for_by_a_short_payment_descriptor(number, amount):
    code = payment_code(NAME, IBAN, Money(amount, "CZK"), number)
    for image in (code.png(), painted(code.svg())):
        assert scanned(image) == code.text
        fields = spayd_fields(scanned(image))
        assert ibans.validate(fields["ACC"]) == ibans.compact(IBAN)
        assert (fields["CC"], round(float(fields["AM"]) * 100)) == ("CZK", amount)
        assert parse_number(fields["X-VS"]) == number


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("amount", [1, 10, 99, 100, 39900, 99_999_999_999])
def test_euros_are_asked_for_by_a_code_of_the_payments_council(number, amount):
    code = payment_code(NAME, IBAN, Money(amount, "EUR"), number)
    for image in (code.png(), painted(code.svg())):
        assert scanned(image) == code.text
        fields = epc_fields(scanned(image))
        assert (fields["tag"], fields["version"], fields["encoding"], fields["kind"]) == (
            "BCD",
            "002",
            "1",
            "SCT",
        )
        assert (fields["name"], ibans.validate(fields["iban"])) == (NAME, ibans.compact(IBAN))
        assert (fields["amount"][:3], round(float(fields["amount"][3:]) * 100)) == ("EUR", amount)
        assert parse_number(fields["reference"]) == number


@pytest.mark.parametrize(("product", "form"), [("CZ-10D", "spayd"), ("SK-10D", "epc"), ("HU-10D", None)])
def test_who_orders_is_answered_with_the_very_text_of_the_code(product, form):
    """One who shows an order elsewhere draws the same code as we."""
    deciding = Deciding(
        Policy(TERMS, consent_needed=False), Payee(NAME, IBAN), lambda: NUMBERS[2], tuple, lambda _: None
    )
    place = deciding.decision(
        commands.Place(
            command_id=uuid4(),
            product=product,
            vehicle=VehicleForm(country="CZ", plate="1AB2345"),
            valid_from="2026-07-20",
            email="driver@example.org",
            language="cs",
        )
    )
    order = place.decide(None, datetime(2026, 7, 1, tzinfo=UTC))
    answered = place.extra(order)["payment"]
    code = payment_code(NAME, IBAN, order.price.total, order.number)
    assert {name: answered[name] for name in ("spayd", "epc") if name in answered} == (
        {form: code.text} if form else {}
    )


def test_a_reference_in_a_code_is_the_one_that_is_told_in_words():
    number = NUMBERS[2]
    crowns, euros = (
        payment_code(NAME, IBAN, Money(100, currency), number).text for currency in ("CZK", "EUR")
    )
    assert variable_symbol(number) in crowns
    assert creditor_reference(number) in euros


@pytest.mark.parametrize(
    "amount",
    [
        Money(100, "CHF"),
        Money(100, "HUF"),
        Money(0, "CZK"),
        Money(-1, "EUR"),
        Money(10**9, "CZK"),
        Money(10**11, "EUR"),
    ],
)
def test_what_no_code_can_ask_for_has_none(amount):
    """Another currency, nothing at all, or more than its field holds: the mail tells the numbers in words."""
    assert payment_code(NAME, IBAN, amount, NUMBERS[0]) is None


def test_the_longest_name_still_fits_and_one_too_long_for_the_form_has_no_code():
    """EPC069-12 allows 331 bytes, which is version 13 of a QR code."""
    euros = Money(99_999_999_999, "EUR")
    longest = payment_code("ž" * 70, IBAN, euros, NUMBERS[0])
    assert epc_fields(scanned(longest.png()))["name"] == "ž" * 70
    assert segno.make_qr(longest.text, error="m", boost_error=False).version <= 13
    assert payment_code("🚗" * 70, IBAN, euros, NUMBERS[0]) is None


def test_an_svg_fetches_and_runs_nothing():
    """It stands in a page whose policy allows no inline style and no script."""
    svg = payment_code(NAME, IBAN, Money(100, "EUR"), NUMBERS[0]).svg()
    assert svg.startswith("<svg ")
    for word in ("style", "script", "href", "url(", "data:", "class"):
        assert word not in svg


def test_the_same_code_has_the_same_name_and_another_one_its_own():
    codes = [payment_code(NAME, IBAN, Money(amount, "CZK"), NUMBERS[0]) for amount in (100, 100, 101)]
    assert codes[0].content_id == codes[1].content_id != codes[2].content_id
