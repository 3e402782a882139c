"""The order's number on bank statements: check digits catch what people mistype."""

import re
from urllib.parse import quote

from stdnum import iso11649
from stdnum.iso7064 import mod_97_10

from vignettes.domain.errors import InvalidValue
from vignettes.domain.money import Money

_FIRST_BODY = 10_000_000
_BODIES = 90_000_000
# Coprime with _BODIES: every serial has its own body. Near its golden section: neighbours lie far apart.
_STRIDE = 55_623_059

_FORM = re.compile(r"(?:V|RF[0-9]{2})?(?P<body>[1-9][0-9]{7})(?P<check>[0-9]{2})", re.ASCII)
_SPAYD_MESSAGE = 60
_EPC_NAME = 70
_LARGEST = {"spayd": 999_999_999, "epc": 99_999_999_999}


def number_from_serial(serial: int) -> str:
    """Return the order number of the `serial`-th order: it neither shows nor repeats the count."""
    if not 0 <= serial < _BODIES:
        raise ValueError(f"serial {serial} has no order number of ten digits")
    body = str(_FIRST_BODY + serial * _STRIDE % _BODIES)
    return f"V{body}{mod_97_10.calc_check_digits(body)}"


def variable_symbol(number: str) -> str:
    """Return the ten digits Czech and Slovak banks carry: eight and two of check (ISO 7064 MOD 97-10)."""
    return number.removeprefix("V")


def creditor_reference(number: str) -> str:
    """Return the RF reference of SEPA transfers (ISO 11649)."""
    digits = variable_symbol(number)
    return f"RF{mod_97_10.calc_check_digits(digits + 'RF')}{digits}"


def parse_number(text: str) -> str | None:
    """Return the order number a number, variable symbol or RF reference stands for; None if a check fails."""
    compact = "".join(text.split()).upper()
    found = _FORM.fullmatch(compact)
    if found is None or found["check"] != mod_97_10.calc_check_digits(found["body"]):
        return None
    if compact.startswith("RF") and not iso11649.is_valid(compact):
        return None
    return f"V{found['body']}{found['check']}"


def spayd(iban: str, amount: Money, number: str, message: str) -> str:
    """Return the text of a Czech payment QR code (Short Payment Descriptor 1.0)."""
    fields = [
        "SPD*1.0",
        f"ACC:{_compact(iban)}",
        f"AM:{_decimal(amount, _LARGEST['spayd'])}",
        f"CC:{amount.currency}",
        f"X-VS:{variable_symbol(number)}",
        f"MSG:{quote(message[:_SPAYD_MESSAGE], safe=' /:,.-+')}",
    ]
    return "*".join(fields)


def epc(name: str, iban: str, amount: Money, number: str) -> str:
    """Return the text of a SEPA payment QR code (EPC069-12 version 2, UTF-8), with the RF reference."""
    if amount.currency != "EUR":
        raise InvalidValue("A SEPA transfer is in EUR.", field="amount.currency")
    price = f"EUR{_decimal(amount, _LARGEST['epc'])}"
    lines = [
        "BCD",
        "002",
        "1",
        "SCT",
        "",
        name[:_EPC_NAME],
        _compact(iban),
        price,
        "",
        creditor_reference(number),
    ]
    return "\n".join(lines)


def _compact(iban: str) -> str:
    return "".join(iban.split()).upper()


def _decimal(amount: Money, largest: int) -> str:
    if not 0 < amount.amount <= largest:
        raise InvalidValue("This amount can't be put into a payment code.", field="amount")
    whole, cents = divmod(amount.amount, 100)
    return f"{whole}.{cents:02d}"
