"""One movement of money on an account of ours, in the words of the bank that booked it."""

from dataclasses import dataclass
from datetime import date

from vignettes.domain.money import Money
from vignettes.domain.personal import ContactText

#: Days beyond these, and larger amounts, are slips of somebody's pen; reckoning with them fails sooner or later.
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2200, 12, 31)
LARGEST_AMOUNT = 10**15


@dataclass(frozen=True, slots=True)
class BankEntry:
    """A line of a statement, or one transaction of a line that the bank booked for many at once.

    `entry_id` names this movement for ever: the same movement read from another file has the same. `amount` is above
    zero; `credit` tells which way it went, and `reversal` that it takes an earlier movement of the other way back.
    Not `booked`: announced only, pays for nothing.
    """

    entry_id: str
    account: str
    booked_on: date
    amount: Money
    credit: bool
    reversal: bool
    booked: bool
    variable_symbol: str | None
    creditor_reference: str | None
    remittance: ContactText
    counterparty: ContactText
    counterparty_account: ContactText
    #: The payer's or our own name for the transfer; our payouts are found again by it.
    end_to_end_id: str | None
    #: The bank's own name for the movement; reversals name their original by it.
    bank_reference: str | None
