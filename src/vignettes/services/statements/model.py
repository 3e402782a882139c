"""What readers of bank files give besides entries: the statement's sums, and the one refusal they know."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar

from vignettes.domain.entry import FIRST_DAY, LAST_DAY
from vignettes.domain.errors import DomainError
from vignettes.domain.money import Money


class Format(StrEnum):
    """A kind of bank file, told by its content and never by its name."""

    CAMT = "camt"
    MT940 = "mt940"
    ABO = "abo"
    CSV = "csv"


class BadFile(DomainError):
    """This bank file can't be taken."""

    code: ClassVar[str] = "invalid_request"

    def __init__(self, reason: str, *, where: str | None = None, way_out: str | None = None) -> None:
        parts = [f"{where}: {reason}" if where else reason, way_out or ""]
        self.particulars = " ".join(filter(None, parts))
        super().__init__(self.particulars)
        self.reason = reason
        self.where = where
        self.way_out = way_out


def bank_day(day: date) -> date:
    """Return a day of a bank's. Raises ValueError for one on which none books."""
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(day)
    return day


@dataclass(frozen=True, slots=True)
class Statement:
    """What one statement, or one currency of it, comes to; given after its last entry.

    `credits` and `debits` are sums of booked entries. `pending` counts entries that are announced only, `empty` those
    of no money, which are not given. `adds_up` is None where the file has no balances to check, as notices have none.
    `disagreement` says in which way the sums and the balances differ.
    """

    account: str
    statement_id: str
    currency: str | None
    opening: Money | None
    closing: Money | None
    credits: Money | None
    debits: Money | None
    entries: int
    pending: int
    empty: int
    adds_up: bool | None
    disagreement: BadFile | None = None


@dataclass(slots=True)
class Line:
    """One movement as a reader has found it, before it has its name (`identity`)."""

    booked_on: date
    amount: int
    currency: str
    credit: bool
    reversal: bool = False
    booked: bool = True
    #: What the bank calls this movement and nothing else on the account; None where it gives no such name.
    key: str | None = None
    bank_reference: str | None = None
    end_to_end_id: str | None = None
    variable_symbol: str | None = None
    creditor_reference: str | None = None
    remittance: str | None = None
    counterparty: str | None = None
    counterparty_account: str | None = None

    @property
    def signed(self) -> int:
        """What the movement adds to the account's balance."""
        return self.amount if self.credit else -self.amount
