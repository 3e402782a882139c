"""Keeps views up to date with the log: woken by it, looking again beneath that, one process at a time."""

import asyncio
import random
import time
from collections.abc import Iterable

import psycopg
import structlog
from psycopg import AsyncConnection

from vignettes.eventstore.personal import Vault
from vignettes.eventstore.recorder import CHANNEL
from vignettes.projections import digesting, parking
from vignettes.projections.digesting import Digesting, Member, Taken
from vignettes.projections.editions import current
from vignettes.projections.ending import end_if_cancelled
from vignettes.projections.lease import HEARTBEAT_SECONDS, IDLE_LIMIT, LeaseLost, Leases, holder
from vignettes.projections.view import Interrupted, View

log = structlog.get_logger(__name__)

#: Under load what comes within this time is taken in together; the first event after a rest never waits.
GATHER_SECONDS = 0.003
#: A view that is far behind gets a batch of this size between two of the others, which it does not hold up.
_STRAGGLERS_BATCH = 250
_LONGEST_PAUSE = 5.0


class Follower:
    """Keeps the live editions of some views; reconnects for ever, and never skips an event.

    Any number of processes may run the same views: each edition is written by the one that holds its lease.
    """

    def __init__(self, conninfo: str, views: Iterable[View], vault: Vault) -> None:
        self._conninfo = conninfo
        self._views = {view.definition.name: view for view in views}
        self._vault = vault
        self._holder = holder()

    async def run(self) -> None:
        """Follow until cancelled. Errors of the database are waited out, each seen in the log."""
        pause, names = 0.1, sorted(self._views)
        while True:
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    following = Following(connection, self._views, self._vault, self._holder)
                    await following.begin()
                    while True:
                        await following.step()
                        end_if_cancelled()
                        pause = 0.1
            except LeaseLost as lost:
                log.warning("follower.overtaken", views=names, reason=str(lost))
            except Interrupted as interrupted:
                log.warning("follower.interrupted", views=names, reason=str(interrupted))
            except psycopg.Error as error:
                log.warning("follower.database_error", views=names, error=type(error).__name__)
            except Exception:
                # Never skipped and never ended: the same batch comes again, and the log says why it hangs.
                log.exception("follower.failed", views=names)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, no secret
            pause = min(pause * 2, _LONGEST_PAUSE)


class Following:
    """What a follower does over one connection."""

    def __init__(
        self, connection: AsyncConnection, views: dict[str, View], vault: Vault, holder: str
    ) -> None:
        self._connection = connection
        self._views = views
        self._leases = Leases(connection, holder)
        self._digesting = Digesting(connection, self._leases, vault)
        self._members: dict[int, Member] = {}
        self._front, self._behind = self._digesting.orders(), self._digesting.orders()
        self._look_at = 0.0

    async def begin(self) -> None:
        """Listen, and let the database end this session if it stops in the middle of a transaction."""
        for view in self._views.values():
            view.forget()
        await self._connection.execute(f'LISTEN "{CHANNEL}"')
        await self._connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_LIMIT}'")

    async def step(self) -> None:
        """Take in what is there, or wait until there is something."""
        if time.monotonic() >= self._look_at:
            await self.look()
            self._look_at = time.monotonic() + HEARTBEAT_SECONDS
        taken = await self.advance()
        if not taken.more:
            await self._rest(taken)

    async def look(self) -> None:
        """Be heard of, take what nobody writes, and try again what is wanted."""
        for lost in await self._leases.beat():
            log.warning("follower.lease_lost", view=self._members.pop(lost).name)
        for edition in await current(self._connection, self._views):
            view = self._views[edition.view]
            is_ours = edition.state == "live" and edition.version == view.definition.version
            if is_ours and edition.id not in self._leases.held:
                position = await self._leases.take(edition)
                if position is not None:
                    waiting = await parking.parked(self._connection, edition.id)
                    self._members[edition.id] = Member(view, edition.id, position, waiting)
                    log.info("follower.leads", view=edition.view, edition=edition.id, position=position)
        await self._digesting.retry(self._members.values(), (self._front, self._behind))

    async def advance(self) -> Taken:
        """Take in one batch; no events and no more when all views that are ours know the whole log."""
        if not self._members:
            return Taken(0, more=False)
        first = max(member.position for member in self._members.values())
        front = [each for each in self._members.values() if first - each.position <= digesting.BATCH]
        behind = [each for each in self._members.values() if first - each.position > digesting.BATCH]
        taken = await self._digesting.batch(front, self._front)
        if not behind:
            return taken
        last = min(member.position for member in behind)
        together = [each for each in behind if each.position == last]
        caught_up = await self._digesting.batch(together, self._behind, _STRAGGLERS_BATCH)
        return Taken(taken.events + caught_up.events, more=True)

    async def _rest(self, taken: Taken) -> None:
        if taken.events:
            await asyncio.sleep(GATHER_SECONDS)
        # An event between the look and LISTEN, or one whose notification is lost, is found by the poll.
        seconds = max(self._look_at - time.monotonic(), 0.0)
        async for told in self._connection.notifies(timeout=seconds, stop_after=1):
            if told.payload:  # no event, but word of an edition that is live now, or of an order to try again
                self._look_at = 0.0
