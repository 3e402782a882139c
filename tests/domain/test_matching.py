"""Money finds its order, or a person: what is certain, what is not, and what is then suggested."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vignettes.domain import matching, mentions
from vignettes.domain.details import Status
from vignettes.domain.entry import BankEntry
from vignettes.domain.matching import Match, Notice, OrderInView, Reason, Review, match, wanted
from vignettes.domain.money import Money, zero
from vignettes.domain.references import creditor_reference, neighbours, number_from_serial, variable_symbol
from vignettes.eventstore.orders import order_id_of

SERIALS = st.integers(0, 89_999_999)
NUMBER, OTHER, THIRD = (number_from_serial(serial) for serial in (1, 2, 3))
SYMBOL, RF = variable_symbol(NUMBER), creditor_reference(NUMBER)
CZK_399, CZK_300 = Money(39_900, "CZK"), Money(30_000, "CZK")
NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)


def an_entry(**different) -> BankEntry:
    """Return 399 CZK that say nothing, or something else."""
    entry = BankEntry(
        entry_id="entry-1", account="CZ6508000000192000145399", booked_on=date(2026, 6, 2), amount=CZK_399,
        credit=True, reversal=False, booked=True, variable_symbol=None, creditor_reference=None, remittance=None,
        counterparty=None, counterparty_account=None, end_to_end_id=None, bank_reference=None,
    )  # fmt: skip
    return replace(entry, **different)


def an_order(number=NUMBER, outstanding=CZK_399, status=Status.AWAITING_PAYMENT, **different) -> OrderInView:
    """Return an order that waits for 399 CZK, or another one."""
    nothing = zero(outstanding.currency)
    order = OrderInView(order_id_of(number), number, status, outstanding, outstanding, nothing, NOON)
    return replace(order, **different)


def matched(entry: BankEntry, *orders: OrderInView) -> bool:
    """Tell whether it is certain, which it can be of the first order only."""
    verdict = match(entry, orders or [an_order()])
    if isinstance(verdict, Match):
        assert verdict.order_id == (orders[0].order_id if orders else order_id_of(NUMBER))
    return isinstance(verdict, Match)


def review(entry: BankEntry, *orders: OrderInView) -> Review:
    """Return what a person is told."""
    verdict = match(entry, orders)
    assert isinstance(verdict, Review)
    return verdict


# What is certain


@pytest.mark.parametrize(
    "named",
    [
        {"variable_symbol": SYMBOL},
        {"variable_symbol": "0000" + SYMBOL},
        {"variable_symbol": f" {SYMBOL} "},
        {"creditor_reference": RF},
        {"creditor_reference": "RF74 6562 3059 84"},
        {"creditor_reference": f"VS:{SYMBOL}"},
        {"end_to_end_id": f"/VS{SYMBOL}/SS/KS0308"},
        {"end_to_end_id": NUMBER},
    ],
)
def test_a_reference_in_a_field_names_its_order(named):
    verdict = match(an_entry(**named), [an_order(), an_order(OTHER)])
    reasons = (Reason.REFERENCE_CHECKS, Reason.AMOUNT_EXACT, Reason.CURRENCY_SAME, Reason.ORDER_WAITS)
    assert verdict == Match(order_id_of(NUMBER), reasons)


ALONE = [
    "V6562305984", "6562305984", "v6562305984", "VS:6562305984", "VS 6562305984", "vs6562305984", "VS: 0006562305984",
    "V.S. 6562305984", "V. S.: 6562305984", "var. symbol 6562305984", "Variabilní symbol: 6562305984",
    "X-VS:6562305984*", "VS/6562305984", "VS6562305984 1.12.2026", "VS:6562305984,KS:0308,SS:1",
    "/VS6562305984/SS0000000000/KS0308",
    "RF746562305984", "RF74 6562 3059 84", "rf74 6562 3059 84", "RF 74 6562 3059 84", "RF74 6562305984 399 CZK",
    "RF746562305984.", "6562 3059 84", "65623 05984", "VS 656 230 5984", "VS 6562-3059-84", "V6562 3059 84",
    "VS 6562305984 2 známky", "objednávka č. 6562305984, děkuji", "order #6562305984", "obj6562305984", "(6562305984)",
    "ref:V6562305984;", "Bestellung 6562305984.", "SVWZ+6562305984", "KREF+V6562305984", "6562305984 6562305984",
    "6562305984\nJan Novák", "10D 6562305984 399CZK", "dálnice_6562305984", "６５６２３０５９８４",
    "2.6.2026 6562305984", "+420 777123456 6562305984", "+420 777 123 456, VS 6562305984", "tel. 777123456 V6562305984",
    "CZ6508000000192000145399 6562305984", "CZ65 0800 0000 1920 0014 5399, 6562305984", "19-2000145399/0800 6562305984",
    "jan@example.com 6562305984", "https://vignettes.example/1 6562305984", "VS 6562305984 SS 1234567890",
    "399,00 6562305984",
    "6562\u00a03059\u00a084",
]  # fmt: skip


@pytest.mark.parametrize("text", ALONE)
def test_a_reference_in_the_text_counts_when_it_stands_alone(text):
    verdict = match(an_entry(remittance=text), [an_order()])
    assert isinstance(verdict, Match)
    assert verdict.reasons[0] == Reason.REFERENCE_IN_TEXT


@pytest.mark.parametrize(
    "text",
    [
        "66562305984", "65623059841", "6562305984/2010", "19-6562305984/0100", "6562305984 / 0100", "+6562305984",
        "+42 6562305984", "tel. 6562305984", "Tel: 656 230 5984", "účet č. 6562305984", "konto 6562305984",
        "SS 6562305984",
        "KS:6562305984", "IBAN 6562305984", "IČO: 6562305984", "6562305984.50", "1,6562305984", "2026-6562305984",
        "6562305984-1", "VS 6562305984-1", "12:6562305984", "x6562305984", "Č6562305984", "6562305984CZK",
        "6562305984@example.com", "jan.6562305984@example.com", "https://example.com/6562305984",
        "NL91 ABNA 6562305984", "NL91ABNA6562305984", "RF75 6562 3059 84", "RF746562305985", "RF74 6562 3059 8",
        "RF74 6562 3059 844", "656 230 5984", "656 2305984", "65 62 30 59 84", "6562 3059 8 4", "6 5 6 2 3 0 5 9 8 4",
        "65623059 84", "6562 3059 84 10", "VS 6562 3059 8", "VS 2026 656230 5984", "AT656562305984123456",
        "SK65 6562 3059 8400 0019 2000", "6562\n3059\n84", "6562.3059.84", "6562  3059  84",
    ],
)  # fmt: skip
def test_digits_that_are_part_of_something_else_name_no_order(text):
    assert not matched(an_entry(remittance=text))


def test_what_a_computer_puts_down_as_a_time_is_no_reference():
    """Of all symbols one in ten thousand looks like a day and an hour; told to be a symbol it is one."""
    symbol = next(
        s for hour in range(2026010100, 2026123123) if (s := str(hour)) and mentions.in_text(f"VS {s}").numbers
        and mentions._TIME.fullmatch(s)
    )  # fmt: skip
    assert mentions.in_text(symbol).numbers == ()
    assert mentions.in_text(f"VS:{symbol}").numbers == (f"V{symbol}",)


def test_the_same_reference_everywhere_is_one_order():
    entry = an_entry(variable_symbol=SYMBOL, creditor_reference=RF, remittance=f"VS {SYMBOL}, {RF}")
    assert wanted(entry).numbers == (NUMBER,)
    assert matched(entry)


@pytest.mark.case(21)
def test_a_top_up_of_exactly_the_rest_completes():
    order = an_order(status=Status.PARTIALLY_PAID, outstanding=Money(9_900, "CZK"))
    assert matched(an_entry(variable_symbol=SYMBOL, amount=Money(9_900, "CZK")), order)
    assert not matched(an_entry(variable_symbol=SYMBOL), order)


def test_a_payers_own_symbol_does_not_contradict_the_text():
    """Firms put the number of their invoice into the field."""
    assert matched(an_entry(variable_symbol="20260017", remittance=f"order {NUMBER}"))


def test_a_mistyped_symbol_that_meant_the_order_of_the_text_does_not_contradict_it():
    assert matched(an_entry(variable_symbol="6562305985", remittance=f"order {NUMBER}"))


# What is not certain


@pytest.mark.parametrize(
    "named",
    [
        {"variable_symbol": "6562305947"},
        {"variable_symbol": "1234567890"},
        {"creditor_reference": "RF18539007547034"},
        {"remittance": f"VS 1234567890 {NUMBER}"},
        {"end_to_end_id": "/VS1234567890/SS/KS"},
    ],
)
def test_a_reference_that_was_meant_otherwise_contradicts_the_text(named):
    """Both can't be right, and which is the payer's mistake nobody knows."""
    entry = an_entry(**{"remittance": f"order {NUMBER}", **named})
    verdict = review(entry, an_order())
    assert Reason.REFERENCES_DISAGREE in verdict.reasons
    assert verdict.suggestions[0].number == NUMBER


@pytest.mark.parametrize(
    ("different", "order", "reasons"),
    [
        ({}, {"outstanding": Money(49_900, "CZK")}, [Reason.AMOUNT_DIFFERS, Reason.UNDERPAID]),
        ({}, {"outstanding": CZK_300}, [Reason.AMOUNT_DIFFERS, Reason.OVERPAID]),
        ({"amount": Money(39_900, "EUR")}, {}, [Reason.CURRENCY_DIFFERS]),
        ({}, {"status": Status.EXPIRED}, [Reason.ORDER_NOT_WAITING, Reason.ORDER_EXPIRED]),
        ({}, {"status": Status.REFUNDED}, [Reason.ORDER_NOT_WAITING, Reason.ORDER_REFUNDED]),
        ({}, {"status": Status.REFUND_PENDING}, [Reason.ORDER_NOT_WAITING, Reason.ORDER_REFUNDED]),
        ({}, {"status": Status.SCHEDULED}, [Reason.ORDER_NOT_WAITING, Reason.ORDER_PAID]),
        ({}, {"status": Status.ISSUED}, [Reason.ORDER_NOT_WAITING, Reason.ORDER_PAID]),
        (
            {},
            {"status": Status.ISSUED, "paid_by_notices": (Notice(CZK_399, NOON),)},
            [Reason.ORDER_NOT_WAITING, Reason.ORDER_PAID, Reason.PAID_BY_NOTICE],
        ),
        ({"booked": False}, {}, [Reason.NOT_BOOKED]),
        ({"credit": False}, {}, [Reason.NOT_INCOMING]),
        ({"reversal": True}, {}, [Reason.REVERSAL]),
        ({"remittance": OTHER}, {}, [Reason.SEVERAL_REFERENCES, Reason.REFERENCE_UNKNOWN]),
    ],
)
def test_a_right_reference_is_not_enough(different, order, reasons):
    """Cases 20 to 27: the reasons say exactly what is in the way."""
    verdict = review(an_entry(variable_symbol=SYMBOL, **different), an_order(**order))
    assert list(verdict.reasons) == reasons


def test_a_named_order_is_suggested_whatever_is_in_the_way():
    entry = an_entry(variable_symbol=SYMBOL, amount=Money(100, "EUR"))
    (suggestion,) = review(entry, an_order(status=Status.EXPIRED)).suggestions
    assert (suggestion.number, suggestion.reasons[0]) == (NUMBER, Reason.REFERENCE_CHECKS)


def test_money_that_went_out_is_no_orders():
    assert review(an_entry(variable_symbol=SYMBOL, credit=False), an_order()).suggestions == ()


def test_an_order_of_which_nobody_knows():
    assert review(an_entry(variable_symbol=SYMBOL)).reasons == (Reason.REFERENCE_UNKNOWN,)


def test_money_that_says_nothing():
    verdict = review(an_entry(remittance="nájem listopad"), an_order(outstanding=CZK_300))
    assert verdict == Review((Reason.NO_REFERENCE,), ())


@given(SERIALS, st.integers(0, 9), st.integers(1, 9))
def test_no_wrong_digit_ever_leads_to_a_match(serial, place, more):
    """Promise 5, in each field, in every form, with every order that could be meant waiting for that amount."""
    symbol = variable_symbol(number_from_serial(serial))
    typed = f"{symbol[:place]}{(int(symbol[place]) + more) % 10}{symbol[place + 1 :]}"
    never_matched(serial, typed)


@given(SERIALS, st.integers(0, 8))
def test_no_swap_of_neighbours_ever_leads_to_a_match(serial, place):
    """Promise 5, as above."""
    symbol = variable_symbol(number_from_serial(serial))
    typed = symbol[:place] + symbol[place + 1] + symbol[place] + symbol[place + 2 :]
    if typed != symbol:
        never_matched(serial, typed)


@given(SERIALS, st.integers(0, 9), st.sampled_from(["", "0", "1", "7"]))
def test_no_missing_digit_and_none_too_much_ever_leads_to_a_match(serial, place, instead):
    """Case 23. A zero before the first digit changes nothing, and is no mistake."""
    symbol = variable_symbol(number_from_serial(serial))
    typed = symbol[:place] + (symbol[place] + instead if instead else "") + symbol[place + 1 :]
    never_matched(serial, typed)


def never_matched(serial: int, typed: str) -> None:
    """Try every manner of writing what was mistyped; all that it could have meant waits for the amount."""
    right = number_from_serial(serial)
    check = creditor_reference(right)[2:4]
    blocks = " ".join((typed[:4], typed[4:8], typed[8:]))
    orders = [an_order(number) for number in (right, *neighbours(typed))]
    for named in (
        {"variable_symbol": typed}, {"creditor_reference": typed}, {"creditor_reference": f"RF{check}{typed}"},
        {"end_to_end_id": f"/VS{typed}/SS/KS"}, {"remittance": typed}, {"remittance": f"VS {blocks}"},
        {"remittance": f"RF{check} {blocks}"}, {"remittance": blocks}, {"remittance": f"V{typed} 399 CZK 2.6.2026"},
    ):  # fmt: skip
        verdict = match(an_entry(**named), orders)
        assert isinstance(verdict, Review), named
        assert Reason.CHECK_DIGIT_WRONG in verdict.reasons or Reason.NO_REFERENCE in verdict.reasons


# What is suggested


@pytest.mark.case(23)
@pytest.mark.parametrize("typed", ["6562305985", "6652305984", "656230594", "65623055984"])
@pytest.mark.parametrize("field", ["variable_symbol", "remittance", "creditor_reference"])
def test_what_a_mistyped_reference_meant_is_suggested_first(field, typed):
    entry = an_entry(**{field: typed})
    assert NUMBER in wanted(entry).nearby
    assert wanted(entry).numbers == ()
    verdict = review(entry, an_order(OTHER), an_order())
    assert verdict.reasons == (Reason.CHECK_DIGIT_WRONG,)
    first, second = verdict.suggestions
    assert (first.number, second.number) == (NUMBER, OTHER)
    assert first.reasons[:2] == (Reason.REFERENCE_NEARLY, Reason.AMOUNT_EXACT)
    assert first.score > second.score


def test_an_rf_reference_whose_own_check_is_wrong_is_not_read_without_it():
    entry = an_entry(remittance="RF75 6562 3059 84")
    assert wanted(entry).nearby[0] == NUMBER
    assert review(entry, an_order()).suggestions[0].reasons[0] == Reason.REFERENCE_NEARLY


@pytest.mark.case(25)
def test_one_transfer_for_two_orders_is_suggested_as_a_split():
    both = an_entry(amount=CZK_399 + CZK_300, remittance=f"{NUMBER} + {OTHER}")
    verdict = review(both, an_order(), an_order(OTHER, CZK_300))
    assert verdict.reasons == (Reason.SEVERAL_REFERENCES,)
    split, *rest = verdict.suggestions
    assert split.split == ((order_id_of(NUMBER), CZK_399), (order_id_of(OTHER), CZK_300))
    assert Reason.SUM_EXACT in split.reasons
    assert {one.number for one in rest} == {NUMBER, OTHER}


@pytest.mark.parametrize(
    "other", [{"outstanding": CZK_399}, {"status": Status.EXPIRED}, {"outstanding": Money(30_000, "EUR")}]
)
def test_a_sum_that_is_not_exact_or_not_awaited_is_no_split(other):
    both = an_entry(amount=CZK_399 + CZK_300, remittance=f"{NUMBER} {OTHER}")
    verdict = review(both, an_order(), an_order(OTHER, **{"outstanding": CZK_300, **other}))
    assert all(not suggestion.split for suggestion in verdict.suggestions)


def test_what_tells_more_comes_first():
    """An address or a plate tells more than a name, a name more than the amount."""
    orders = [
        an_order(NUMBER, CZK_300, email="jan.novak@example.com"),
        an_order(OTHER, CZK_300, plate="1AB 2345"),
        an_order(THIRD, email="x@example.com"),
        an_order(number_from_serial(4), CZK_300, email="eva@example.com"),
        an_order(number_from_serial(5), CZK_300),
    ]
    entry = an_entry(remittance="známka 1AB-2345 Eva@example.com", counterparty="Novák Jan")
    verdict = review(entry, *orders)
    assert [suggestion.number for suggestion in verdict.suggestions] == [
        number_from_serial(4), OTHER, NUMBER, THIRD,
    ]  # fmt: skip
    assert [suggestion.reasons[0] for suggestion in verdict.suggestions] == [
        Reason.EMAIL_IN_TEXT, Reason.PLATE_IN_TEXT, Reason.PAYER_LIKE_EMAIL, Reason.AMOUNT_EXACT,
    ]  # fmt: skip


def test_at_most_five_are_suggested_and_none_that_waits_for_nothing():
    orders = [an_order(number_from_serial(serial)) for serial in range(10, 20)]
    assert len(review(an_entry(), *orders).suggestions) == 5
    assert review(an_entry(), an_order(status=Status.SCHEDULED)).suggestions == ()


def test_a_text_full_of_digits_is_not_looked_up_for_ever():
    digits = (str(value) for value in range(1_000_000_001, 1_000_005_000, 7))
    assert len(wanted(an_entry(remittance=" ".join(digits).replace(" ", ", "))).nearby) <= 20


@pytest.mark.parametrize(
    "text",
    [
        "1 " * 50_000, "A" * 100_000, "RF" + "1" * 100_000, "TEL" + " ." * 50_000, "a@" * 50_000, "+" * 100_000,
        "VS" + "1-" * 50_000, "CZ65" + "0 " * 50_000, "1/" * 50_000,
    ],
)  # fmt: skip
@pytest.mark.timeout(5)
def test_a_hostile_text_takes_no_time(text):
    assert not matched(an_entry(remittance=text))


def test_every_reason_says_something_to_a_person():
    assert set(matching.TEXTS) == set(Reason)
    assert all(text.endswith(".") for text in matching.TEXTS.values())
