"""References in what payers and banks write, and words that only say that there is none."""

import re

_NONE = frozenset(
    {"", "NONREF", "NOTPROVIDED", "NOTAVAILABLE", "NOT PROVIDED", "NONE", "UNKNOWN", "N/A", "-"}
)
# The ways in which Czech and Slovak banks carry it: /VS1234567890/SS/KS0308, VS:1234567890, /VS/1234567890.
_SYMBOL = re.compile(r"(?:(?:^|[/\s,;])VS[:/]|/VS|^VS)\s?(\d{1,10})(?!\d|-\d)", re.ASCII)
_CREDITOR_REFERENCE = re.compile(r"RF\d{2}[A-Z0-9]{1,21}", re.ASCII)
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", re.ASCII)


def named(text: str | None) -> str | None:
    """Return a reference, None where the bank only says that there is none."""
    if text is None:
        return None
    text = text.strip()
    return None if text.upper() in _NONE else text


def plain(text: str | None) -> str | None:
    """Return text with each run of spaces and line ends as one space; None where nothing is left."""
    return " ".join(text.split()) or None if text else None


def symbol_in(*texts: str | None) -> str | None:
    """Return the variable symbol of the first text that carries one, without leading zeros."""
    for text in texts:
        if text and "VS" in text and (found := _SYMBOL.search(text)):
            return symbol(found[1])
    return None


def symbol(digits: str) -> str | None:
    """Return a variable symbol without the zeros that fill it up; None for zeros only."""
    return digits.strip().lstrip("0") or None


def structured_reference(text: str | None) -> str | None:
    """Return a creditor's reference in its compact form; variable symbols are none."""
    if not text or _SYMBOL.search(text):
        return None
    return named("".join(text.split()))


def reference_in(text: str | None) -> str | None:
    """Return text that is an RF reference (ISO 11649) in form; its check digits are for matching to judge."""
    compact = "".join((text or "").split()).upper()
    return compact if _CREDITOR_REFERENCE.fullmatch(compact) else None


def account_number(text: str | None) -> str | None:
    """Return an account's number without spaces, in capitals."""
    return "".join(text.split()).upper() or None if text else None


def is_iban(text: str) -> bool:
    """Tell whether text has the form of an IBAN."""
    return _IBAN.fullmatch(text) is not None
