"""What each reader of what comes from outside must keep to, whatever comes: a result in its form, or its refusal."""

import asyncio
import contextlib
import io
import json
import re
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as parsing
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from hostile.samples import CSV_MAP
from mail_helpers import POSTING, RETURNS
from notices import SECRET, SIGNED_AT, signed
from vignettes.domain import references
from vignettes.domain.errors import InvalidValue
from vignettes.domain.vehicle import Vehicle, warnings
from vignettes.messages.forms import Email
from vignettes.services import statements
from vignettes.services.notices import Notice, Refused
from vignettes.services.notices.signed_json import SignedJson
from vignettes.services.posting import Unsendable
from vignettes.services.returns.reading import Meaning, Report
from vignettes.services.returns.reading import read as read_return
from vignettes.services.statements import BadFile, Format, Statement
from vignettes.services.statements.csv_map import read_map
from vignettes.services.writing import _one_address

_Kind = TypeVar("_Kind", bound=Exception)
_HEAD = {"From", "To", "Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
_MAP = read_map(CSV_MAP, "csv.toml")
_EMAIL = TypeAdapter(Email)
_LONGEST_REFUSAL = 1_000
_LONGEST_SECONDS = 2.0
_PROVIDER = SignedJson("partner", [SECRET], 300, lambda: float(SIGNED_AT), test=False)


def bank_file(content: bytes, kind: Format | None = None) -> None:
    """Read it to its end: entries of money above zero in plain text, or one clear refusal of all of it."""
    options = {"map": _MAP} if kind is Format.CSV else {"format": kind}

    def to_its_end() -> None:
        for item in statements.survey(io.BytesIO(content), **options):
            if not isinstance(item, Statement):
                assert item.amount.amount > 0
                json.dumps([item.entry_id, item.remittance, item.counterparty], ensure_ascii=False).encode()

    refusal = _refusal(BadFile, to_its_end)
    assert refusal is None or refusal.reason


def returned_mail(content: bytes) -> None:
    """Read it soon: it is a report, or set aside whatever the library's parser stumbles over."""
    began = time.process_time()
    # As whoever reads them does: the next report is read.
    with contextlib.suppress(Exception):
        _check_report(read_return(content, RETURNS))
    assert time.process_time() - began < _LONGEST_SECONDS


def _check_report(told: Report) -> None:
    wrong = [
        told.meaning not in Meaning,
        told.tag is not None and not re.fullmatch("[a-z2-7]{16}", told.tag),
        told.status is not None and not re.fullmatch(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", told.status),
    ]
    if any(wrong):
        raise SystemExit(f"a report in no form: {told}")


def notice(body: bytes) -> None:
    """Read what is signed rightly: a notice of money above zero, or a refusal with its field and none of the body."""

    def of_money() -> None:
        told = asyncio.run(_PROVIDER.read(signed(body)))
        assert isinstance(told, Notice)
        assert told.amount.amount > 0

    refusal = _refusal(Refused, of_money)
    assert refusal is None or refusal.field


def _refusal(kind: type[_Kind], act: Callable[[], None]) -> _Kind | None:
    """Return the refusal of this kind that something ends in; it is a sentence or two."""
    try:
        act()
    except kind as refusal:
        if len(str(refusal)) > _LONGEST_REFUSAL:
            raise
        return refusal
    return None


def recipient(text: str) -> None:
    """Take it as one address that a mail goes to, or refuse it: at the edge already, and again where mails are made."""
    try:
        taken = _EMAIL.validate_python(text)
    except ValidationError:
        taken = None
    try:
        head = head_of(text)
    except Unsendable:
        head = None
    if head is not None:
        assert [each.addr_spec for each in head["To"].addresses] == [text]
        assert set(head.keys()) == _HEAD
    if taken is not None:
        assert [each.addr_spec for each in head_of(taken)["To"].addresses] == [taken]


def head_of(address: str, subject: str = "Order V1000000064") -> EmailMessage:
    """Return the head of a mail to an address as a server gets it. Raises Unsendable."""
    message = EmailMessage()
    message["From"] = "Vignettes <orders@vignettes.example>"
    message["To"] = _one_address(address)
    message["Subject"] = subject
    message.set_content("Hello")
    return BytesParser(policy=parsing).parsebytes(POSTING.ready(message), headersonly=True)


def plate(text: str) -> None:
    """Take it in capitals of Latin letters and digits, and alike when it is typed so; or refuse it by its field."""

    def taken() -> None:
        vehicle = Vehicle.of("CZ", text)
        assert vehicle.normal.isalnum()
        assert vehicle.normal == vehicle.normal.upper()
        assert Vehicle.of("CZ", vehicle.normal).normal == vehicle.normal
        warnings(vehicle)

    refusal = _refusal(InvalidValue, taken)
    assert refusal is None or refusal.field == "vehicle.plate"


def country(text: str) -> None:
    """Take it as two letters, or refuse it by its field."""

    def taken() -> None:
        assert re.fullmatch("[A-Z]{2}", Vehicle.of(text, "1AB2345").country)

    refusal = _refusal(InvalidValue, taken)
    assert refusal is None or refusal.field == "vehicle.country"


def reference(text: str) -> None:
    """Take it as the number of an order that stands for itself in all its forms, or as none."""
    number = references.parse_number(text)
    if number is not None:
        assert re.fullmatch("V[0-9]{10}", number)
        assert references.parse_number(references.variable_symbol(number)) == number
        assert references.parse_number(references.creditor_reference(number)) == number
