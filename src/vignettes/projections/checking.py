"""Proves views: folds orders from their first event, and compares what follows with what the tables hold.

It shares the rules of each view with the follower, and nothing of how the follower applies them: no batch, no memory
of orders, no lease, no position but the one that it reads in the same snapshot.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

import psycopg
import structlog
from eventsourcing.utils import get_topic
from psycopg import AsyncConnection, IsolationLevel
from psycopg.sql import SQL, Identifier

from vignettes.eventstore.codec import ERASURES, Kept
from vignettes.eventstore.personal import Vault
from vignettes.projections.editions import EditionRow, current
from vignettes.projections.folding import FIRST, Log, LogRow
from vignettes.projections.lease import IDLE_LIMIT
from vignettes.projections.parking import described
from vignettes.projections.view import SCHEMA, Edition, View, show

log = structlog.get_logger(__name__)

#: How many orders are compared in one snapshot.
ORDERS_AT_A_TIME = 500
#: The service looks at so many orders, picked by chance, each so many seconds.
SAMPLED_ORDERS = 20
SAMPLE_SECONDS = 15.0
#: Instead of columns: a row is missing, or there is one too many.
WHOLE_ROW = "*"
_ERASURES = frozenset(get_topic(each) for each in ERASURES)
_LAST = UUID(int=(1 << 128) - 1)
_SCRATCH = "pg_temp"
_ENDLESS = (1 << 63) - 1

_NEXT_ORDERS = """
SELECT originator_id FROM log.events WHERE originator_id > %s AND originator_version = 1
ORDER BY originator_id LIMIT %s
"""
_SAMPLE = """
SELECT DISTINCT (SELECT originator_id FROM log.events WHERE notification_id >= place ORDER BY notification_id LIMIT 1)
FROM unnest(%s::bigint[]) AS place
"""
_LIKE = "CREATE TEMP TABLE {scratch} (LIKE {table} INCLUDING INDEXES) ON COMMIT DROP"
_HEAD = "SELECT coalesce(max(notification_id), 0) FROM log.events"
_PARKED = "SELECT order_id, position - 1 FROM view.parked WHERE edition = %s AND order_id = ANY(%s)"

# Rows that have no equal on the other side.
_DIFFERENT = """
SELECT coalesce(held.id, due.id), held.row, due.row
FROM (SELECT {id} AS id, to_jsonb(t) AS row FROM {held} t WHERE {id} = ANY(%(orders)s)) AS held
FULL JOIN (SELECT {id} AS id, to_jsonb(t) AS row FROM {due} t WHERE {id} = ANY(%(orders)s)) AS due
     ON held.row = due.row
WHERE held.row IS NULL OR due.row IS NULL
"""
_STRANGERS = """
SELECT DISTINCT {id} FROM {held} WHERE {id} > %s AND {id} <= %s AND {id} <> ALL (%s)
"""

_KNOWN_DRIFT = "DELETE FROM view.drift WHERE edition = %s AND order_id = ANY(%s)"
_NOTE_DRIFT = """
INSERT INTO view.drift (edition, order_id, "table", columns, position)
SELECT d.edition, d.order_id, d."table", string_to_array(d.columns, ' '), d.position
FROM unnest(%s::int[], %s::uuid[], %s::text[], %s::text[], %s::bigint[])
     AS d (edition, order_id, "table", columns, position)
ON CONFLICT (edition, order_id, "table") DO UPDATE
SET columns = excluded.columns, position = excluded.position, found_at = clock_timestamp()
"""
_NOTE_CHECK = """
INSERT INTO view.checks (edition, orders) VALUES (%s, %s)
ON CONFLICT (edition) DO UPDATE SET orders = view.checks.orders + excluded.orders, checked_at = clock_timestamp()
"""


@dataclass(frozen=True, slots=True)
class Drift:
    """An order whose rows in one table are not what the log says."""

    view: str
    table: str
    order_id: UUID
    columns: tuple[str, ...]
    """Those that differ, or WHOLE_ROW."""
    position: int
    """How much of the log the view knew."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look has found: how many orders were compared in each view, and what differed."""

    orders: int
    drift: tuple[Drift, ...]
    views: tuple[str, ...]
    """Those that were compared: live, and of this code's version."""
    done: float
    """How much of the whole has been looked at, when it is one of several looks."""


