"""What falls due in the next hours, hour by hour and country by country: the noon burst seen coming."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from rich import box
from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vignettes.domain.catalogue import zone
from vignettes.runtime.local_times import minute
from vignettes.runtime.settings import Settings
from vignettes.runtime.viewing import connected

_BAR_WIDTH = 28

_DUE = """
SELECT CASE WHEN due_at >= now THEN date_trunc('hour', due_at, 'UTC') END AS hour, country, zone, count(*) AS orders,
       min(due_at) AS first, max(due_at) AS last
FROM read.deadlines, (SELECT clock.now() AS now) AS clock
WHERE purpose = 'registration' AND ended_at IS NULL AND due_at < now + %(hours)s * interval '1 h'
  AND country = coalesce(%(country)s, country)
GROUP BY 1, 2, 3 ORDER BY 1 NULLS FIRST, 2
"""


@dataclass(frozen=True, slots=True)
class Hour:
    """Registrations of one country that fall due in one hour."""

    hour: datetime | None
    """Its beginning; None for what is overdue."""
    country: str
    zone: str
    orders: int
    first: datetime
    last: datetime


def due(settings: Settings, hours: int, country: str | None) -> Sequence[Hour]:
    """Return what is overdue, and what falls due in the next hours."""
    with (
        connected(settings, "vignettes_reader") as connection,
        connection.cursor(row_factory=class_row(Hour)) as cursor,
    ):
        return cursor.execute(_DUE, {"hours": hours, "country": country}).fetchall()


def shown(found: Sequence[Hour], hours: int) -> RenderableType:
    """Show the same to people, with a bar for each hour and country."""
    if not found:
        return f"No registration falls due within {hours} hours."
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("Hour (UTC)", "Country", "There"):
        table.add_column(name, no_wrap=True)
    table.add_column("Due", justify="right", no_wrap=True)
    table.add_column(width=_BAR_WIDTH)
    most = max(each.orders for each in found)
    last = None
    for each in found:
        hour = minute(each.hour) if each.hour else "overdue"
        bar = Bar(most, 0, each.orders, width=_BAR_WIDTH, color="green" if each.hour else "red")
        table.add_row("" if hour == last else hour, each.country, _there(each), f"{each.orders:,}", bar)
        last = hour
    return Group(table, Text(_total(found, hours)))


def _there(each: Hour) -> str:
    return f"{each.hour.astimezone(zone(each.zone)):%a %H:%M}" if each.hour else ""


def _total(found: Sequence[Hour], hours: int) -> str:
    overdue = sum(each.orders for each in found if each.hour is None)
    ahead = sum(each.orders for each in found) - overdue
    return f"{ahead:,} fall due within {hours} hours" + (f"; overdue: {overdue:,}." if overdue else ".")
