"""`vignettes payments parse`."""

import json

import pytest
from typer.testing import CliRunner

from bank_files import balance, camt053, entry, mt940, statement, transaction
from vignettes.runtime.cli import app
from vignettes.runtime.console import err, out

BALANCES = balance("OPBD", "0") + balance("CLBD", "300")
LONG_REFERENCE = "RF18-539007547034-5390075470345390"
FIELDS = {
    **dict.fromkeys(
        ("entry_id", "account", "booked_on", "amount", "currency", "credit", "reversal", "booked")
    ),
    **dict.fromkeys(
        ("variable_symbol", "creditor_reference", "remittance", "counterparty", "counterparty_account")
    ),
}


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """Run the command on a file with these bytes."""
    monkeypatch.chdir(tmp_path)

    def run(data: bytes, *options: str):
        (tmp_path / "file").write_bytes(data)
        return CliRunner().invoke(app, ["payments", "parse", "file", *options])

    return run


def test_json_is_one_object_a_line_with_the_fields_of_the_contract(parse):
    details = transaction("/VS1234567890", text="známka")
    done = parse(camt053(statement(entry(details=details), balances=BALANCES)), "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert told.keys() == FIELDS.keys()
    assert (told["booked_on"], told["amount"], told["variable_symbol"]) == ("2026-01-05", 30000, "1234567890")


def test_a_table_ends_with_what_the_statements_come_to(parse):
    done = parse(camt053(statement(entry(), balances=BALANCES)))
    assert done.exit_code == 0
    assert "300.00 CZK" in done.stdout
    assert done.stdout.endswith("Balances:  add up\n\n")


def test_no_amount_is_cut_however_narrow_the_terminal(parse, monkeypatch):
    """Nor are accounts and references: each has a line of its own, in the table and in the totals."""
    monkeypatch.setattr(out, "width", 80)
    names = entry(
        "9000000000000.00", side="DBIT", details=transaction(LONG_REFERENCE, text="za známku " * 20)
    )
    balances = balance("OPBD", "9000000000000") + balance("CLBD", "0")
    done = parse(camt053(statement(names, balances=balances)))
    lines = done.stdout.splitlines()
    assert any("-9000000000000.00 CZK" in line for line in lines)
    assert any(LONG_REFERENCE in line for line in lines)
    assert max(map(len, lines)) <= 80
    for label, value in (("Opening", "9000000000000.00 CZK"), ("Closing", "0.00 CZK")):
        assert f"{label + ':':<11}{value}" in lines
    monkeypatch.setattr(out, "width", 30)
    assert "-9000000000000.00 CZK" in parse(camt053(statement(names, balances=balances))).stdout


def test_how_far_it_is_read_is_shown_where_the_entries_go_elsewhere(parse, monkeypatch):
    """Only on a terminal, and not among what a program reads."""
    monkeypatch.setattr(err, "_force_terminal", True)
    monkeypatch.setattr(err, "is_interactive", True)
    monkeypatch.setenv("TERM", "xterm")
    done = parse(
        camt053(statement(entry(), balances=balance("OPBD", "0") + balance("CLBD", "300"))), "--json"
    )
    assert "reading" in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_a_file_that_does_not_add_up_is_shown_whole_and_refused(parse):
    """All statements are shown and each that is wrong is named; the exit code is 1."""
    wrong = mt940(":61:260105C30,00NTRFX", closing="C260105EUR131,00")
    done = parse(wrong + mt940(":61:260105C30,00NTRFX", closing="C260105EUR130,00"), "--json")
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 2
    assert "line 6" in done.stderr


def test_what_is_no_bank_file_is_told_on_stderr(parse):
    done = parse(b"PK\x03\x04")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "zip archive" in done.stderr


@pytest.mark.parametrize(
    "options", [("--format", "xls"), ("--format", "csv"), ("--map", "none.toml"), ("--no",)]
)
def test_misuse_ends_with_2(parse, options):
    assert parse(b"", *options).exit_code == 2
