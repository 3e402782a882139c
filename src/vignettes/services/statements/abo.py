"""Statements in the Czech banks' ABO format, also called GPC: fixed columns, always in windows-1250.

A header (074) with balances and turnovers, then items (075), each with messages (078, 079) after it.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache

from vignettes.domain.entry import BankEntry
from vignettes.services.statements.identity import Names
from vignettes.services.statements.ledger import Ledger
from vignettes.services.statements.model import BadFile, Line, Statement, bank_day
from vignettes.services.statements.sources import Source
from vignettes.services.statements.texts import plain, reference_in, symbol, symbol_in

ENCODING = "cp1250"
# Some programs fill the name up to 22 characters rather than 20; the signs show where the balances are.
_HEADER = re.compile(
    r"074(?P<account>[0-9 ]{16}).{20,22}?(?P<old_day>\d{6}|\s{6})"
    r"(?P<old>\d{14})(?P<old_sign>[+-])(?P<new>\d{14})(?P<new_sign>[+-])"
    r"(?P<debits>\d{14})(?P<debits_sign>[+\-0 ])(?P<credits>\d{14})(?P<credits_sign>[+\-0 ])"
    r"(?P<number>[\d ]{3})(?P<day>\d{6}).*",
    re.ASCII,
)
_ITEM = re.compile(
    r"075(?P<account>[0-9 ]{16})(?P<other>[0-9 ]{16})(?P<document>.{13})(?P<amount>\d{12})(?P<kind>.)"
    r"(?P<variable>[0-9 ]{10})..(?P<bank>[0-9 ]{4})[0-9 ]{4}.{10}(?P<value_day>.{6})(?P<name>.{20})"
    # The extended form goes on with four messages of 35 characters each.
    r".(?P<currency>.{4})(?P<day>.{6})(?P<message>.{0,140}).*",
    re.ASCII,
)
_ITEM_LENGTH = 128
#: Credit or debit, and whether it takes an earlier one back.
_KINDS = {"1": (False, False), "2": (True, False), "4": (True, True), "5": (False, True)}
# ISO 4217's numbers, filled up to four. 1101 is the kind of data, written by banks that name no currency.
_CURRENCIES = {
    "0203": "CZK",
    "0978": "EUR",
    "0840": "USD",
    "0826": "GBP",
    "0756": "CHF",
    "0985": "PLN",
    "0348": "HUF",
}
_OWN = "CZK"
_WAY_OUT = "Get the file from the bank again."


def read(source: Source, encoding: str) -> Iterator[BankEntry | Statement]:
    """Return entries and, at the end of each, statements."""
    statements = _Statements(Names(source))
    for number, text in enumerate(source.lines(encoding), 1):
        yield from statements.take(text.rstrip("\x1a"), number)
    yield from statements.end()


class _Statements:
    """Takes lines, gives entries and statements."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._header: re.Match[str] | None = None
        self._header_line = 0
        self._ledger: Ledger | None = None
        self._line: Line | None = None
        self._message = ""

    def take(self, text: str, number: int) -> Iterator[BankEntry | Statement]:
        where = f"line {number}"
        match text[:3]:
            case "074":
                yield from self.end()
                self._begin(text, number)
            case "075":
                yield from self._entered()
                self._line = self._item(text, where)
            case "078" | "079":
                self._message += text[3:]
            case "076" | "077" | "080" | "":  # the bank's own further particulars
                pass
            case _:
                raise BadFile("It is no record of ABO (074, 075, 078, 079).", where=where, way_out=_WAY_OUT)

    def end(self) -> Iterator[BankEntry | Statement]:
        """Return what is still to be told of the statement that ends here."""
        yield from self._entered()
        if self._header is not None:
            ledger = self._ledger or self._opened(self._header, _OWN)
            yield _closed(ledger, self._header, f"line {self._header_line}")
            self._header = self._ledger = None

    def _begin(self, text: str, number: int) -> None:
        found = _HEADER.fullmatch(text)
        if found is None:
            raise BadFile("The header (074) has no balances.", where=f"line {number}", way_out=_WAY_OUT)
        self._header, self._header_line, self._ledger = found, number, None

    def _item(self, text: str, where: str) -> Line:
        found = _ITEM.fullmatch(text.ljust(_ITEM_LENGTH))
        if found is None:
            raise BadFile("The item (075) has no account, amount and symbols.", where=where, way_out=_WAY_OUT)
        header = self._header
        if header is None or found["account"] != header["account"]:
            raise BadFile(
                "The item (075) is of another account than its header.", where=where, way_out=_WAY_OUT
            )
        if found["kind"] not in _KINDS:
            raise BadFile(f"The item's kind is {found['kind']!r}, not 1, 2, 4 or 5.", where=where)
        currency = _CURRENCIES.get(found["currency"], _OWN)
        # Only the first item tells the currency of the account.
        self._ledger = self._ledger or self._opened(header, currency)
        if self._ledger.currency != currency:
            raise BadFile(f"An item in {currency} in a statement in {self._ledger.currency}.", where=where)
        self._message = found["message"]
        days = (found["day"], found["value_day"], header["day"])
        booked_on = next(filter(None, (_day(text, where) for text in days)), None)
        if booked_on is None:
            raise BadFile("Neither the item (075) nor its header has a day.", where=where, way_out=_WAY_OUT)
        return _line(found, currency, booked_on)

    def _opened(self, header: re.Match[str], currency: str) -> Ledger:
        account, statement = header["account"].strip(), f"{header['number'].strip()}/{header['day']}"
        self._names.begin(account, statement)
        return Ledger(self._names, account, statement, currency, _signed(header, "old"))

    def _entered(self) -> Iterator[BankEntry]:
        """Return the item that waited for its messages, if there is one."""
        line, self._line = self._line, None
        if line is None or self._ledger is None:
            return
        line.remittance = plain(self._message)
        line.variable_symbol = line.variable_symbol or symbol_in(line.remittance)
        line.creditor_reference = reference_in(line.remittance)
        entered = self._ledger.enter(line)
        if entered is not None:
            yield entered


