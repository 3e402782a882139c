"""What operators do with views: make them, see how they stand and what is parked, drop what was replaced."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import class_row
from rich import box
from rich.console import Group, JustifyMethod, RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from vignettes.eventstore.connections import Role, conninfo
from vignettes.projections import editions
from vignettes.projections.view import Definition
from vignettes.runtime.link import needed
from vignettes.runtime.parts import definitions
from vignettes.runtime.settings import Settings, variable

#: A process that was not heard of for so long is gone: another one would have taken over by now.
GONE_SECONDS = 5.0
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))
_LARGEST_ID = (1 << 128) - 1

STANDING = """
SELECT e.id AS edition, e.view, e.version, e.state, e.position, e.scan_until, e.scanned, e.scan_orders,
       CASE WHEN e.state = 'building' AND e.scan_until IS NULL THEN greatest(h.head - e.position, 0)
            ELSE l.events_behind END AS events_behind,
       l.seconds_behind, e.holder, extract(epoch FROM clock_timestamp() - e.heartbeat_at)::float8 AS heard_seconds_ago,
       (SELECT count(*) FROM view.parked p WHERE p.edition = e.id) AS orders_parked,
       (SELECT count(*) FROM view.drift d WHERE d.edition = e.id) AS orders_drifted
FROM view.editions e
CROSS JOIN (SELECT coalesce(max(notification_id), 0) AS head FROM log.events) h
LEFT JOIN read.projection_lag l ON l.view = e.view AND e.state = 'live'
ORDER BY array_position(ARRAY['live', 'building', 'retired'], e.state), e.view, e.id
"""
_PARKED = """
SELECT p.view, p.order_id, o.order_number, p.position, p.version, p.topic, p.error, p.events_waiting, p.attempts,
       p.parked_at, p.tried_at
FROM read.parked_events p LEFT JOIN read.order_status o USING (order_id) ORDER BY p.view, p.position
"""
_SIZES = """
SELECT e.id, coalesce(sum(pg_total_relation_size(format('edition.%%I', t.name || '_' || e.id)::regclass)), 0)::bigint
FROM view.editions e LEFT JOIN unnest(e.tables) AS t (name) ON true
WHERE e.state = 'retired' AND (%(view)s::text IS NULL OR e.view = %(view)s) GROUP BY e.id
"""


class Refused(Exception):
    """What was asked of a view can't be done; the text says why, and the way out."""


class UnknownView(Refused):
    """There is no such view."""


class NotMigrated(Refused):
    """The database is not of the form that this code needs: run `vignettes migrate` first."""


class StillRead(Refused):
    """Somebody has been reading a retired edition all the time: nothing was dropped, try again later."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one edition is, and who writes it."""

    edition: int
    view: str
    version: int
    state: str
    position: int
    scan_until: int | None
    scanned: UUID | None
    scan_orders: int
    events_behind: int | None
    seconds_behind: float | None
    holder: str | None
    heard_seconds_ago: float | None
    orders_parked: int
    orders_drifted: int

    @property
    def is_held(self) -> bool:
        """Tell whether somebody writes it."""
        return self.heard_seconds_ago is not None and self.heard_seconds_ago < GONE_SECONDS

    @property
    def share(self) -> float:
        """How much of its build is done, from 0 to 1: of the orders, and after them of the events."""
        if self.scan_until is not None:
            # Ids are spread evenly: how far we are in them is how far we are.
            return self.scanned.int / _LARGEST_ID if self.scanned else 0.0
        missing = self.events_behind or 0
        return self.position / (self.position + missing) if missing else 1.0

    @property
    def held_by(self) -> str:
        """The process that writes it, as people know it: the machine and the number."""
        return self.holder.rpartition("/")[0] or self.holder if self.holder else ""


@dataclass(frozen=True, slots=True)
class ParkedOrder:
    """An order that waits in a live view."""

    view: str
    order_id: UUID
    order_number: str | None
    position: int
    version: int
    topic: str
    error: str
    events_waiting: int
    attempts: int
    parked_at: datetime
    tried_at: datetime


