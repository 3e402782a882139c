"""The order's number on bank statements: check digits catch what people mistype."""

import re
from collections.abc import Iterator
from urllib.parse import quote

from stdnum.iso7064 import mod_97_10

from vignettes.domain.errors import InvalidValue
from vignettes.domain.money import Money

_FIRST_BODY = 10_000_000
_BODIES = 90_000_000
# Coprime with _BODIES: every serial has its own body. Near its golden section: neighbours lie far apart.
_STRIDE = 55_623_059

_FORM = re.compile(r"(?:V|RF(?P<rf>[0-9]{2}))?(?P<body>[1-9][0-9]{7})(?P<check>[0-9]{2})", re.ASCII)
_MODULUS, _LARGEST_DIGIT = 97, 9
#: Letters count as numbers in ISO 7064, from A as 10.
_RF = "2715"
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
    # By arithmetic, as mod_97_10 and iso11649 tell it: a statement of 100,000 entries comes by here.
    if found is None or int(found["check"]) != _MODULUS + 1 - int(found["body"]) * 100 % _MODULUS:
        return None
    symbol = found["body"] + found["check"]
    if found["rf"] and int(f"{symbol}{_RF}{found['rf']}") % _MODULUS != 1:
        return None
    return f"V{symbol}"


def neighbours(digits: str) -> tuple[str, ...]:
    """Return the numbers whose symbol comes of these digits by one mistake of a typist.

    Of ten digits: one is wrong, or two that are side by side are swapped. Of nine: one is missing. Of eleven: one is
    too much. The check decides which digit it could be, so that few are tried.
    """
    tried: set[str] = set()
    match len(digits):
        case 9:
            tried.update(_with_one_more(digits))
        case 10:
            tried.update(_with_one_other(digits), _with_two_swapped(digits))
        case 11:
            tried.update(digits[:place] + digits[place + 1 :] for place in range(11))
    return tuple(sorted(number for each in tried - {digits} if (number := parse_number(each))))


def _with_one_more(digits: str) -> Iterator[str]:
    for place in range(len(digits) + 1):
        before, after = digits[:place], digits[place:]
        for digit in _that_checks(int(f"{before}0{after}"), len(after)):
            yield f"{before}{digit}{after}"


def _with_one_other(digits: str) -> Iterator[str]:
    for place in range(len(digits)):
        before, after = digits[:place], digits[place + 1 :]
        for digit in _that_checks(int(f"{before}0{after}"), len(after)):
            yield f"{before}{digit}{after}"


def _with_two_swapped(digits: str) -> Iterator[str]:
    for place in range(len(digits) - 1):
        yield digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]


def _that_checks(value: int, power: int) -> Iterator[int]:
    """Give the digit that makes `value` check (ISO 7064: it leaves 1) in the place of that power of ten, if any."""
    digit = (1 - value) * pow(10, -power, _MODULUS) % _MODULUS
    if digit <= _LARGEST_DIGIT:
        yield digit


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
