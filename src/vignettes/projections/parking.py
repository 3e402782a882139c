"""Orders that wait because a view can't digest one of their events, while all others go on."""

import traceback
from dataclasses import dataclass
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import class_row

from vignettes.eventstore.codec import UnknownEvent, UnreadableEvent
from vignettes.eventstore.masterkeys import WrongMasterKey
from vignettes.eventstore.personal import MissingKeys, UnreadableSecret
from vignettes.projections.folding import LogRow
from vignettes.projections.lease import LeaseLost
from vignettes.projections.view import Interrupted

log = structlog.get_logger(__name__)

#: How many are tried again at a time.
_TRIED_AT_A_TIME = 20

_PARK = """
INSERT INTO view.parked (edition, order_id, position, version, topic, error)
VALUES (%(edition)s, %(order_id)s, %(position)s, %(version)s, %(topic)s, %(error)s)
ON CONFLICT (edition, order_id) DO UPDATE
SET position = excluded.position, version = excluded.version, topic = excluded.topic, error = excluded.error,
    attempts = view.parked.attempts + 1, tried_at = clock_timestamp(), wanted = false
"""
_PARKED = "SELECT order_id FROM view.parked WHERE edition = %s"
_WANTED = """
SELECT edition, order_id, position FROM view.parked WHERE wanted AND edition = ANY(%s) ORDER BY position LIMIT %s
"""
_WANT_ALL = "UPDATE view.parked SET wanted = true WHERE edition = %s"
#: Wants parked orders of live views tried again: of one view or all, one order or all.
WANT = """
UPDATE view.parked p SET wanted = true FROM view.editions e
WHERE e.id = p.edition AND e.state = 'live' AND (%(view)s::text IS NULL OR e.view = %(view)s)
  AND (%(order)s::uuid IS NULL OR p.order_id = %(order)s)
RETURNING p.edition, p.order_id
"""
_FREE = "DELETE FROM view.parked WHERE (edition, order_id) = (%s, %s)"

#: Says where in an event something is wrong, and nothing that the event says.
_WITHOUT_VALUES = (UnknownEvent, UnreadableEvent, UnreadableSecret, MissingKeys, WrongMasterKey)
#: Of the database's errors those that are about a row; all others are about the database.
_OF_A_ROW = (psycopg.DataError, psycopg.IntegrityError)
#: Not the event's fault: the same batch comes again after a pause.
_OF_THE_WORLD = (OSError, TimeoutError, MemoryError, LeaseLost, Interrupted)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order that is to be tried again, from its first event that waits."""

    edition: int
    order_id: UUID
    position: int


def is_indigestible(error: Exception) -> bool:
    """Tell whether an error is about what was taken in, and not about the database, the network or this machine."""
    if isinstance(error, psycopg.Error):
        return isinstance(error, _OF_A_ROW)
    return not isinstance(error, _OF_THE_WORLD)


async def park(connection: AsyncConnection, view: str, edition: int, row: LogRow, error: Exception) -> None:
    """Let an order wait from this event on. The error is told without a value: it may quote a person."""
    told = {"order_id": row.order_id, "position": row.position, "version": row.version, "topic": row.topic}
    why = described(error)
    await connection.execute(_PARK, {"edition": edition, "error": why, **told})
    log.error("projection.parked", view=view, error=why, **{**told, "order_id": str(row.order_id)})


async def parked(connection: AsyncConnection, edition: int) -> set[UUID]:
    """Return the orders that wait, and want them tried again: another process may run other code."""
    await connection.execute(_WANT_ALL, (edition,))
    return {row[0] for row in await (await connection.execute(_PARKED, (edition,))).fetchall()}


async def wanted(connection: AsyncConnection, editions: list[int]) -> list[Waiting]:
    """Return orders that somebody wants tried again."""
    async with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(_WANTED, (editions, _TRIED_AT_A_TIME), prepare=True)
        return await cursor.fetchall()


async def free(connection: AsyncConnection, waiting: Waiting) -> None:
    """Let an order go on: it is up to date."""
    await connection.execute(_FREE, (waiting.edition, waiting.order_id))
    log.info("projection.caught_up", edition=waiting.edition, order=str(waiting.order_id))


def described(error: Exception) -> str:
    """Return what went wrong and where in the code, without a word from the event."""
    name = type(error).__name__
    if isinstance(error, _WITHOUT_VALUES):
        return f"{name}: {error}"
    if isinstance(error, psycopg.Error):
        named = (error.diag.table_name, error.diag.column_name, error.diag.constraint_name)
        return " ".join([name, *(each for each in named if each)])
    where = traceback.extract_tb(error.__traceback__)[-1:]
    return " ".join([name, *(f"in {frame.name}, {_file(frame.filename)}:{frame.lineno}" for frame in where)])


def _file(path: str) -> str:
    return "/".join(path.rsplit("/", 2)[-2:])