@dataclass(frozen=True, slots=True)
class Dropped:
    """An edition that was replaced, and is gone."""

    view: str
    edition: int
    version: int
    bytes: int
    switched_at: datetime | None


def install_views(database_url: str) -> list[str]:
    """Make what the views of this code need, and return those that must be built beside the live ones."""
    with psycopg.connect(conninfo(database_url, "vignettes_owner"), autocommit=True) as connection:
        return editions.install(connection, definitions())


@contextmanager
def connected(settings: Settings, role: Role) -> Iterator[Connection[Any]]:
    """Connect for a command. Raises NotMigrated within the block when the database has no editions yet."""
    url = conninfo(
        needed(settings.database_url, variable("database_url")), role, name="vignettes projections"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            yield connection
        except psycopg.errors.UndefinedTable:
            raise NotMigrated(NotMigrated.__doc__) from None


def defined(name: str) -> Definition:
    """Return a view of this code. Raises UnknownView, with the names of those there are."""
    known = {each.name: each for each in definitions()}
    if name not in known:
        raise UnknownView(f"{name}: there are {', '.join(known)}.")
    return known[name]


# --- how they stand


def standing(connection: Connection[Any]) -> Sequence[Standing]:
    """Return how all editions stand, the live ones first."""
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(STANDING).fetchall()


def status(settings: Settings) -> Sequence[Standing]:
    """Return how all editions stand."""
    with connected(settings, "vignettes_projector") as connection:
        return standing(connection)


def changed(settings: Settings) -> list[str]:
    """Return the views that are not live in the version of this code, and can be built."""
    live = {each.view: each.version for each in status(settings) if each.state == "live"}
    return [each.name for each in definitions() if each.tables and live.get(each.name) != each.version]


def status_json(rows: Sequence[Standing]) -> dict[str, Any]:
    """Return the same for programs."""
    versions = {each.name: each.version for each in definitions()}
    own = ("scan_until", "scanned", "scan_orders")
    told = [
        {name: value for name, value in asdict(row).items() if name not in own}
        | {
            "version_of_code": versions.get(row.view),
            "share": row.share if row.state == "building" else None,
            "is_held": row.is_held,
        }
        for row in rows
    ]
    return {"editions": told, "notes": list(_notes(rows))}


def status_shown(rows: Sequence[Standing]) -> Group:
    """Show the same to people, and what there is to do."""
    table = _table("View", "Ver.>", "State", "Position>", "Events\nbehind>", "Time\nbehind>", "Held by")
    for name in ("Heard\nof>", "Parked>", "Drifted>"):
        _add_column(table, name)
    for row in rows:
        table.add_row(*_status_cells(row), style="dim" if row.state == "retired" else "")
    return Group(table, *map(Text, _notes(rows)))


def _status_cells(row: Standing) -> list[RenderableType]:
    state = f"building {row.share:.0%}" if row.state == "building" else row.state
    is_wanted = row.state != "retired"
    heard = None if row.heard_seconds_ago is None or not is_wanted else row.heard_seconds_ago
    return [
        row.view,
        str(row.version),
        Text(state, style="green" if row.state == "live" else ""),
        f"{row.position:,}",
        "" if row.events_behind is None else f"{row.events_behind:,}",
        _duration(row.seconds_behind),
        Text(row.held_by or "nobody", style="" if row.is_held else "red") if is_wanted else "",
        _duration(heard),
        _alarming(row.orders_parked),
        _alarming(row.orders_drifted),
    ]


def _notes(rows: Sequence[Standing]) -> Iterator[str]:
    """Return what there is to do, in one sentence each."""
    live = {row.view: row for row in rows if row.state == "live"}
    building = {row.view: row for row in rows if row.state == "building"}
    unwritten: dict[str, list[str]] = {}
    for each in definitions():
        row, next_ = live.get(each.name), building.get(each.name)
        if row is None:
            unwritten.setdefault("it is not there yet, run `vignettes migrate`", []).append(each.name)
        elif row.version != each.version:
            how = "it is being built" if next_ and next_.is_held else way_out(row)
            yield f"{each.name} is live in version {row.version}, this code has version {each.version}: {how}."
        elif not row.is_held:
            unwritten.setdefault(way_out(row), []).append(each.name)
        if row and row.version == each.version and next_ and not next_.is_held:
            yield f"Nobody goes on building {each.name}: run `vignettes projections rebuild {each.name}`."
    for way, names in unwritten.items():
        yield f"Nobody writes {', '.join(names)}: {way}."
    if any(row.orders_parked for row in live.values()):
        yield "Orders are parked: see `vignettes projections parked`."
    if any(row.state == "retired" for row in rows):
        yield "Retired editions can go: `vignettes projections drop`."


def way_out(live: Standing) -> str:
    """Return what brings somebody to write a live view that nobody writes."""
    definition = defined(live.view)
    if live.version != definition.version and definition.tables:
        return f"run `vignettes projections rebuild {live.view}`"
    return f"start `vignettes serve {'projecting' if definition.tables else 'publishing'}`"


# --- what is parked


def parked(settings: Settings) -> Sequence[ParkedOrder]:
    """Return the orders that wait in live views."""
    with (
        connected(settings, "vignettes_reader") as connection,
        connection.cursor(row_factory=class_row(ParkedOrder)) as cursor,
    ):
        return cursor.execute(_PARKED).fetchall()


def parked_shown(rows: Sequence[ParkedOrder]) -> RenderableType:
    """Show the same to people."""
    if not rows:
        return "No order is parked."
    told = []
    for row in rows:
        tried = "once" if row.attempts == 1 else f"{row.attempts} times"
        where = f"position {row.position:,}, {row.topic}; events waiting: {row.events_waiting}"
        since = f"parked {_moment(row.parked_at)}, tried {tried}"
        order = f"{row.order_number} = {row.order_id}" if row.order_number else str(row.order_id)
        told.append((row.view, Text.assemble((order, "bold"), f"\n{where}\n{since}\n", (row.error, "red"))))
    return Group(by_view(told), "", Text("Mended? `vignettes projections retry` tries them again."))


def by_view(told: Iterable[tuple[str, Text]]) -> Table:
    """Return what is told of orders, beside the name of the view."""
    grid = Table.grid(padding=(0, 2))
    for view, text in told:
        grid.add_row(view, text)
    return grid


# --- what was replaced


def drop(settings: Settings, view: str | None) -> list[Dropped]:
    """Drop retired editions of one view, or of all, and return them with the room they took."""
    with connected(settings, "vignettes_owner") as connection:
        if view is not None and view not in {row.view for row in editions.editions(connection)}:
            defined(view)  # a view of earlier code may have left editions; any other name is a mistake
        sizes = dict(connection.execute(_SIZES, {"view": view}).fetchall())
        try:
            gone = editions.drop_retired(connection, view)
        except psycopg.errors.LockNotAvailable:
            raise StillRead(StillRead.__doc__) from None
    return [
        Dropped(each.view, each.id, each.version, sizes.get(each.id, 0), each.switched_at) for each in gone
    ]


def dropped_shown(gone: Sequence[Dropped]) -> RenderableType:
    """Show the same to people."""
    if not gone:
        return "No edition is retired: there is nothing to drop."
    table = _table("Dropped", "Edition>", "Version>", "Live since", "Size>")
    for each in gone:
        since = _moment(each.switched_at) if each.switched_at else ""
        table.add_row(each.view, str(each.edition), str(each.version), since, decimal(each.bytes))
    return table


# --- tables


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        _add_column(table, column)
    return table


def _add_column(table: Table, name: str) -> None:
    """Add a column; one whose name ends with > holds numbers."""
    justify: JustifyMethod = "right" if name.endswith(">") else "left"
    table.add_column(name.removesuffix(">"), justify=justify, overflow="fold", no_wrap=name != "Held by")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def _duration(seconds: float | None) -> str:
    """Return a time in the largest unit of which it has two."""
    if seconds is None:
        return ""
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 2 * size), ("s", 1))
    return f"{seconds / size:.1f} {unit}" if unit == "s" else f"{seconds // size:,.0f} {unit}"


def _alarming(number: int) -> Text:
    return Text(f"{number:,}", style="red" if number else "")
