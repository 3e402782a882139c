"""Credit transfers for the bank to carry out, as ISO 20022 pain.001.001.09 has them (EPC132-08 for SEPA)."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from vignettes.domain.money import Money
from vignettes.services.deciding import Payee
from vignettes.services.statements.amounts import exponent

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_SEPA = "EUR"
_LONGEST_NAME, _LONGEST_TEXT = 70, 140
#: EPC217-08, the basic character set; what can be written by it otherwise is.
_NOT_BASIC = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]+")
_WRITTEN = str.maketrans(
    {
        "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D",
        "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "ı": "i", "&": "+", "_": "-", "–": "-", "’": "'",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Transfer:
    """One payout. The bank shows its id on statements, ours and the payee's."""

    payout_id: str
    amount: Money
    iban: str
    name: str
    text: str


def document(file_id: str, at: datetime, payer: Payee, transfers: Sequence[Transfer]) -> bytes:
    """Return a file of transfers in one currency, to be carried out on the day of `at` (UTC): the same to the byte."""
    moment = at.astimezone(UTC)
    header = _of(
        "GrpHdr",
        _of("MsgId", file_id),
        _of("CreDtTm", f"{moment:%Y-%m-%dT%H:%M:%SZ}"),
        *_sums(transfers),
        _of("InitgPty", _of("Nm", _name(payer.name))),
    )
    initiation = _of("CstmrCdtTrfInitn", header, _group(file_id, moment, payer, transfers))
    return etree.tostring(_of("Document", initiation), xml_declaration=True, encoding="UTF-8")


def basic(text: str, longest: int) -> str:
    """Return a text in the characters that every bank carries; without accents, and cut."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_WRITTEN))
    plain = "".join(each for each in decomposed if not unicodedata.combining(each))
    words = " ".join(_NOT_BASIC.sub(" ", plain).split())
    # A slash at the ends, or two in a row, mean something to banks.
    return re.sub(r"/{2,}", "/", words)[:longest].strip(" /")


def _group(file_id: str, moment: datetime, payer: Payee, transfers: Sequence[Transfer]) -> etree._Element:
    is_sepa = transfers[0].amount.currency == _SEPA
    return _of(
        "PmtInf",
        _of("PmtInfId", file_id),
        _of("PmtMtd", "TRF"),
        *_sums(transfers),
        *([_of("PmtTpInf", _of("SvcLvl", _of("Cd", "SEPA")))] if is_sepa else []),
        _of("ReqdExctnDt", _of("Dt", f"{moment:%Y-%m-%d}")),
        _of("Dbtr", _of("Nm", _name(payer.name))),
        _of("DbtrAcct", _of("Id", _of("IBAN", payer.iban))),
        # The account says which bank it is.
        _of("DbtrAgt", _of("FinInstnId", _of("Othr", _of("Id", "NOTPROVIDED")))),
        *([_of("ChrgBr", "SLEV")] if is_sepa else []),
        *(_transfer(each) for each in transfers),
    )


def _transfer(transfer: Transfer) -> etree._Element:
    return _of(
        "CdtTrfTxInf",
        _of("PmtId", _of("EndToEndId", transfer.payout_id)),
        _of("Amt", _of("InstdAmt", _decimal([transfer]), Ccy=transfer.amount.currency)),
        _of("Cdtr", _of("Nm", _name(transfer.name))),
        _of("CdtrAcct", _of("Id", _of("IBAN", transfer.iban))),
        _of("RmtInf", _of("Ustrd", basic(transfer.text, _LONGEST_TEXT))),
    )


def _of(tag: str, *content: etree._Element | str, **attributes: str) -> etree._Element:
    """Return an element with its text, or what is in it."""
    element = etree.Element(f"{{{NAMESPACE}}}{tag}", attributes, nsmap={None: NAMESPACE})  # type: ignore[dict-item]  # the stubs know no default namespace
    for each in content:
        if isinstance(each, str):
            element.text = each
        else:
            element.append(each)
    return element


def _sums(transfers: Sequence[Transfer]) -> tuple[etree._Element, etree._Element]:
    return _of("NbOfTxs", str(len(transfers))), _of("CtrlSum", _decimal(transfers))


def _decimal(transfers: Sequence[Transfer]) -> str:
    """Return the sum as the currency writes it."""
    places = exponent(transfers[0].amount.currency)
    digits = str(sum(each.amount.amount for each in transfers)).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def _name(text: str) -> str:
    """Return a name that banks take; of one in another alphabet nothing may be left."""
    return basic(text, _LONGEST_NAME) or "NOTPROVIDED"