class Checker:
    """Compares live editions with the log, some orders at a time, each time in one snapshot."""

    def __init__(self, connection: AsyncConnection, views: Iterable[View], vault: Vault) -> None:
        """Take views and a vault of its own, which no follower shares: it lets go of keys that others have at hand."""
        self._connection = connection
        self._views = {view.definition.name: view for view in views if view.definition.tables}
        self._vault = vault

    async def everything(self) -> AsyncIterator[Checked]:
        """Compare every order, and look for rows of orders that the log does not know."""
        last = FIRST
        while last < _LAST:
            query = (last, ORDERS_AT_A_TIME)
            rows = await (await self._connection.execute(_NEXT_ORDERS, query, prepare=True)).fetchall()
            orders = [row[0] for row in rows]
            upto = orders[-1] if len(orders) == ORDERS_AT_A_TIME else _LAST
            yield await self._look(orders, (last, upto), done=upto.int / _LAST.int)
            last = upto

    async def sample(self, orders: int, rng: random.Random) -> Checked:
        """Compare about so many orders, picked by chance from all events there are."""
        row = await (await self._connection.execute(_HEAD)).fetchone()
        head = row[0] if row else 0
        places = [rng.randint(1, head) for _ in range(orders)] if head else []
        rows = await (await self._connection.execute(_SAMPLE, (places,))).fetchall()
        return await self._look([row[0] for row in rows if row[0]], None, done=1.0)

    async def order(self, order_id: UUID) -> Checked:
        """Compare one order."""
        return await self._look([order_id], None, done=1.0)

    async def _look(self, orders: list[UUID], between: tuple[UUID, UUID] | None, done: float) -> Checked:
        drift: list[Drift] = []
        await self._connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        async with self._connection.transaction():
            live = [each for each in await current(self._connection, self._views) if self._is_ours(each)]
            wanted = orders + list(await self._strangers(live, orders, between))
            past = await self._past(wanted)
            for edition in live:
                drift += await self._compare(edition, wanted, past)
        await self._connection.set_isolation_level(None)
        await self._note(live, wanted, drift)
        return Checked(len(wanted), tuple(drift), tuple(each.view for each in live), done)

    def _id_column(self, view: str) -> Identifier:
        return Identifier(self._views[view].definition.id_column)

    def _is_ours(self, edition: EditionRow) -> bool:
        return edition.state == "live" and edition.version == self._views[edition.view].definition.version

    async def _strangers(
        self, live: Sequence[EditionRow], orders: list[UUID], between: tuple[UUID, UUID] | None
    ) -> set[UUID]:
        """Return orders of which there are rows, and no event."""
        found: set[UUID] = set()
        for edition in live if between else ():
            for table in edition.tables:
                held = Identifier(SCHEMA, f"{table}_{edition.id}")
                query = SQL(_STRANGERS).format(held=held, id=self._id_column(edition.view))
                rows = await (await self._connection.execute(query, (*(between or ()), orders))).fetchall()
                found |= {row[0] for row in rows}
        return found

    async def _past(self, orders: Sequence[UUID]) -> "_Past":
        """Read these orders, with the keys that there are in this snapshot, and no other."""
        for each in orders:
            self._vault.forget(each)
        events = Log(self._vault)
        rows = await events.of(self._connection, orders, _ENDLESS)
        await events.load_keys(self._connection, orders)
        return _Past(
            events, {order_id: list(each) for order_id, each in groupby(rows, attrgetter("order_id"))}
        )

    async def _compare(self, edition: EditionRow, orders: Sequence[UUID], past: "_Past") -> list[Drift]:
        view = self._views[edition.view]
        view.forget()  # what is left of a look that failed
        parked = await self._parked(edition, orders)
        # Where keys are gone and rows are not yet, there is nothing to compare these with.
        known = {each: parked.get(each, edition.position) for each in orders}
        compared = [each for each in orders if not past.is_erased_after(each, known[each])]
        for table in edition.tables:
            name = f"{table}_{edition.id}"
            like = SQL(_LIKE).format(scratch=Identifier(_SCRATCH, name), table=Identifier(SCHEMA, name))
            await self._connection.execute(like)
        unreadable = [each for each in compared if not past.show(view, each, known[each])]
        await view.write(self._connection, Edition(edition.id, live=False, schema=_SCRATCH))
        different = {
            (table, order_id): columns
            for table in edition.tables
            for order_id, columns in (await self._different(table, edition, compared)).items()
        }
        different |= {(edition.tables[0], each): (WHOLE_ROW,) for each in unreadable}
        return [
            Drift(edition.view, table, order_id, columns, edition.position)
            for (table, order_id), columns in different.items()
        ]

    async def _parked(self, edition: EditionRow, orders: Sequence[UUID]) -> dict[UUID, int]:
        cursor = await self._connection.execute(_PARKED, (edition.id, list(orders)))
        return dict(await cursor.fetchall())

    async def _different(
        self, table: str, edition: EditionRow, orders: Sequence[UUID]
    ) -> dict[UUID, tuple[str, ...]]:
        name = f"{table}_{edition.id}"
        query = SQL(_DIFFERENT).format(
            held=Identifier(SCHEMA, name), due=Identifier(_SCRATCH, name), id=self._id_column(edition.view)
        )
        held: dict[UUID, list[Any]] = defaultdict(list)
        due: dict[UUID, list[Any]] = defaultdict(list)
        for order_id, is_held, is_due in await (
            await self._connection.execute(query, {"orders": list(orders)})
        ).fetchall():
            (held if is_held else due)[order_id].append(is_held or is_due)
        return {each: _columns(held[each], due[each]) for each in held.keys() | due.keys()}

    async def _note(self, live: Sequence[EditionRow], orders: Sequence[UUID], drift: Sequence[Drift]) -> None:
        """Keep what was found, and forget what was found before of orders that are right now."""
        async with self._connection.transaction():
            for edition in live:
                await self._connection.execute(_KNOWN_DRIFT, (edition.id, list(orders)))
                await self._connection.execute(_NOTE_CHECK, (edition.id, len(orders)))
            number = {edition.view: edition.id for edition in live}
            rows = [(number[d.view], d.order_id, d.table, " ".join(d.columns), d.position) for d in drift]
            if rows:
                await self._connection.execute(_NOTE_DRIFT, list(map(list, zip(*rows, strict=True))))
        for each in drift:
            log.error(
                "projection.drift", view=each.view, order=str(each.order_id), columns=list(each.columns)
            )


