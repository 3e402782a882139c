"""The log as orders: events read in batches, decoded once, and folded in memory."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.eventstore.codec import Kept, OrderMapper, Recorded
from vignettes.eventstore.personal import SELECT_KEYS, Vault

#: How many orders are kept folded between batches; colder ones are folded again from the log.
CACHED_ORDERS = 20_000

_AFTER = """
SELECT notification_id, originator_id, originator_version, topic, state FROM log.events
WHERE notification_id > %s ORDER BY notification_id LIMIT %s
"""
_EARLIER = """
SELECT notification_id, originator_id, originator_version, topic, state FROM log.events
WHERE originator_id = ANY(%s) AND notification_id <= %s ORDER BY originator_id, originator_version
"""
_BY_ORDER = """
SELECT notification_id, originator_id, originator_version, topic, state FROM log.events
WHERE originator_id > %s AND notification_id <= %s ORDER BY originator_id, originator_version LIMIT %s
"""

#: Before the first of all orders.
FIRST = UUID(int=0)


class LogRow(NamedTuple):
    """An event as its row holds it, not decoded yet."""

    position: int
    order_id: UUID
    version: int
    topic: str
    state: bytes


class Log:
    """Reads the log over one connection, and decodes it with the keys at hand."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._codec = OrderMapper(vault)

    async def after(self, connection: AsyncConnection, position: int, limit: int) -> list[LogRow]:
        """Return the next events, in the order in which they became visible."""
        return await self._rows(connection, _AFTER, (position, limit))

    async def of(self, connection: AsyncConnection, orders: Collection[UUID], upto: int) -> list[LogRow]:
        """Return every event of some orders up to a position, order by order."""
        return await self._rows(connection, _EARLIER, (list(orders), upto))

    async def orders_after(
        self, connection: AsyncConnection, order: UUID, upto: int, limit: int
    ) -> list[LogRow]:
        """Return all events up to a position of the orders that follow one, about `limit` of them; empty at the end.

        Orders are whole: one with more events than that is returned alone.
        """
        while len(rows := await self._rows(connection, _BY_ORDER, (order, upto, limit))) == limit:
            if whole := [row for row in rows if row.order_id != rows[-1].order_id]:
                return whole
            limit *= 2
        return rows

    async def load_keys(self, connection: AsyncConnection, order_ids: Iterable[UUID]) -> None:
        """Put the keys of these orders at hand, those that are not. What was erased has none, and reads as None."""
        if missing := self._vault.missing(order_ids):
            async with connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(SELECT_KEYS, (missing,), prepare=True)
                self._vault.take(await cursor.fetchall())

    def decode(self, row: LogRow) -> Recorded:
        """Return the event. Raises what the codec raises when it can't be read."""
        return self._codec.read(*row)

    @staticmethod
    async def _rows(connection: AsyncConnection, query: str, values: Sequence[Any]) -> list[LogRow]:
        # In binary form: as text an event's bytes are twice as long.
        cursor = await connection.execute(query.encode(), values, prepare=True, binary=True)
        return list(map(LogRow._make, await cursor.fetchall()))


def folded(order: Kept | None, event: Recorded) -> Kept:
    """Return an order as it is after an event; the same object, changed."""
    changed: Any = event.event.mutate(order)
    return changed  # type: ignore[no-any-return]  # the library types what it mutates as anything


class Orders:
    """Orders as they are at one position of the log, those that were met last."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._orders: OrderedDict[UUID, Kept] = OrderedDict()
        self._position = -1

    async def events(
        self, connection: AsyncConnection, rows: Sequence[LogRow], position: int, skipped: Collection[UUID]
    ) -> list[Recorded]:
        """Return the events of a batch that begins after `position`, with the orders before it at hand."""
        if position != self._position:
            self.forget()
        wanted = [row for row in rows if row.order_id not in skipped]
        await self._log.load_keys(connection, {row.order_id for row in wanted})
        # Asked one by one: the difference of sets would walk through every order at hand.
        cold = {row.order_id for row in wanted if row.version > 1 and row.order_id not in self._orders}
        if cold:
            for row in await self._log.of(connection, cold, position):
                self.fold(self._log.decode(row))
        return [self._log.decode(row) for row in wanted]

    def get(self, order_id: UUID) -> Kept | None:
        """Return an order as it is before the next event."""
        return self._orders.get(order_id)

    def fold(self, event: Recorded) -> Kept:
        """Return its order as it is after an event."""
        before = self._orders.get(event.order_id)
        order = folded(before, event)
        if before is None:
            self._orders[event.order_id] = order
        else:
            self._orders.move_to_end(event.order_id)
        return order

    def reached(self, position: int) -> None:
        """Note that the rows of all views tell what these orders are."""
        self._position = position
        while len(self._orders) > CACHED_ORDERS:
            self._orders.popitem(last=False)

    def drop(self, order_id: UUID) -> None:
        """Fold one order anew when it is met again."""
        self._orders.pop(order_id, None)

    def forget(self) -> None:
        """Fold every order anew."""
        self._orders.clear()
        self._position = -1
