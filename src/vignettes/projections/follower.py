"""Runs a read model: reads the log in batches, folds orders, writes rows and position in one transaction."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import psycopg
import structlog
from eventsourcing.persistence import StoredEvent
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row

from vignettes.domain.order import Order
from vignettes.eventstore.codec import OrderMapper, Recorded
from vignettes.eventstore.personal import SELECT_KEYS, Vault
from vignettes.eventstore.recorder import CHANNEL
from vignettes.projections.view import View

log = structlog.get_logger(__name__)

BATCH = 1000
#: Polling beneath every wake-up: a lost notification costs this much, never more.
POLL_SECONDS = 0.5
#: Under load what comes within this time is taken in together; the first event after a rest never waits.
GATHER_SECONDS = 0.01
#: How many orders are kept folded between batches; colder ones are folded again from the log.
CACHED_ORDERS = 20_000
_LONGEST_PAUSE = 5.0

_BATCH = """
SELECT notification_id, originator_id, originator_version, topic, state FROM log.events
WHERE notification_id > %s ORDER BY notification_id LIMIT %s
"""
_EARLIER = """
SELECT notification_id, originator_id, originator_version, topic, state FROM log.events
WHERE originator_id = ANY(%s) AND notification_id <= %s ORDER BY notification_id
"""
_POSITION = "SELECT position FROM view.positions WHERE view = %s FOR UPDATE"
_NEW_POSITION = "INSERT INTO view.positions (view) VALUES (%s) ON CONFLICT DO NOTHING"
_ADVANCE = "UPDATE view.positions SET position = %s, updated_at = clock_timestamp() WHERE view = %s"


class Follower:
    """Keeps one view up to date with the log; reconnects for ever, and never skips an event.

    The row lock on the view's position lets any number of processes run the same view while one at a time
    writes it; who was overtaken notices by the position, and folds anew.
    """

    def __init__(self, conninfo: str, view: View, vault: Vault) -> None:
        self._conninfo = conninfo
        self._view = view
        self._vault = vault
        self._codec = OrderMapper(vault)
        self._orders: OrderedDict[UUID, Order] = OrderedDict()
        self._position = -1

    async def run(self) -> None:
        """Follow until cancelled. Errors of the database are waited out, each seen in the log."""
        pause = 0.1
        while True:
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    await self._prepare(connection)
                    while True:
                        await self._look(connection)
                        pause = 0.1
            except psycopg.Error as error:
                log.warning("follower.database_error", view=self._view.name, error=type(error).__name__)
            except Exception:
                # Never skipped and never ended: the same batch comes again, and the log says why it hangs.
                log.exception("follower.failed", view=self._view.name)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, no secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _prepare(self, connection: AsyncConnection) -> None:
        await connection.execute(f'LISTEN "{CHANNEL}"')
        await connection.execute(_NEW_POSITION, (self._view.name,))

    async def _look(self, connection: AsyncConnection) -> None:
        seen = await self.catch_up(connection)
        end_if_cancelled()
        if seen < BATCH:
            if seen:
                await asyncio.sleep(GATHER_SECONDS)
            # Look again after a wake-up or a while; an event between look and LISTEN is found by the poll.
            async for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                break

    async def catch_up(self, connection: AsyncConnection) -> int:
        """Take in one batch and return its size; zero when the view knows the whole log."""
        try:
            async with connection.transaction():
                return await self._batch(connection)
        except BaseException:
            self._forget()  # the orders were folded further than the rows: start again from the log
            raise

    async def _batch(self, connection: AsyncConnection) -> int:
        position = await self._lock_position(connection)
        if position != self._position:
            self._forget()  # another process wrote this view in between
        rows = await (await connection.execute(_BATCH, (position, BATCH), prepare=True)).fetchall()
        if not rows:
            self._position = position
            return 0
        await self._load_keys(connection, {row[1] for row in rows})
        events = [self._recorded(row) for row in rows]
        await self._load(connection, events, position)
        for event in events:
            self._take_in(event)
        await self._view.write(connection)
        await connection.execute(_ADVANCE, (events[-1].position, self._view.name), prepare=True)
        await connection.execute("SELECT pg_notify('view', %s)", (self._view.name,))
        self._position = events[-1].position
        self._trim()
        return len(rows)

    async def _lock_position(self, connection: AsyncConnection) -> int:
        """Return where the view stands; a view that was thrown away under us begins at zero."""
        cursor = await connection.execute(_POSITION, (self._view.name,))
        row = await cursor.fetchone()
        if row is None:
            await connection.execute(_NEW_POSITION, (self._view.name,))
            return await self._lock_position(connection)
        (position,) = row
        return position  # type: ignore[no-any-return]  # a bigint

    async def _load_keys(self, connection: AsyncConnection, order_ids: Iterable[UUID]) -> None:
        """Put the keys of these orders at hand, those that are not. What was erased has none, and reads as None."""
        if missing := self._vault.missing(order_ids):
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(SELECT_KEYS, (missing,), prepare=True)
                self._vault.take(await cursor.fetchall())

    async def _load(self, connection: AsyncConnection, events: Sequence[Recorded], position: int) -> None:
        """Fold the orders of this batch that are not at hand, up to where the view stands."""
        cold = {event.order_id for event in events if event.version > 1} - self._orders.keys()
        if cold:
            cursor = await connection.execute(_EARLIER, (list(cold), position))
            for row in await cursor.fetchall():
                self._fold(self._recorded(row))

    def _take_in(self, event: Recorded) -> None:
        noted = self._view.before(self._orders.get(event.order_id))
        self._view.see(event, self._fold(event), noted)

    def _fold(self, event: Recorded) -> Order:
        order: Any = event.event.mutate(self._orders.get(event.order_id))
        self._orders[event.order_id] = order
        self._orders.move_to_end(event.order_id)
        return order  # type: ignore[no-any-return]  # the library types what it mutates as anything

    def _recorded(self, row: TupleRow) -> Recorded:
        position, order_id, version, topic, state = row
        return self._codec.to_recorded(StoredEvent(order_id, version, topic, bytes(state)), position)

    def _forget(self) -> None:
        self._orders.clear()
        self._view.forget()
        self._position = -1

    def _trim(self) -> None:
        while len(self._orders) > CACHED_ORDERS:
            self._orders.popitem(last=False)


async def follow(conninfo: str, views: Iterable[View], vault: Vault) -> None:
    """Run several views side by side until cancelled; they share the keys at hand."""
    async with asyncio.TaskGroup() as tasks:
        for view in views:
            tasks.create_task(Follower(conninfo, view, vault).run(), name=f"follower {view.name}")


def end_if_cancelled() -> None:
    """Notice a cancellation that went under: Python 3.11's wait_for, deep in libraries, drops one that comes late."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
