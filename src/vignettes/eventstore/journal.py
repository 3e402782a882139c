"""What a group of commands needs of the log, in two round trips: look before deciding, append afterwards."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import psycopg
from eventsourcing.persistence import StoredEvent
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.personal import NewKeys, columns_of_keys
from vignettes.eventstore.upcasting import IN_THE_CLEAR

#: Plans are made once and kept, while the log grows: tables are looked up by index, the group's own rows are hashed.
_PLANS = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_nestloop=off -c enable_mergejoin=off"

_LOOK: LiteralString = (
    resources.files("vignettes.eventstore").joinpath("look.sql").read_text(encoding="utf-8")
)
#: The connection broke, a limit of time was passed, or the server takes no writes (a standby): all pass by themselves.
PASSING = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)

#: Commits something, and so waits for the standby like every append. What was answered before may have been left by a
#: primary that died before any standby had it: once that is up again it shows what another one never heard of.
_HELD: LiteralString = "SELECT pg_logical_emit_message(true, 'vignettes', '')"

#: Under this name a stored reply keeps, sealed, the lists that tell of the vehicle.
PRIVATE = "private"

_APPEND = """
SELECT is_stale, at_position FROM log.append(
    %(command_units)b::int[], %(command_ids)b::uuid[], %(hashes)b::bytea[], %(order_ids)b::uuid[],
    %(order_versions)b::bigint[], %(replies)b::text[], %(recorded_at)b::timestamptz[],
    %(event_units)b::int[], %(ids)b::uuid[], %(versions)b::bigint[], %(topics)b::text[], %(states)b::bytea[],
    %(payment_units)b::int[], %(payment_ids)b::text[], %(payment_orders)b::uuid[],
    %(key_units)b::int[], %(key_ids)b::uuid[], %(masters)b::text[], %(contacts)b::bytea[], %(vehicles)b::bytea[],
    %(contact_views)b::bytea[], %(vehicle_views)b::bytea[],
    %(erased_units)b::int[], %(erased_ids)b::uuid[], %(erased_contacts)b::bool[], %(erased_vehicles)b::bool[]
) ORDER BY place
"""


@dataclass(frozen=True, slots=True)
class Known:
    """The answer that a command got before."""

    payload_hash: bytes
    order_id: UUID | None
    position: int | None
    reply: dict[str, Any]

    @property
    def has_private(self) -> bool:
        """Whether part of it is sealed with the keys of its order."""
        return PRIVATE in self.reply


class Cover(NamedTuple):
    """What an order is for: a vehicle, by its digest in the blind index, in one country, from first to last second."""

    vehicle: bytes
    country: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a group asks of the log. `versions`: for each order, up to where it is known (0: not at all)."""

    command_ids: Sequence[UUID]
    versions: Mapping[UUID, int]
    without_keys: Sequence[UUID] = ()
    payment_ids: Sequence[str] = ()
    serials: int = 0
    erasing: Sequence[UUID] = ()
    covers: Sequence[Cover] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What the log says: the time, answers given before, events beyond the known versions, keys, owners, serials.

    `in_the_clear` are those orders of `erasing` whose first events were written before there were keys; `covered` are
    those covers that another order is for as well, as far as the views know.
    """

    now: datetime
    known: dict[UUID, Known] = field(default_factory=dict)
    newer: list[StoredEvent] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    owners: dict[str, UUID] = field(default_factory=dict)
    serials: list[int] = field(default_factory=list)
    in_the_clear: set[UUID] = field(default_factory=set)
    covered: set[Cover] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Destroyed:
    """Keys to destroy with the event that says so."""

    order_id: UUID
    contact: bool
    vehicle: bool


@dataclass(slots=True)
class Entry:
    """What one command leaves in the log: events, answer, and what goes with them. `unit` is its order in the group."""

    unit: int
    command_id: UUID
    payload_hash: bytes
    order_id: UUID | None
    order_version: int | None
    reply: str
    recorded_at: datetime
    events: Sequence[StoredEvent] = ()
    payment_id: str | None = None
    keys: Sequence[NewKeys] = ()
    destroyed: Sequence[Destroyed] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """Where a command's order stands in the log now; or that its unit was left out, because others were faster."""

    stale: bool
    position: int | None


