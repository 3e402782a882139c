"""The vehicle a vignette is for: its country and its plate."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Self

from vignettes.domain.errors import InvalidValue
from vignettes.domain.personal import VehicleText

# ISO 3166-1 alpha-2, and XK, which everybody uses for Kosovo.
_ISO_CODES = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS "
    "BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE "
    "EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM "
    "HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC "
    "LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA "
    "NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW "
    "SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO "
    "TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"
)
_ISO = frozenset(_ISO_CODES.split())

# Distinguishing signs of Europe and its neighbours where they differ from ISO.
_SIGNS = {
    "AD": "AND", "AE": "UAE", "AT": "A", "AU": "AUS", "BA": "BIH", "BE": "B", "BH": "BRN", "CA": "CDN",
    "DE": "D", "EE": "EST", "ES": "E", "FI": "FIN", "FR": "F", "GB": "UK", "GG": "GBG",
    "GI": "GBZ", "HU": "H", "IE": "IRL", "IM": "GBM", "IQ": "IRQ", "IT": "I", "JE": "GBJ", "JO": "HKJ",
    "JP": "J", "KR": "ROK", "KW": "KWT", "LB": "RL", "LI": "FL", "LU": "L", "LY": "LAR", "ME": "MNE",
    "MK": "NMK", "MN": "MGL", "MT": "M", "NO": "N", "PT": "P", "QA": "Q", "RS": "SRB", "RU": "RUS",
    "SA": "KSA", "SE": "S", "SI": "SLO", "SM": "RSM", "SY": "SYR", "US": "USA", "VA": "V", "XK": "RKS",
}  # fmt: skip
_FROM_SIGN = {sign: iso for iso, sign in _SIGNS.items()} | {"EL": "GR"}

_SHORTEST, _LONGEST, _LONGEST_TYPED = 2, 12, 40
_DROPPED = ".·−"
_DIGITS = "0123456789"
_TWINS = {"O": "0", "0": "O", "I": "1", "1": "I", "B": "8", "8": "B"}

# The usual plates in normal form; a plate that fits none of its country's draws a warning, never a refusal.
_USUAL = {
    iso: re.compile(pattern)
    for iso, pattern in {
        "AT": r"[A-Z]{1,2}(\d{1,6}|\d{1,5}[A-Z]{1,3}|[A-Z]{1,5}\d{1,5})",
        "BG": r"[ABCEHKMOPTXY]{1,2}\d{4}[ABCEHKMOPTXY]{1,2}",
        "CH": r"[A-Z]{2}\d{1,6}",
        "CZ": r"\d[A-Z][A-FH-NPR-VX-Z\d]\d{4}|[A-Z]{3}\d{4}|EL\d{3}[A-Z]{2}",
        "DE": r"[A-ZÄÖÜ]{1,3}[A-Z]{1,2}\d{1,4}[EH]?",
        "FR": r"[A-Z]{2}\d{3}[A-Z]{2}",
        "HR": r"[A-ZČŠŽĐ]{2}\d{3,4}[A-Z]{1,2}",
        "HU": r"[A-Z]{3,4}\d{3}",
        "IT": r"[A-Z]{2}\d{3}[A-Z]{2}",
        "PL": r"[A-Z]{2,3}(?=[A-Z]*\d)[A-Z\d]{4,5}",
        "RO": r"B\d{2,3}[A-Z]{3}|[A-Z]{2}\d{2}[A-Z]{3}",
        "RS": r"[A-ZČĆŠŽĐ]{2}\d{3,5}[A-ZČĆŠŽĐ]{2}",
        "SI": r"[A-Z]{2}(?=[A-ZČŠŽ]*\d)[A-ZČŠŽ\d]{5}",
        "SK": r"[A-Z]{2}\d{3}[A-Z]{2}",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A plate of a country: `plate` as typed, `normal` as compared and registered; `country` in ISO 3166."""

    country: str
    plate: VehicleText
    normal: VehicleText

    @property
    def erased(self) -> "Vehicle":
        """What is left of it once its plate was erased."""
        return Vehicle(self.country, None, None)

    @classmethod
    def of(cls, country_text: str, plate_text: str) -> Self:
        """Read what a driver typed; InvalidValue names the field and the way out."""
        plate = plate_text.strip()
        return cls(country_from_sign(country_text), plate, _normal(plate))


def country_from_sign(text: str) -> str:
    """Return the ISO code of a country given by it or by its sign; an ISO code wins over a sign (case 44)."""
    code = unicodedata.normalize("NFKC", text).strip().upper()
    iso = code if code in _ISO else _FROM_SIGN.get(code)
    if iso is None:
        raise InvalidValue("Give the country's two letters (DE) or its sign (D).", field="vehicle.country")
    return iso


def sign_of(iso: str) -> str:
    """Return the distinguishing sign of a country, which for many is the ISO code itself (case 44)."""
    return _SIGNS.get(iso, iso)


def warnings(vehicle: Vehicle) -> tuple[str, ...]:
    """Return what the driver should look at again, as stable codes; never a reason to refuse (case 42).

    `unusual_for:CZ` when the plate fits no usual form of its country; `look_alike:O/0 at 3` for a character
    (counted from 1 in the normal form) whose twin would do as well or better.
    """
    if vehicle.normal is None:
        return ()
    unusual = [] if _is_usual(vehicle.country, vehicle.normal) else [f"unusual_for:{vehicle.country}"]
    doubtful = [
        f"look_alike:{character}/{_TWINS[character]} at {place + 1}"
        for place, character in enumerate(vehicle.normal)
        if character in _TWINS and _is_doubtful(vehicle.country, vehicle.normal, place)
    ]
    return (*unusual, *doubtful)


def _is_usual(country: str, normal: str) -> bool:
    pattern = _USUAL.get(country)
    return pattern is None or pattern.fullmatch(normal) is not None


def _is_doubtful(country: str, normal: str, place: int) -> bool:
    """Tell whether the country's usual form leaves it open which of the twins is meant."""
    twin = normal[:place] + _TWINS[normal[place]] + normal[place + 1 :]
    return _is_usual(country, twin) or not _is_usual(country, normal)


def _normal(plate: str) -> str:
    """Return the plate in capitals without spaces, dots and hyphens; diacritics stay (case 43)."""
    folded = unicodedata.normalize("NFKC", plate)
    normal = "".join(_capital(each) for each in folded if not _is_separator(each))
    if len(plate) > _LONGEST_TYPED or not _SHORTEST <= len(normal) <= _LONGEST:
        length = f"{_SHORTEST} to {_LONGEST} letters and digits"
        raise InvalidValue(f"A plate has {length}.", field="vehicle.plate")
    return normal


def _is_separator(character: str) -> bool:
    return character in _DROPPED or unicodedata.category(character) in {"Zs", "Pd"}


def _capital(character: str) -> str:
    """Return a Latin capital or a digit; anything else is refused by name, never swapped (case 42)."""
    capital = character.upper()
    if len(capital) == 1 and (
        capital in _DIGITS or unicodedata.name(capital, "").startswith("LATIN CAPITAL")
    ):
        return capital
    name = unicodedata.name(character, "an unnamed control character")
    raise InvalidValue(
        f"{name} (U+{ord(character):04X}) can't be part of a plate: type Latin letters and digits.",
        field="vehicle.plate",
    )
