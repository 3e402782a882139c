"""What the elements of a camt entry, transaction and balance say, in every version of the standard."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from vignettes.services.statements.amounts import minor_units
from vignettes.services.statements.camt_xml import Node
from vignettes.services.statements.model import BadFile, Line
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


def booking(entry: Node, statement: Node) -> Booking:
    """Return what an entry says of itself; its details come before or after."""
    amount, currency = _money(entry)
    state = entry.get("Sts")
    if isinstance(state, dict):
        state = state.get("Cd")
    if state not in _STATES:
        raise BadFile(f"The entry's state is {str(state)[:20]!r}, not one of {', '.join(sorted(_STATES))}.")
    return Booking(
        amount,
        currency,
        _credit(entry.get("CdtDbtInd")),
        _truth(entry.get("RvslInd")),
        state == _BOOKED,
        "Chrgs" in entry,
        _booked_on(entry, statement),
        named(first(entry, "AcctSvcrRef")),
    )


def detail(details: Node, entry: Booking) -> Line:
    """Return what one transaction says, with the entry's word where it is silent.

    No amount, or none in the entry's currency, is 0.
    """
    direction = details.get("CdtDbtInd")
    credit = entry.credit if direction is None else _credit(direction)
    reversal = entry.reversal or "RtrInf" in details
    references = _child(details, "Refs")
    end_to_end_id = named(first(references, "EndToEndId"))
    information = _child(details, "RmtInf")
    reference, free = _structured(information) if "Strd" in information else (None, None)
    remittance = plain(" ".join(_texts(information, "Ustrd")) or free)
    # The roles stay as they were in the first payment when it is taken back.
    side, account = ("Dbtr", "DbtrAcct") if credit is not reversal else ("Cdtr", "CdtrAcct")
    parties = _child(details, "RltdPties")
    return Line(
        entry.booked_on,
        _amount_of(details, entry),
        entry.currency,
        credit,
        reversal,
        entry.booked,
        None,
        named(first(references, "AcctSvcrRef")),
        end_to_end_id,
        symbol_in(reference, end_to_end_id, remittance),
        structured_reference(reference),
        remittance or plain(first(details, "AddtlTxInf")),
        _name(parties, side),
        account_of(parties, account),
    )


def account_of(node: Node, name: str) -> str | None:
    """Return the number of an account: its IBAN, or whatever other it has."""
    number = _child(_child(node, name), "Id")
    return account_number(first(number, "IBAN") or first(number, "Othr", "Id"))


def balances(statement: Node) -> tuple[dict[str, int], dict[str, int]]:
    """Return the opening and the closing balance of each currency; interim ones where a page has no others."""
    kinds: dict[str, dict[str, list[int]]] = {}
    for balance in statement.get("Bal", ()):
        kind = first(balance, "Tp", "CdOrPrtry", "Cd")
        if kind in _OPENING or kind in _CLOSING:
            amount, currency = _money(balance)
            signed = amount if _credit(first(balance, "CdtDbtInd")) else -amount
            kinds.setdefault(currency, {}).setdefault(kind, []).append(signed)
    openings = {c: found[k][0] for c, found in kinds.items() for k in reversed(_OPENING) if k in found}
    closings = {c: found[k][-1] for c, found in kinds.items() for k in reversed(_CLOSING) if k in found}
    return openings, closings


def total(statement: Node, name: str, currency: str) -> Total:
    """Return one of the statement's totals."""
    count = first(statement, "TxsSummry", name, "NbOfNtries")
    amount = first(statement, "TxsSummry", name, "Sum")
    if count is not None and not (count.isascii() and count.isdigit()):
        raise BadFile(f"{name} counts {count[:20]!r} entries.")
    return Total(
        None if count is None else int(count[:18]), None if amount is None else _minor(amount, currency)
    )


def first(node: Node, *path: str) -> str | None:
    """Return the text at a path below an element; None where it is not there, or empty."""
    found: object = node
    for name in path:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found if isinstance(found, str) and found else None


def _child(node: Node, name: str) -> Node:
    found = node.get(name)
    return found if isinstance(found, dict) else {}


def _texts(node: Node, name: str) -> list[str]:
    return [text for text in node.get(name, ()) if isinstance(text, str)]


def _structured(information: Node) -> tuple[str | None, str | None]:
    """Return the first creditor's reference, and the texts beside the references."""
    parts = [part for part in information["Strd"] if isinstance(part, dict)]
    references = (first(part, "CdtrRefInf", "Ref") for part in parts)
    free = " ".join(text for part in parts for text in _texts(part, "AddtlRmtInf"))
    return next(filter(None, references), None), free or None


def _name(parties: Node, side: str) -> str | None:
    for role in (side, f"Ultmt{side}"):
        party = _child(parties, role)
        if found := first(party, "Nm") or first(party, "Pty", "Nm"):
            return plain(found)
    return None


def _money(node: Node) -> tuple[int, str]:
    amount = _child(node, "Amt")
    currency, text = amount.get("@"), amount.get("#")
    if not isinstance(currency, str) or not isinstance(text, str):
        raise BadFile("An amount with its currency is missing.")
    return _minor(text, currency), currency


def _amount_of(details: Node, entry: Booking) -> int:
    """Return a transaction's amount in the entry's currency; 0 where it has none, or says none."""
    for holder in (details, _child(_child(details, "AmtDtls"), "TxAmt")):
        if "Amt" in holder:
            amount, currency = _money(holder)
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


def _truth(text: object) -> bool:
    if text is None or text in _FALSE:
        return False
    if text in _TRUE:
        return True
    raise BadFile(f"RvslInd is {str(text)[:20]!r}, neither true nor false.")


def _booked_on(entry: Node, statement: Node) -> date:
    """Return the booking day as the bank writes it; of what is not booked yet the value day, or the file's."""
    for name in ("BookgDt", "ValDt"):
        if text := first(entry, name, "Dt") or first(entry, name, "DtTm"):
            return _day(text)
    if text := first(statement, "CreDtTm"):
        return _day(text)
    raise BadFile("The entry has no day.")


def _day(text: str) -> date:
    try:
        return _calendar_day(text[:10])
    except ValueError:
        raise BadFile(f"{text[:10]!r} is no day such as 2026-12-01.") from None


@lru_cache(maxsize=1_000)
def _calendar_day(text: str) -> date:
    if len(text) != len("2026-12-01") or text[4] != "-" or text[7] != "-":
        raise ValueError(text)
    return date.fromisoformat(text)
