"""Order numbers that survive a bank transfer, or are recognised as broken."""

from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iso11649

from vignettes.domain import references
from vignettes.domain.errors import InvalidValue
from vignettes.domain.money import Money
from vignettes.domain.references import (
    creditor_reference,
    epc,
    neighbours,
    number_from_serial,
    parse_number,
    spayd,
    variable_symbol,
)

SERIALS = st.integers(0, 89_999_999)
NUMBER = number_from_serial(1)
IBAN = "CZ65 0800 0000 1920 0014 5399"


def test_the_first_numbers_are_what_they_always_were():
    """A number once given out never changes its meaning."""
    assert [number_from_serial(each) for each in (0, 1, 2)] == ["V1000000064", "V6562305984", "V3124611822"]


@given(SERIALS)
def test_a_number_reads_back_from_all_its_forms(serial):
    """Order number, variable symbol and RF reference stand for the same order."""
    number = number_from_serial(serial)
    assert parse_number(number) == number
    assert parse_number(variable_symbol(number)) == number
    assert parse_number(creditor_reference(number)) == number
    assert len(variable_symbol(number)) == 10
    assert iso11649.is_valid(creditor_reference(number))


@pytest.mark.parametrize(
    "text", [" v65 6230 5984", "65 623 059 84", "rf74 6562 3059 84", "RF74\u00a06562305984\n"]
)
def test_spaces_and_small_letters_are_forgiven(text):
    """People copy references in blocks."""
    assert parse_number(text) == "V6562305984"


@pytest.mark.parametrize(
    "text",
    ["", "V", "V656230598", "V65623059840", "X6562305984", "RF756562305984", "RF74V6562305984", "0562305984",
     "６５６２３０５９８４", "6562-305984", "V1000002101", "RF746562305983"],
)  # fmt: skip
def test_what_does_not_check_is_nothing(text):
    """A payment is matched on a reference that checks, or goes to a person."""
    assert parse_number(text) is None


@given(SERIALS, st.integers(0, 9), st.integers(0, 9))
def test_every_wrong_digit_is_caught(serial, place, digit):
    """Promise 5: one mistyped digit never leads to another order."""
    symbol = variable_symbol(number_from_serial(serial))
    typed = symbol[:place] + str(digit) + symbol[place + 1 :]
    assert (parse_number(typed) is None) == (typed != symbol)


@given(SERIALS)
def test_every_swap_of_neighbours_is_caught(serial):
    """Promise 5: two digits in the wrong order never lead to another order."""
    symbol = variable_symbol(number_from_serial(serial))
    for place in range(9):
        typed = symbol[:place] + symbol[place + 1] + symbol[place] + symbol[place + 2 :]
        assert (parse_number(typed) is None) == (typed != symbol)


@pytest.mark.parametrize("serial", [0, 1, 77, 4711, 12_345_678, 89_999_999])
def test_every_error_of_one_digit_is_caught_in_every_form(serial):
    """Promise 5, exhaustively: each place, each digit, in the symbol and in the RF reference."""
    number = number_from_serial(serial)
    for text in (number, variable_symbol(number), creditor_reference(number)):
        for place, right in enumerate(text):
            for wrong in set("0123456789") - {right}:
                if right.isdigit():
                    assert parse_number(text[:place] + wrong + text[place + 1 :]) is None


@given(
    SERIALS,
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from(["wrong", "swapped", "missing", "too much"]),
)
def test_one_mistake_of_a_typist_is_found_back(serial, place, digit, mistake):
    """Each of the four mistakes has the right number among its neighbours."""
    number = number_from_serial(serial)
    symbol = variable_symbol(number)
    typed = {
        "wrong": symbol[:place] + str(digit) + symbol[place + 1 :],
        "swapped": symbol[:place] + symbol[place : place + 2][::-1] + symbol[place + 2 :],
        "missing": symbol[:place] + symbol[place + 1 :],
        "too much": symbol[:place] + str(digit) + symbol[place:],
    }[mistake]
    assert typed == symbol or number in neighbours(typed)


