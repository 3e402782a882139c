"""References in what people and banks write: those that stand alone, and what was meant as one and does not check."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from vignettes.domain.references import parse_number

# Where something may begin, for a digit also: no sign that binds it to a digit before it; and where that ends.
_EDGE = r"(?<![^\W_])"
_BEGINS = r"(?<!\d[-/.,:])"
_ENDS = r"(?![^\W_]|[-/.,:]\d|@)"
_ENDS_OR_TIED = r"(?![^\W_]|[/.,:]\d|@)"

# How many digits or letters follow the country and its two check digits.
_OF_DIGITS = {
    "AD": 20, "AT": 16, "BA": 16, "BE": 12, "CZ": 20, "DE": 18, "DK": 14, "EE": 16, "ES": 20, "FI": 14, "HR": 17,
    "HU": 24, "IS": 22, "LT": 16, "ME": 18, "NO": 11, "PL": 24, "PT": 21, "RS": 18, "SE": 20, "SI": 15, "SK": 20,
    "XK": 16,
}  # fmt: skip
_OF_LETTERS_TOO = {
    "AL": 24, "BG": 18, "CH": 17, "CY": 24, "FR": 23, "GB": 18, "GI": 19, "GR": 23, "IE": 18, "IT": 23, "LI": 17,
    "LU": 16, "LV": 17, "MC": 23, "MD": 20, "MK": 15, "MT": 27, "NL": 14, "RO": 20, "SM": 23, "TR": 22, "UA": 25,
}  # fmt: skip
_IBANS = "|".join(
    rf"{country}\d\d(?:[ ]?{each}){{{length}}}"
    for each, lengths in ((r"\d", _OF_DIGITS), ("[A-Z0-9]", _OF_LETTERS_TOO))
    for country, length in lengths.items()
)
# Words that say that the digits behind them are something else: a telephone, an account, other symbols of Czech banks.
_OTHER_WORDS = (
    "TEL|TELEFON|PHONE|MOB|MOBIL|MOBILE|HANDY|GSM|FAX|KONTO|UCET|ÚČET|ACCOUNT|ACCT|ACC|IBAN|BIC|KARTA|CARD|"
    "SS|KS|ICO|IČO|DIC|DIČ|PIN|PSC|PSČ|PLZ|ZIP"
)
# "VS", "V.S.", "var. symbol", "variabilní symbol".
_SYMBOL = r"V(?:AR(?:IABILN[IÍ])?)?\.?[ ]?S(?:YM(?:BOL)?)?\.?"
_OURS = "V|OBJ|ORDER|REF"

# In this order: what is told to be something else first, then what is told to be a reference, then bare digits.
_TOKEN = re.compile(
    rf"""{_EDGE}(?:
      [^\s@]+@\S+ | (?:HTTPS?://|WWW\.)\S+
    | (?=[A-Z][A-Z]\d\d)(?:{_IBANS})(?![^\W_])
    | \+[ ]?(?:[ ()/.-]?\d){{7,15}}(?!\d)                               # a telephone
    | {_BEGINS}(?:\d{{1,6}}-)?\d{{2,10}}[ ]?/[ ]?\d{{4}}(?!\d)          # a Czech account and its bank
    | (?:{_OTHER_WORDS})[ .:#]{{0,3}}(?:NR|NO|Č|C)?[ .:]{{0,3}}\d++
    | RF[ ]?(?P<rf>\d\d(?:[ ]?\d++)+){_ENDS}
    | (?:{_SYMBOL}[ ]?[:.=#/-]?[ ]?|(?:{_OURS})(?=\d))(?P<marked>\d++(?:[ -]\d++{_ENDS_OR_TIED})*+){_ENDS}
    | {_BEGINS}(?P<bare>\d++(?:[ ]\d++{_ENDS})*+){_ENDS}
    )""",
    re.VERBOSE,
)
_WORTH_READING = re.compile(r"(?:\d[ -]?){9}")

_DIGITS, _OF_RF = 10, 12
_MISTYPED = range(_DIGITS - 1, _DIGITS + 2)
#: How ten digits are written in blocks; some only where they are said to be a symbol, for telephones have them too.
_BLOCKS = frozenset({(4, 4, 2), (5, 5)})
_MARKED_BLOCKS = _BLOCKS | {(2, 4, 4), (3, 3, 4), (4, 3, 3), (3, 4, 3), (3, 3, 2, 2), (8, 2), (2, 2, 2, 2, 2)}
# What a computer puts down as year, month, day and hour.
_TIME = re.compile(r"20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])")


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a text says of references; each once, in the order of the text.

    `numbers` check and stand alone. `meant` are digits that are said to be a reference, and are none; `bare` are
    digits as many as one has, give or take one, about which nothing is said.
    """

    numbers: tuple[str, ...] = ()
    meant: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()


NONE = Mentions()


def together(several: Iterable[Mentions]) -> Mentions:
    """Return what several texts say, each once."""
    each = list(several)
    kinds = ((one.numbers for one in each), (one.meant for one in each), (one.bare for one in each))
    return Mentions(*(tuple(dict.fromkeys(chain.from_iterable(kind))) for kind in kinds))


def in_text(text: str) -> Mentions:
    """Return the references of a text that was written by a person or a bank's program."""
    plain = (text if text.isascii() else unicodedata.normalize("NFKC", text)).upper()
    if _WORTH_READING.search(plain) is None:
        return NONE
    found: dict[str, dict[str, None]] = {"numbers": {}, "meant": {}, "bare": {}}
    for token in _TOKEN.finditer(plain):
        for kind, value in _read(token):
            found[kind][value] = None
    return Mentions(*(tuple(values) for values in found.values()))


def of_symbol(digits: str) -> Mentions:
    """Return what digits are that were put where a reference belongs."""
    if number := parse_number(digits):
        return Mentions(numbers=(number,))
    return Mentions(meant=(digits,)) if len(digits) in _MISTYPED else NONE


def _read(token: re.Match[str]) -> Iterator[tuple[str, str]]:
    match token.lastgroup:
        case "rf":
            yield _creditor_reference(token["rf"].split(" "))
        case "marked":
            yield from _symbols(token["marked"], _MARKED_BLOCKS, "meant")
        case "bare":
            yield from _symbols(token["bare"], _BLOCKS, "bare")


def _creditor_reference(blocks: list[str]) -> tuple[str, str]:
    """Read as many blocks as an RF reference fills; what follows these is something else."""
    digits = ""
    for block in blocks:
        if len(digits) >= _OF_RF:
            break
        digits += block
    number = parse_number(f"RF{digits}")
    return ("numbers", number) if number else ("meant", digits[2:])


def _symbols(text: str, known: frozenset[tuple[int, ...]], first: str) -> Iterator[tuple[str, str]]:
    """Read blocks as one symbol where they have the form of one, else each for itself; the `first` may be marked."""
    blocks = re.split("[ -]", text)
    joined = tuple(map(len, blocks)) in known
    for place, block in enumerate(["".join(blocks)] if joined else text.split(" ")):
        yield from _symbol(block, first if place == 0 else "bare")


def _symbol(block: str, kind: str) -> Iterator[tuple[str, str]]:
    digits = block.lstrip("0") if kind == "meant" else block
    number = parse_number(digits) if digits.isdecimal() else None
    if number and not (kind == "bare" and _TIME.fullmatch(digits)):
        yield "numbers", number
    elif digits.isdecimal() and len(digits) in _MISTYPED:
        yield kind, digits
