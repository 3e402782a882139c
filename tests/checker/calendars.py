"""When an authority lets a vignette begin, from when on it sells it, and when its registration is due.

By the rules as they are written down for people, reckoned anew with zoneinfo, and by none of the service's code.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MARGIN = timedelta(hours=1)
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_ZONES = {
    "CZ": "Europe/Prague",
    "SK": "Europe/Bratislava",
    "AT": "Europe/Vienna",
    "CH": "Europe/Zurich",
    "SI": "Europe/Ljubljana",
    "HU": "Europe/Budapest",
    "RO": "Europe/Bucharest",
    "BG": "Europe/Sofia",
}
#: How many days ahead an authority sells; the others always do, and Switzerland from 1 December on.
_SOLD_AHEAD = {"CZ": 30, "SK": 60, "SI": 30, "RO": 30, "BG": 30}
#: To be registered eighteen days before.
_EIGHTEEN_DAYS = {"AT-2M", "AT-1Y"}
_FIVE_MINUTES, _ONE_MINUTE = timedelta(minutes=5), timedelta(minutes=1)
_DURATION = re.compile(r"P(?:([\d.]+)D)?(?:T(?:([\d.]+)H)?(?:([\d.]+)M)?(?:([\d.]+)S)?)?")

Outage = tuple[datetime, datetime]


@dataclass(frozen=True)
class Wish:
    """What was ordered: a product from a day on, or from an hour."""

    product: str
    day: date
    hour: datetime | None

    @property
    def zone(self) -> str:
        """Return the name of the authority's zone."""
        return _ZONES[self.product[:2]]

    def local(self, day: date, at: time = time.min) -> datetime:
        """Return a local time of the authority, in UTC."""
        return datetime.combine(day, at, ZoneInfo(self.zone)).astimezone(UTC)

    @property
    def begins_at(self) -> datetime:
        """Return the instant from which the driver wants to be covered."""
        if self.hour is not None:
            return self.hour.astimezone(UTC)
        return self.local(self.day, time(12) if self.product == "BG-WE" else time.min)

    def covered_from(self, started_at: datetime | None) -> datetime:
        """Return the start of validity, as far as it can be reckoned: registered later, it begins then."""
        if started_at and (self.product[:2] == "CH" or started_at > self.begins_at):
            return started_at.astimezone(UTC)
        return self.begins_at

    @property
    def opens_at(self) -> datetime | None:
        """Return the first instant at which the authority sells it, if there is one."""
        if self.product == "CH-1Y":
            return self.local(date(self.day.year - (self.day.month < 12), 12, 1))
        ahead = _SOLD_AHEAD.get(self.product[:2])
        return self.local(self.day - ahead * _DAY) if ahead else None

    def mark(self, lead: timedelta) -> datetime:
        """Return when it is due for money that came long before."""
        mark = self.local(self.day - 18 * _DAY) if self.product in _EIGHTEEN_DAYS else self.begins_at - lead
        return max(mark, self.opens_at or mark)

    def last_chance(self, paid_at: datetime, grace: timedelta) -> datetime:
        """Return when it is due for money that came after the mark."""
        if self.product in _EIGHTEEN_DAYS:
            last = self.local(self.day - 17 * _DAY) - _SECOND
            if paid_at <= last < paid_at + grace:
                return last
        return paid_at + grace

    def unpaid_until(self, patience: timedelta) -> datetime:
        """Return when an order for it ends that nobody has paid."""
        return self.local(self.day + _DAY + patience)


@dataclass(frozen=True)
class Due:
    """When it must start, and until when that is in time; by which of the promises."""

    at: datetime
    promise: int
    limit: datetime


@dataclass(frozen=True)
class Plan:
    """All that decides when an order is due."""

    wish: Wish
    lead: timedelta
    grace: timedelta
    paid_at: datetime
    not_before: datetime
    promised_since: datetime
    at_once: bool
    outages: tuple[Outage, ...]

    def due(self) -> Due:
        """Reckon it."""
        at, promise = self._by_rule()
        at = max(at, self.not_before)
        at = self._before_outages(at, MARGIN if promise == 1 else timedelta(), self.outages)
        since = max(self.paid_at, self.promised_since)
        limit = {1: at + _FIVE_MINUTES, 2: since + _FIVE_MINUTES, 3: at + _ONE_MINUTE}[promise]
        return Due(at, promise, limit)

    def _by_rule(self) -> tuple[datetime, int]:
        opens_at, mark = self.wish.opens_at, self.wish.mark(self.lead)
        if self.at_once:
            return (opens_at, 1) if opens_at and opens_at > self.paid_at else (self.paid_at, 3)
        if mark > self.paid_at:
            return mark, 1
        at = self.wish.last_chance(self.paid_at, self.grace)
        return at, 1 if at < self.paid_at + self.grace else 2

    def _before_outages(self, at: datetime, margin: timedelta, outages: Iterable[Outage]) -> datetime:
        soonest = max(filter(None, (self.not_before, self.paid_at, self.wish.opens_at)))
        for begins_at, ends_at in sorted(outages, reverse=True):
            before = max(begins_at - MARGIN, soonest)
            if begins_at - margin <= at < ends_at and before < begins_at and before < at:
                at = before
        return at


def duration(text: str) -> timedelta:
    """Read a length of time as ISO 8601 writes it."""
    days, hours, minutes, seconds = (float(each or 0) for each in _DURATION.fullmatch(text).groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
