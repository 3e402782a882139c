"""Builds an edition of a view beside the live one, and shows it in its place when it is complete.

First order by order, up to a position: each order is folded once, however far its events are apart in the log, and
each of its rows is written once. Then in the order of the log, until nothing is missing. Stopped at any moment, it goes
on from there; nothing is called for to the outside by what it finds.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.sql import SQL

from vignettes.eventstore.codec import Kept
from vignettes.eventstore.personal import Vault
from vignettes.eventstore.recorder import CHANNEL as LOG_CHANNEL
from vignettes.projections import parking
from vignettes.projections.digesting import CHANNEL, Digesting, Member, Pace
from vignettes.projections.editions import EditionRow, current
from vignettes.projections.ending import end_if_cancelled
from vignettes.projections.folding import FIRST, Log, LogRow
from vignettes.projections.lease import HEARTBEAT_SECONDS, IDLE_LIMIT, LeaseLost, Leases, holder
from vignettes.projections.view import Definition, View, show

log = structlog.get_logger(__name__)

#: How many events are read at a time, at most, while it is built order by order.
EVENTS_AT_A_TIME = 2000
#: In a process that follows the log too, whose live views must not wait long.
_EVENTS_BESIDE = 200
#: How long an edition is left to who began it, before the service builds it beside everything else.
LEFT_ALONE = timedelta(seconds=10)
#: How long a switch waits for a lock, with everybody else behind it; then it lets them pass, ever longer.
_LOCK_LIMIT_MS = 40
_FIRST_PAUSE = 0.05
_LOOK_EVERY_SECONDS = 2.0

_HEAD = "SELECT coalesce(max(notification_id), 0) FROM log.events"

_SCANNED = """
UPDATE view.editions SET scanned = %s, scan_orders = scan_orders + %s, updated_at = clock_timestamp(),
    heartbeat_at = clock_timestamp()
WHERE id = %s
"""
_SCAN_ENDS = """
UPDATE view.editions SET position = scan_until, scan_until = NULL, updated_at = clock_timestamp(),
    heartbeat_at = clock_timestamp()
WHERE id = %s AND scan_until IS NOT NULL RETURNING position
"""
# In one message, and timed by the database: while the locks are held nobody waits for this process, which may have to
# wait for the processor itself.
_SWITCH = SQL("""
SELECT clock_timestamp();
BEGIN;
SET LOCAL lock_timeout = {limit};
SELECT view.switch({edition});
COMMIT;
SELECT clock_timestamp();
""")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is."""

    view: str
    edition: int
    phase: str
    """`orders` while it is built order by order, `events` while it follows the log, `waiting` for readers of the live
    edition, `shown` at the end."""
    done: float
    """Of this phase, from 0 to 1."""
    orders: int
    """Built so far."""
    behind: int
    """Positions between the edition and the end of the log; of no meaning while it is built order by order."""


@dataclass(frozen=True, slots=True)
class Switched:
    """An edition that is live now, and how long its switch took in the database, from the first lock to the commit."""

    edition: int
    seconds: float


Tell = Callable[[Progress], None]


