"""The editions of views: made beside the code that fills them, shown one at a time, dropped when nobody wants them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, Connection
from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier

from vignettes.projections.view import SCHEMA, Definition

#: One at a time makes or drops editions.
_LOCK = 0x76696577  # "view"

#: A holder that was not heard of for so long is taken to be gone.
STALE_SECONDS = 2.0

_SELECT = f"""
SELECT id, view, version, state, position, scan_until, scanned, scan_orders, term, holder, switched_at, tables,
       clock_timestamp() - begun_at AS age,
       coalesce(heartbeat_at > clock_timestamp() - interval '{STALE_SECONDS} s', false) AS is_held
FROM view.editions
"""  # noqa: S608  # a constant of this file
_BEGIN = """
INSERT INTO view.editions (view, version, tables, shown, reading, handover, scan_until)
VALUES (%(view)s, %(version)s, %(tables)s, %(shown)s, %(reading)s, %(handover)s,
        (SELECT coalesce(max(notification_id), 0) FROM log.events))
RETURNING id
"""
_SCANNED = "UPDATE view.editions SET scan_until = NULL WHERE id = %s"


@dataclass(frozen=True, slots=True)
class EditionRow:
    """A row of view.editions."""

    id: int
    view: str
    version: int
    state: str
    position: int
    scan_until: int | None
    scanned: UUID | None
    scan_orders: int
    term: int
    holder: str | None
    switched_at: datetime | None
    tables: list[str]
    age: timedelta
    is_held: bool

    def is_build_of(self, definition: Definition) -> bool:
        """Tell whether it is under way, and of the same version."""
        return self.state == "building" and (self.view, self.version) == (definition.name, definition.version)


def install(connection: Connection[Any], definitions: Iterable[Definition]) -> list[str]:
    """Make what this code's views need, as the owner of the schema; return the views that must be built now.

    A view that never was is shown at once, and filled from the log by its follower. One of another version is begun
    beside the live one, and shown when it is complete: by `vignettes projections rebuild`, or by the first process
    of the new code that follows it.
    """
    to_build = []
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        for definition in definitions:
            known = {each.state: each for each in _of_view(connection, definition.name)}
            if "live" not in known:
                _show_at_once(connection, definition, known.get("building"))
            elif known["live"].version != definition.version:
                _begun(connection, definition, known.get("building"))
                to_build.append(definition.name)
    return to_build


def begin(connection: Connection[Any], definition: Definition) -> int:
    """Return the edition of this view that is under way, or a new one; to be built beside the live one."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        known = {each.state: each for each in _of_view(connection, definition.name)}
        return _begun(connection, definition, known.get("building"))


def drop_retired(connection: Connection[Any], view: str | None = None) -> list[EditionRow]:
    """Drop editions that were replaced, of one view or of all, and return them."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        retired = [
            each
            for each in editions(connection)
            if each.state == "retired" and (view is None or each.view == view)
        ]
        for each in retired:
            _drop(connection, each)
    return retired


def editions(connection: Connection[Any]) -> Sequence[EditionRow]:
    """Return all editions, oldest first."""
    with connection.cursor(row_factory=class_row(EditionRow)) as cursor:
        return cursor.execute(_SELECT + "ORDER BY id").fetchall()


async def current(connection: AsyncConnection, views: Iterable[str]) -> list[EditionRow]:
    """Return the editions of these views that are to be written: live, or being built."""
    async with connection.cursor(row_factory=class_row(EditionRow)) as cursor:
        query = _SELECT + "WHERE view = ANY(%s) AND state <> 'retired' ORDER BY id"
        await cursor.execute(query, (list(views),), prepare=True)
        return await cursor.fetchall()


def _of_view(connection: Connection[Any], view: str) -> Sequence[EditionRow]:
    return [each for each in editions(connection) if each.view == view]


def _begun(connection: Connection[Any], definition: Definition, under_way: EditionRow | None) -> int:
    if under_way and under_way.version == definition.version:
        return under_way.id
    if under_way:
        _drop(connection, under_way)  # of a version that nobody deploys any more
    return _create(connection, definition)


def _create(connection: Connection[Any], definition: Definition) -> int:
    values = {
        "view": definition.name,
        "version": definition.version,
        "tables": list(definition.tables),
        "shown": list(definition.shown),
        "reading": definition.reading(),
        "handover": definition.handover,
    }
    row = connection.execute(_BEGIN, values).fetchone()
    assert row is not None  # noqa: S101  # INSERT ... RETURNING gives one; for the type only
    number = int(row[0])
    if creating := definition.creating(number):
        connection.execute(creating.encode())
    for table in definition.tables:
        grant = SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO vignettes_projector")
        connection.execute(grant.format(Identifier(SCHEMA, f"{table}_{number}")))
    return number


def _show_at_once(connection: Connection[Any], definition: Definition, under_way: EditionRow | None) -> None:
    number = _begun(connection, definition, under_way)
    connection.execute(_SCANNED, (number,))
    connection.execute("SELECT view.switch(%s)", (number,))


def _drop(connection: Connection[Any], edition: EditionRow) -> None:
    # As who builds it does, the row before the tables.
    connection.execute("SELECT FROM view.editions WHERE id = %s FOR UPDATE", (edition.id,))
    for table in edition.tables:
        connection.execute(SQL("DROP TABLE {}").format(Identifier(SCHEMA, f"{table}_{edition.id}")))
    connection.execute("DELETE FROM view.editions WHERE id = %s", (edition.id,))
