"""The registration service: triggers become starts, starts become calls to the authority, answers become records."""

import asyncio
import random
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from structlog.contextvars import bound_contextvars

from vignettes.domain import schedule
from vignettes.domain.catalogue import Product, product
from vignettes.domain.order import Order
from vignettes.domain.schedule import Start
from vignettes.domain.vehicle import Vehicle
from vignettes.messages import commands
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.authorities import Application, Authority, Registered, Rejected, Unknown
from vignettes.services.calling import Calling, NoAnswer
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

#: How many authority calls one process has under way.
CONCURRENCY = 16
#: Leases go by the real clock; longer than any call may take.
LEASE_SECONDS = 20.0
POLL_SECONDS = 1.0
_FIRST_RETRY, _LONGEST_RETRY = 1.0, 20.0
#: How long calls under way may still take when we are told to stop.
_GRACE_SECONDS = 4.0

_WAITING = """
SELECT o.order_id, o.country, o.product, o.vehicle_country, personal.opened(o.plate, k.vehicle_view) AS plate,
       o.valid_from, o.ends_at, o.started_at, o.generation, o.version
FROM view.order_status o JOIN personal.keys k USING (order_id)
LEFT JOIN effect.registrations r ON (r.order_id, r.started_at) = (o.order_id, o.started_at)
WHERE o.status = 'registering' AND o.plate IS NOT NULL AND k.vehicle_view IS NOT NULL
  AND coalesce(r.leased_until < clock_timestamp(), true) AND coalesce(r.retry_at <= clock_timestamp(), true)
ORDER BY o.starts_at LIMIT %s
"""
_LEASE = """
INSERT INTO effect.registrations AS r (order_id, started_at, attempts, leased_by, leased_until)
VALUES (%(order_id)s, %(started_at)s, 1, %(lease)s, clock_timestamp() + %(seconds)s * interval '1 s')
ON CONFLICT (order_id, started_at) DO UPDATE
SET attempts = r.attempts + 1, leased_by = excluded.leased_by, leased_until = excluded.leased_until
WHERE coalesce(r.leased_until < clock_timestamp(), true) AND coalesce(r.retry_at <= clock_timestamp(), true)
RETURNING EXISTS (SELECT FROM effect.registrations WHERE order_id = %(order_id)s), r.attempts
"""
_STILL_OURS = """
SELECT leased_until > clock_timestamp() + interval '10 s'
   AND NOT EXISTS (SELECT FROM log.events
                   WHERE originator_id = %(order_id)s AND originator_version > %(version)s AND topic = ANY(%(over)s))
FROM effect.registrations
WHERE order_id = %(order_id)s AND started_at = %(started_at)s AND leased_by = %(lease)s
"""
_LEAVE = """
UPDATE effect.registrations
SET leased_by = NULL, leased_until = NULL, last_outcome = %(outcome)s,
    retry_at = clock_timestamp() + %(retry)s * interval '1 s'
WHERE order_id = %(order_id)s AND started_at = %(started_at)s AND leased_by = %(lease)s
"""
_SOONEST = """
SELECT extract(epoch FROM min(greatest(coalesce(r.leased_until, '-infinity'), coalesce(r.retry_at, '-infinity')))
                          - clock_timestamp())::float8
FROM effect.registrations r JOIN view.order_status o USING (order_id, started_at) WHERE o.status = 'registering'
"""


#: Once one of these follows, the registration that we wanted to carry out is over.
_OVER = [Order.VignetteIssued.TOPIC, Order.RegistrationRejected.TOPIC]


