"""What somebody wishes an order to be for, read from a form: what would be registered, and what it would cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from vignettes.domain import schedule
from vignettes.domain.catalogue import PRODUCTS, Price, Product, product
from vignettes.domain.details import Details
from vignettes.domain.errors import InvalidValue
from vignettes.domain.money import Money, zero
from vignettes.domain.schedule import FARTHEST, Start, Validity
from vignettes.domain.vehicle import Vehicle
from vignettes.services.mails.language import Language
from vignettes.services.web.linked import Row
from vignettes.services.web.typed import Typed, Wrong
from vignettes.services.web.visits import Form

_WEEK: Final = 7
_FRIDAY: Final = 4


@dataclass(frozen=True, slots=True)
class Option:
    """A vignette that can be chosen, and what it would cost together today."""

    code: str
    total: Money
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be registered, and what of the money would still be to pay, or would go back."""

    details: Details
    validity: Validity
    price: Price
    rest: Money
    back: Money
    hold_reason: str | None
    hour_comes_twice: bool


class Correction:
    """Reads the wish for one order, by the rules that will decide on it; `wrong` tells what can't be taken."""

    def __init__(self, row: Row, form: Form, language: Language) -> None:
        self._row = row
        self._language = language
        self._typed = Typed(form)
        self._known = known_details(row)
        self._typed.need("country", "plate", "product", "day")
        self._hour_comes_twice = False
        self.details = self._details()
        self._price = self._priced(self.details) if self.details else None

    @property
    def wrong(self) -> dict[str, Wrong]:
        """Why which fields can't be taken."""
        return self._typed.wrong

    @property
    def changes_nothing(self) -> bool:
        """Tell whether it is wished as it is already."""
        return self.details == self._known

    @property
    def preview(self) -> Preview | None:
        """What would follow; None where something can't be taken."""
        if self.details is None or self._price is None or self.wrong:
            return None
        credited = _credited(self._row, self._price.total.currency)
        return Preview(
            details=self.details,
            validity=schedule.validity(self.details.bought, self.details.start),
            price=self._price,
            rest=(self._price.total - credited).positive(),
            back=(credited - self._price.total).positive(),
            hold_reason=self.details.hold_reason(self._row["now"]),
            hour_comes_twice=self._hour_comes_twice,
        )

    def _details(self) -> Details | None:
        vehicle, bought = self._typed.vehicle(), self._product()
        start = self._start(bought) if bought else None
        if bought is None or start is None:
            return None
        self._check(Details(bought.code, self._known.vehicle, start))  # tell all that is wrong at once
        return Details(bought.code, vehicle, start) if vehicle else None

    def _product(self) -> Product | None:
        found = PRODUCTS.get(self._typed.text("product"))
        if found is None:
            self.wrong.setdefault("product", Wrong("form"))
        return found

    def _start(self, bought: Product) -> Start | None:
        typed = self._typed.text("day"), self._typed.text("time")
        if typed == shown_start(self._known) and bought.starts_at_hour == self._known.bought.starts_at_hour:
            return self._known.start  # to the second, which forms do not show
        try:
            day = date.fromisoformat(typed[0])
        except ValueError:
            self.wrong.setdefault("day", Wrong("form"))
            return None
        return self._at_hour(bought, day, typed[1]) if bought.starts_at_hour else Start(day)

    def _at_hour(self, bought: Product, day: date, text: str) -> Start | None:
        try:
            local = datetime.combine(
                day, time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
            )
            at = local.replace(tzinfo=bought.zone)
            passed_over = at.astimezone(UTC).astimezone(bought.zone).replace(tzinfo=None) != local
        except (ValueError, OverflowError):
            self.wrong["time"] = Wrong("form")
            return None
        if passed_over:
            self.wrong["time"] = Wrong("passed_over")
            return None
        self._hour_comes_twice = at.utcoffset() != at.replace(fold=1).utcoffset()
        try:
            return Start.parse(at.isoformat(), bought)
        except InvalidValue:  # a year that none of us will see
            self.wrong.setdefault("day", Wrong("form"))
            return None

    def _check(self, details: Details) -> None:
        try:
            details.check_start(self._row["now"], before=self._known)
        except (InvalidValue, OverflowError):
            self.wrong["day"] = self._wrong_day(details.bought, details.start.day)

    def _wrong_day(self, bought: Product, day: date) -> Wrong:
        """Name the day that would do."""
        first, last = bounds(bought, self._row["now"])
        if day < first:
            return Wrong("earliest", self._named(bought, first))
        if day > last:
            return Wrong("latest", self._named(bought, last))
        return Wrong("friday", self._named(bought, day + timedelta(days=(_FRIDAY - day.weekday()) % _WEEK)))

    def _named(self, bought: Product, day: date) -> str:
        return self._language.day(datetime.combine(day, time(12), bought.zone), bought.zone_name)

    def _priced(self, details: Details) -> Price | None:
        price = details.price_in_place_of(self._known, known_price(self._row), self._row["now"])
        if price.total.currency != self._row["currency"] and _holds_money(self._row):
            self.wrong["product"] = Wrong("currency")
        return price


def known_details(row: Row) -> Details:
    """Return what the order is for now."""
    bought = product(row["product"])
    return Details(bought.code, _known_vehicle(row), Start.parse(row["valid_from"], bought))


def _known_vehicle(row: Row) -> Vehicle:
    try:
        return Vehicle.of(row["vehicle_country"], row["plate"])
    except InvalidValue:  # it was taken by older rules, and is shown as it is
        return Vehicle(row["vehicle_country"], row["plate"], None)


def known_price(row: Row) -> Price:
    """Return the customer's price."""
    currency = row["currency"]
    return Price(Money(row["price_official"], currency), Money(row["price_fee"], currency))


def shown_start(details: Details) -> tuple[str, str]:
    """Return day and time of a start as forms show them; no time where it begins with the day."""
    start = details.start
    at = start.at.astimezone(details.bought.zone) if start.at else None
    return start.day.isoformat(), f"{at:%H:%M}" if at else ""


def bounds(bought: Product, now: datetime) -> tuple[date, date]:
    """Return the first and the last day on which this vignette may begin, for somebody who chooses now."""
    today = now.astimezone(bought.zone).date()
    return today + timedelta(days=bought.notice_days), today + FARTHEST


def options(row: Row, chosen: str) -> Iterator[tuple[str, list[Option]]]:
    """Return the vignettes of each country that can be had; once money is here, those priced in its currency."""
    known, price, now = known_details(row), known_price(row), row["now"]
    by_country: dict[str, list[Option]] = {}
    for each in PRODUCTS.values():
        wanted = Details(each.code, known.vehicle, known.start)
        total = wanted.price_in_place_of(known, price, now).total
        if total.currency == row["currency"] or not _holds_money(row):
            by_country.setdefault(each.country, []).append(Option(each.code, total, each.code == chosen))
    yield from by_country.items()


def _holds_money(row: Row) -> bool:
    return bool(row["received"] or row["surplus"])


def _credited(row: Row, currency: str) -> Money:
    """Return the money that counts for the order, in a currency; none in any other."""
    return (
        Money(row["price_total"] - row["outstanding"], currency)
        if currency == row["currency"]
        else zero(currency)
    )
