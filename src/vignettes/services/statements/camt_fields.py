"""What the elements of a camt entry, transaction and balance say, in every version of the standard."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from vignettes.services.statements.amounts import minor_units
from vignettes.services.statements.camt_places import Fields
from vignettes.services.statements.model import BadFile, Line, bank_day
from vignettes.services.statements.texts import (
    account_number,
    named,
    plain,
    structured_reference,
    symbol_in,
)

_OPENING = ("OPBD", "PRCD", "ITBD")
_CLOSING = ("CLBD", "ITBD")
_BOOKED = "BOOK"
_STATES = frozenset({_BOOKED, "PDNG", "INFO", "FUTR"})
_ACCOUNTS = {"Dbtr": "RltdPties/DbtrAcct", "Cdtr": "RltdPties/CdtrAcct"}
_PARTIES = {
    side: [f"RltdPties/{role}/{name}" for role in (side, f"Ultmt{side}") for name in ("Nm", "Pty/Nm")]
    for side in _ACCOUNTS
}
_TRUE = frozenset({"true", "1"})
_FALSE = frozenset({"", "false", "0"})


class Total(NamedTuple):
    """A bank's own total; None for what it does not state."""

    entries: int | None
    amount: int | None


@dataclass(slots=True)
class Booking:
    """One entry of a statement."""

    amount: int
    currency: str
    credit: bool
    reversal: bool
    booked: bool
    charged: bool
    booked_on: date
    reference: str | None

    @property
    def signed(self) -> int:
        """What the entry adds to the balance."""
        return self.amount if self.credit else -self.amount

    def whole(self, line: Line | None, additional: str | None) -> Line:
        """Return the movement of an entry that is not split; its texts are those of its only transaction."""
        if line is None:
            line = Line(self.booked_on, 0, self.currency, self.credit, self.reversal, self.booked)
        line.key = self.reference or line.bank_reference
        line.bank_reference = line.bank_reference or self.reference
        line.amount, line.credit = self.amount, self.credit
        if line.remittance is None and additional:
            line.remittance = plain(additional)
            line.variable_symbol = line.variable_symbol or symbol_in(additional)
        return line

    def part(self, line: Line, place: int) -> Line:
        """Return the movement of one transaction of several."""
        own = line.bank_reference
        if self.reference is None:
            line.key = own
        else:
            line.key = f"{self.reference}/{place if own in {None, self.reference} else own}"
            line.bank_reference = own or self.reference
        return line


class Balances:
    """A statement's first and last balance of each currency and kind."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, tuple[int, int]]] = {}

    def add(self, balance: Fields) -> None:
        """Take one in, unless it is of a kind that says nothing of the statement's beginning and end."""
        kind = balance.get("Tp/CdOrPrtry/Cd", "")
        if kind in _OPENING or kind in _CLOSING:
            amount, currency = _money(balance, "Amt")
            signed = amount if _credit(balance.get("CdtDbtInd")) else -amount
            kinds = self._found.setdefault(currency, {})
            kinds[kind] = kinds.get(kind, (signed, signed))[0], signed

    def openings(self) -> dict[str, int]:
        """Return the opening balance of each currency; an interim one where a page has no other."""
        return {c: kinds[k][0] for c, kinds in self._found.items() for k in reversed(_OPENING) if k in kinds}

    def closings(self) -> dict[str, int]:
        """Return the closing balance of each currency; an interim one where a page has no other."""
        return {c: kinds[k][1] for c, kinds in self._found.items() for k in reversed(_CLOSING) if k in kinds}


def booking(entry: Fields, statement: Fields) -> Booking:
    """Return what an entry says of itself; its details come before or after."""
    amount, currency = _money(entry, "Amt")
    state = entry.get("Sts") or entry.get("Sts/Cd")
    if state not in _STATES:
        raise BadFile(f"The entry's state is {str(state)[:20]!r}, not one of {', '.join(sorted(_STATES))}.")
    return Booking(
        amount,
        currency,
        _credit(entry.get("CdtDbtInd")),
        "RvslInd" in entry and _truth(entry["RvslInd"]),
        state == _BOOKED,
        "Chrgs" in entry,
        _booked_on(entry, statement),
        named(entry.get("AcctSvcrRef")),
    )


