"""The entries of bank files, read by hand: camt.053 and camt.054, which say all that is needed in plain words."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from checker.case import NotACase


class Entry(NamedTuple):
    """One credit that was booked, as the bank names it."""

    account: str
    reference: str
    amount: int
    currency: str


def entries(folder: Path) -> tuple[set[Entry], int]:
    """Return the credits of all files, each once however many files tell of it, and how many files were read."""
    found, files = set(), 0
    for path in sorted(folder.rglob("*.xml")):
        found |= set(_credits(path))
        files += 1
    return found, files


def _credits(path: Path) -> Iterator[Entry]:
    try:
        document = ET.parse(path).getroot()
    except ET.ParseError as error:
        raise NotACase(f"{path} is no XML: {error}.") from None
    for statement in (*document.iter(_named(document, "Stmt")), *document.iter(_named(document, "Ntfctn"))):
        account = statement.findtext("./{*}Acct/{*}Id/{*}IBAN", "")
        for entry in statement.iterfind("./{*}Ntry"):
            status = (entry.findtext("./{*}Sts/{*}Cd") or entry.findtext("./{*}Sts") or "").strip()
            reference = entry.findtext("./{*}AcctSvcrRef")
            single = len(entry.findall("./{*}NtryDtls/{*}TxDtls")) <= 1
            if entry.findtext("./{*}CdtDbtInd") == "CRDT" and status == "BOOK" and reference and single:
                amount = entry.find("./{*}Amt")
                yield Entry(account, reference, int(Decimal(amount.text) * 100), amount.get("Ccy"))


def _named(document: ET.Element, name: str) -> str:
    space = document.tag.partition("}")[0] if "}" in document.tag else ""
    return f"{space}}}{name}" if space else name
