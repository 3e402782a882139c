"""One currency of one statement while it is read: names its entries, and sees whether it adds up."""

from functools import lru_cache

from vignettes.domain.entry import BankEntry
from vignettes.domain.money import Money
from vignettes.services.statements.amounts import written
from vignettes.services.statements.identity import Names
from vignettes.services.statements.model import BadFile, Line, Statement

_WAY_OUT = "Nothing of it counts. Get the statement from the bank again; if it is the same, ask the bank."


class Ledger:
    """Sums what is booked, from the opening balance on."""

    def __init__(
        self, names: Names, account: str, statement_id: str, currency: str, opening: int | None = None
    ) -> None:
        self.account = account
        self.statement_id = statement_id
        self.currency = currency
        self._names = names
        self._opening = opening
        self.balance = opening
        self.credits = self.debits = 0
        self._entries = self._pending = self._empty = 0

    def enter(self, line: Line) -> BankEntry | None:
        """Take a movement in, and return it with its name; None for one of no money, as banks sometimes print."""
        if not line.amount:
            self._empty += 1
            return None
        entry_id = self._names.name(self.account, line, self.balance)
        self._entries += 1
        if not line.booked:
            self._pending += 1
        else:
            self._sum(line)
        return BankEntry(
            entry_id,
            self.account,
            line.booked_on,
            _money(line.amount, line.currency),
            line.credit,
            line.reversal,
            line.booked,
            line.variable_symbol,
            line.creditor_reference,
            line.remittance,
            line.counterparty,
            line.counterparty_account,
            line.end_to_end_id,
            line.bank_reference,
        )

    def closed(
        self, closing: int | None = None, *, where: str, disagreement: BadFile | None = None
    ) -> Statement:
        """Return what the statement comes to, checked against the closing balance where the file has one."""
        checked = self.balance is not None and closing is not None
        wrong = disagreement or (self._against(closing, where) if checked else None)
        return Statement(
            account=self.account,
            statement_id=self.statement_id,
            currency=self.currency,
            opening=self._money(self._opening),
            closing=self._money(closing),
            credits=self._money(self.credits),
            debits=self._money(self.debits),
            entries=self._entries,
            pending=self._pending,
            empty=self._empty,
            adds_up=False if wrong else (True if checked else None),
            disagreement=wrong,
        )

    def unlike(self, what: str, said: int, found: int, where: str | None = None) -> BadFile:
        """Return the refusal of a total that is not what the entries come to."""
        return BadFile(
            f"Statement {self.statement_id} of {self.account} does not add up: {what} is "
            f"{written(said, self.currency)}, but the entries come to {written(found, self.currency)}, "
            f"{written(said - found, self.currency)} apart.",
            where=where,
            way_out=_WAY_OUT,
        )

    def _sum(self, line: Line) -> None:
        if line.credit:
            self.credits += line.amount
        else:
            self.debits += line.amount
        if self.balance is not None:
            self.balance += line.signed

    def _against(self, closing: int | None, where: str) -> BadFile | None:
        if self.balance is None or closing is None or self.balance == closing:
            return None
        opening = written(self.balance - self.credits + self.debits, self.currency)
        return self.unlike(f"the closing balance after {opening}", closing, self.balance, where)

    def _money(self, amount: int | None) -> Money | None:
        return None if amount is None else Money(amount, self.currency)


@lru_cache(maxsize=10_000)  # prices repeat
def _money(amount: int, currency: str) -> Money:
    return Money(amount, currency)