class Rebuild:
    """Builds the edition of one view that is under way, over two connections: one reads while the other writes.

    Nothing is folded while a transaction is open: the database ends one that waits for us, and we may wait for the
    processor.
    """

    def __init__(
        self,
        conninfo: str,
        view: View,
        vault: Vault,
        tell: Tell | None = None,
        events_at_a_time: int | None = None,
    ) -> None:
        self._conninfo = conninfo
        self._view = view
        self._vault = vault
        self._holder = holder()
        self._tell = tell or (lambda _: None)
        self._events_at_a_time = events_at_a_time or EVENTS_AT_A_TIME

    @property
    def definition(self) -> Definition:
        """Of what is built."""
        return self._view.definition

    async def run(self) -> Switched | None:
        """Build, and show what was built; None when nothing is under way, or another process builds it.

        Raises psycopg.Error, LeaseLost: the edition stays, and the next run goes on with it.
        """
        async with (
            await AsyncConnection.connect(self._conninfo, autocommit=True) as reading,
            await AsyncConnection.connect(self._conninfo, autocommit=True) as writing,
        ):
            await writing.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_LIMIT}'")
            leases = Leases(writing, self._holder)
            edition = await self._taken(reading, leases)
            if edition is None:
                return None
            self._view.forget()
            digesting = Digesting(writing, leases, self._vault)
            if edition.scan_until is not None:
                scan = _Scan(edition, reading, writing, Log(self._vault), digesting, self._tell)
                await scan.run(self._view, edition.scan_until, Pace.at_first(self._events_at_a_time))
            return await self._finish(edition, writing, leases, digesting)

    async def _taken(self, connection: AsyncConnection, leases: Leases) -> EditionRow | None:
        """Return the edition that is to be built, once it is ours."""
        for edition in await current(connection, [self.definition.name]):
            if edition.is_build_of(self.definition) and await leases.take(edition) is not None:
                # As it is now: the one before us may have written between our look and its end.
                known = await current(connection, [self.definition.name])
                return next(each for each in known if each.id == edition.id)
        return None

    async def _finish(
        self, edition: EditionRow, writing: AsyncConnection, leases: Leases, digesting: Digesting
    ) -> Switched:
        """Follow the log until nothing is missing, and be shown."""
        [confirmed] = await leases.confirm([edition.id])
        waiting = await parking.parked(writing, edition.id)
        member = Member(self._view, edition.id, confirmed.position, waiting)
        orders, first, pause = digesting.orders(), confirmed.position, _FIRST_PAUSE
        while True:
            while (await digesting.batch([member], orders)).more:
                self._tell(await _following(writing, edition, first, member.position))
                end_if_cancelled()
            if await leases.beat():  # readers may be in the way for long, with nothing to write
                raise LeaseLost(f"{LeaseLost.__doc__} Edition {edition.id}.")
            try:
                if switched := await _switch(writing, edition.id):
                    break
            except psycopg.errors.LockNotAvailable:
                self._tell(Progress(edition.view, edition.id, "waiting", 1.0, 0, 0))
                await asyncio.sleep(pause)
                pause = min(pause * 2, HEARTBEAT_SECONDS)
        await leases.give_back(edition.id)
        await writing.execute("SELECT pg_notify(%s, 'editions')", (LOG_CHANNEL,))
        await writing.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{member.position} {edition.view}"))
        self._tell(Progress(edition.view, edition.id, "shown", 1.0, 0, 0))
        return switched


async def _following(connection: AsyncConnection, edition: EditionRow, first: int, position: int) -> Progress:
    row = await (await connection.execute(_HEAD)).fetchone()
    head = max(row[0] if row else 0, position)
    done = (position - first) / (head - first) if head > first else 1.0
    return Progress(edition.view, edition.id, "events", done, 0, head - position)


async def _switch(connection: AsyncConnection, edition: int) -> Switched | None:
    """Show the edition; None when it has to catch up first. Raises LockNotAvailable when readers are in the way."""
    statements = _SWITCH.format(limit=f"{_LOCK_LIMIT_MS}ms", edition=edition)
    try:
        cursor = await connection.execute(statements, prepare=False)
    except psycopg.errors.LockNotAvailable:
        await connection.rollback()
        raise
    told = [row async for result in cursor.results() if result.description async for row in result]
    (began,), (lacking,), (ended,) = told
    return Switched(edition, (ended - began).total_seconds()) if lacking == 0 else None


