"""The database's side of registering: what is leased to whom, and how each attempt was left."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from vignettes.domain.order import Order
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.authorities.capabilities import Breaker, Capabilities
from vignettes.services.authorities.documents import SealedDocument
from vignettes.services.authorities.wire import boot_clock

State = Literal["waiting", "unknown", "recorded"]

#: Between the last instant at which a call may leave and the end of the lease: how much clocks may differ meanwhile.
MARGIN_SECONDS = 1.0
#: What else an attempt does under its lease: it looks into the database, and waits for its turn.
_BESIDE_SECONDS = 3.0

_NOTED_AT_ONCE = 1000
_TIMES_AS_LONG = 5

_TAKE_UP = "SELECT order_id, started_at FROM effect.take_up(%s, %s)"
_TAKEN = """
SELECT o.order_id, o.country, o.product, o.vehicle_country, personal.opened(o.plate, k.vehicle_view) AS plate,
       k.vehicle_view AS vehicle_key, o.valid_from, o.ends_at, o.started_at, o.generation, o.version,
       o.twin_accepted, r.act_by, r.state, r.tries, r.attempts, r.leased_by AS lease
FROM effect.registrations r JOIN view.order_status o USING (order_id, started_at) JOIN personal.keys k USING (order_id)
WHERE r.leased_by = %(lease)s AND o.plate IS NOT NULL AND k.vehicle_view IS NOT NULL
"""
_ABOUT_TO_SEND = """
UPDATE effect.registrations SET state = 'sending'
WHERE order_id = %(order_id)s AND started_at = %(started_at)s AND leased_by = %(lease)s
  AND leased_until > clock_timestamp() + %(needed)s * interval '1 s'
  AND NOT EXISTS (SELECT FROM log.events
                  WHERE originator_id = %(order_id)s AND originator_version > %(version)s AND topic = ANY(%(over)s))
"""
_ACCEPTED_TWIN = """
SELECT FROM view.lookup ours JOIN view.lookup theirs USING (kind, digest)
     JOIN view.order_status twin ON twin.order_id = theirs.order_id
WHERE ours.order_id = %(order_id)s AND kind = 'plate' AND theirs.order_id <> ours.order_id
  AND twin.country = %(country)s AND twin.twin_accepted AND twin.status = 'issued'
LIMIT 1
"""
_STARTED_BY = """
SELECT (convert_from(state, 'UTF8')::jsonb ->> 'cmd')::uuid FROM log.events
WHERE originator_id = %s AND topic = %s ORDER BY originator_version DESC LIMIT 1
"""
_LEAVE = """
UPDATE effect.registrations
SET leased_by = NULL, leased_until = NULL, state = %(state)s, tries = %(tries)s, last_outcome = %(why)s,
    retry_at = clock_timestamp() + %(pause)s * interval '1 s',
    unknown_since = CASE WHEN %(state)s = 'unknown' THEN coalesce(unknown_since, clock.now()) END,
    call_why = CASE WHEN %(odd)s THEN 'registered_otherwise' ELSE call_why END,
    call_at = CASE WHEN %(odd)s THEN least(call_at, clock.now()) ELSE call_at END
WHERE order_id = %(order_id)s AND started_at = %(started_at)s AND leased_by = %(lease)s
"""
_KEEP = """
INSERT INTO effect.documents (order_id, digest, media_type, size, sealed)
SELECT %(order_id)s, %(digest)s, %(media_type)s, %(size)s, %(sealed)s
FROM personal.keys WHERE order_id = %(order_id)s AND vehicle_view IS NOT NULL
ON CONFLICT DO NOTHING
"""
_SOONEST = """
SELECT extract(epoch FROM greatest(leased_until, retry_at) - now())::float8 FROM effect.registrations
WHERE state IN ('waiting', 'sending', 'unknown') AND greatest(leased_until, retry_at) > now()
ORDER BY greatest(leased_until, retry_at) LIMIT 1
"""

#: Once one of these follows, the registration that we wanted to carry out is over.
_OVER = [Order.VignetteIssued.TOPIC, Order.RegistrationRejected.TOPIC]


@dataclass(frozen=True, slots=True)
class Door:
    """An authority that takes calls now."""

    country: str
    capabilities: Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an authority was told, or is to be told."""

    order_id: UUID
    started_at: datetime
    generation: int
    country: str
    product: str
    vehicle_country: str
    plate: str
    valid_from: str
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken(Wanted):
    """A registration that was leased to us, as it stood then. Nothing of it may be sent after `until`."""

    vehicle_key: bytes
    version: int
    twin_accepted: bool
    act_by: datetime
    state: State
    tries: int
    attempts: int
    lease: UUID
    until: float

    @property
    def claim(self) -> dict[str, Any]:
        """What says that it is ours."""
        return {"order_id": self.order_id, "started_at": self.started_at, "lease": self.lease}


@dataclass(frozen=True, slots=True)
class Left:
    """How an attempt ended; `odd`: with something that a person must see."""

    state: State
    why: str
    odd: bool = False


def lease_seconds(capabilities: Capabilities) -> float:
    """Return how long an order is ours: for a question, and after it a call that is over well before the lease."""
    return capabilities.limits.timeout_seconds + _BESIDE_SECONDS + seconds_for_a_call(capabilities)


