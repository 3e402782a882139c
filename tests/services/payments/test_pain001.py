"""Files of transfers for the bank: whole, valid by the schema of ISO 20022, and the same to the byte."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sepaxml
from lxml import etree

from vignettes.domain.errors import InvalidValue
from vignettes.domain.money import Money
from vignettes.services.deciding import Payee
from vignettes.services.payments.accounts import is_payable, payable
from vignettes.services.payments.pain001 import NAMESPACE, Transfer, basic, document

FILE = "F0123456789abcdef0123456789abcdef"
AT = datetime(2026, 6, 1, 22, 30, 5, 900, tzinfo=UTC)
OURS = Payee("Vignettes & Söhne", "CZ6508000000192000145399")
THEIRS = "SK3112000000198742637541"


def a_transfer(amount=39_900, currency="EUR", **different):
    usual = {
        "payout_id": "V1000000064-1",
        "iban": THEIRS,
        "name": "Jana Nováková",
        "text": "Refund V1000000064",
    }
    return Transfer(amount=Money(amount, currency), **{**usual, **different})


def texts(content, *path):
    """Return the texts at a path, from any element of that name on."""
    within = "/".join(f"{{{NAMESPACE}}}{name}" for name in path)
    return [each.text for each in etree.fromstring(content).iterfind(f".//{within}")]


@pytest.fixture(scope="session")
def schema():
    """Return the schema as another library carries it."""
    return etree.XMLSchema(etree.parse(Path(sepaxml.__file__).parent / "schemas" / "pain.001.001.09.xsd"))


@pytest.mark.parametrize("currency", ["EUR", "CZK", "HUF", "CHF"])
def test_a_file_is_valid_by_the_schema(schema, currency):
    """Also where a name is long, or in another alphabet."""
    transfers = [
        a_transfer(currency=currency),
        a_transfer(1, currency, name="Иван Петров"),
        a_transfer(10**9, currency, name="Ž" * 200, text="x" * 500),
    ]
    schema.assertValid(etree.fromstring(document(FILE, AT, OURS, transfers)))


def test_a_file_says_how_many_and_how_much_in_its_head_and_in_its_group():
    """The bank refuses what does not add up."""
    content = document(FILE, AT, OURS, [a_transfer(1), a_transfer(12_345), a_transfer(200)])
    assert texts(content, "NbOfTxs") == ["3", "3"]
    assert texts(content, "CtrlSum") == ["125.46", "125.46"]
    assert texts(content, "InstdAmt") == ["0.01", "123.45", "2.00"]
    assert texts(content, "MsgId") + texts(content, "PmtInfId") == [FILE, FILE]


def test_each_transfer_is_known_by_its_payout_on_every_statement():
    """By its end-to-end id; and a person reads which order it was."""
    content = document(FILE, AT, OURS, [a_transfer()])
    assert texts(content, "EndToEndId") == ["V1000000064-1"]
    assert texts(content, "Ustrd") == ["Refund V1000000064"]
    assert texts(content, "DbtrAcct", "Id", "IBAN") == [OURS.iban]
    assert texts(content, "CdtrAcct", "Id", "IBAN") == [THEIRS]
    assert texts(content, "Cdtr", "Nm") == ["Jana Novakova"]
    assert texts(content, "Dbtr", "Nm") == ["Vignettes + Sohne"]


def test_it_is_carried_out_on_the_day_of_its_first_payout():
    """In UTC, whatever zone that time comes in: the file is the same to the byte."""
    prague = AT.astimezone(timezone(timedelta(hours=2)))
    content = document(FILE, AT, OURS, [a_transfer()])
    assert document(FILE, prague, OURS, [a_transfer()]) == content
    assert texts(content, "CreDtTm") == ["2026-06-01T22:30:05Z"]
    assert texts(content, "ReqdExctnDt", "Dt") == ["2026-06-01"]


def test_euros_go_by_sepa_and_nothing_else_does():
    """Service level and shared charges belong to the scheme."""
    euros, crowns = (document(FILE, AT, OURS, [a_transfer(currency=each)]) for each in ("EUR", "CZK"))
    assert texts(euros, "SvcLvl", "Cd") + texts(euros, "ChrgBr") == ["SEPA", "SLEV"]
    assert texts(crowns, "SvcLvl", "Cd") + texts(crowns, "ChrgBr") == []


def test_amounts_have_the_decimals_of_their_currency():
    """A yen has none, and a dinar of Kuwait three (ISO 4217)."""
    for currency, written in (("JPY", "1234"), ("KWD", "1.234"), ("HUF", "12.34")):
        assert texts(document(FILE, AT, OURS, [a_transfer(1_234, currency)]), "InstdAmt") == [written]


@pytest.mark.parametrize(
    ("text", "carried"),
    [
        ("Ľubomír Ďurďa", "Lubomir Durda"),
        ("Groß & Łoś – Ærø", "Gross + Los - AEro"),
        ("Nguyễn  Văn\tA", "Nguyen Van A"),
        ("ﬁrma №5", "firma No5"),
        ("/a//b/", "a/b"),
        ("Иван", ""),
        ("a" * 80, "a" * 70),
        ("<b>&amp;", "b +amp"),
    ],
)
def test_texts_are_written_in_the_characters_that_every_bank_carries(text, carried):
    """Without accents, and nothing that a bank could refuse a whole file for."""
    assert basic(text, 70) == carried


@pytest.mark.parametrize(
    ("account", "currency", "iban"),
    [
        ("CZ65 0800 0000 1920 0014 5399", "EUR", OURS.iban),
        ("cz6508000000192000145399", "CZK", OURS.iban),
        ("19-2000145399/0800", "CZK", OURS.iban),
        ("2000145399/0800", "CZK", "CZ7908000000002000145399"),
    ],
)
def test_an_account_is_an_iban_or_a_czech_one_for_crowns(account, currency, iban):
    """However people write it."""
    assert payable(account, currency) == iban


@pytest.mark.parametrize(
    ("account", "currency"),
    [
        ("CZ6508000000192000145398", "CZK"),
        ("19-2000145399/0800", "EUR"),
        ("19-2000145398/0800", "CZK"),
        ("somewhere", "EUR"),
        ("", "EUR"),
    ],
)
def test_what_is_no_account_is_refused_by_its_field(account, currency):
    """A wrong digit must not send money to nobody."""
    with pytest.raises(InvalidValue) as refused:
        payable(account, currency)
    assert refused.value.field == "account"
    assert not is_payable(account, currency)
    assert not is_payable(None, currency)
