"""Who writes a view: one process at a time, another within seconds when that one is gone.

Three things hold together. The advisory lock of an edition's term is kept by the session of its holder: when the
process or its connection dies, it is free at once. The heartbeat tells of a holder that is there and does nothing (it
was stopped, or is cut off): after STALE_SECONDS another takes over. And the term is what protects the rows: it grows
with each change of hands, and every transaction that writes confirms its own under a lock on the edition's row, so
that a holder who wakes up too late can write nothing.
"""

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from psycopg import AsyncConnection
from psycopg.rows import class_row

from vignettes.projections.editions import STALE_SECONDS, EditionRow
from vignettes.projections.view import Edition

#: How often a holder is heard of when there is nothing to do, and how often others look.
HEARTBEAT_SECONDS = 0.5
#: A session that stops in the middle of a transaction is ended by the database, which gives its locks back; where it
#: is not, by who takes over.
IDLE_LIMIT = "2s"

_FREE = "SELECT pg_try_advisory_lock(%s)"
_UNLOCK = "SELECT pg_advisory_unlock(%s)"
# Not waited for: a locked row is one that its holder is writing. No lock on its key: notes that refer to an edition
# (what is parked, what differs) hold up nobody.
_TAKE = """
UPDATE view.editions SET term = term + 1, holder = %(holder)s, heartbeat_at = clock_timestamp()
WHERE id = (SELECT id FROM view.editions WHERE id = %(id)s AND term = %(term)s AND state <> 'retired'
              AND (%(is_free)s OR coalesce(heartbeat_at < clock_timestamp() - %(stale)s * interval '1 s', true))
            FOR NO KEY UPDATE SKIP LOCKED)
RETURNING term, position
"""
_BEAT = """
UPDATE view.editions e SET heartbeat_at = clock_timestamp()
FROM unnest(%s::int[], %s::bigint[]) AS held (id, term)
WHERE (e.id, e.term) = (held.id, held.term) AND e.state <> 'retired' RETURNING e.id
"""
_CONFIRM = """
SELECT e.id, e.position, e.state = 'live' AS live FROM view.editions e
JOIN unnest(%s::int[], %s::bigint[]) AS held (id, term) ON (e.id, e.term) = (held.id, held.term)
WHERE e.state <> 'retired' ORDER BY e.id FOR NO KEY UPDATE OF e
"""
# Between two statements of a pipeline the database counts no session as idle, and its time limits do not apply.
_END_SILENT = """
SELECT pg_terminate_backend(a.pid, 500) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.datname = current_database()
  AND (l.classid::bigint << 32) | l.objid::bigint = %s
  AND a.xact_start IS NOT NULL AND a.wait_event = 'ClientRead'
  AND a.state_change < clock_timestamp() - %s * interval '1 s'
"""
_GIVE_BACK = "UPDATE view.editions SET holder = NULL, heartbeat_at = NULL WHERE (id, term) = (%s, %s)"


class LeaseLost(Exception):
    """Another process writes this view now."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """An edition that is ours until the end of this transaction, and where it stands."""

    id: int
    position: int
    live: bool

    @property
    def edition(self) -> Edition:
        return Edition(self.id, self.live)


def holder() -> str:
    """Return a name for this process that no other has."""
    return f"{platform.node()}/{os.getpid()}/{uuid4().hex[:8]}"


class Leases:
    """The editions that one connection writes. A new connection begins with none."""

    def __init__(self, connection: AsyncConnection, holder: str) -> None:
        self._connection = connection
        self._holder = holder
        self._terms: dict[int, int] = {}

    @property
    def held(self) -> frozenset[int]:
        """The editions that are ours, as far as we know."""
        return frozenset(self._terms)

    async def take(self, edition: EditionRow) -> int | None:
        """Take over an edition that nobody writes, and return where it stands; None when somebody does."""
        last, next_ = _key(edition.id, edition.term), _key(edition.id, edition.term + 1)
        # Before the term is: whoever sees it grown finds its lock taken.
        if not await self._locked(next_):
            return None
        is_free = edition.holder is None or await self._locked(last)
        if is_free and edition.holder is not None:
            await self._connection.execute(_UNLOCK, (last,))
        if not is_free and not edition.is_held:
            await self._end_silent(last)
        values = {"id": edition.id, "term": edition.term, "holder": self._holder, "is_free": is_free}
        row = await (
            await self._connection.execute(_TAKE, {**values, "stale": STALE_SECONDS}, prepare=True)
        ).fetchone()
        if row is None:
            await self._connection.execute(_UNLOCK, (next_,))
            return None
        self._terms[edition.id], position = row
        return int(position)

    async def _end_silent(self, key: int) -> None:
        """End a session that has this lock and hears nothing from its process, which stopped amid a transaction."""
        async with self._connection.transaction():
            await self._connection.execute("SET LOCAL ROLE NONE")  # only who logged in may end its sessions
            await self._connection.execute(_END_SILENT, (key, STALE_SECONDS))

    async def beat(self) -> frozenset[int]:
        """Be heard of; return the editions that are not ours any more."""
        if not self._terms:
            return frozenset()
        rows = await (
            await self._connection.execute(_BEAT, self._columns(self._terms), prepare=True)
        ).fetchall()
        return self._drop(self.held - {row[0] for row in rows})

    async def confirm(self, editions: Iterable[int]) -> Sequence[Confirmed]:
        """Lock these editions until the end of the transaction. Raises LeaseLost when one is not ours any more."""
        wanted = sorted(editions)
        async with self._connection.cursor(row_factory=class_row(Confirmed)) as cursor:
            await cursor.execute(_CONFIRM, self._columns(wanted), prepare=True)
            confirmed = await cursor.fetchall()
        if lost := self._drop(set(wanted) - {each.id for each in confirmed}):
            raise LeaseLost(f"{LeaseLost.__doc__} Editions {', '.join(map(str, sorted(lost)))}.")
        return confirmed

    async def give_back(self, edition: int) -> None:
        """Let another process write an edition at once."""
        if term := self._terms.pop(edition, 0):
            await self._connection.execute(_GIVE_BACK, (edition, term))
            await self._connection.execute(_UNLOCK, (_key(edition, term),))

    def _drop(self, lost: Iterable[int]) -> frozenset[int]:
        for each in lost:
            self._terms.pop(each, None)
        return frozenset(lost)

    def _columns(self, editions: Iterable[int]) -> tuple[list[int], list[int]]:
        known = [each for each in editions if each in self._terms]
        return known, [self._terms[each] for each in known]

    async def _locked(self, key: int) -> bool:
        row = await (await self._connection.execute(_FREE, (key,), prepare=True)).fetchone()
        return row == (True,)


def _key(edition: int, term: int) -> int:
    """Return the advisory lock of one term: no other lock of this service is that large."""
    return (edition << 32) | (term & 0xFFFFFFFF)
