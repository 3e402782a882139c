"""Amounts as banks write them, in minor units of ISO 4217; never by way of floating point."""

import re
from functools import lru_cache

from vignettes.domain.entry import LARGEST_AMOUNT
from vignettes.services.statements.model import BadFile

# ISO 4217, list one: the currencies whose minor unit is not a hundredth.
_WITHOUT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENTS = (
    dict.fromkeys(_WITHOUT.split(), 0) | dict.fromkeys(_THOUSANDTHS.split(), 3) | {"CLF": 4, "UYW": 4}
)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
#: ISO 20022 allows 18 digits, which still fit into 64 bits.
_LONGEST = 18


def exponent(currency: str) -> int:
    """Return how many decimals a currency has; refuse what is no currency code."""
    if _CURRENCY.fullmatch(currency) is None:
        raise BadFile("This is no currency code such as EUR.")
    return _EXPONENTS.get(currency, 2)


@lru_cache(maxsize=10_000)  # prices repeat
def minor_units(text: str, currency: str, point: str = ".") -> int:
    """Return an unsigned amount in minor units. Decimals beyond the currency's must be zeros."""
    whole, _, fraction = text.partition(point)
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _LONGEST:
        raise BadFile(f"This is no amount: it must be digits with {point!r} before the decimals.")
    places = exponent(currency)
    if len(fraction) > places:
        if fraction[places:].strip("0"):
            raise BadFile(f"{text} has more decimals than {currency}, which has {places}.")
        fraction = fraction[:places]
    amount = int(whole + fraction.ljust(places, "0") or "0")
    if amount > LARGEST_AMOUNT:
        raise BadFile(f"{text} is more than any bank books at once.")
    return amount


def written(amount: int, currency: str) -> str:
    """Return minor units as people read them: -12.50 EUR, 300 JPY."""
    places = exponent(currency)
    digits = str(abs(amount)).rjust(places + 1, "0")
    cut = len(digits) - places
    sign = "-" if amount < 0 else ""
    return f"{sign}{digits[:cut]}{'.' if places else ''}{digits[cut:]} {currency}"