class _Past:
    """All events of some orders, as one snapshot of the log has them."""

    def __init__(self, events: Log, rows: Mapping[UUID, Sequence[LogRow]]) -> None:
        self._events = events
        self._rows = rows

    def is_erased_after(self, order_id: UUID, position: int) -> bool:
        return any(row.topic in _ERASURES and row.position > position for row in self._rows.get(order_id, ()))

    def show(self, view: View, order_id: UUID, upto: int) -> bool:
        """Let a view take in one order from its first event; false when it can't, and no follower has parked it."""
        order: Kept | None = None
        try:
            for row in self._rows.get(order_id, ()):
                if row.position <= upto:
                    order = show(view, self._events.decode(row), order)
        except Exception as error:  # noqa: BLE001  # whatever it is, this order can't be compared
            why = described(error)
            log.error("projection.unreadable", order=str(order_id), view=view.definition.name, error=why)  # noqa: TRY400  # its text may quote a person
            return False
        return True


def _columns(held: Sequence[dict[str, Any]], due: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Return the columns that differ between rows that should be equal, each beside the one most like it."""
    if len(held) != len(due):
        return (WHOLE_ROW,)
    likest = (min((_differing(row, each) for each in due), key=len) for row in held)
    return tuple(sorted(set().union(*likest)))


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {column for column in one if one[column] != other.get(column)}


class Sampler:
    """Looks at some orders now and then, as long as the service runs."""

    def __init__(self, conninfo: str, views: Iterable[View], vault: Vault) -> None:
        self._conninfo = conninfo
        self._views = list(views)
        self._vault = vault

    async def run(self) -> None:
        """Check until cancelled. What differs is kept in view.drift and told in the log."""
        rng = random.SystemRandom()
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    # What it notes refers to editions, which their writers must not wait for.
                    await connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_LIMIT}'")
                    await Checker(connection, self._views, self._vault).sample(SAMPLED_ORDERS, rng)
            except psycopg.Error as error:
                log.warning("checking.database_error", error=type(error).__name__)
            except Exception:
                log.exception("checking.failed")