@pytest.mark.parametrize(
    "typed", ["6562305985", "6652305984", "656230594", "65623055984", "1000000000", "9999999999"]
)
def test_neighbours_are_all_that_one_mistake_can_mean(typed):
    """As many as trying every digit in every place finds, and no more."""
    digits = "0123456789"
    by_length = {
        9: {typed[:place] + digit + typed[place:] for place in range(10) for digit in digits},
        10: {typed[:place] + digit + typed[place + 1 :] for place in range(10) for digit in digits}
        | {typed[:place] + typed[place : place + 2][::-1] + typed[place + 2 :] for place in range(9)},
        11: {typed[:place] + typed[place + 1 :] for place in range(11)},
    }
    possible = {parse_number(each) for each in by_length[len(typed)] - {typed}} - {None}
    assert set(neighbours(typed)) == possible


@pytest.mark.parametrize("digits", ["", "1", "12345678", "123456789012"])
def test_what_is_far_from_ten_digits_has_no_neighbours(digits):
    """Two mistakes are too many to tell what was meant."""
    assert neighbours(digits) == ()


def test_no_two_serials_share_a_number():
    """The stride has no factor in common with the number of bodies."""
    assert gcd(references._STRIDE, references._BODIES) == 1
    assert len({number_from_serial(each) for each in range(20_000)}) == 20_000


@given(st.integers(0, 89_999_998))
def test_neighbours_lie_far_apart(serial):
    """A competitor can't read our volume off two orders, nor a typing error reach the next."""
    here, there = (int(variable_symbol(number_from_serial(each))[:8]) for each in (serial, serial + 1))
    assert abs(here - there) > 30_000_000


@pytest.mark.parametrize("serial", [-1, 90_000_000])
def test_a_serial_beyond_the_digits_is_an_error(serial):
    """Rather none than one given twice."""
    with pytest.raises(ValueError, match="no order number"):
        number_from_serial(serial)


def test_a_czech_payment_code():
    """SPAYD 1.0 as the banks' apps read it."""
    assert spayd(IBAN, Money(39905, "CZK"), NUMBER, "Dálnice * 1AB 2345") == (
        "SPD*1.0*ACC:CZ6508000000192000145399*AM:399.05*CC:CZK*X-VS:6562305984*MSG:D%C3%A1lnice %2A 1AB 2345"
    )


def test_a_long_message_is_cut():
    """SPAYD allows sixty characters."""
    assert spayd(IBAN, Money(1, "CZK"), NUMBER, "x" * 99).endswith("*MSG:" + "x" * 60)


def test_a_sepa_payment_code():
    """EPC069-12: BIC and purpose are empty, the reference is structured."""
    text = epc("Vignettes s.r.o.", IBAN, Money(1670, "EUR"), NUMBER)
    assert text.split("\n") == [
        "BCD", "002", "1", "SCT", "", "Vignettes s.r.o.", "CZ6508000000192000145399", "EUR16.70", "",
        "RF746562305984",
    ]  # fmt: skip


def test_a_sepa_code_is_for_euros():
    """Another currency is a mistake, never a conversion."""
    with pytest.raises(InvalidValue) as refused:
        epc("Vignettes", IBAN, Money(100, "CZK"), NUMBER)
    assert refused.value.field == "amount.currency"


@pytest.mark.parametrize("amount", [0, -1, 10**12])
def test_an_amount_no_bank_takes_is_refused(amount):
    """Nothing, less than nothing, or too much."""
    with pytest.raises(InvalidValue):
        epc("Vignettes", IBAN, Money(amount, "EUR"), NUMBER)
    with pytest.raises(InvalidValue):
        spayd(IBAN, Money(amount, "CZK"), NUMBER, "")