class _Scan:
    """Takes in orders one after the other, each whole as far as it went up to one position."""

    def __init__(
        self,
        edition: EditionRow,
        reading: AsyncConnection,
        writing: AsyncConnection,
        log_: Log,
        digesting: Digesting,
        tell: Tell,
    ) -> None:
        self._edition = edition
        self._reading = reading
        self._writing = writing
        self._log = log_
        self._digesting = digesting
        self._tell = tell
        self._orders = edition.scan_orders

    async def run(self, view: View, upto: int, pace: Pace) -> None:
        """Go on after the last order that was taken in, until the last one there is."""
        rows = await self._after(self._edition.scanned or FIRST, upto, pace)
        while rows:
            end_if_cancelled()
            began = time.monotonic()
            await self._log.load_keys(self._reading, {row.order_id for row in rows})
            bad = self._digest(view, rows)
            # Read beside, never digested beside: a transaction that waits for a busy process is ended by the database.
            next_ = asyncio.create_task(self._after(rows[-1].order_id, upto, pace))
            try:
                await self._write(view, rows, bad, upto)
                rows = await next_
            finally:
                next_.cancel()
                await asyncio.gather(next_, return_exceptions=True)
            pace.took(time.monotonic() - began)
        await self._writing.execute(_SCAN_ENDS, (self._edition.id,))

    async def _after(self, order_id: UUID, upto: int, pace: Pace) -> list[LogRow]:
        return await self._log.orders_after(self._reading, order_id, upto, pace.size)

    def _digest(self, view: View, rows: Sequence[LogRow]) -> list[UUID]:
        """Show a view these orders; return those which it can't digest, of which it then has nothing."""
        bad = [order_id for order_id, events in _by_order(rows) if not self._is_digested(view, events)]
        if bad:
            view.forget()
            for order_id, events in _by_order(rows):
                if order_id not in bad:
                    self._see(view, events)
        return bad

    def _is_digested(self, view: View, rows: Iterable[LogRow]) -> bool:
        try:
            self._see(view, rows)
        except Exception as error:
            if not parking.is_indigestible(error):
                raise
            return False
        return True

    def _see(self, view: View, rows: Iterable[LogRow]) -> None:
        order: Kept | None = None
        for row in rows:
            order = show(view, self._log.decode(row), order)

    async def _write(self, view: View, rows: Sequence[LogRow], bad: Sequence[UUID], upto: int) -> None:
        try:
            await self._write_once(view, rows, bad, upto)
        except Exception as error:
            view.forget()
            if not parking.is_indigestible(error):
                raise
            await self._write_once(view, rows, [order_id for order_id, _ in _by_order(rows)], upto)
        self._orders += len({row.order_id for row in rows})
        # Ids are spread evenly: how far we are in them is how far we are.
        done = rows[-1].order_id.int / UUID(int=(1 << 128) - 1).int
        self._tell(Progress(self._edition.view, self._edition.id, "orders", done, self._orders, 0))

    async def _write_once(
        self, view: View, rows: Sequence[LogRow], singly: Sequence[UUID], upto: int
    ) -> None:
        """Write what the view has seen, and some orders event by event: what can't be digested of them waits."""
        member = Member(view, self._edition.id, 0)
        async with self._writing.transaction():
            edition = await self._digesting.confirmed(member)
            await view.write(self._writing, edition)
            for order_id in singly:
                await self._digesting.replay(member, edition, order_id, 0, upto)
            orders = len({row.order_id for row in rows})
            await self._writing.execute(_SCANNED, (rows[-1].order_id, orders, self._edition.id))


def _by_order(rows: Sequence[LogRow]) -> Iterator[tuple[UUID, list[LogRow]]]:
    for order_id, events in groupby(rows, key=attrgetter("order_id")):
        yield order_id, list(events)


class Builder:
    """Builds in the service what a deployment has begun, beside everything else, unless somebody else does."""

    def __init__(self, conninfo: str, views: Iterable[View], vault: Vault) -> None:
        self._conninfo = conninfo
        rebuilds = [Rebuild(conninfo, view, vault, events_at_a_time=_EVENTS_BESIDE) for view in views]
        self._rebuilds = {each.definition.name: each for each in rebuilds}

    async def run(self) -> None:
        """Look now and then for an edition that nobody builds, until cancelled."""
        while True:
            try:
                for rebuild in await self._left_alone():
                    await self._build(rebuild)
            except psycopg.Error as error:
                log.warning("rebuild.database_error", error=type(error).__name__)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    @staticmethod
    async def _build(rebuild: Rebuild) -> None:
        """Build one, whatever becomes of it: the others are not to wait for it."""
        view = rebuild.definition.name
        try:
            if switched := await rebuild.run():
                ms = round(switched.seconds * 1000, 1)
                log.info("rebuild.switched", view=view, edition=switched.edition, ms=ms)
        except LeaseLost:
            log.warning("rebuild.overtaken", view=view)
        except psycopg.Error as error:
            log.warning("rebuild.database_error", view=view, error=type(error).__name__)
        except Exception:
            log.exception("rebuild.failed", view=view)

    async def _left_alone(self) -> list[Rebuild]:
        async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
            known = await current(connection, self._rebuilds)
        return [
            rebuild
            for each in known
            if each.is_build_of((rebuild := self._rebuilds[each.view]).definition)
            and not each.is_held
            and each.age > LEFT_ALONE
        ]
