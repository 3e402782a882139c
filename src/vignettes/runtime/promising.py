"""How the promises are kept, on the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from psycopg.rows import class_row
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vignettes.runtime.settings import Settings
from vignettes.runtime.viewing import connected

#: What each number stands for, in a few words of mission and contract.
NAMES = {
    1: "registration at the mark",
    2: "within 5 minutes of the money",
    3: "at once when asked",
    4: "never before the money",
    6: "payment confirmed by mail",
    7: "corrections until the start",
    8: "address corrected, mails again",
    10: "money back",
}
#: How many orders are told one by one.
_SHOWN = 20

_DAYS = """
SELECT day, promise, kept, at_risk, broken, open, lapsed, worst_late FROM read.promise_days
WHERE day > (clock.now() AT TIME ZONE 'UTC')::date - %s ORDER BY day, promise
"""
_TROUBLE = """
SELECT p.order_id, o.order_number, p.promise, p.rule, p.state, p.due_at, p.late
FROM read.promises p LEFT JOIN read.order_status o USING (order_id)
WHERE p.state IN ('at_risk', 'broken')
  AND (p.due_at AT TIME ZONE 'UTC')::date > (clock.now() AT TIME ZONE 'UTC')::date - %s
ORDER BY p.state, p.due_at DESC
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


@dataclass(frozen=True, slots=True)
class Report:
    """How the promises of some days are kept."""

    days: Sequence[Day]
    trouble: Sequence[Trouble]


def report(settings: Settings, days: int) -> Report:
    """Return the promises of the last days, and all that are due later."""
    with connected(settings, "vignettes_reader") as connection:
        with connection.cursor(row_factory=class_row(Day)) as cursor:
            counted = cursor.execute(_DAYS, (days,)).fetchall()
        with connection.cursor(row_factory=class_row(Trouble)) as cursor:
            trouble = cursor.execute(_TROUBLE, (days,)).fetchall()
    return Report(counted, trouble)


def shown(report: Report) -> RenderableType:
    """Show the same to people."""
    if not report.days:
        return "Nothing was promised in these days."
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Due on (UTC)", "Promise"):
        table.add_column(name, no_wrap=True)
    for name in ("Kept", "At risk", "Broken", "Open", "Lapsed", "Worst late"):
        table.add_column(name, justify="right")
    last = None
    for day in report.days:
        counts = (f"{day.kept:,}", _alarming(day.at_risk, "yellow"), _alarming(day.broken, "red"))
        rest = (f"{day.open:,}", f"{day.lapsed:,}", _span(day.worst_late))
        promise = f"{day.promise:2} {NAMES[day.promise]}"
        table.add_row("" if day.day == last else str(day.day), promise, *counts, *rest)
        last = day.day
    return Group(table, *_trouble_shown(report.trouble))


def _trouble_shown(trouble: Sequence[Trouble]) -> list[RenderableType]:
    if not trouble:
        return []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Order", "Promise", "Rule", "State", "Due", "Late"):
        table.add_column(name, no_wrap=True)
    for each in trouble[:_SHOWN]:
        state = Text(each.state, style="red" if each.state == "broken" else "yellow")
        order = each.order_number or str(each.order_id)
        due = f"{each.due_at:%Y-%m-%d %H:%M:%S}Z"
        table.add_row(order, str(each.promise), each.rule, state, due, _span(each.late))
    more = len(trouble) - _SHOWN
    return [table, *([f"... and {more:,} more: read.promises has them all."] if more > 0 else [])]


def _alarming(number: int, style: str) -> Text:
    return Text(f"{number:,}", style=style if number else "")


def _span(span: timedelta | None) -> str:
    """Return a time as people say it; milliseconds where it is short."""
    if span is None:
        return ""
    seconds = span.total_seconds()
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else str(timedelta(seconds=round(seconds)))