class Registration:
    """Works on every order whose registration has started, one call at a time per order.

    RegistrationStarted is the fence: it is on record before the first call. The lease keeps the call single; whoever
    finds an earlier attempt asks the authority first (cases 45, 46), so that a crash anywhere ends in one vignette.
    """

    name = "registration"

    def __init__(
        self, conninfo: str, pool: AsyncConnectionPool, authority: Authority, ordering: Calling
    ) -> None:
        self._pool = pool
        self._authority = authority
        self._ordering = ordering
        self._under_way: set[asyncio.Task[None]] = set()
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Register until cancelled. Calls under way may end; what does not is taken up by the next process."""
        try:
            await self._worker.run()
        finally:
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=_GRACE_SECONDS)
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def start_due(self, order_id: UUID, generation: int) -> None:
        """Turn a trigger into a start. Each attempt is a new command: the order itself makes repeats harmless.

        Raises NoAnswer when it must be tried again.
        """
        command = commands.StartDueRegistration(
            command_id=uuid4(), order_id=order_id, generation=generation, actor=self.name
        )
        reply = await self._ordering.command(command)
        if not reply["ok"]:
            log.error("trigger.refused", order=str(order_id), code=reply["error"]["code"])
            if reply["error"]["code"] != "not_found":
                raise NoAnswer

    async def _work(self, connection: AsyncConnection) -> float:
        free = CONCURRENCY - len(self._under_way)
        if free > 0:
            async with connection.cursor(row_factory=dict_row) as cursor:
                rows = await (await cursor.execute(_WAITING, (free,))).fetchall()
            for row in rows:
                await self._take(connection, row)
        soonest = await (await connection.execute(_SOONEST)).fetchone()
        seconds = soonest[0] if soonest else None
        return (
            POLL_SECONDS
            if seconds is None or len(self._under_way) == CONCURRENCY
            else min(max(seconds, 0.01), POLL_SECONDS)
        )

    async def _take(self, connection: AsyncConnection, row: dict[str, Any]) -> None:
        claim = {"order_id": row["order_id"], "started_at": row["started_at"], "lease": uuid4()}
        leased = await (await connection.execute(_LEASE, {**claim, "seconds": LEASE_SECONDS})).fetchone()
        if leased is None:
            return  # another process was faster
        task = asyncio.create_task(self._register(row, claim, tried_before=leased[0], attempts=leased[1]))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _register(
        self, row: dict[str, Any], claim: dict[str, Any], *, tried_before: bool, attempts: int
    ) -> None:
        with bound_contextvars(order=str(row["order_id"]), country=row["country"], attempt=attempts):
            try:
                outcome = await self._outcome(row, claim, tried_before=tried_before)
            except Exception as error:
                log.exception("registration.failed")
                outcome = type(error).__name__
            # A recorded outcome needs no retry: the view will say so in a moment. Were it lost, we would ask again.
            retry = LEASE_SECONDS if outcome == "recorded" else _pause(attempts)
            async with self._pool.connection() as connection:
                await connection.execute(_LEAVE, {**claim, "outcome": outcome, "retry": retry})
                await connection.execute("SELECT pg_notify(%s, %s)", (VIEWS, self.name))

    async def _outcome(self, row: dict[str, Any], claim: dict[str, Any], *, tried_before: bool) -> str:
        application = application_for(row)
        found = await self._authority.find(application) if tried_before else None
        if found is None and not await self._still_ours(row, claim):
            return "no_longer_ours"
        answer = found or await self._authority.register(application)
        if isinstance(answer, Rejected) and tried_before:
            # It may refuse only because an earlier call, whose answer was lost, has registered the vehicle.
            answer = await self._authority.find(application) or answer
        if isinstance(answer, Unknown):
            log.warning("registration.unknown", why=answer.why)
            return f"unknown: {answer.why}"
        return await self._record(row, answer)

    async def _still_ours(self, row: dict[str, Any], claim: dict[str, Any]) -> bool:
        """Look once more just before sending, and into the log: we may have been paused, the view may be late."""
        question = {**claim, "version": row["version"], "over": _OVER}
        async with self._pool.connection() as connection:
            answer = await (await connection.execute(_STILL_OURS, question)).fetchone()
        return answer is not None and bool(answer[0])

    async def _record(self, row: dict[str, Any], answer: Registered | Rejected) -> str:
        try:
            reply = await self._ordering.command(_command(row, answer))
        except NoAnswer:
            return "unrecorded"
        if not reply["ok"]:
            log.error("registration.unrecorded", code=reply["error"]["code"])
            return f"refused: {reply['error']['code']}"
        log.info("registration.done", outcome=type(answer).__name__.lower())
        return "recorded"


def application_for(row: dict[str, Any]) -> Application:
    """Return what the authority is told of an order: the plate in normal form, days as days and hours as hours."""
    bought = product(row["product"])
    plate = Vehicle.of(row["vehicle_country"], row["plate"]).normal
    assert plate is not None  # noqa: S101  # only an erased vehicle has none; for the type only
    return Application(
        reference=row["order_id"],
        country=row["country"],
        plate=plate,
        product=row["product"],
        valid_from=row["valid_from"],
        valid_until=_last_day(bought, row["ends_at"]),
    )


def _last_day(bought: Product, ends_at: datetime) -> str:
    local = ends_at.astimezone(bought.zone)
    return local.isoformat() if bought.starts_at_hour else local.date().isoformat()


def _command(row: dict[str, Any], answer: Registered | Rejected) -> commands.Command:
    order_id: UUID = row["order_id"]
    if isinstance(answer, Rejected):
        return commands.RecordRejection(
            command_id=uuid4(),
            order_id=order_id,
            generation=row["generation"],
            reason=answer.reason,
            actor=Registration.name,
        )
    bought = product(row["product"])
    validity = schedule.validity(bought, Start.parse(answer.valid_from, bought), answer.registered_at)
    return commands.RecordIssue(
        command_id=uuid4(),
        order_id=order_id,
        generation=row["generation"],
        number=answer.number,
        reference=answer.reference,
        valid_from=validity.starts_at,
        valid_until=_confirmed_end(bought, answer.valid_until, validity.ends_at),
        actor=Registration.name,
    )


def _confirmed_end(bought: Product, text: str, computed: datetime) -> datetime:
    """Return the last second that the authority confirms: its own date wins over what we computed."""
    if bought.starts_at_hour:
        return datetime.fromisoformat(text)
    clock = computed.astimezone(bought.zone).time()
    return datetime.combine(datetime.fromisoformat(text).date(), clock, bought.zone)


def _pause(attempts: int) -> float:
    """Return the seconds before the next attempt: longer each time, with jitter."""
    longest = min(_FIRST_RETRY * 2.0 ** min(attempts - 1, 20), _LONGEST_RETRY)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  # jitter, no secret
