"""The text of an MT940 line (:86:): subfields with codes, slashes with keys, or free."""

import re
from dataclasses import dataclass

from vignettes.services.statements.model import Line
from vignettes.services.statements.texts import (
    account_number,
    is_iban,
    named,
    plain,
    reference_in,
    symbol_in,
)

# 166?00GUTSCHRIFT?20EREF+... in Germany and Austria, ~20... and ^20... in Poland.
_CODED = re.compile(r"(\d{3})?([?~^<>|@])\d\d", re.ASCII)
_PURPOSE = (*range(20, 30), *range(60, 64))
_NAMES = (32, 33)
# Reasons for which German banks book a payment back (their business transaction codes).
_TAKEN_BACK = frozenset({"108", "109", "159"})
_SEPA = re.compile(
    r"(EREF|KREF|MREF|CRED|DEBT|COAM|OAMT|SVWZ|ABWA|ABWE|IBAN|BIC|PURP|MDAT|RREF|RTRN|SQTP|ORCR|ORMR|DDAT|MTLG)"
    r"(?:\+|(?<=MTLG):)"
)
# /EREF/x//REMI/y/ at Dutch banks and others that follow SWIFT's own code words.
_KEYED = re.compile(
    r"(?:^|/)(EREF|REMI|NAME|IBAN|CNTP|CSID|MARF|TRTP|BIC|ORDP|BENM|SVCL|TRCD|RTYP|RTRN|ISDT|PREF|ULTD|ULTB|"
    r"UDTR|UCRD|OAMT|ADDR|ID|PURP)(?=/)"
)
_FULL = 27  # characters of a subfield: one that is shorter ends with a word
_WIDTH = 65  # of a full line of SWIFT, at which words are broken


@dataclass(slots=True)
class Details:
    """What the text says of the other side and the purpose."""

    remittance: str | None = None
    counterparty: str | None = None
    account: str | None = None
    end_to_end_id: str | None = None
    reference: str | None = None
    taken_back: bool = False

    def fill(self, line: Line) -> None:
        """Put it into the line that it belongs to."""
        line.remittance = plain(self.remittance)
        line.counterparty = plain(self.counterparty)
        line.counterparty_account = account_number(self.account)
        line.end_to_end_id = named(self.end_to_end_id) or line.end_to_end_id
        line.variable_symbol = symbol_in(self.reference, self.end_to_end_id, self.remittance)
        line.creditor_reference = reference_in(self.reference) or reference_in(self.remittance)
        line.reversal = line.reversal or self.taken_back


def parse(lines: list[str]) -> Details:
    """Return what the lines of one :86: say, in whichever dialect they are."""
    text = "".join(lines)
    coded = _CODED.match(text)
    if coded is not None:
        return _coded(text, coded[1], coded[2])
    if len(_KEYED.findall(text)) > 1 or text.startswith("/"):
        return _keyed(text)
    return _free(lines)


def _coded(text: str, kind: str | None, sign: str) -> Details:
    parts: dict[int, str] = {}
    for part in text.split(sign)[1:]:
        if part[:2].isdigit() and part[:2].isascii():
            code = int(part[:2])
            parts[code] = parts.get(code, "") + part[2:]
    written = [parts[code] for code in _PURPOSE if code in parts]
    purpose = "".join(part if len(part) >= _FULL else f"{part} " for part in written)
    sepa = _labelled(purpose)
    return Details(
        remittance=sepa.get("SVWZ") or sepa.get("") or parts.get(0),
        counterparty="".join(parts.get(code, "") for code in _NAMES) or sepa.get("ABWA"),
        account=parts.get(31) or parts.get(38) or sepa.get("IBAN"),
        end_to_end_id=sepa.get("EREF") or sepa.get("KREF"),
        taken_back=kind in _TAKEN_BACK,
    )


def _labelled(purpose: str) -> dict[str, str]:
    """Return a SEPA purpose by its labels; what comes before the first is under none."""
    first, *rest = _SEPA.split(purpose)
    return {"": first} | {label: text.strip() for label, text in zip(rest[::2], rest[1::2], strict=True)}


def _keyed(text: str) -> Details:
    _, *rest = _KEYED.split(text)
    parts = {key: value.strip("/ ") for key, value in zip(rest[::2], rest[1::2], strict=True)}
    account, _, names = parts.get("CNTP", "").partition("/")
    remittance, reference = _remittance(parts.get("REMI"))
    return Details(
        remittance=remittance or (None if parts else text),
        counterparty=parts.get("NAME") or next((part for part in names.split("/")[1:] if part), None),
        account=parts.get("IBAN") or account,
        end_to_end_id=parts.get("EREF"),
        reference=reference or text,
        taken_back="RTRN" in parts,
    )


def _remittance(text: str | None) -> tuple[str | None, str | None]:
    """Return free text, and the structured reference, of USTD//text or STRD/CUR/RF18...."""
    kind, _, rest = (text or "").partition("/")
    if kind == "USTD":
        return rest.strip("/"), None
    if kind == "STRD":
        return rest.rpartition("/")[2], rest.rpartition("/")[2]
    return text, None


def _free(lines: list[str]) -> Details:
    first, _, rest = lines[0].partition(" ")
    text = "".join(line if len(line) == _WIDTH else f"{line} " for line in lines)
    if is_iban(first) and rest:  # some Dutch banks begin with the other side
        text = text.removeprefix(lines[0])
        return Details(remittance=text, counterparty=rest, account=first)
    return Details(remittance=text)
