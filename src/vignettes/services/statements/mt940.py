"""Statements in SWIFT's MT940, in the dialects that banks have made of it.

Read field by field with our own small tokenizer: the mt-940 package wants the whole text at once, logs the texts of
lines that it does not understand, and passes over what it does not know.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from vignettes.domain.entry import BankEntry
from vignettes.services.statements.amounts import minor_units
from vignettes.services.statements.identity import Names
from vignettes.services.statements.ledger import Ledger
from vignettes.services.statements.model import BadFile, Line, Statement
from vignettes.services.statements.mt940_details import Details, parse
from vignettes.services.statements.sources import Source
from vignettes.services.statements.texts import account_number, is_iban, named

ENCODING = "utf-8"
_TAG = re.compile(r":(\d\d[A-Z]?|NS|\d\dNS):(.*)", re.ASCII | re.DOTALL)
_ENVELOPE = re.compile(r"\{1:.*?\{4:", re.ASCII)
_BALANCE = re.compile(r"([CD])(\d{6})([A-Z]{3})(\d{1,15}(?:[,.]\d*)?)\s*", re.ASCII)
_LINE = re.compile(
    r"(?P<day>\d{6})(?P<entry>\d{4})?\s?"
    r"(?P<mark>R[DC]|E[DC]|[DC])(?P<funds>[A-Z])?\s?"
    r"(?P<amount>\d{1,15}(?:[,.]\d*)?|,\d{1,3})"
    r"(?P<kind>[A-Z][A-Z0-9]{3})?"
    r"(?P<reference>(?:(?!//).)*)"
    r"(?://(?P<bank>.*))?",
    re.ASCII,
)
_MOST_LINES = 1_000
_WAY_OUT = "Get the file from the bank again."


class _Field(NamedTuple):
    """One field of a message: its tag, its lines, and the line of the file it begins in."""

    tag: str
    lines: list[str]
    number: int


def read(source: Source, encoding: str) -> Iterator[BankEntry | Statement]:
    """Return entries and, at the end of each, statements."""
    messages = _Messages(Names(source))
    for field in _fields(source.lines(encoding)):
        yield from messages.take(field)
    yield from messages.end()


def _fields(lines: Iterator[str]) -> Iterator[_Field]:
    """Return the fields of all messages; a message's end as one with the tag "-"."""
    current: _Field | None = None
    for number, text in _mended(lines):
        line = text.rstrip()
        found = _TAG.fullmatch(line) if line.startswith(":") else None
        ends = line == "-" or line.startswith("-}")
        if current is not None and (found or ends):
            yield current
            current = None
        if found:
            current = _Field(found[1], [found[2]], number)
        elif ends:
            yield _Field("-", [], number)
        elif current is not None:
            _go_on(current, text)
        elif line:
            raise BadFile("There is text outside of any field.", where=f"line {number}", way_out=_WAY_OUT)
    if current is not None:
        yield current


