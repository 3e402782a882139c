"""ABO, also called GPC."""

from datetime import date

import pytest

from bank_files import abo, abo_header, abo_item


def test_items_say_who_paid_what(entries):
    data = abo(
        abo_header(old=0, new=30000, credited=30000),
        abo_item(30000, 2, symbol=1234567890, document=77, name="NOVÁK JAN"),
        f"078{'Dálniční známka':<35}{'pro Škodu':<35}",
        "079další řádek",
    )
    (found,) = entries(data)
    assert (found.booked_on, found.amount.amount, found.amount.currency) == (date(2026, 1, 5), 30000, "CZK")
    assert (found.credit, found.variable_symbol, found.counterparty) == (True, "1234567890", "NOVÁK JAN")
    assert found.counterparty_account == "1000000785/0800"
    assert found.remittance == "Dálniční známka pro Škodu další řádek"
    assert found.account == "0000192000145399"


def test_reversals_are_booked_against_their_kind(entries, summed):
    """Kind 5 takes a credit back, kind 4 a debit; they lower the turnovers."""
    data = abo(
        abo_header(old=-100, new=-150, debits=20, credited=-30),
        abo_item(50, 1, document=1),
        abo_item(30, 4, document=2),
        abo_item(30, 5, document=3),
    )
    assert [(e.credit, e.reversal) for e in entries(data)] == [(False, False), (True, True), (False, True)]
    [found] = summed(data)
    assert (found.opening.amount, found.closing.amount) == (-100, -150)


def test_a_statement_without_items_and_one_with_a_wider_name(summed):
    header = abo_header(old=5, new=5)
    wider = header[:39] + "  " + header[39:]
    assert [s.adds_up for s in summed(abo(header, wider))] == [True, True]


def test_an_item_in_euro(entries):
    item = abo_item(30000, 2).replace("00203050126", "00978050126")
    assert [e.amount.currency for e in entries(abo(abo_header(old=0, new=30000, credited=30000), item))] == [
        "EUR"
    ]


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([abo_header(old=0, new=1, credited=1)], "line 1: Statement 005/050126"),
        ([abo_header(old=0, new=1, credited=2), abo_item(1, 2)], "the new balance"),
        ([abo_item(1, 2)], "line 1: The item (075) is of another account"),
        ([abo_header(old=0, new=0), abo_item(1, 3)], "line 2: The item's kind is '3'"),
        ([abo_header(old=0, new=0), "075short"], "line 2: The item (075)"),
        ([abo_header(old=0, new=0), abo_item(1, 2, day="310226")], "'310226' is no day"),
        ([abo_header(old=0, new=0), abo_item(1, 2, day="010170")], "line 2: '010170' is no day"),
        (
            [abo_header(old=0, new=1, credited=1).replace("050126", "000000"), abo_item(1, 2, day="000000")],
            "line 2: Neither the item (075) nor its header has a day",
        ),
        (["074"], "line 1: The header"),
        ([abo_header(old=0, new=0), "999"], "line 2: It is no record"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(refusal, records, says):
    assert says in refusal(abo(*records))


def test_windows_1250_has_no_letter_for_some_bytes(refusal):
    data = abo(abo_header(old=0, new=0)).replace(b"s.r.o.", b"\x81.r.o.")
    assert f"byte {data.index(0x81)}" in refusal(data)
