"""Statements (camt.053) and notices (camt.054) of ISO 20022, versions 1 to 14, whatever their namespace or prefix.

An entry gives one movement, or one for each of the transactions that it was booked for, which must come to the entry.
"""

from collections import deque
from collections.abc import Iterator

from vignettes.domain.entry import BankEntry
from vignettes.services.statements.camt_fields import (
    Balances,
    Booking,
    account_of,
    booking,
    detail,
    total,
)
from vignettes.services.statements.camt_places import Fields
from vignettes.services.statements.camt_xml import Reading
from vignettes.services.statements.identity import Names
from vignettes.services.statements.ledger import Ledger
from vignettes.services.statements.model import BadFile, Line, Statement
from vignettes.services.statements.sources import Source


def read(source: Source) -> Iterator[BankEntry | Statement]:
    """Return entries and, at the end of each, statements; one for each currency that it has."""
    given: deque[BankEntry | Statement] = deque()
    return Reading(source, _Statements(Names(source), given), given).items()


class _Statements:
    """Makes entries of what the file says, one statement after another."""

    def __init__(self, names: Names, given: deque[BankEntry | Statement]) -> None:
        self._names = names
        self._given = given
        self._ledgers: dict[str, Ledger] | None = None
        self._balances = Balances()
        self._totals = _Totals()
        self._batch: _Batch | None = None

    def balance(self, balance: Fields) -> None:
        if self._ledgers is None:
            self._balances.add(balance)

    def transaction(self, details: Fields, entry: Fields, statement: Fields) -> None:
        if self._batch is None:
            self._batch = self._begun(entry, statement)
        self._batch.add(detail(details, self._batch.booking), charged="Chrgs" in details)

    def entry(self, entry: Fields, statement: Fields) -> None:
        batch = self._batch or self._begun(entry, statement)
        self._batch = None
        self._totals.add(batch.booking)
        batch.end(entry.get("AddtlNtryInf"))

    def statement(self, statement: Fields, where: str) -> None:
        ledgers = self._opened(statement)
        wrong = self._totals.disagreement(statement, ledgers, where)
        closings = self._balances.closings()
        for currency, ledger in ledgers.items():
            self._given.append(ledger.closed(closings.get(currency), where=where, disagreement=wrong))
        self._ledgers = None
        self._balances = Balances()
        self._totals = _Totals()

    def _begun(self, entry: Fields, statement: Fields) -> "_Batch":
        ledgers = self._opened(statement)
        booked = booking(entry, statement)
        ledger = ledgers.get(booked.currency)
        if ledger is None:
            account, statement_id = _names_of(statement)
            ledger = ledgers[booked.currency] = Ledger(self._names, account, statement_id, booked.currency)
        return _Batch(booked, ledger, self._given)

    def _opened(self, statement: Fields) -> dict[str, Ledger]:
        if self._ledgers is None:
            account, statement_id = _names_of(statement)
            self._names.begin(account, statement_id)
            openings = self._balances.openings()
            currencies = dict.fromkeys([*openings, *self._balances.closings()]) or dict.fromkeys(
                _own_currency(statement)
            )
            self._ledgers = {
                currency: Ledger(self._names, account, statement_id, currency, openings.get(currency))
                for currency in currencies
            }
        return self._ledgers


class _Batch:
    """One entry of the bank with its transactions, given as they are read; only the first waits for a second."""

    def __init__(self, booked: Booking, ledger: Ledger, given: deque[BankEntry | Statement]) -> None:
        self.booking = booked
        self._ledger = ledger
        self._given = given
        self._first: Line | None = None
        self._charged = booked.charged
        self._count = 0
        self._sum = 0

    def add(self, line: Line, *, charged: bool) -> None:
        self._count += 1
        self._charged = self._charged or charged
        if self._first is None:
            self._first = line
            return
        if bool(line.amount) is not bool(self._first.amount):
            raise BadFile(
                "Some of its transactions have an amount and some have none.",
                way_out="Ask the bank for details with amounts.",
            )
        if self._first.amount:
            if self._count == 2:  # noqa: PLR2004  # now it is sure that they are several
                self._give_part(self._first, 1)
            self._give_part(line, self._count)

    def end(self, additional: str | None) -> None:
        found = self._first
        if self._count > 1 and found and found.amount:
            self._check(self._sum)
            return
        if self._count == 1 and found and found.amount and not self._charged:
            self._check(found.signed)
        self._give(self.booking.whole(found if self._count == 1 else None, additional))

    def _check(self, parts: int) -> None:
        """Refuse transactions of another amount than their entry; a single one may differ by the bank's charges."""
        if parts != self.booking.signed:
            raise self._ledger.unlike("an entry", self.booking.signed, parts)

    def _give_part(self, line: Line, place: int) -> None:
        self._sum += line.signed
        self._give(self.booking.part(line, place))

    def _give(self, line: Line) -> None:
        entered = self._ledger.enter(line)
        if entered is not None:
            self._given.append(entered)


class _Totals:
    """The bank's own counts and sums, which some make of all entries and some of the booked ones only."""

    def __init__(self) -> None:
        self._credits: dict[bool, list[int]] = {False: [0, 0], True: [0, 0]}
        self._debits: dict[bool, list[int]] = {False: [0, 0], True: [0, 0]}

    def add(self, booked: Booking) -> None:
        sums = (self._credits if booked.credit else self._debits)[booked.booked]
        sums[0] += 1
        sums[1] += booked.amount

    def disagreement(self, statement: Fields, ledgers: dict[str, Ledger], where: str) -> BadFile | None:
        """Return in which of the bank's totals the entries differ; with two currencies there is nothing to sum."""
        if len(ledgers) != 1:
            return None
        ledger = next(iter(ledgers.values()))
        for name, sides in (
            ("TtlNtries", (self._credits, self._debits)),
            ("TtlCdtNtries", (self._credits,)),
            ("TtlDbtNtries", (self._debits,)),
        ):
            said = total(statement, name, ledger.currency)
            of_booked, of_all = [
                [sum(side[kind][i] for side in sides for kind in kinds) for i in (0, 1)]
                for kinds in ((True,), (True, False))
            ]
            if said.entries not in (None, of_booked[0], of_all[0]):
                return BadFile(
                    f"Statement {ledger.statement_id} of {ledger.account} does not add up: it should have "
                    f"{said.entries} entries ({name}), but has {of_all[0]}.",
                    where=where,
                    way_out="Nothing of it counts. Get the statement from the bank again.",
                )
            if said.amount not in (None, of_booked[1], of_all[1]):
                return ledger.unlike(name, said.amount or 0, of_all[1], where)
        return None


def _names_of(statement: Fields) -> tuple[str, str]:
    account = account_of(statement, "Acct")
    if account is None:
        raise BadFile("A statement without its account.", way_out="Get it from the bank again.")
    return account, statement.get("Id") or "?"


def _own_currency(statement: Fields) -> list[str]:
    currency = statement.get("Acct/Ccy")
    return [currency] if currency else []
