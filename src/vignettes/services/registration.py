"""The registration service: triggers become starts, starts become calls to the authority, answers become records."""

import asyncio
import random
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from structlog.contextvars import bound_contextvars

from vignettes.domain.catalogue import ZONES
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.authorities import Authority
from vignettes.services.authorities.capabilities import Capabilities
from vignettes.services.authorities.directory import Authorities
from vignettes.services.calling import Calling
from vignettes.services.registering import ledger
from vignettes.services.registering.answers import ACTOR
from vignettes.services.registering.attempt import Attempt
from vignettes.services.registering.calls import CallsForAPerson
from vignettes.services.registering.ledger import Ledger, Left, Noting, Taken
from vignettes.services.registering.measuring import Measures
from vignettes.services.registering.rechecking import Rechecks
from vignettes.services.tracing import OFF, Attributes, Tracing
from vignettes.services.waking import CLOCK_CHANNEL, Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
#: The shortest pause before looking again for one whose time has nearly come.
_SOON_SECONDS = 0.01
_TOGETHER_SECONDS = 0.005
#: How long calls under way may still take when we are told to stop.
_GRACE_SECONDS = 4.0


class Registration:
    """Works on every order whose registration has started, one call at a time per order and per vehicle.

    What may be called now (breaker, rate, concurrency, all of them per country) is decided in the database, for all
    processes together; one country that is closed or slow holds up no other.
    """

    name = ACTOR

    def __init__(
        self,
        conninfo: str,
        pool: AsyncConnectionPool,
        authorities: Authorities,
        ordering: Calling,
        tracing: Tracing = OFF,
    ) -> None:
        self._ledger = Ledger(pool)
        self._authorities = {
            country: found for country in ZONES if (found := authorities.of(country)) is not None
        }
        self._known = {country: each.capabilities for country, each in self._authorities.items()}
        self._ordering = ordering
        self._tracing = tracing
        self._measures = Measures()
        self._noting = Noting()
        self._some_ended = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._worker = Worker(self.name, conninfo, (VIEWS, CLOCK_CHANNEL), self._work)
        self._calls = CallsForAPerson(conninfo, ordering)
        self._rechecks = Rechecks(conninfo, self._authorities, ordering, self._measures)

    async def run(self) -> None:
        """Register until cancelled. Calls under way may end; what does not is taken up by the next process."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._worker.run(), name=self.name)
                tasks.create_task(self._calls.run(), name=f"{self.name} calls")
                tasks.create_task(self._rechecks.run(), name=f"{self.name} rechecks")
                tasks.create_task(self._wake(), name=f"{self.name} waking")
        finally:
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=_GRACE_SECONDS)
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _work(self, connection: AsyncConnection) -> float:
        await self._tell(connection)
        await self._noting.note(connection)
        for taken in await ledger.take_up(connection, await ledger.open_doors(connection, self._known)):
            task = asyncio.create_task(self._register(taken, self._authorities[taken.country]))
            self._under_way.add(task)
            task.add_done_callback(self._ended)
        seconds = await ledger.soonest(connection)
        return POLL_SECONDS if seconds is None else min(max(seconds, _SOON_SECONDS), POLL_SECONDS)

    async def _tell(self, connection: AsyncConnection) -> None:
        """Tell all processes how our calls fared."""
        for country, seen in self._measures.drained():
            breaker = self._authorities[country].capabilities.breaker
            state = await ledger.measured(connection, country, seen, breaker)
            if state is not None:
                say = log.error if state == "open" else log.info
                say("authority.breaker", country=country, state=state, error=seen["error"])

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._some_ended.set()

    async def _wake(self) -> None:
        """Look for more when some have ended: once for all that end within a moment."""
        while True:
            await self._some_ended.wait()
            await asyncio.sleep(_TOGETHER_SECONDS)
            self._some_ended.clear()
            try:
                await self._ledger.wake()
            except (psycopg.Error, PoolTimeout) as error:
                log.warning(
                    "registration.not_woken", error=type(error).__name__
                )  # it looks by itself each second

    # --- one of them

    async def _register(self, taken: Taken, authority: Authority) -> None:
        with bound_contextvars(order=str(taken.order_id), country=taken.country, attempt=taken.attempts):
            try:
                left = await self._attempted(taken, authority)
            except Exception as error:
                log.exception("registration.failed")
                # Nobody knows how far it came: the authority is asked before anything else.
                left = Left("unknown", type(error).__name__)
            finally:
                self._measures.attempt_ended(taken.country)
            await self._leave(taken, left, authority.capabilities)

    async def _attempted(self, taken: Taken, authority: Authority) -> Left:
        attempt = Attempt(taken, authority, self._ledger, self._ordering, self._measures, self._tracing)
        if not self._tracing.is_on:
            return await attempt.outcome()
        began_by = await self._started_by(taken) or taken.order_id
        told: Attributes = {"vignettes.country": taken.country, "vignettes.attempt": taken.attempts}
        key = f"attempt {taken.lease}"
        with self._tracing.span("register", taken.order_id, key, parent=began_by, attributes=told):
            return await attempt.outcome()

    async def _started_by(self, taken: Taken) -> UUID | None:
        """Return the command that an attempt's trace follows from; None where it can't be known now."""
        try:
            return await self._ledger.started_by(taken.order_id)
        except (psycopg.Error, PoolTimeout) as error:
            # The authority is to be called, whatever becomes of a trace.
            log.warning("registration.not_traced", error=type(error).__name__)
            return None

    async def _leave(self, taken: Taken, left: Left, known: Capabilities) -> None:
        tries = taken.tries if left.state == taken.state else 1
        try:
            await self._ledger.leave(taken, left, tries, _pause(left, tries, known))
        except (psycopg.Error, PoolTimeout) as error:
            # The lease ends by itself; what was about to be sent counts as unknown then.
            log.warning("registration.not_left", error=type(error).__name__)


def _pause(left: Left, tries: int, known: Capabilities) -> float:
    """Return the seconds before the next attempt: longer each time, with jitter, on the clock of its state."""
    asking = left.state == "unknown"
    longest = (known.asking if asking else known.retrying).pause(tries)
    seconds = longest * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, no secret
    return max(seconds, known.limits.settled_after_seconds) if asking else seconds
