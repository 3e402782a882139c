"""Announced outages from the command line: put on record by the service, and what became of the orders in their way."""

import asyncio
import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import class_row
from rich import box
from rich.console import Console, RenderableType
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from vignettes.domain.catalogue import ZONES
from vignettes.domain.outages import MARGIN
from vignettes.messages import outages
from vignettes.runtime import asking
from vignettes.runtime.local_times import span
from vignettes.runtime.settings import Settings
from vignettes.runtime.viewing import connected

Request = type[outages.AnnounceOutage | outages.WithdrawOutage | outages.AskOutages]

#: How long the orders in the way of an outage are watched while they are brought forward.
_PATIENCE_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 0.25

# Which plan an outage moves is domain/outages.py's to say (`ahead_of`, with its margin for each rule); this only counts
# what it has moved, and what it will.
_TOUCHED = """
SELECT count(*) FILTER (WHERE is_moved AND d.outcome IS DISTINCT FROM 'superseded') AS moved,
       count(*) FILTER (WHERE is_open AND is_in_way AND may_move) AS waiting,
       count(*) FILTER (WHERE is_open AND is_in_way AND NOT may_move AND d.due_at >= o.begins_at) AS late
FROM read.outages o
JOIN read.deadlines d ON d.country = o.country AND d.purpose = 'registration',
LATERAL (SELECT d.ended_at IS NULL AS is_open, d.outage_id IS NOT DISTINCT FROM o.outage_id AS is_moved,
                CASE WHEN d.rule IN ('grace', 'at_once') THEN interval '0' ELSE %(margin)s END AS margin) AS known,
LATERAL (SELECT NOT is_moved AND d.due_at >= o.begins_at - margin AND d.due_at < o.ends_at AS is_in_way,
                greatest(o.begins_at - %(margin)s, clock.now(), d.money_arrived_at, d.opens_at)
                < least(d.due_at, o.begins_at) AS may_move) AS found
WHERE o.outage_id = %(outage)s AND (is_open OR is_moved)
"""


@dataclass(frozen=True, slots=True)
class Touched:
    """The registrations that an outage touches."""

    moved: int
    """Brought forward so far."""
    waiting: int
    """Still to be brought forward."""
    late: int
    """In its way, and not to be brought forward any more."""

    @property
    def all(self) -> int:
        """How many it touches."""
        return self.moved + self.waiting + self.late


def ask(settings: Settings, request: Request, **body: Any) -> dict[str, Any]:
    """Send a request to the service, as any program would."""
    said = json.dumps(body, default=str).encode()
    return asyncio.run(asking.ask(settings, request.subject, said))


def follow(settings: Settings, outage_id: str, progress_on: Console) -> Touched | None:
    """Watch for some seconds how orders are brought forward, and return how many; None where nobody can tell."""
    if settings.database_url is None:
        progress_on.print("Set VIGNETTES_DATABASE_URL to be told which registrations it touches.")
        return None
    try:
        with connected(settings, "vignettes_reader") as connection:
            return _followed(connection, outage_id, progress_on)
    except psycopg.OperationalError as error:  # it is on record all the same: no reason to end with a refusal
        progress_on.print(f"Which registrations it touches is not known: {str(error).strip()}")
        return None


def _followed(connection: Connection[Any], outage_id: str, progress_on: Console) -> Touched:
    end = time.monotonic() + _PATIENCE_SECONDS
    with Progress(console=progress_on, transient=True) as progress:
        task = progress.add_task("brought forward", total=None)
        while (touched := _touched(connection, outage_id)).waiting and time.monotonic() < end:
            progress.update(task, completed=touched.moved, total=touched.moved + touched.waiting)
            time.sleep(_LOOK_EVERY_SECONDS)
    return touched


def _touched(connection: Connection[Any], outage_id: str) -> Touched:
    with connection.cursor(row_factory=class_row(Touched)) as cursor:
        found = cursor.execute(_TOUCHED, {"outage": outage_id, "margin": MARGIN}).fetchone()
    return found or Touched(0, 0, 0)


# --- what is shown of it


def announced_shown(reply: dict[str, Any]) -> str:
    """Tell what is on record now."""
    return f"On record: {reply['country']}, {_span(reply)}.\nIt goes by {reply['outage_id']}."


def touched_shown(touched: Touched) -> str:
    """Tell what it means for orders."""
    if not touched.all:
        return "It touches no registration."
    lines = [
        f"Registrations that it touches now: {touched.all:,}. Brought forward so far: {touched.moved:,}."
    ]
    if touched.waiting:
        lines.append(f"Still to be brought forward: {touched.waiting:,} (the role deadlines does it).")
    if touched.late:
        lines.append(f"Too late for {touched.late:,}: those are registered when the authority answers again.")
    return "\n".join(lines)


def withdrawn_shown(reply: dict[str, Any]) -> str:
    """Tell what does not hold any more."""
    return f"Withdrawn: {reply['country']}, {_span(reply)}.\nWhat it brought forward, and has not started, goes back."


def listed_shown(found: list[dict[str, Any]]) -> RenderableType:
    """Show outages to people, each in its authority's zone and in UTC."""
    if not found:
        return "No outage is announced."
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Outage", "When", "Announced"):
        table.add_column(name, overflow="fold")
    for each in found:
        gone = each["withdrawn_by"]
        what = Text.assemble((each["country"], "bold"), f"\n{each['outage_id']}")
        table.add_row(what, _span(each), _said(each), style="dim strike" if gone else "")
    return table


def _said(outage: dict[str, Any]) -> str:
    lines = [f"by {outage['announced_by']}, {_utc(outage['announced_at'])}"]
    if outage["withdrawn_by"]:
        lines.append(f"withdrawn by {outage['withdrawn_by']}, {_utc(outage['withdrawn_at'])}")
    return "\n".join([*lines, *filter(None, [outage["note"]])])


def _span(outage: dict[str, Any]) -> str:
    begins_at, ends_at = (datetime.fromisoformat(outage[name]) for name in ("begins_at", "ends_at"))
    return span(begins_at, ends_at, ZONES[outage["country"]])


def _utc(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}Z"
