"""When a vignette begins and ends, and when its registration must start."""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NoReturn, Self

from vignettes.domain.catalogue import Period, Product, zone
from vignettes.domain.errors import InvalidValue
from vignettes.domain.outages import MARGIN, Outage, ahead_of

SAME_DAY_LIMIT = timedelta(minutes=5)
"""Promise 2: registration starts within this time of the money's arrival when the mark has passed."""

FARTHEST = timedelta(days=366)
"""How far ahead a start can be ordered."""

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_NOON = time(12)
_FRIDAY = 4
_JANUARY, _DECEMBER = 1, 12
#: Near the ends of Python's calendar there is no day after, and no such hour in UTC.
_FIRST_YEAR, _LAST_YEAR = 1970, 2200

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_DATE_WANTED = "starts on a day: give a date such as 2026-12-01."
_TIME_WANTED = "starts at an hour: give a time with its offset such as 2026-12-01T14:30:00+02:00."


class Rule(StrEnum):
    """Which rule decided a deadline."""

    LEAD = "lead"
    GRACE = "grace"
    AT_ONCE = "at_once"
    WINDOW = "window"
    NOTICE = "notice"
    OUTAGE = "outage"


@dataclass(frozen=True, slots=True)
class Start:
    """The start the driver wishes: a day of the authority's calendar, or an instant (`at`) on that day."""

    day: date
    at: datetime | None = None

    @classmethod
    def parse(cls, text: str, product: Product) -> Self:
        """Read a date, or for a product that starts at an hour an RFC 3339 time, to the second."""
        form, wanted = (_TIME, _TIME_WANTED) if product.starts_at_hour else (_DATE, _DATE_WANTED)
        try:
            if form.fullmatch(text.upper()):
                start = cls._at(text, product) if product.starts_at_hour else cls(date.fromisoformat(text))
                if _FIRST_YEAR <= start.day.year <= _LAST_YEAR:
                    return start
        except (ValueError, OverflowError):
            pass  # the 30th of February and its like: refused below as any other wrong form, or year
        raise InvalidValue(f"{product.code} {wanted}", field="valid_from")

    @classmethod
    def _at(cls, text: str, product: Product) -> Self:
        at = datetime.fromisoformat(text.upper()).replace(microsecond=0)
        return cls(at.astimezone(product.zone).date(), at)

    def text(self) -> str:
        """Return the start as JSON carries it, and as `parse` reads it."""
        return self.at.isoformat() if self.at else self.day.isoformat()


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order is served by: the operator's lead, grace and time to pay, as they were when it was placed."""

    lead: timedelta = timedelta(hours=12)
    grace: timedelta = timedelta(seconds=60)
    unpaid_expiry: timedelta = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Validity:
    """Cover in UTC: both instants belong to it, `ends_at` being its last second (case 8)."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Deadline:
    """When registration is due, by which rule, and from what this follows; all instants in UTC.

    Where an outage decided, `unmoved_at` is when it would be due without.
    """

    due_at: datetime
    rule: Rule
    zone: str
    starts_at: datetime
    mark: datetime
    opens_at: datetime | None
    lead: timedelta
    grace: timedelta
    money_arrived_at: datetime
    outage: Outage | None = None
    unmoved_at: datetime | None = None

    @property
    def is_past_its_mark(self) -> bool:
        """Tell whether the mark had passed already when the money arrived (promise 2)."""
        return self.money_arrived_at >= self.mark

    def not_before(self, at: datetime) -> Self:
        """Return it no sooner than `at`: what a correction made overdue is due at once, and not late."""
        return self if self.due_at >= at else replace(self, due_at=at)

    def ahead_of(self, outages: Iterable[Outage], soonest: datetime) -> Self:
        """Return it before the outages that it would run into (case 15), but not before `soonest`.

        Whoever has only the grace left gives it up for an outage that begins within it, not for a later one.
        """
        margin = timedelta(0) if self.rule in {Rule.GRACE, Rule.AT_ONCE} else MARGIN
        floor = max(filter(None, (soonest, self.money_arrived_at, self.opens_at)))
        due_at, outage = ahead_of(outages, self.due_at, soonest=floor, margin=margin)
        if outage is None:
            return self
        in_utc = due_at.astimezone(UTC)
        return replace(self, due_at=in_utc, rule=Rule.OUTAGE, outage=outage, unmoved_at=self.due_at)


# --- may it start then? ---


def check_start(product: Product, start: Start, now: datetime) -> None:
    """Refuse a start that can't be served, with the way out; one beyond the window is welcome (case 13)."""
    today = _local_day(product, now)
    _check_form(product, start)
    if start.day < today:
        _refuse(f"{start.day} has passed in {product.zone_name}: take {today} or a later day.")
    if start.day > today + FARTHEST:
        _refuse(f"{start.day} is too far ahead: take {today + FARTHEST} or an earlier day.")
    _check_weekend(product, start)
    _check_notice(product, start, today)


