"""The charts of the page for people on duty, as figures that its templates draw: SVG without a script.

Bars stand in a box of `BOX` units high and one unit wide for each of them, whatever the screen makes of that; what is
written beside them is HTML, and so as large as all other words.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from vignettes.domain.details import Status

Row = Mapping[str, Any]

BOX: Final = 100.0
#: The least that is seen at all, and what is red is seen even among thousands.
_LEAST, _LEAST_BAD = 2.0, 14.0
_BARS: Final = 48
_DAYS: Final = 30
#: A time is written below every sixth bar.
_TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar: from the top of the box down to `y`, and so high."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Due:
    """One bar of what will be due."""

    begins_at: datetime
    ends_at: datetime
    orders: int
    countries: str
    piece: Piece


@dataclass(frozen=True, slots=True)
class DueChart:
    """What will be due in the next hours. `peak` is the highest bar; none where nothing is due."""

    hours: int
    bars: Sequence[Due]
    ticks: Sequence[datetime]
    orders: int
    peak: Due | None


@dataclass(frozen=True, slots=True)
class Kept:
    """How a promise was kept on a day, or in several."""

    kept: int = 0
    broken: int = 0
    at_risk: int = 0
    open: int = 0

    @property
    def decided(self) -> int:
        """Those of which it is known whether they were kept."""
        return self.kept + self.broken

    @property
    def share(self) -> str:
        """Return how much was kept, in hundredths: never a 100 that was rounded."""
        if not self.decided:
            return ""
        share = math.floor(10_000 * self.kept / self.decided) / 100
        return "100 %" if share == BOX else f"{share:.2f} %"


@dataclass(frozen=True, slots=True)
class Day:
    """One bar of the last days."""

    day: date
    kept: Kept
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class State:
    """How many orders stand so; `share` of the most frequent state, of a hundred."""

    status: str
    words: str
    orders: int
    share: float


def due(rows: Iterable[Row], now: datetime, hours: int) -> DueChart:
    """Return what is due from now on, in bars of as many minutes as hours are shown on either side of a noon."""
    step = timedelta(hours=hours) / _BARS
    first = _floor(now, step)
    counted: dict[datetime, Counter[str]] = {}
    for row in rows:
        counted.setdefault(_floor(row["begins_at"], step), Counter())[row["country"]] += row["orders"]
    most = max((each.total() for at, each in counted.items() if at < first + _BARS * step), default=0)
    bars = [
        _due(at, at + step, counted.get(at, Counter()), most)
        for at in (first + number * step for number in range(_BARS))
    ]
    peak = max(bars, key=lambda bar: bar.orders)
    ticks = [bar.begins_at for bar in bars[::_TICKS]]
    return DueChart(hours, bars, ticks, sum(bar.orders for bar in bars), peak if peak.orders else None)


def _due(begins_at: datetime, ends_at: datetime, orders: Counter[str], most: int) -> Due:
    total = orders.total()
    told = ", ".join(f"{country} {number:,}" for country, number in orders.most_common())
    return Due(begins_at, ends_at, total, told, _piece("due", _height(total, most, _LEAST), 0.0))


def days(rows: Iterable[Row], today: date) -> Sequence[Day]:
    """Return the last days, today the last of them."""
    known = {row["day"]: _kept(row) for row in rows}
    shown = [today - timedelta(days=before) for before in reversed(range(_DAYS))]
    kept = [known.get(day, Kept()) for day in shown]
    most = max(each.decided + each.at_risk for each in kept)
    return [Day(day, each, _stacked(each, most)) for day, each in zip(shown, kept, strict=True)]


def outlines(shown: Iterable[Day]) -> Mapping[str, str]:
    """Return the pieces of all days as one path for each kind: a shape of its own for each would be a large page."""
    drawn: dict[str, list[str]] = {}
    for number, day in enumerate(shown):
        for piece in day.pieces:
            drawn.setdefault(piece.kind, []).append(f"M{number}.1 {piece.y:g}h.8v{piece.height:g}h-.8z")
    return {kind: "".join(parts) for kind, parts in drawn.items()}


def in_all(shown: Iterable[Day]) -> Kept:
    """Return all days together."""
    kept = [day.kept for day in shown]
    names = ("kept", "broken", "at_risk", "open")
    return Kept(*(sum(getattr(each, name) for each in kept) for name in names))


def states(rows: Iterable[Row]) -> Sequence[State]:
    """Return how many orders stand in each state, in the order in which an order goes through them."""
    orders = {row["status"]: row["orders"] for row in rows}
    most = max(orders.values(), default=0)
    return [
        State(status, status.replace("_", " "), number, round(_height(number, most, 0.6), 2))
        for status in Status
        for number in (orders.get(status, 0),)
    ]


def _kept(row: Row) -> Kept:
    return Kept(row["kept"], row["broken"], row["at_risk"], row["open"])


def _stacked(kept: Kept, most: int) -> Sequence[Piece]:
    """Put what is bad below, where it is seen, and what is good on top of it."""
    pieces: list[Piece] = []
    floor = 0.0
    for kind, number, least in (
        ("bad", kept.broken, _LEAST_BAD),
        ("wait", kept.at_risk, _LEAST_BAD),
        ("good", kept.kept, _LEAST),
    ):
        if number:
            height = min(_height(number, most, least), BOX - floor)
            pieces.append(_piece(kind, height, floor))
            floor += height
    return pieces


def _piece(kind: str, height: float, floor: float) -> Piece:
    return Piece(kind, round(BOX - floor - height, 1), round(height, 1))


def _height(number: int, most: int, least: float) -> float:
    return max(BOX * number / most, least) if number else 0.0


def _floor(at: datetime, step: timedelta) -> datetime:
    seconds = step.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)