@dataclass
class Journal:
    """One connection that looks and appends; made anew after it broke. Each statement is a transaction of its own.

    For one group at a time. Raises psycopg's errors; after one of `append`, only the commands' ids can tell what is
    on record. In the event loop's own thread: changes of thread would cost more than all of its waiting.
    """

    url: str
    _connection: AsyncConnection[TupleRow] | None = field(default=None, init=False)

    async def look(self, wanted: Wanted) -> Seen:
        """Read in one round trip all that deciding needs. A connection that has died meanwhile is replaced, once.

        Answers given before take a second one: they are repeated only when they are as durable as a first answer.
        """
        fresh = self._connection is None
        try:
            return await self._look(wanted)
        except PASSING:
            # Also a server that was demoted and only reads now: another one may be the primary.
            await self.close()
            if fresh:
                raise
            return await self._look(wanted)

    async def _look(self, wanted: Wanted) -> Seen:
        connection = await self._connected()
        cursor = await connection.execute(_LOOK, _question(wanted), prepare=True, binary=True)
        seen = _seen(await cursor.fetchall(), wanted)
        if seen.known:
            await connection.execute(_HELD, prepare=True)
        return seen

    async def append(self, entries: Sequence[Entry]) -> list[Written]:
        """Append in one transaction: one lock, one notification, one fsync. One result per entry, in order."""
        try:
            connection = await self._connected()
            cursor = await connection.execute(_APPEND, _parameters(entries), prepare=True, binary=True)
            return [Written(stale, position) for stale, position in await cursor.fetchall()]
        except PASSING:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connected(self) -> AsyncConnection[TupleRow]:
        if self._connection is None or self._connection.closed:
            url = conninfo(self.url, "vignettes_writer", name="vignettes ordering", options=_PLANS)
            self._connection = await AsyncConnection.connect(url, autocommit=True)
        return self._connection


def _question(wanted: Wanted) -> dict[str, Any]:
    return {
        "command_ids": list(wanted.command_ids),
        "order_ids": list(wanted.versions),
        "versions": list(wanted.versions.values()),
        "without_keys": list(wanted.without_keys),
        "payment_ids": list(wanted.payment_ids),
        "erasing": list(wanted.erasing),
        "clear_topics": list(IN_THE_CLEAR),
        "vehicles": [cover.vehicle for cover in wanted.covers],
        "countries": [cover.country for cover in wanted.covers],
        "begins": [cover.starts_at for cover in wanted.covers],
        "ends": [cover.ends_at for cover in wanted.covers],
        "serials": wanted.serials,
    }


def _seen(rows: Sequence[TupleRow], wanted: Wanted) -> Seen:
    """Sort the rows of look.sql by what they are."""
    seen = Seen(now=rows[0][1])
    for kind, _, one_id, other_id, number, text, *secrets in rows:
        match kind:
            case "newer":
                seen.newer.append(StoredEvent(one_id, number, text, bytes(secrets[0])))
            case "known":
                seen.known[one_id] = Known(bytes(secrets[0]), other_id, number, json.loads(text))
            case "keys":
                names = ("contact", "vehicle", "contact_view", "vehicle_view")
                seen.keys.append(
                    {"order_id": one_id, "master": text, **dict(zip(names, secrets, strict=True))}
                )
            case "owner":
                seen.owners[text] = one_id
            case "serial":
                seen.serials.append(number)
            case "clear":
                seen.in_the_clear.add(one_id)
            case "cover":
                seen.covered.add(wanted.covers[number - 1])
    return seen


def _parameters(entries: Sequence[Entry]) -> dict[str, Any]:
    events = [(entry.unit, event) for entry in entries for event in entry.events]
    paid = [entry for entry in entries if entry.payment_id]
    keys = [(entry.unit, keys) for entry in entries for keys in entry.keys]
    erased = [(entry.unit, destroyed) for entry in entries for destroyed in entry.destroyed]
    return {
        "command_units": [entry.unit for entry in entries],
        "command_ids": [entry.command_id for entry in entries],
        "hashes": [entry.payload_hash for entry in entries],
        "order_ids": [entry.order_id for entry in entries],
        "order_versions": [entry.order_version for entry in entries],
        "replies": [entry.reply for entry in entries],
        "recorded_at": [entry.recorded_at for entry in entries],
        "event_units": [unit for unit, _ in events],
        "ids": [event.originator_id for _, event in events],
        "versions": [event.originator_version for _, event in events],
        "topics": [event.topic for _, event in events],
        "states": [event.state for _, event in events],
        "payment_units": [entry.unit for entry in paid],
        "payment_ids": [entry.payment_id for entry in paid],
        "payment_orders": [entry.order_id for entry in paid],
        "key_units": [unit for unit, _ in keys],
        **columns_of_keys([each for _, each in keys]),
        "erased_units": [unit for unit, _ in erased],
        "erased_ids": [each.order_id for _, each in erased],
        "erased_contacts": [each.contact for _, each in erased],
        "erased_vehicles": [each.vehicle for _, each in erased],
    }
