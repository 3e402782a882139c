"""The same movement has the same name from every file, and every other movement has another."""

import pytest

from bank_files import (
    abo,
    abo_header,
    abo_item,
    balance,
    camt053,
    camt054,
    entry,
    mt940,
    statement,
    transaction,
)
from vignettes.services.statements import read

LINE = ":61:2601050105C30,00NTRFNONREF"


def names(found):
    return [e.entry_id for e in found]


@pytest.mark.case(17)
def test_a_file_under_another_name_says_the_same(tmp_path):
    for name in ("a.xml", "b.sta"):
        (tmp_path / name).write_bytes(camt054(statement(entry(reference=None))))
    assert list(read(tmp_path / "a.xml")) == list(read(tmp_path / "b.sta"))


@pytest.mark.case(17)
def test_a_notice_and_its_statement_name_an_entry_alike(entries):
    """So do two statements that both have it, wherever in them it stands."""
    balances = balance("OPBD", "0") + balance("CLBD", "600")
    longer = camt053(statement(entry(reference="REF0"), entry(), balances=balances, name="S9"))
    assert names(entries(camt054(statement(entry(), name="N"))))[0] == names(entries(longer))[1]


@pytest.mark.case(17)
def test_overlapping_statements_without_references_name_lines_alike(entries):
    day = mt940(LINE, opening="C260105EUR130,00", closing="C260105EUR160,00")
    week = mt940(LINE, LINE, closing="C260105EUR160,00").replace(b":28C:1/1", b":28C:7/1")
    assert names(entries(day))[0] == names(entries(week))[1]


@pytest.mark.case(19)
@pytest.mark.parametrize(
    "data",
    [
        mt940(LINE, LINE, closing="C260105EUR160,00"),
        mt940(LINE + "//B", LINE + "//B", closing="C260105EUR160,00"),
        camt053(statement(entry(), entry())),
        camt054(statement(entry(reference=None), entry(reference=None))),
        abo(abo_header(old=0, new=2, credited=2), abo_item(1, 2, document=7), abo_item(1, 2, document=7)),
        camt053(statement(entry(details=transaction(amount='<Amt Ccy="CZK">150.00</Amt>') * 2))),
    ],
    ids=["balances", "reference", "camt reference", "nothing", "abo", "batch"],
)
def test_two_identical_real_lines_are_two(entries, data):
    first, second = names(entries(data))
    assert first != second


def test_pending_and_booked_reversed_and_not_are_different_movements(entries):
    data = camt053(
        statement(
            entry(),
            entry(status="<Sts><Cd>PDNG</Cd></Sts>"),
            entry(side="DBIT"),
            entry(side="DBIT", more="<RvslInd>true</RvslInd>"),
            entry("300.01"),
        )
    )
    assert len(set(names(entries(data)))) == 5


def test_a_reference_that_starts_again_each_day_is_another(entries):
    """ABO, MT940 and CSV only: some of their banks count from one."""
    first = abo(abo_header(old=0, new=1, credited=1), abo_item(1, 2, document=1))
    second = abo(abo_header(old=0, new=1, credited=1), abo_item(1, 2, document=1, day="060126"))
    assert names(entries(first)) != names(entries(second))


def test_names_are_fixed_for_ever(entries):
    """Whoever changes how they are made has every movement of the past twice."""
    balances = balance("OPBD", "0") + balance("CLBD", "300")
    assert names(entries(camt053(statement(entry())))) == ["d253663fc97621ad271bc5e478685596"]
    assert names(entries(camt053(statement(entry(reference=None), balances=balances)))) == [
        "d25544632e1465afa169fa304503c35f"
    ]
