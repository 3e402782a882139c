"""One language we write: its translations, and how it writes days, times, money and names of places."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache, cached_property
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency

from vignettes.domain.catalogue import zone
from vignettes.domain.money import Money

CATALOGUES = Path(__file__).parent / "locale"
LOCALES = {
    "en": "en_GB",
    "fr": "fr_FR",
    "de": "de_DE",
    "cs": "cs_CZ",
    "sk": "sk_SK",
    "pl": "pl_PL",
    "hu": "hu_HU",
    "ro": "ro_RO",
    "bg": "bg_BG",
    "sl": "sl_SI",
    "it": "it_IT",
    "nl": "nl_NL",
}
"""The languages we write; whatever else a driver speaks is answered in English."""

_BETWEEN_CODE_AND_AMOUNT = re.compile(r"(?<=[^\W\d_])(?=\d)")
_MOST_WISHES = 20


@dataclass(frozen=True)
class Language:
    """A language we write: `code` as HTML wants it."""

    code: str
    locale: Locale
    translations: NullTranslations

    @classmethod
    def best_for(cls, wanted: str) -> "Language":
        """Return the language of a tag such as `fr-CH`, else English."""
        code = _code(wanted)
        return _language(code if code in LOCALES else "en")

    @classmethod
    def of_browser(cls, header: str) -> "Language":
        """Return what an `Accept-Language` header (RFC 9110) wants most of what we write, else English."""
        wishes = [_wish(each) for each in header.split(",", _MOST_WISHES)[:_MOST_WISHES]]
        known = [(weight, tag) for tag, weight in wishes if weight > 0 and _code(tag) in LOCALES]
        return cls.best_for(max(known, key=lambda wish: wish[0])[1] if known else "en")

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return what templates may format with."""
        return {
            "local": self.local_time,
            "day": self.day,
            "money": self.money,
            "territory": self.territory,
            "product_name": self.product_name,
        }

    def local_time(self, instant: datetime, zone_name: str) -> str:
        """Write a local time, never without its zone: `30 Nov 2026, 12:00 (Europe/Prague)`.

        The zone has the name that everybody can look up: few languages have one for it that is not ambiguous.
        """
        written = format_datetime(instant, self._moment, tzinfo=zone(zone_name), locale=self.locale)
        return f"{written} ({zone_name})"

    def day(self, instant: datetime, zone_name: str) -> str:
        """Write the local day of an instant: `30 Nov 2026`."""
        return format_datetime(instant, self._day, tzinfo=zone(zone_name), locale=self.locale)

    def money(self, amount: Money) -> str:
        """Write an amount to the cent, for it is to be paid exactly so: `CZK 399.00`."""
        written = format_currency(Decimal(amount.amount) / 100, amount.currency, locale=self.locale)
        # The space that CLDR's data wants here is not yet known to Babel.
        return _BETWEEN_CODE_AND_AMOUNT.sub("\u00a0", written)

    def territory(self, iso: str) -> str:
        """Name a country; a code without a name stays as it is."""
        return str(self.locale.territories.get(iso, iso))

    def product_name(self, code: str) -> str:
        """Name a product of the catalogue: `Czechia, 10 days` for `CZ-10D`."""
        country, _, period = code.partition("-")
        return f"{self.territory(country)}, {self._length(period)}"

    def _length(self, period: str) -> str:
        # Babel's own words for these are missing in some languages.
        if period == "WE":
            return self.translations.gettext("weekend")
        count, unit = int(period[:-1]), period[-1]
        if unit == "D":
            counted = self.translations.ngettext("%(count)s day", "%(count)s days", count)
        elif unit == "M":
            counted = self.translations.ngettext("%(count)s month", "%(count)s months", count)
        else:
            counted = self.translations.ngettext("%(count)s year", "%(count)s years", count)
        return counted % {"count": count}

    @cached_property
    def _day(self) -> str:
        return str(self.locale.datetime_skeletons["yMMMd"].pattern)

    @cached_property
    def _moment(self) -> str:
        """The day and the time, in its own order; all of our languages count 24 hours."""
        time = self.locale.time_formats["short"].pattern
        return str(self.locale.datetime_formats["medium"]).format(time, self._day)


@cache
def _language(code: str) -> Language:
    return Language(code, Locale.parse(LOCALES[code]), translations(CATALOGUES, code))


def _code(tag: str) -> str:
    return tag.replace("_", "-").partition("-")[0].strip().lower()


def _wish(wish: str) -> tuple[str, float]:
    """Take `fr-CH;q=0.8` apart; what can't be read is not wished for."""
    tag, _, weight = wish.partition(";")
    found = re.fullmatch(r"\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", weight) if weight else None
    return tag, float(found[1]) if found else float(not weight)


def translations(catalogues: Path, code: str) -> NullTranslations:
    """Read a catalogue as people edit it, so that there is no compiled copy to forget."""
    source = catalogues / code / "LC_MESSAGES" / "messages.po"
    if not source.exists():
        return NullTranslations()  # English is the language of the message ids
    compiled = BytesIO()
    with source.open("rb") as lines:
        write_mo(compiled, read_po(lines, locale=code))
    compiled.seek(0)
    return GNUTranslations(compiled)
