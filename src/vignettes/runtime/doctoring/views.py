"""The views: how far they are behind the log, and what waits, differs, or is to be built in them."""

from collections.abc import Iterable, Iterator, Sequence

from psycopg.rows import class_row

from vignettes.runtime.doctoring.finding import Finding, State, ok, warning, wrong
from vignettes.runtime.doctoring.patient import Patient
from vignettes.runtime.parts import definitions
from vignettes.runtime.viewing import STANDING, Standing, way_out

_BEHIND_SECONDS = 60.0


async def look(patient: Patient) -> list[Finding]:
    """Look at every edition that is live, being built, or replaced."""
    async with (
        patient.connected("vignettes_projector") as connection,
        connection.cursor(row_factory=class_row(Standing)) as cursor,
    ):
        await cursor.execute(STANDING)
        rows = await cursor.fetchall()
    found = list(_found(rows))
    live = [row for row in rows if row.state == "live"]
    if all(each.state is State.OK for each in found):
        behind = max((row.events_behind or 0 for row in live), default=0)
        found.append(ok("views", f"{len(live)} are live, at most {behind:,} events behind"))
    return found


def _found(rows: Sequence[Standing]) -> Iterator[Finding]:
    live = {row.view: row for row in rows if row.state == "live"}
    for definition in definitions():
        row = live.get(definition.name)
        if row is None:
            yield wrong(definition.name, "has no live edition", "Run: vignettes migrate")
        else:
            yield from _of_one(row, definition.version)
    yield from _unwritten(live.values())
    if retired := [row.view for row in rows if row.state == "retired"]:
        way = "When nobody goes back to the release before: vignettes projections drop"
        yield ok("retired", f"{', '.join(sorted(set(retired)))}; {way}")


def _of_one(row: Standing, version: int) -> Iterator[Finding]:
    if row.version != version:
        told = f"is live in version {row.version}, the code's is {version}"
        yield warning(row.view, told, f"To have it now: {way_out(row)}.")
    if (row.seconds_behind or 0) > _BEHIND_SECONDS:
        told = f"{row.events_behind or 0:,} events, {row.seconds_behind:,.0f} s behind the log"
        yield warning(
            row.view, told, "Look again in a minute; if it grows, look in the log of who writes it."
        )
    if row.orders_parked:
        way = "Run: vignettes projections parked; and when that is mended: vignettes projections retry"
        yield wrong(row.view, f"{row.orders_parked:,} orders wait with an event that it can't digest", way)
    if row.orders_drifted:
        way = f"Run: vignettes projections rebuild {row.view}"
        yield wrong(row.view, f"{row.orders_drifted:,} orders' rows are not what the log says", way)


def _unwritten(live: Iterable[Standing]) -> Iterator[Finding]:
    """Tell of what nobody writes, together where one command mends it."""
    names: dict[str, list[str]] = {}
    for row in live:
        if not row.is_held:
            names.setdefault(way_out(row), []).append(row.view)
    for way, views in names.items():
        yield wrong("unwritten", f"nobody writes {', '.join(sorted(views))}", f"{way.capitalize()}.")