def _mended(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Return lines with their numbers, without the envelope; some programs break a line within the tag."""
    colon = False
    for number, raw in enumerate(lines, 1):
        text = raw.strip("\ufeff\x01\x02\x03")
        if "{1:" in text:
            text = _ENVELOPE.sub("", text, count=1)
        if colon:
            text = f":{text}"
        colon = text.rstrip() == ":"
        if not colon:
            yield number, text


def _go_on(field: _Field, text: str) -> None:
    field.lines.append(text)
    if len(field.lines) > _MOST_LINES:
        raise BadFile(f"A field of more than {_MOST_LINES} lines.", where=f"line {field.number}")


@dataclass(slots=True)
class _Page:
    """Where the page before has ended: its account and statement, its closing balance."""

    account: str
    statement_id: str
    closing: int


class _Messages:
    """Takes fields, gives entries and statements."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._account: str | None = None
        self._statement_id = "?"
        self._ledger: Ledger | None = None
        self._line: tuple[_Field, Line] | None = None
        self._closed = False
        self._last: _Page | None = None
        self._disagreement: BadFile | None = None

    def take(self, field: _Field) -> Iterator[BankEntry | Statement]:
        if field.tag == "86":
            yield from self._entered(parse(field.lines))
            return
        yield from self._entered(None)
        match field.tag:
            case "20" | "-":
                self._finish(field.number)
            case "25" | "25P":
                self._finish(field.number)
                self._account = account_number(field.lines[0])
            case "28" | "28C":
                self._statement_id = field.lines[0].strip() or "?"
            case "60F" | "60M":
                self._open(field)
            case "61":
                self._begin(field)
            case "62F" | "62M":
                yield self._close(field)

    def end(self) -> Iterator[BankEntry | Statement]:
        yield from self._entered(None)
        self._finish(0)
        if self._last is None:
            raise BadFile("There is no statement in it.", way_out=_WAY_OUT)

    def _open(self, field: _Field) -> None:
        where = f"line {field.number}"
        if self._account is None or self._ledger is not None:
            raise BadFile(f":{field.tag}: is out of place.", where=where, way_out=_WAY_OUT)
        opening, currency = _balance(field)
        statement = self._statement_id.partition("/")[0]
        self._names.begin(self._account, statement)
        self._ledger = Ledger(self._names, self._account, statement, currency, opening)
        last = self._last
        follows = last and (last.account, last.statement_id) == (self._account, statement)
        if field.tag == "60M" and last and follows and last.closing != opening:
            self._disagreement = self._ledger.unlike("a page's opening balance", opening, last.closing, where)

    def _begin(self, field: _Field) -> None:
        if self._ledger is None:
            raise BadFile(
                ":61: comes before the account (:25:) and the opening balance (:60F:), so its currency is not known.",
                where=f"line {field.number}",
                way_out="This is a part of a statement: get the whole of it from the bank.",
            )
        self._line = (field, _line(field, self._ledger.currency))

    def _entered(self, details: Details | None) -> Iterator[BankEntry]:
        """Return the line that waited for its :86:, if there is one."""
        if self._line is None or self._ledger is None:
            return
        (_, line), self._line = self._line, None
        if details is not None:
            details.fill(line)
        entered = self._ledger.enter(line)
        if entered is not None:
            yield entered

    def _close(self, field: _Field) -> Statement:
        where = f"line {field.number}"
        if self._ledger is None:
            raise BadFile(f":{field.tag}: is out of place.", where=where, way_out=_WAY_OUT)
        closing, currency = _balance(field)
        if currency != self._ledger.currency:
            raise BadFile(f"It opens in {self._ledger.currency} and closes in {currency}.", where=where)
        statement = self._ledger.closed(closing, where=where, disagreement=self._disagreement)
        self._last = _Page(statement.account, statement.statement_id, closing)
        self._ledger = self._disagreement = None
        return statement

    def _finish(self, number: int) -> None:
        """Begin anew; a statement that has no closing balance yet is cut off."""
        if self._ledger is not None:
            raise BadFile(
                f"Statement {self._statement_id} has no closing balance (:62F:): the file is cut off.",
                where=f"line {number}" if number else "at the end",
                way_out=_WAY_OUT,
            )
        self._account = None
        self._statement_id = "?"


def _balance(field: _Field) -> tuple[int, str]:
    found = _BALANCE.fullmatch(field.lines[0])
    if found is None:
        raise BadFile(f":{field.tag}: is no balance.", where=f"line {field.number}", way_out=_WAY_OUT)
    side, _, currency, text = found.groups()
    amount = _amount(text, currency, field.number)
    return (amount if side == "C" else -amount), currency


def _line(field: _Field, currency: str) -> Line:
    # Programs that break lines at a fixed width break this one too.
    found = _LINE.fullmatch(field.lines[0]) or _LINE.match("".join(field.lines))
    where = f"line {field.number}"
    if found is None:
        raise BadFile(":61: has no day, direction and amount.", where=where, way_out=_WAY_OUT)
    try:
        value_day = _day(found["day"])
        booked_on = _entry_day(value_day, found["entry"]) if found["entry"] else value_day
    except ValueError:
        raise BadFile(
            f":61: has no such day as {found['day']} {found['entry'] or ''}.", where=where
        ) from None
    mark = found["mark"]
    bank, own = named(found["bank"]), named(found["reference"])
    return Line(
        booked_on,
        _amount(found["amount"], currency, field.number),
        currency,
        # Taking back a credit takes from the account.
        credit=mark in {"C", "RD", "EC"},
        reversal=mark.startswith("R"),
        booked=not mark.startswith("E"),
        key=f"{booked_on}/{bank}" if bank else None,
        bank_reference=bank,
        end_to_end_id=own if own and not is_iban(own) and own.rstrip("+") not in {"KREF", "EREF"} else None,
    )


def _amount(text: str, currency: str, number: int) -> int:
    try:
        return minor_units(text.replace(".", ","), currency, ",")
    except BadFile as error:
        raise BadFile(error.reason, where=f"line {number}") from None


@lru_cache(maxsize=1_000)
def _day(text: str) -> date:
    """Return a day written as YYMMDD; 30 February as the month's last day.

    Banks that reckon interest by months of 30 days write such days. Beyond 31 it is no day at all.
    """
    year, month, day = 2000 + int(text[:2]), int(text[2:4]), int(text[4:])
    if 1 <= month <= 12 and 28 < day <= 31:  # noqa: PLR2004  # the calendar's own figures
        day = min(day, calendar.monthrange(year, month)[1])
    return date(year, month, day)


@lru_cache(maxsize=1_000)
def _entry_day(value_day: date, text: str) -> date:
    """Return the booking day, written as MMDD without its year: the one nearest to the value day."""
    year = value_day.year % 100
    days = (_day(f"{y % 100:02}{text}") for y in (year - 1, year, year + 1))
    return min(days, key=lambda day: abs(day - value_day))
