"""One language of the mails: its translations, and how it writes days, times, money and names of places."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency
from babel.units import format_unit

from vignettes.domain.catalogue import zone
from vignettes.domain.money import Money

CATALOGUES = Path(__file__).parent / "locale"
LOCALES = {"en": "en_GB", "fr": "fr_FR"}
"""The languages we write; whatever else a driver speaks is answered in English."""

_UNITS = {"D": "duration-day", "M": "duration-month", "Y": "duration-year"}


@dataclass(frozen=True)
class Language:
    """A language we write: `code` as HTML wants it."""

    code: str
    locale: Locale
    translations: NullTranslations

    @classmethod
    def best_for(cls, wanted: str) -> "Language":
        """Return the language of a tag such as `fr-CH`, else English."""
        code = wanted.replace("_", "-").partition("-")[0].lower()
        return _language(code if code in LOCALES else "en")

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
        """Write a local time, never without its zone: `30 Nov 2026, 12:00 (Europe/Prague)`."""
        written = format_datetime(instant, "d MMM y, HH:mm", tzinfo=zone(zone_name), locale=self.locale)
        return f"{written} ({zone_name})"

    def day(self, instant: datetime, zone_name: str) -> str:
        """Write the local day of an instant: `30 Nov 2026`."""
        return format_datetime(instant, "d MMM y", tzinfo=zone(zone_name), locale=self.locale)

    def money(self, amount: Money) -> str:
        """Write an amount to the cent, for it is to be paid exactly so."""
        return format_currency(Decimal(amount.amount) / 100, amount.currency, locale=self.locale)

    def territory(self, iso: str) -> str:
        """Name a country; a code without a name stays as it is."""
        return str(self.locale.territories.get(iso, iso))

    def product_name(self, code: str) -> str:
        """Name a product of the catalogue: `Czechia, 10 days` for `CZ-10D`."""
        country, _, period = code.partition("-")
        return f"{self.territory(country)}, {self._length(period)}"

    def _length(self, period: str) -> str:
        if period == "WE":
            return self.translations.gettext("weekend")
        return format_unit(int(period[:-1]), _UNITS[period[-1]], locale=self.locale)


@cache
def _language(code: str) -> Language:
    return Language(code, Locale.parse(LOCALES[code]), translations(CATALOGUES, code))


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
