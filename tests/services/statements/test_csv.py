"""CSV by a column map."""

from datetime import date

import pytest

from vignettes.services.statements import BadFile, load_map

MAP = """
account = "CZ6508000000192000145399"
currency = "CZK"
delimiter = ";"
encoding = "windows-1250"
skip_lines = 1
decimal = ","
thousands = " \u00a0"
date_format = "%d.%m.%Y"
newest_first = true
[columns]
booked_on = "Datum"
amount = "Objem"
balance = "Zůstatek"
variable_symbol = "VS"
remittance = "Zpráva"
counterparty = "Název protiúčtu"
bank_reference = "ID"
"""
FILE = """Výpis;účtu
ID;Datum;Objem;Zůstatek;VS;Zpráva;Název protiúčtu
12;06.01.2026;-1 100,50;100,00;;"nájem; leden";Dům
11;05.01.2026;+300,00;1\u00a0200,50;0012345678;známka;Jan Novák

"""


@pytest.fixture
def column_map(tmp_path):
    def written(text: str = MAP):
        path = tmp_path / "map.toml"
        path.write_text(text, encoding="utf-8")
        return load_map(path)

    return written


def test_a_map_says_how_a_bank_writes(entries, summed, column_map):
    data = FILE.encode("cp1250")
    rent, paid = entries(data, map=column_map())
    assert (rent.amount.amount, rent.credit, rent.remittance) == (110050, False, "nájem; leden")
    assert (paid.booked_on, paid.amount.amount, paid.variable_symbol) == (date(2026, 1, 5), 30000, "12345678")
    [found] = summed(data, map=column_map())
    assert (found.opening.amount, found.closing.amount, found.adds_up) == (90050, 10000, True)


def test_a_balance_that_breaks_is_told_with_its_line(refusal, column_map):
    """The line that broke is the one whose balance does not follow from its neighbour."""
    words = refusal(FILE.replace("200,50", "200,51").encode("cp1250"), map=column_map())
    assert "line 4" in words
    assert "0.01 CZK apart" in words


def test_oldest_first_and_a_column_of_directions(entries, summed, refusal, column_map):
    text = 'account="1"\ncredit=["in"]\ndebit=["out"]\n[columns]\nbooked_on="d"\namount="a"\ncurrency="c"\n'
    columns = column_map(text + 'direction="w"\nbalance="b"\n')
    data = b"d,a,c,w,b\n2026-01-05,5.00,EUR,in,15.00\n2026-01-06,7.00,EUR,out,8.00\n"
    assert [e.credit for e in entries(data, map=columns)] == [True, False]
    assert summed(data, map=columns)[0].closing.amount == 800
    assert "line 3" in refusal(data.replace(b"out,8.00", b"out,8.01"), map=columns)
    assert "Column 'w' has a word that" in refusal(data.replace(b"out", b"up"), map=columns)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("Objem;", "Castka;"), "line 2: There are 0 columns 'Objem' (amount)"),
        (("Zpráva;", "VS;"), "line 2: There are 2 columns 'VS' (variable_symbol)"),
        (("+300,00", "3oo"), "line 4: Column 'Objem': This is no amount"),
        (("+300,00", "1" * 16), "line 4: Column 'Objem': 1111111111111111 is more than any bank books"),
        (("05.01.2026", "5/1/26"), "line 4: Column 'Datum' has no day"),
        (("05.01.2026", "05.01.0001"), "line 4: Column 'Datum' has no day"),
        (("05.01.2026", "31.12.9999"), "line 4: Column 'Datum' has no day"),
        ((";známka;Jan Novák", ""), "line 4: The line has only 5 columns"),
        (('"nájem; leden"', '"nájem'), "no CSV"),
    ],
)
def test_what_does_not_fit_is_told_with_line_and_column(refusal, column_map, change, says):
    assert says in refusal(FILE.replace(*change).encode("cp1250"), map=column_map())


@pytest.mark.parametrize(
    "change",
    [
        ('booked_on = "Datum"', 'booked_on = "Název protiúčtu"'),
        ('amount = "Objem"', 'amount = "Název protiúčtu"'),
        ("[columns]", '[columns]\ncurrency = "Název protiúčtu"'),
        ("skip_lines = 1", "skip_lines = 3"),
    ],
)
def test_a_wrong_map_lets_no_name_into_the_reason(refusal, column_map, change):
    """It is kept, and shown, for ever and in clear."""
    words = refusal(FILE.encode("cp1250"), map=column_map(MAP.replace(*change)))
    assert not any(name in words for name in ("Jan", "Dům", "Novák")), words


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('amount = "Objem"', ""), "columns.amount"),
        (('VS"', 'VS"\nsymbol = "x"'), "columns.symbol"),
        (('currency = "CZK"', ""), "currency is missing"),
        (('"CZK"', '"Kč"'), "currency"),
        (("windows-1250", "guess"), "'guess' is not known"),
        (('amount = "Objem"', 'amount = "Objem"\ndirection = "x"'), "credit and debit are missing"),
        (("skip_lines = 1", "skip_lines ="), "no TOML"),
    ],
)
def test_a_map_that_is_wrong_is_refused_in_words(column_map, change, says):
    with pytest.raises(BadFile, match=says):
        column_map(MAP.replace(*change))


def test_csv_needs_a_map(refusal):
    assert "--map" in refusal(b"a,b\n1,2\n")
    assert "--map" in refusal(b"a,b\n1,2\n", format="csv")
