"""What the eight toll authorities sell: data from `catalogue.toml`, read once."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from vignettes.domain.errors import InvalidValue
from vignettes.domain.money import Money

#: What a driver can still do after registration, by the catalogue's `after_registration`.
_STILL_POSSIBLE = {
    "one_correction_by_driver": "In Czechia the driver can correct it once, with the authorisation code.",
    "plate_fix_with_proof": "In Slovakia the authority corrects the plate when it is shown a proof.",
    "nothing_once_valid": "In Austria nothing can be changed once the vignette is valid.",
    "one_plate_change": "In Switzerland the plate can be changed once, with the authority.",
    "until_start_only": "In Slovenia the authority changes it until the vignette's start only.",
    "against_a_fee": "In Hungary the authority changes it against a fee.",
    "distributor_within_60_minutes": "In Romania its distributor can correct it within 60 minutes.",
    "only_when_plate_is_no_ones": "In Bulgaria it is corrected only where the wrong plate is no one's.",
}


class Period(StrEnum):
    """How the last day of a vignette follows from its start; `catalogue.toml` says what each one means."""

    DAYS = "days"
    MONTHS_SAME_DAY = "months_same_day"
    MONTHS_DAY_BEFORE = "months_day_before"
    SEASON = "season"
    NEXT_JANUARY = "next_january"
    HOURS = "hours"
    WEEKEND = "weekend"


@dataclass(frozen=True, slots=True)
class Price:
    """The authority's price and our service fee: two amounts everywhere."""

    official: Money
    fee: Money

    @property
    def total(self) -> Money:
        return self.official + self.fee


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One vignette for cars as an authority sells it."""

    code: str
    country: str
    zone_name: str
    period: Period
    length: int
    prices: tuple[tuple[date, Price], ...]
    after_registration: str
    window: timedelta | None = None
    lead: timedelta | None = None
    notice_days: int = 0
    instead: str | None = None
    season_sale: bool = False
    valid_at_once: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """The authority's time zone, in which days begin and end."""
        return zone(self.zone_name)

    @property
    def starts_at_hour(self) -> bool:
        """Whether the driver chooses an instant rather than a day (BG-1D)."""
        return self.period is Period.HOURS

    @property
    def still_possible(self) -> str:
        """What the driver can still do once registration has started, in one sentence (promise 7, case 40)."""
        return _STILL_POSSIBLE[self.after_registration]

    def price_on(self, day: date) -> Price:
        """Return the price that holds on `day`; InvalidValue for a day before the first one known."""
        known = [price for since, price in self.prices if since <= day]
        if not known:
            raise InvalidValue(f"{self.code} has no price on {day}.", field="product")
        return known[-1]


@cache
def zone(name: str) -> ZoneInfo:
    """Return an IANA zone from the pinned tzdata package: system files are out of date on many machines."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def product(code: str) -> Product:
    """Return the product with this code; InvalidValue names those the country has."""
    found = PRODUCTS.get(code)
    if found is None:
        raise InvalidValue(_way_out(code), field="product")
    return found


def _way_out(code: str) -> str:
    country = code.partition("-")[0]
    known = [each.code for each in PRODUCTS.values() if each.country == country]
    if known:
        return f"Products for {country}: {', '.join(known)}."
    return f"Products begin with the country: {', '.join(ZONES)}."


def _read() -> Iterator[Product]:
    text = files("vignettes.domain").joinpath("catalogue.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    for country, terms in data["countries"].items():
        fee = Money(data["fees"][terms["currency"]], terms["currency"])
        for code, entry in terms["products"].items():
            yield _product(code, country, {**terms, **entry}, fee)


def _product(code: str, country: str, entry: Mapping[str, Any], fee: Money) -> Product:
    return Product(
        code=code,
        country=country,
        zone_name=entry["zone"],
        period=Period(entry["period"]),
        length=entry["length"],
        prices=tuple(_prices(entry["prices"], fee)),
        after_registration=entry["after_registration"],
        window=_span(entry.get("window_days"), timedelta(days=1)),
        lead=_span(entry.get("lead_hours"), timedelta(hours=1)),
        notice_days=entry.get("notice_days", 0),
        instead=entry.get("instead"),
        season_sale=entry.get("season_sale", False),
        valid_at_once=entry.get("valid_at_once", False),
    )


def _prices(entries: list[dict[str, Any]], fee: Money) -> Iterator[tuple[date, Price]]:
    for entry in sorted(entries, key=lambda each: each["from"]):
        yield entry["from"], Price(official=Money(entry["official"], fee.currency), fee=fee)


def _span(count: float | None, unit: timedelta) -> timedelta | None:
    return None if count is None else count * unit


PRODUCTS: Mapping[str, Product] = MappingProxyType({each.code: each for each in _read()})
#: The countries they are of, each with the zone of its authority.
ZONES: Mapping[str, str] = MappingProxyType({each.country: each.zone_name for each in PRODUCTS.values()})