def _closed(ledger: Ledger, header: re.Match[str], where: str) -> Statement:
    """Return the statement; its turnovers must lead from the old to the new balance, and its items too."""
    old, new = _signed(header, "old"), _signed(header, "new")
    turned = old + _signed(header, "credits") - _signed(header, "debits")
    wrong = ledger.unlike("the new balance", new, turned, where) if turned != new else None
    return ledger.closed(new, where=where, disagreement=wrong)


def _line(found: re.Match[str], currency: str, booked_on: date) -> Line:
    credit, reversal = _KINDS[found["kind"]]
    document = found["document"].strip().strip("0") and found["document"].strip()
    return Line(
        booked_on,
        int(found["amount"]),
        currency,
        credit,
        reversal,
        key=f"{booked_on}/{document}" if document else None,
        bank_reference=document or None,
        variable_symbol=symbol(found["variable"]),
        counterparty=plain(found["name"]),
        counterparty_account=_other(found["other"], found["bank"]),
    )


def _other(digits: str, bank: str) -> str | None:
    """Return an account as Czechs write it: 19-2000145399/0800, prefix and bank only where there are some."""
    digits = digits.strip().rjust(16, "0")
    prefix, number = digits[:6].lstrip("0"), digits[6:].lstrip("0")
    if not number:
        return None
    account = f"{prefix}-{number}" if prefix else number
    return f"{account}/{bank}" if bank.strip(" 0") else account


def _signed(header: re.Match[str], name: str) -> int:
    return -int(header[name]) if header[f"{name}_sign"] == "-" else int(header[name])


def _day(text: str, where: str) -> date | None:
    """Return a day written as DDMMYY; None where it is left out."""
    if not text.strip(" 0"):
        return None
    try:
        return _calendar_day(text)
    except ValueError:
        raise BadFile(f"{text!r} is no day as DDMMYY.", where=where) from None


@lru_cache(maxsize=1_000)
def _calendar_day(text: str) -> date:
    return bank_day(datetime.strptime(text, "%d%m%y").date())  # noqa: DTZ007  # a day without time and zone
