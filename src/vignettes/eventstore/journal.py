"""What a group of commands needs of the log, in two round trips: look before deciding, append afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from eventsourcing.persistence import StoredEvent
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.personal import SELECT_KEYS, NewKeys
from vignettes.eventstore.recorder import APPEND_LOCK, CHANNEL
from vignettes.eventstore.upcasting import UPCASTERS

#: Plans are made once and kept, while the log grows: tables are looked up by index, the group's own rows are hashed.
_PLANS = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_nestloop=off -c enable_mergejoin=off"

_KNOWN = """
SELECT clock.now() AS now, c.* FROM (VALUES (1)) AS one (x) LEFT JOIN log.commands c ON c.command_id = ANY(%b::uuid[])
"""
_NEWER = """
SELECT e.originator_id, e.originator_version, e.topic, e.state
FROM unnest(%b::uuid[], %b::bigint[]) AS known (id, version)
CROSS JOIN LATERAL (
    SELECT * FROM log.events
    WHERE originator_id = known.id AND originator_version > known.version
    ORDER BY originator_version OFFSET 0
) AS e
"""
_OWNERS = "SELECT payment_id, order_id FROM log.payments WHERE payment_id = ANY(%b::text[])"
_SERIALS = "SELECT nextval('log.order_serial') AS serial FROM generate_series(1, %b::int)"
_IN_THE_CLEAR = """
SELECT DISTINCT originator_id FROM log.events WHERE originator_id = ANY(%s) AND topic = ANY(%s)
"""
_LOCK = "SELECT pg_advisory_xact_lock(%s)"
_NOTIFY = f'NOTIFY "{CHANNEL}"'
_APPEND: LiteralString = (
    resources.files("vignettes.eventstore").joinpath("append_group.sql").read_text(encoding="utf-8")
)
_DESTROY = """
UPDATE personal.keys k
SET contact = CASE WHEN g.contact THEN NULL ELSE k.contact END,
    contact_view = CASE WHEN g.contact THEN NULL ELSE k.contact_view END,
    vehicle = CASE WHEN g.vehicle THEN NULL ELSE k.vehicle END,
    vehicle_view = CASE WHEN g.vehicle THEN NULL ELSE k.vehicle_view END
