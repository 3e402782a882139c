"""Takes the log into views: a batch at a time, rows and positions in one transaction, no event passed over."""

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.eventstore.codec import Kept, Recorded
from vignettes.eventstore.personal import Vault
from vignettes.projections import parking
from vignettes.projections.folding import Log, LogRow, Orders, folded
from vignettes.projections.lease import HEARTBEAT_SECONDS, LeaseLost, Leases
from vignettes.projections.parking import Waiting
from vignettes.projections.view import Edition, View, show

BATCH = 1000
#: A process begins with less: who needs too long for its first batch would lose the lease before having learned that.
FIRST_BATCH = 125
#: A batch that takes longer is followed by a smaller one: who is not heard of for too long loses the lease.
LONGEST_BATCH_SECONDS = 0.5
#: When something in a batch can't be digested, it is looked for in parts of this size: the rest does not wait for it.
SMALL_BATCH = 20

#: Wakes who works off a view: the position, and which views have reached it.
CHANNEL = "view"

_ADVANCE = """
UPDATE view.editions SET position = %s, updated_at = clock_timestamp(), heartbeat_at = clock_timestamp()
WHERE id = ANY(%s)
"""
_NOTIFY = "SELECT pg_notify(%s, %s)"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a batch took in: how many events, and whether there may be more."""

    events: int
    more: bool


@dataclass(slots=True)
class Member:
    """A view of this process, and the edition of it that is ours to write."""

    view: View
    edition: int
    position: int
    parked: set[UUID] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.view.definition.name

    def wants(self, event: Recorded) -> bool:
        """Tell whether the event is new to this view, which is about such, and its order not waiting."""
        # Nearly always nothing is parked: then the order's id need not be looked for.
        return (
            event.position > self.position
            and isinstance(event.event, self.view.definition.about)
            and not (self.parked and event.order_id in self.parked)
        )


@dataclass(slots=True)
class Pace:
    """How many events are taken in at a time: more while that is quick, fewer when it is not."""

    size: int
    most: int

    @classmethod
    def at_first(cls, most: int) -> "Pace":
        """Return that of a process which does not know yet how quick it is."""
        return cls(min(FIRST_BATCH, most), most)

    def took(self, seconds: float) -> None:
        """Learn how long a batch took."""
        if seconds > LONGEST_BATCH_SECONDS:
            self.size = max(self.size // 2, min(SMALL_BATCH, self.most))
        elif seconds < LONGEST_BATCH_SECONDS / 4:
            self.size = min(self.size * 2, self.most)


class Digesting:
    """Views that are kept by one connection. Events are read and decoded once for all that stand at one place."""

    def __init__(self, connection: AsyncConnection, leases: Leases, vault: Vault) -> None:
        self._connection = connection
        self._leases = leases
        self._log = Log(vault)
        self._small = range(0)
        self._pace = Pace.at_first(BATCH)

    def orders(self) -> Orders:
        """Return a memory of folded orders, for views that move together."""
        return Orders(self._log)

    # --- batches

    async def batch(self, members: Collection[Member], orders: Orders, limit: int | None = None) -> Taken:
        """Bring views that stand near each other to one place."""
        after = min(member.position for member in members)
        limit = SMALL_BATCH if after in self._small else min(limit or BATCH, self._pace.size)
        began = time.monotonic()
        rows = await self._log.after(self._connection, after, limit)
        if not rows:
            return Taken(0, more=False)
        # Those that are further than a small batch ends stay where they are.
        members = [member for member in members if member.position < rows[-1].position]
        try:
            await self._take(members, orders, rows, after)
        except BaseException as error:
            orders.forget()  # they were folded further than the rows
            for member in members:
                member.view.forget()
            if not isinstance(error, Exception) or not parking.is_indigestible(error):
                raise
            await self._narrow(members, rows, after)
            return Taken(len(rows), more=True)
        self._pace.took(time.monotonic() - began)
        return Taken(len(rows), more=len(rows) == limit)

    async def _take(
        self, members: Sequence[Member], orders: Orders, rows: Sequence[LogRow], after: int
    ) -> None:
        skipped = set.intersection(*(member.parked for member in members))
        for event in await orders.events(self._connection, rows, after, skipped):
            _see(event, orders, [member for member in members if member.wants(event)])
        await self._settle(members)
        await self._write(members, rows[-1].position)
        orders.reached(rows[-1].position)

    async def _settle(self, members: Iterable[Member]) -> None:
        """Wait for the outside, and be heard of meanwhile: slow is not gone."""
        settling = asyncio.create_task(_settled(members))
        try:
            while not (await asyncio.wait([settling], timeout=HEARTBEAT_SECONDS))[0]:
                if lost := await self._leases.beat():
                    raise LeaseLost(f"{LeaseLost.__doc__} Editions {', '.join(map(str, sorted(lost)))}.")
            await settling
        finally:
            settling.cancel()
            await asyncio.gather(settling, return_exceptions=True)

    async def _write(self, members: Sequence[Member], position: int) -> None:
        """Write rows and positions in one transaction, most of it sent without waiting for answers."""
        async with self._connection.pipeline():
            async with self._connection.transaction():
                editions = await self._confirmed(members)
                for member in members:
                    await member.view.write(self._connection, editions[member.edition])
                await self._advance(members, position)
            # After the commit: NOTIFY holds a lock of the whole server, and would hold it through the fsync.
            await self._tell(members, position)
        for member in members:
            member.position = position

    async def _confirmed(self, members: Iterable[Member]) -> dict[int, Edition]:
        """Lock the editions. Raises LeaseLost also when one is not where we left it."""
        known = {member.edition: member for member in members}
        confirmed = await self._leases.confirm(known)
        for each in confirmed:
            if each.position != known[each.id].position:
                raise LeaseLost(f"{LeaseLost.__doc__} Edition {each.id} was moved.")
        return {each.id: each.edition for each in confirmed}

    async def confirmed(self, member: Member) -> Edition:
        """Lock one edition until the end of the transaction, wherever it stands. Raises LeaseLost."""
        [confirmed] = await self._leases.confirm([member.edition])
        return confirmed.edition

    async def _advance(self, members: Iterable[Member], position: int) -> None:
        editions = [member.edition for member in members]
        await self._connection.execute(_ADVANCE, (position, editions), prepare=True)

    async def _tell(self, members: Iterable[Member], position: int) -> None:
        told = " ".join([str(position), *(member.name for member in members)])
        await self._connection.execute(_NOTIFY, (CHANNEL, told), prepare=True)

    # --- what can't be digested

    async def _narrow(self, members: Sequence[Member], rows: Sequence[LogRow], after: int) -> None:
        """Look for it in small batches; in one of these, order by order."""
        last = rows[-1].position
        if len(rows) > SMALL_BATCH:
            self._small = range(after, last)
            return
        async with self._connection.transaction():
            editions = await self._confirmed(members)
            for member in members:
                await self._take_singly(member, editions[member.edition], rows)
            await self._advance(members, last)
        await self._tell(members, last)
        for member in members:
            member.position = last

    async def _take_singly(self, member: Member, edition: Edition, rows: Sequence[LogRow]) -> None:
        for order_id in dict.fromkeys(row.order_id for row in rows if row.position > member.position):
            if order_id not in member.parked:
                await self.replay(member, edition, order_id, member.position, rows[-1].position)

    async def replay(self, member: Member, edition: Edition, order_id: UUID, after: int, upto: int) -> bool:
        """Take in one order's events between two positions, one by one; park it at the first that fails."""
        rows = await self._log.of(self._connection, [order_id], upto)
        await self._log.load_keys(self._connection, [order_id])
        order: Kept | None = None
        for row in rows:
            try:
                async with self._connection.transaction():
                    order = await self._take_one(member, edition, row, order, is_new=row.position > after)
            except Exception as error:
                member.view.forget()
                if not parking.is_indigestible(error):
                    raise
                first = next(each for each in rows if each.position > max(after, row.position - 1))
                await parking.park(self._connection, member.name, edition.number, first, error)
                member.parked.add(order_id)
                return False
        return True

    async def _take_one(
        self, member: Member, edition: Edition, row: LogRow, order: Kept | None, *, is_new: bool
    ) -> Kept:
        event = self._log.decode(row)
        if not is_new:
            return folded(order, event)
        after = show(member.view, event, order)
        await member.view.settle()
        await member.view.write(self._connection, edition)
        return after

    async def retry(self, members: Collection[Member], memories: Iterable[Orders]) -> None:
        """Try again what somebody wants tried again, with the code and the keys of now."""
        known = {member.edition: member for member in members}
        for waiting in await parking.wanted(self._connection, list(known)):
            member = known[waiting.edition]
            if await self._retry(member, waiting):
                member.parked.discard(waiting.order_id)
                for orders in memories:
                    orders.drop(waiting.order_id)  # while it was passed over, it was not folded

    async def _retry(self, member: Member, waiting: Waiting) -> bool:
        async with self._connection.transaction():
            [edition] = (await self._confirmed([member])).values()
            after = waiting.position - 1
            is_up_to_date = await self.replay(member, edition, waiting.order_id, after, member.position)
            if is_up_to_date:
                await parking.free(self._connection, waiting)
        await self._tell([member], member.position)
        return is_up_to_date


async def _settled(members: Iterable[Member]) -> None:
    for member in members:
        await member.view.settle()


def _see(event: Recorded, orders: Orders, members: Sequence[Member]) -> None:
    order = orders.get(event.order_id)
    noted = [member.view.before(order) for member in members]
    order = orders.fold(event)
    for member, note in zip(members, noted, strict=True):
        member.view.see(event, order, note)