def detail(details: Fields, entry: Booking) -> Line:
    """Return what one transaction says, with the entry's word where it is silent.

    No amount, or none in the entry's currency, is 0.
    """
    direction = details.get("CdtDbtInd")
    credit = entry.credit if direction is None else _credit(direction)
    reversal = entry.reversal or "RtrInf" in details
    end_to_end_id = named(details.get("Refs/EndToEndId"))
    reference, remittance = _remittance(details)
    # The roles stay as they were in the first payment when it is taken back.
    side = "Dbtr" if credit is not reversal else "Cdtr"
    return Line(
        entry.booked_on,
        _amount_of(details, entry),
        entry.currency,
        credit,
        reversal,
        entry.booked,
        None,
        named(details.get("Refs/AcctSvcrRef")),
        end_to_end_id,
        symbol_in(reference, end_to_end_id, remittance),
        structured_reference(reference),
        remittance or plain(details.get("AddtlTxInf")),
        _name(details, side),
        account_of(details, _ACCOUNTS[side]),
    )


def account_of(fields: Fields, path: str) -> str | None:
    """Return the number of an account: its IBAN, or whatever other it has."""
    return account_number(fields.get(f"{path}/Id/IBAN") or fields.get(f"{path}/Id/Othr/Id"))


def total(statement: Fields, name: str, currency: str) -> Total:
    """Return one of the statement's totals."""
    count = statement.get(f"TxsSummry/{name}/NbOfNtries") or None
    amount = statement.get(f"TxsSummry/{name}/Sum") or None
    if count is not None and not (count.isascii() and count.isdigit()):
        raise BadFile(f"{name} counts {count[:20]!r} entries.")
    return Total(
        None if count is None else int(count[:18]), None if amount is None else _minor(amount, currency)
    )


def _remittance(details: Fields) -> tuple[str | None, str | None]:
    """Return the first creditor's reference, and the free texts, or else those beside the references."""
    several = details.several
    if not several:
        return None, None
    free = " ".join(several["RmtInf/Ustrd"]) or " ".join(several["RmtInf/Strd/AddtlRmtInf"])
    return next(filter(None, several["RmtInf/Strd/CdtrRefInf/Ref"]), None), plain(free)


def _name(details: Fields, side: str) -> str | None:
    for path in _PARTIES[side]:
        if found := details.get(path):
            return plain(found)
    return None


def _money(fields: Fields, path: str) -> tuple[int, str]:
    currency, text = fields.get(f"{path}/@Ccy"), fields.get(path)
    if not currency or text is None:
        raise BadFile("An amount with its currency is missing.")
    return _minor(text, currency), currency


def _amount_of(details: Fields, entry: Booking) -> int:
    """Return a transaction's amount in the entry's currency; 0 where it has none, or says none."""
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):
        if path in details:
            amount, currency = _money(details, path)
            if amount and currency == entry.currency:
                return amount
    return 0


@lru_cache(maxsize=10_000)
def _minor(text: str, currency: str) -> int:
    return minor_units(text.removeprefix("+"), currency)


def _credit(text: object) -> bool:
    if text == "CRDT":
        return True
    if text == "DBIT":
        return False
    raise BadFile("It is neither a credit (CRDT) nor a debit (DBIT).")


def _truth(text: str) -> bool:
    if text in _FALSE:
        return False
    if text in _TRUE:
        return True
    raise BadFile(f"RvslInd is {text[:20]!r}, neither true nor false.")


def _booked_on(entry: Fields, statement: Fields) -> date:
    """Return the booking day as the bank writes it; of what is not booked yet the value day, or the file's."""
    for path in ("BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm"):
        if text := entry.get(path):
            return _day(text)
    if text := statement.get("CreDtTm"):
        return _day(text)
    raise BadFile("The entry has no day.")


@lru_cache(maxsize=1_000)
def _day(text: str) -> date:
    try:
        return _calendar_day(text[:10])
    except ValueError:
        raise BadFile(f"{text[:10]!r} is no day such as 2026-12-01.") from None


def _calendar_day(text: str) -> date:
    if len(text) != len("2026-12-01") or text[4] != "-" or text[7] != "-":
        raise ValueError(text)
    return bank_day(date.fromisoformat(text))
