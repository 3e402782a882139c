"""A bank's CSV, read by a column map; where it has a balance in each line, line by line against that.

Refusals quote no cell: where the map is wrong, any of them may be a person's name.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache

from vignettes.domain.entry import BankEntry
from vignettes.domain.money import Money
from vignettes.services.statements.amounts import minor_units
from vignettes.services.statements.csv_map import CsvMap
from vignettes.services.statements.identity import Names
from vignettes.services.statements.ledger import Ledger
from vignettes.services.statements.model import BadFile, Line, Statement, bank_day
from vignettes.services.statements.sources import Source
from vignettes.services.statements.texts import account_number, named, plain, reference_in, symbol, symbol_in

_MINUS = "-\N{MINUS SIGN}"
_STATEMENT = "CSV"


def read(source: Source, encoding: str, columns: CsvMap) -> Iterator[BankEntry | Statement]:
    """Return entries and, at the end, what those of each account and currency come to."""
    rows = _rows(source.lines(encoding), columns)
    try:
        number, headings = next(rows, (1, []))
        lines = _Lines(Names(source), columns, _places(headings, columns, number))
        for number, row in rows:
            if any(cell.strip() for cell in row):
                yield from lines.take(row, f"line {number}")
    except csv.Error as error:
        raise BadFile(
            f"This is no CSV: {error}.", way_out="Look at delimiter and quote in the map."
        ) from None
    yield from lines.end()


def _rows(lines: Iterator[str], columns: CsvMap) -> Iterator[tuple[int, list[str]]]:
    for _ in range(columns.skip_lines):
        next(lines, None)
    marked = (f"{line}\n" for line in lines)
    reader = csv.reader(marked, delimiter=columns.delimiter, quotechar=columns.quote, strict=True)
    for row in reader:
        yield columns.skip_lines + reader.line_num, row


def _places(headings: list[str], columns: CsvMap, number: int) -> dict[str, int]:
    """Return in which column each field stands; refuse headings that the map does not fit."""
    found = [heading.strip().removeprefix("\ufeff") for heading in headings]
    places = {}
    for field, heading in columns.columns.model_dump(exclude_none=True).items():
        if found.count(heading) != 1:
            raise BadFile(
                f"There are {found.count(heading)} columns {heading!r} ({field}) among {len(found)}.",
                where=f"line {number}",
                way_out="Make the map fit (columns, skip_lines, delimiter).",
            )
        places[field] = found.index(heading)
    return places


@dataclass(slots=True)
class _Chain:
    """The balances of one account and currency: the first, the last, and that which the next line must meet."""

    ledger: Ledger
    opening: int | None = None
    closing: int | None = None


class _Lines:
    """Takes rows, gives entries and statements."""

    def __init__(self, names: Names, columns: CsvMap, places: dict[str, int]) -> None:
        self._names = names
        self._map = columns
        self._places = places
        self._chains: dict[tuple[str, str], _Chain] = {}

    def take(self, row: list[str], where: str) -> Iterator[BankEntry]:
        if len(row) <= max(self._places.values()):
            raise BadFile(f"The line has only {len(row)} columns.", where=where)
        account = account_number(self._cell(row, "account") or self._map.account)
        currency = self._cell(row, "currency") or self._map.currency
        if account is None or currency is None:
            raise BadFile("The line has no account, or no currency.", where=where)
        line = self._line(row, currency, where)
        chain = self._chain(account, currency)
        if "balance" in self._places:
            self._follow(chain, line, self._signed(row, "balance", currency, where), where)
        entered = chain.ledger.enter(line)
        if entered is not None:
            yield entered

    def end(self) -> Iterator[Statement]:
        for chain in self._chains.values():
            statement = chain.ledger.closed(where="at the end")
            if chain.opening is not None and chain.closing is not None:
                statement = replace(
                    statement,
                    opening=Money(chain.opening, chain.ledger.currency),
                    closing=Money(chain.closing, chain.ledger.currency),
                    adds_up=True,
                )
            yield statement

    def _chain(self, account: str, currency: str) -> _Chain:
        key = (account, currency)
        if key not in self._chains:
            self._chains[key] = _Chain(Ledger(self._names, account, _STATEMENT, currency))
        return self._chains[key]

    def _follow(self, chain: _Chain, line: Line, balance: int, where: str) -> None:
        """Check a line's balance against that of the line before it in the file."""
        before = balance - line.signed
        if self._map.newest_first:
            met, said = balance, chain.opening
            chain.opening = before
            chain.closing = balance if chain.closing is None else chain.closing
        else:
            met, said = before, chain.closing
            chain.closing = balance
            chain.opening = before if chain.opening is None else chain.opening
        if said is not None and said != met:
            raise chain.ledger.unlike("the balance beside the line before", said, met, where)
        chain.ledger.balance = before

    def _line(self, row: list[str], currency: str, where: str) -> Line:
        signed = self._signed(row, "amount", currency, where)
        booked_on = self._day(row, where)
        reference = named(self._cell(row, "bank_reference"))
        remittance = plain(self._cell(row, "remittance"))
        return Line(
            booked_on,
            abs(signed),
            currency,
            self._is_credit(row, signed, where),
            key=f"{booked_on}/{reference}" if reference else None,
            bank_reference=reference,
            end_to_end_id=named(self._cell(row, "end_to_end_id")),
            variable_symbol=symbol(self._cell(row, "variable_symbol") or "") or symbol_in(remittance),
            creditor_reference=reference_in(self._cell(row, "creditor_reference"))
            or reference_in(remittance),
            remittance=remittance,
            counterparty=plain(self._cell(row, "counterparty")),
            counterparty_account=account_number(self._cell(row, "counterparty_account")),
        )

    def _is_credit(self, row: list[str], signed: int, where: str) -> bool:
        if "direction" not in self._places:
            return signed >= 0
        word = self._cell(row, "direction")
        if word not in self._map.credit + self._map.debit:
            raise BadFile(f"{self._named('direction')} has a word that the map does not know.", where=where)
        return word in self._map.credit

    def _signed(self, row: list[str], field: str, currency: str, where: str) -> int:
        text = self._cell(row, field)
        digits = text.strip(f"{_MINUS}+")
        for sign in self._map.thousands:
            digits = digits.replace(sign, "")
        try:
            amount = minor_units(digits.strip(), currency, self._map.decimal)
        except BadFile as error:
            raise BadFile(f"{self._named(field)}: {error.reason}", where=where) from None
        return -amount if text.startswith(tuple(_MINUS)) or text.endswith(tuple(_MINUS)) else amount

    def _day(self, row: list[str], where: str) -> date:
        text = self._cell(row, "booked_on")
        try:
            return _parsed(text, self._map.date_format)
        except ValueError:
            raise BadFile(
                f"{self._named('booked_on')} has no day as {self._map.date_format}, or one of another age.",
                where=where,
            ) from None

    def _cell(self, row: list[str], field: str) -> str:
        place = self._places.get(field)
        return "" if place is None else row[place].strip()

    def _named(self, field: str) -> str:
        return f"Column {self._map.columns.model_dump()[field]!r}"


@lru_cache(maxsize=1_000)
def _parsed(text: str, form: str) -> date:
    return bank_day(datetime.strptime(text, form).date())  # noqa: DTZ007  # a day of the bank's, without time and zone
