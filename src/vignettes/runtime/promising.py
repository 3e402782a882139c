"""How the promises are kept, on the command line: who was let down, and by whose outage."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from pydantic_core import to_jsonable_python
from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vignettes.runtime.local_times import span
from vignettes.runtime.settings import Settings
from vignettes.runtime.viewing import connected

#: What each number stands for, in a few words of mission and contract.
NAMES = {
    1: "registration at the mark",
    2: "within 5 minutes of the money",
    3: "at once when asked",
    4: "never before the money",
    5: "money to the right order",
    6: "payment confirmed by mail",
    7: "corrections until the start",
    8: "address corrected, mails again",
    9: "lost link mailed",
    10: "money back",
}
#: How many orders are told one by one.
_SHOWN = 50
#: Those about the start of registration: where one is broken, an outage of the authority may be why.
_STARTS = [1, 2, 3]

_DAYS = """
SELECT day, promise, kept, at_risk, broken, open, lapsed, worst_late FROM read.promise_days
WHERE day > (clock.now() AT TIME ZONE 'UTC')::date - %s ORDER BY day, promise
"""
# Only what was announced before it was due, and left no moment to do it in, explains anything. Of several such outages
# the one that began first; one that was withdrawn explains nothing.
_TROUBLE = """
SELECT p.order_id, o.order_number, p.promise, p.rule, p.state, p.due_at, p.late, o.country, o.zone,
       x.outage_id, x.begins_at AS outage_begins_at, x.ends_at AS outage_ends_at, x.announced_by, x.announced_at
FROM read.promises p LEFT JOIN read.order_status o USING (order_id)
LEFT JOIN LATERAL (
    SELECT * FROM read.outages a
    WHERE p.promise = ANY(%(starts)s) AND a.country = o.country AND a.withdrawn_at IS NULL
      AND a.announced_at < p.due_at AND a.begins_at <= p.due_at AND a.ends_at >= p.limit_at
    ORDER BY a.begins_at, a.outage_id LIMIT 1) AS x ON true
WHERE p.state IN ('at_risk', 'broken')
  AND (p.due_at AT TIME ZONE 'UTC')::date > (clock.now() AT TIME ZONE 'UTC')::date - %(days)s
ORDER BY p.state DESC, p.due_at DESC, p.order_id
"""


@dataclass(frozen=True, slots=True)
class Day:
    """One promise on one day (UTC) on which it was due."""

    day: date
    promise: int
    kept: int
    at_risk: int
    broken: int
    open: int
    lapsed: int
    worst_late: timedelta | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """A promise that was broken, or can still be kept by a hurry."""

    order_id: UUID
    order_number: str | None
    promise: int
    rule: str
    state: str
    due_at: datetime
    late: timedelta
    country: str | None
    zone: str | None
    outage_id: UUID | None
    """The outage of its authority, announced before it was due, that lasted from due_at to the limit."""
    outage_begins_at: datetime | None
    outage_ends_at: datetime | None
    announced_by: str | None
    announced_at: datetime | None


@dataclass(frozen=True, slots=True)
class Report:
    """How the promises of some days are kept."""

    days: Sequence[Day]
    trouble: Sequence[Trouble]

    @property
    def explained(self) -> int:
        """How many broken promises an announced outage explains."""
        return sum(each.state == "broken" and each.outage_id is not None for each in self.trouble)

    @property
    def unexplained(self) -> int:
        """How many nothing explains."""
        return sum(each.state == "broken" for each in self.trouble) - self.explained


def report(settings: Settings, days: int) -> Report:
    """Return the promises of the last days, and all that are due later."""
    with connected(settings, "vignettes_reader") as connection:
        with connection.cursor(row_factory=class_row(Day)) as cursor:
            counted = cursor.execute(_DAYS, (days,)).fetchall()
        with connection.cursor(row_factory=class_row(Trouble)) as cursor:
            trouble = cursor.execute(_TROUBLE, {"days": days, "starts": _STARTS}).fetchall()
    return Report(counted, trouble)


def as_json(report: Report) -> dict[str, Any]:
    """Return the same for programs."""
    counted = {"explained": report.explained, "unexplained": report.unexplained}
    told: dict[str, Any] = to_jsonable_python({"days": report.days, "trouble": report.trouble, **counted})
    return told


def shown(report: Report) -> RenderableType:
    """Show the same to people."""
    if not report.days:
        return "Nothing was promised in these days."
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("Due on\n(UTC)", "Promise"):
        table.add_column(name, no_wrap=True)
    for name in ("Kept", "At\nrisk", "Bro-\nken", "Open", "Lap-\nsed", "Worst\nlate"):
        table.add_column(name, justify="right", no_wrap=True)
    last = None
    for day in report.days:
        counts = (f"{day.kept:,}", _alarming(day.at_risk, "yellow"), _alarming(day.broken, "red"))
        rest = (f"{day.open:,}", f"{day.lapsed:,}", _span(day.worst_late))
        promise = f"{day.promise:2} {NAMES[day.promise]}"
        table.add_row("" if day.day == last else str(day.day), promise, *counts, *rest)
        last = day.day
    return Group(table, _in_all(report), *_trouble_shown(report.trouble))


def _in_all(report: Report) -> str:
    """Tell the share of promises that were kept, of those that are decided."""
    kept, broken = (sum(getattr(day, name) for day in report.days) for name in ("kept", "broken"))
    if not broken:
        return f"{kept:,} kept, none broken: 100 %." if kept else "None is decided yet."
    share = math.floor(10_000 * kept / (kept + broken)) / 100  # never a 100 % that was rounded
    return (
        f"{kept:,} kept, {broken:,} broken: {share:.2f} %. "
        f"Explained by an announced outage: {report.explained:,}; unexplained: {report.unexplained:,}."
    )


def _trouble_shown(trouble: Sequence[Trouble]) -> list[RenderableType]:
    if not trouble:
        return []
    told: list[RenderableType] = [""]
    for each in trouble[:_SHOWN]:
        state = (each.state, "red" if each.state == "broken" else "yellow")
        order = each.order_number or str(each.order_id)
        due = f"{each.due_at:%Y-%m-%d %H:%M:%S}Z"
        about = f" promise {each.promise} by rule {each.rule}, due {due}, late {_span(each.late)}"
        told.append(Text.assemble((order, "bold"), " ", state, about))
        if why := _why(each):
            told.append(Padding(why, (0, 0, 0, 4)))
    more = len(trouble) - _SHOWN
    return [*told, *([f"... and {more:,} more: --json has them all."] if more > 0 else [])]


def _why(trouble: Trouble) -> str:
    begins_at, ends_at = trouble.outage_begins_at, trouble.outage_ends_at
    if not (begins_at and ends_at and trouble.zone):
        return "unexplained" if trouble.state == "broken" else ""
    return (
        f"explained by an announced outage: {span(begins_at, ends_at, trouble.zone)}, "
        f"announced by {trouble.announced_by}"
    )


def _alarming(number: int, style: str) -> Text:
    return Text(f"{number:,}", style=style if number else "")


def _span(span: timedelta | None) -> str:
    """Return a time as people say it; milliseconds where it is short."""
    if span is None:
        return ""
    seconds = span.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:,.0f} ms"
    days, rest = divmod(round(seconds), 86_400)
    return f"{days} d {rest // 3_600} h" if days else str(timedelta(seconds=rest))