def _check_form(product: Product, start: Start) -> None:
    if product.starts_at_hour and start.at is None:
        _refuse(f"{product.code} {_TIME_WANTED}")
    if not product.starts_at_hour and start.at is not None:
        _refuse(f"{product.code} {_DATE_WANTED}")


def _check_weekend(product: Product, start: Start) -> None:
    if product.period is Period.WEEKEND and start.day.weekday() != _FRIDAY:
        friday = start.day + _DAY * ((_FRIDAY - start.day.weekday()) % 7)
        _refuse(f"{product.code} starts on a Friday at 12:00: take {friday}.")


def _check_notice(product: Product, start: Start, today: date) -> None:
    """Refuse what the authority would not sell any more, and offer what it would (case 11)."""
    earliest = today + _DAY * product.notice_days
    if start.day < earliest:
        offer = f", or take {product.instead}" if product.instead else ""
        _refuse(f"{product.code} bought on {today} can start on {earliest} at the earliest{offer}.")


def _refuse(reason: str) -> NoReturn:
    raise InvalidValue(reason, field="valid_from")


# --- cover ---


def validity(product: Product, start: Start, registered_at: datetime | None = None) -> Validity:
    """Return the cover as far as it can be computed; what the authority confirms wins over it.

    A registration after the start begins the cover (case 9); where a vignette is valid at once it
    always does (case 10).
    """
    starts_at = _wished_start(product, start)
    ends_at = _end(product, start, starts_at)
    if registered_at is not None and (product.valid_at_once or registered_at > starts_at):
        starts_at = registered_at.astimezone(UTC)
    return Validity(starts_at, ends_at)


def _wished_start(product: Product, start: Start) -> datetime:
    if not product.starts_at_hour:
        return _instant(product, start.day, _NOON if product.period is Period.WEEKEND else time.min)
    if start.at is None:
        _refuse(f"{product.code} {_TIME_WANTED}")
    return start.at.astimezone(UTC)


def _end(product: Product, start: Start, starts_at: datetime) -> datetime:
    """Return the last second: of 24 elapsed hours (case 6), or of the last day in the authority's zone."""
    if product.starts_at_hour:
        return starts_at + timedelta(hours=product.length) - _SECOND
    return _instant(product, _LAST_DAY[product.period](start.day, product.length) + _DAY) - _SECOND


def _last_of_days(day: date, days: int) -> date:
    return day + _DAY * (days - 1)


def _same_day(day: date, months: int) -> date:
    """Return the same numbered day, or the end of its month where it is missing (cases 7, 8)."""
    year, month = _month_after(day, months)
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _day_before(day: date, months: int) -> date:
    """Return the day before the same numbered day; where that is missing the end of its month (case 7)."""
    same = _same_day(day, months)
    return same if same.day < day.day else same - _DAY


def _month_after(day: date, months: int) -> tuple[int, int]:
    years, month = divmod(day.month - 1 + months, 12)
    return day.year + years, month + 1


def _season_end(day: date, years: int) -> date:
    return date(_season(day) + years, _JANUARY, 31)


def _next_january(day: date, years: int) -> date:
    return date(day.year + years, _JANUARY, 31)


def _season(day: date) -> int:
    """Return the year printed on the vignette: from 1 December it is the next one."""
    return day.year + 1 if day.month == _DECEMBER else day.year


_LAST_DAY: dict[Period, Callable[[date, int], date]] = {
    Period.DAYS: _last_of_days,
    Period.WEEKEND: _last_of_days,
    Period.MONTHS_SAME_DAY: _same_day,
    Period.MONTHS_DAY_BEFORE: _day_before,
    Period.SEASON: _season_end,
    Period.NEXT_JANUARY: _next_january,
}