def seconds_for_a_call(capabilities: Capabilities) -> float:
    """Return how much of the lease must be left when a call is sent.

    Whoever comes after us asks the authority first: by then it must have done with what we sent.
    """
    limits = capabilities.limits
    return max(limits.timeout_seconds, limits.settled_after_seconds) + MARGIN_SECONDS


async def open_doors(connection: AsyncConnection, known: Mapping[str, Capabilities]) -> list[Door]:
    """Return the authorities that take calls at this hour of the service's clock."""
    row = await (await connection.execute("SELECT clock.now()")).fetchone()
    assert row is not None  # noqa: S101  # a SELECT without FROM has one row; for the type only
    now: datetime = row[0]
    return [Door(country, each) for country, each in known.items() if each.opening.open_at(now)]


async def take_up(connection: AsyncConnection, doors: Sequence[Door]) -> list[Taken]:
    """Lease what may be worked on now at these authorities."""
    lease, began = uuid4(), boot_clock()
    taken = await connection.execute(_TAKE_UP, (lease, json.dumps([_said(door) for door in doors])))
    if not taken.rowcount:
        return []
    # The lease began after this was read: by our clock it is over no later than the database says.
    until = {
        door.country: began + lease_seconds(door.capabilities) - seconds_for_a_call(door.capabilities)
        for door in doors
    }
    async with connection.cursor(row_factory=dict_row) as cursor:
        rows = await (await cursor.execute(_TAKEN, {"lease": lease})).fetchall()
    return [Taken(**row, until=until[row["country"]]) for row in rows]


def _said(door: Door) -> dict[str, object]:
    limits = door.capabilities.limits
    return {
        "country": door.country,
        "rate": limits.rate_per_minute,
        "burst": limits.burst,
        "concurrency": limits.concurrency,
        "seconds": lease_seconds(door.capabilities),
    }


async def soonest(connection: AsyncConnection) -> float | None:
    """Return in how many seconds the next of those that wait may be tried; None when none has such a time."""
    row = await (await connection.execute(_SOONEST)).fetchone()
    seconds: float | None = row[0] if row else None
    return seconds


async def measured(
    connection: AsyncConnection, country: str, seen: Mapping[str, object], breaker: Breaker
) -> str | None:
    """Tell all processes how calls to a country ended; returns the breaker's state where that changed it."""
    told = (country, json.dumps(seen), breaker.model_dump_json())
    row = await (await connection.execute("SELECT effect.measured(%s, %s, %s)", told)).fetchone()
    state: str | None = row[0] if row else None
    return state


class Noting:
    """Puts what has started on the work list, and spends no more than a fifth of the time with it.

    The list is compared with the view each time: how long that takes grows with what is under way.
    """

    def __init__(self) -> None:
        self._not_before = 0.0

    async def note(self, connection: AsyncConnection) -> None:
        """Note what is new, unless this was done a moment ago."""
        began = time.monotonic()
        if began < self._not_before:
            return
        await connection.execute("SELECT effect.note_started(%s)", (_NOTED_AT_ONCE,))
        took = time.monotonic() - began
        self._not_before = began + _TIMES_AS_LONG * took


class Ledger:
    """What one attempt tells the database."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    async def about_to_send(self, taken: Taken, needed_seconds: float) -> bool:
        """Note, just before sending, that the authority may hold it from here on; False where it is ours no more.

        Looks into the log as well: we may have been paused, and views may be late.
        """
        question = {**taken.claim, "needed": needed_seconds, "version": taken.version, "over": _OVER}
        async with self._pool.connection() as connection:
            return bool((await connection.execute(_ABOUT_TO_SEND, question)).rowcount)

    async def has_accepted_twin(self, order_id: UUID, country: str) -> bool:
        """Tell whether the vehicle got a vignette there by another order of ours, which was meant beside others."""
        async with self._pool.connection() as connection:
            asked = await connection.execute(_ACCEPTED_TWIN, {"order_id": order_id, "country": country})
            return bool(asked.rowcount)

    async def started_by(self, order_id: UUID) -> UUID | None:
        """Return the command by which the registration of an order has started."""
        async with self._pool.connection() as connection:
            asked = await connection.execute(_STARTED_BY, (order_id, Order.RegistrationStarted.TOPIC))
            row = await asked.fetchone()
            return row[0] if row else None

    async def keep(self, order_id: UUID, document: SealedDocument) -> bool:
        """Keep an order's document; False where its vehicle was erased."""
        row = {
            "order_id": order_id,
            "digest": document.digest,
            "media_type": document.media_type,
            "size": document.size,
            "sealed": document.sealed,
        }
        async with self._pool.connection() as connection:
            await connection.execute(_KEEP, row)
            kept = await connection.execute(
                "SELECT FROM effect.documents WHERE (order_id, digest) = (%(order_id)s, %(digest)s)", row
            )
            return bool(kept.rowcount)

    async def leave(self, taken: Taken, left: Left, tries: int, pause: float) -> None:
        """Give the lease back."""
        how = {"state": left.state, "why": left.why, "odd": left.odd, "tries": tries, "pause": pause}
        async with self._pool.connection() as connection:
            await connection.execute(_LEAVE, {**taken.claim, **how})

    async def wake(self) -> None:
        """Wake who looks for work."""
        async with self._pool.connection() as connection:
            await connection.execute("SELECT pg_notify(%s, %s)", (VIEWS, "registration"))
