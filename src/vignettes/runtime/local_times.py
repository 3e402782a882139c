"""Times as operators give and read them: in the authority's zone, and in UTC beside it."""

import re
from datetime import UTC, datetime, timedelta

import typer

from vignettes.domain.catalogue import zone

_FORM = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?", re.ASCII | re.IGNORECASE)
_TWO_DAYS = 172_800
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def instant(text: str, zone_name: str, option: str) -> datetime:
    """Read a time with its offset, or a local one of a zone. One that the zone skips or repeats is refused."""
    try:
        at = datetime.fromisoformat(text.upper()) if _FORM.fullmatch(text) else None
        if at is not None:
            return at.astimezone(UTC) if at.tzinfo else _of_zone(at, zone_name, option)
    except (ValueError, OverflowError):
        pass  # a 30th of February, or an hour 25: refused below as any other wrong form
    wanted = f'give a local time of {zone_name} such as "2026-12-05 22:00", or 2026-12-05T22:00:00+01:00'
    raise typer.BadParameter(f"{text} is no such time: {wanted}.", param_hint=option)


def _of_zone(local: datetime, zone_name: str, option: str) -> datetime:
    readings = [local.replace(tzinfo=zone(zone_name), fold=fold).astimezone(UTC) for fold in (0, 1)]
    if readings[0] == readings[1]:
        return readings[0]
    known = [at.astimezone(zone(zone_name)) for at in readings]
    comes_twice = all(at.replace(tzinfo=None) == local for at in known)
    why = "comes twice" if comes_twice else "is skipped"
    ways = " or ".join(at.isoformat() for at in sorted(known, key=datetime.timestamp))
    raise typer.BadParameter(f"{local} {why} in {zone_name}: give {ways}.", param_hint=option)


def both(at: datetime, zone_name: str) -> str:
    """Return a time as the authority's clocks show it, and as UTC: its day too, where that is another one."""
    there, utc = at.astimezone(zone(zone_name)), at.astimezone(UTC)
    beside = clock(utc) if there.date() == utc.date() else minute(utc)
    return f"{minute(there)} {zone_name} ({beside} UTC)"


def span(begins_at: datetime, ends_at: datetime, zone_name: str) -> str:
    """Return the time between two instants, as `both` shows them."""
    there, utc = (
        f"{minute(begins_at.astimezone(each))} to {minute(ends_at.astimezone(each))}"
        for each in (zone(zone_name), UTC)
    )
    return f"{there} {zone_name}\n({utc} UTC)"


def minute(at: datetime) -> str:
    """Return day and time of a clock, to the minute; seconds where there are some."""
    return f"{at:%Y-%m-%d} {clock(at)}"


def clock(at: datetime) -> str:
    """Return the time of a clock, to the minute; seconds where there are some."""
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"


def lasting(time: timedelta) -> str:
    """Return a length of time in its two largest units; milliseconds where it is short."""
    seconds = abs(time.total_seconds())
    if 0 < seconds < 1:
        return f"{seconds * 1000:,.0f} ms"
    left, parts = round(seconds), []
    # Up to two days people count hours: a lead of 24 h.
    for unit, size in _UNITS if left >= _TWO_DAYS else _UNITS[1:]:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count:,} {unit}")
    return " ".join(parts[:2]) or "0 s"