# --- registration ---


def earliest_registration(product: Product, start: Start) -> datetime | None:
    """Return when the authority begins to sell this vignette; None where it always does."""
    if product.season_sale:
        return _instant(product, date(_season(start.day) - 1, _DECEMBER, 1))
    if product.window is not None:
        return _instant(product, start.day - product.window)
    return None


def can_register_at(product: Product, start: Start, at: datetime) -> datetime | None:
    """Return the opening of the authority's sale when `at` lies before it, else None."""
    opens_at = earliest_registration(product, start)
    return opens_at if opens_at is not None and at < opens_at else None


def registration_deadline(
    product: Product, start: Start, money_arrived_at: datetime, terms: Terms, *, wished: bool = False
) -> Deadline:
    """Return when registration starts for money that arrived then (cases 1, 2, 5, 12, 13).

    `wished`: the driver asked to start at once, which wins over all but the authority's own opening.
    """
    arrived = money_arrived_at.astimezone(UTC)
    opens_at = earliest_registration(product, start)
    mark, rule = _mark(product, start, terms, opens_at)
    if wished:
        due_at, rule = _no_sooner(arrived, Rule.AT_ONCE, opens_at)
    elif mark > arrived:
        due_at = mark
    else:
        due_at, rule = _grace(product, start, arrived, terms)
    starts_at = _wished_start(product, start)
    lead = _lead(product, terms)
    return Deadline(
        due_at,
        rule,
        product.zone_name,
        starts_at,
        mark,
        opens_at,
        lead,
        terms.grace,
        money_arrived_at=arrived,
    )


def _mark(product: Product, start: Start, terms: Terms, opens_at: datetime | None) -> tuple[datetime, Rule]:
    """Return the planned instant: by the lead in elapsed hours (case 5) or the notice (case 12)."""
    if product.notice_days:
        return _no_sooner(_instant(product, _notice_day(product, start)), Rule.NOTICE, opens_at)
    return _no_sooner(_wished_start(product, start) - _lead(product, terms), Rule.LEAD, opens_at)


def _lead(product: Product, terms: Terms) -> timedelta:
    """Return the country's own lead where the catalogue has one, else the operator's."""
    return terms.lead if product.lead is None else product.lead


def _no_sooner(at: datetime, rule: Rule, opens_at: datetime | None) -> tuple[datetime, Rule]:
    """Bound an instant by the opening of the authority's sale (case 13)."""
    return (opens_at, Rule.WINDOW) if opens_at is not None and opens_at > at else (at, rule)


def _grace(product: Product, start: Start, arrived: datetime, terms: Terms) -> tuple[datetime, Rule]:
    """Leave a last chance to correct (case 1), unless the last day of the notice would be missed by it."""
    due_at = arrived + terms.grace
    if product.notice_days:
        last = _instant(product, _notice_day(product, start) + _DAY) - _SECOND
        if arrived <= last < due_at:
            return last, Rule.NOTICE
    return due_at, Rule.GRACE


def hold_reason(product: Product, start: Start, now: datetime) -> str | None:
    """Return why the driver must be asked before registering, if so (cases 3, 4).

    `start_passed`: registration could begin after the start day only.
    `too_late_for_authority`: the days of notice can't be kept any more.
    """
    lies_ahead = start.at is not None and start.at > now
    if not lies_ahead and now + SAME_DAY_LIMIT >= _instant(product, start.day + _DAY):
        return "start_passed"
    if product.notice_days and _local_day(product, now) > _notice_day(product, start):
        return "too_late_for_authority"
    return None


# --- the authority's calendar ---


def _notice_day(product: Product, start: Start) -> date:
    return start.day - _DAY * product.notice_days


def _local_day(product: Product, at: datetime) -> date:
    """Return the day it is for the authority (case 2)."""
    return at.astimezone(product.zone).date()


def _instant(product: Product, day: date, at: time = time.min) -> datetime:
    """Return a local time of the authority in UTC, where differences are elapsed time."""
    return _in_utc(product.zone_name, day, at)


@lru_cache(
    maxsize=10_000
)  # a fold of the log asks again and again for the same few hundred days of a few zones
def _in_utc(zone_name: str, day: date, at: time) -> datetime:
    return datetime.combine(day, at, tzinfo=zone(zone_name)).astimezone(UTC)