FROM unnest(%b::uuid[], %b::bigint[], %b::bool[], %b::bool[]) AS g (order_id, version, contact, vehicle)
JOIN log.events e ON e.originator_id = g.order_id AND e.originator_version = g.version AND e.topic = %s
WHERE k.order_id = g.order_id
"""


@dataclass(frozen=True, slots=True)
class Known:
    """The answer that a command got before."""

    payload_hash: bytes
    order_id: UUID | None
    position: int | None
    reply: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a group asks of the log. `versions`: for each order, up to where it is known (0: not at all)."""

    command_ids: Sequence[UUID]
    versions: Mapping[UUID, int]
    without_keys: Sequence[UUID] = ()
    payment_ids: Sequence[str] = ()
    serials: int = 0
    erasing: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What the log says: the time, answers given before, events beyond the known versions, keys, owners, serials.

    `in_the_clear` are those orders of `erasing` whose first events were written before there were keys.
    """

    now: datetime
    known: dict[UUID, Known]
    newer: list[StoredEvent]
    keys: list[DictRow]
    owners: dict[str, UUID]
    serials: list[int]
    in_the_clear: set[UUID]


@dataclass(frozen=True, slots=True)
class Destroyed:
    """Keys to destroy with the event that says so, which is this version of the order."""

    order_id: UUID
    version: int
    topic: str
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
    """One connection that looks and appends; made anew after it broke. Not for several threads at once.

    Raises psycopg's errors. After one of `append`, only the commands' ids can tell what is on record.
    """

    url: str
    _connection: Connection[DictRow] | None = field(default=None, init=False)

    def look(self, wanted: Wanted) -> Seen:
        """Read in one round trip all that deciding needs. A connection that has died meanwhile is replaced, once."""
        fresh = self._connection is None
        try:
            return self._look(wanted)
        except psycopg.OperationalError:
            self.close()
            if fresh:
                raise
            return self._look(wanted)

    def _look(self, wanted: Wanted) -> Seen:
        connection = self._connected()
        with connection.pipeline():
            known = connection.execute(_KNOWN, (list(wanted.command_ids),), prepare=True)
            newer = keys = owners = clear = serials = None
            if wanted.versions:
                versions = (list(wanted.versions), list(wanted.versions.values()))
                newer = connection.execute(_NEWER, versions, prepare=True)
            if wanted.without_keys:
                keys = connection.execute(SELECT_KEYS, (list(wanted.without_keys),), prepare=True)
            if wanted.payment_ids:
                owners = connection.execute(_OWNERS, (list(wanted.payment_ids),), prepare=True)
            if wanted.erasing:
                clear = connection.execute(_IN_THE_CLEAR, (list(wanted.erasing), list(UPCASTERS)))
            if wanted.serials:
                serials = connection.execute(_SERIALS, (wanted.serials,), prepare=True)
        rows = known.fetchall()
        return Seen(
            now=rows[0]["now"],
            known={row["command_id"]: _known(row) for row in rows if row["command_id"]},
            newer=[_stored(row) for row in newer] if newer else [],
            keys=keys.fetchall() if keys else [],
            owners={row["payment_id"]: row["order_id"] for row in owners} if owners else {},
            serials=[row["serial"] for row in serials] if serials else [],
            in_the_clear={row["originator_id"] for row in clear} if clear else set(),
        )

    def append(self, entries: Sequence[Entry]) -> list[Written]:
        """Append in one transaction: one lock, one notification, one fsync. One result per entry, in order."""
        connection = self._connected()
        events = any(entry.events for entry in entries)
        # Each statement is sent without waiting for the one before it; the lock is held to the commit.
        with connection.pipeline(), connection.transaction():
            connection.execute(_LOCK, (APPEND_LOCK,), prepare=True)
            if events:
                connection.execute(_NOTIFY)
            cursor = connection.execute(_APPEND, _parameters(entries), prepare=True)
            for destroyed in [each for entry in entries for each in entry.destroyed]:
                connection.execute(_DESTROY, _destruction(destroyed))
            return [Written(row["stale"], row["position"]) for row in cursor.fetchall()]

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Connection[DictRow]:
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = psycopg.connect(
                conninfo(self.url, "vignettes_writer", name="vignettes ordering", options=_PLANS),
                autocommit=True,
                row_factory=dict_row,
            )
        return self._connection


def _known(row: DictRow) -> Known:
    return Known(bytes(row["payload_hash"]), row["order_id"], row["position"], row["reply"])


def _stored(row: DictRow) -> StoredEvent:
    state = bytes(row["state"])
    return StoredEvent(row["originator_id"], row["originator_version"], row["topic"], state)


def _parameters(entries: Sequence[Entry]) -> dict[str, Any]:
    events = [(entry.unit, event) for entry in entries for event in entry.events]
    paid = [entry for entry in entries if entry.payment_id]
    keys = [(entry.unit, keys) for entry in entries for keys in entry.keys]
    return {
        "command_units": [entry.unit for entry in entries],
        "command_ids": [entry.command_id for entry in entries],
        "hashes": [entry.payload_hash for entry in entries],
        "order_ids": [entry.order_id for entry in entries],
        "order_versions": [entry.order_version for entry in entries],
        "replies": [entry.reply for entry in entries],
        "recorded_ats": [entry.recorded_at for entry in entries],
        "event_units": [unit for unit, _ in events],
        "ids": [event.originator_id for _, event in events],
        "versions": [event.originator_version for _, event in events],
        "topics": [event.topic for _, event in events],
        "states": [event.state for _, event in events],
        "payment_units": [entry.unit for entry in paid],
        "payment_ids": [entry.payment_id for entry in paid],
        "payment_orders": [entry.order_id for entry in paid],
        "key_units": [unit for unit, _ in keys],
        "key_ids": [each.order_id for _, each in keys],
        "masters": [each.master for _, each in keys],
        "contacts": [each.contact for _, each in keys],
        "vehicles": [each.vehicle for _, each in keys],
        "contact_views": [each.contact_view for _, each in keys],
        "vehicle_views": [each.vehicle_view for _, each in keys],
    }


def _destruction(destroyed: Destroyed) -> tuple[Any, ...]:
    return (
        [destroyed.order_id],
        [destroyed.version],
        [destroyed.contact],
        [destroyed.vehicle],
        destroyed.topic,
    )
