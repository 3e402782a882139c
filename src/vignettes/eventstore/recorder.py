"""The library's PostgreSQL recorder, made fit for a log that several writers share and nobody may change."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.postgres import (
    ConnectionPool,
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresFactory,
)
from eventsourcing.utils import Environment
from psycopg import Connection, Cursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL

from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.personal import SELECT_KEYS, Vault, columns_of_keys

#: Every append of every process takes this one transaction-level lock, so that positions become visible in order.
APPEND_LOCK = 0x7669676E  # "vign"
#: One notification per append, without payload: readers look for themselves.
CHANNEL = "log"

_APPEND = SQL("""
WITH kept AS (
    INSERT INTO personal.keys (order_id, master, contact, vehicle, contact_view, vehicle_view)
    SELECT * FROM unnest(%(key_ids)s::uuid[], %(masters)s::text[], %(contacts)s::bytea[], %(vehicles)s::bytea[],
                         %(contact_views)s::bytea[], %(vehicle_views)s::bytea[])
), appended AS (
    INSERT INTO log.events (originator_id, originator_version, topic, state)
    SELECT id, version, topic, state
    FROM unnest(%(ids)s::uuid[], %(versions)s::bigint[], %(topics)s::text[], %(states)s::bytea[])
         WITH ORDINALITY AS e (id, version, topic, state, place)
    ORDER BY place
    RETURNING notification_id
)
SELECT notification_id FROM appended ORDER BY notification_id
""")

_SELECT = SQL("""
SELECT originator_id, originator_version, topic, state FROM log.events
WHERE originator_id = %s AND originator_version > %s
  AND originator_version <= coalesce(%s, 9223372036854775807)
ORDER BY originator_version {order} LIMIT %s
""")


class LogDatastore(PostgresDatastore):
    """The library's datastore over our own connections: least privilege, time limits, checked on checkout."""

    def __init__(self, url: str, *, pool_size: int) -> None:
        parts = conninfo_to_dict(url)
        super().__init__(
            str(parts.get("dbname", "")), str(parts.get("host", "")), str(parts.get("port", "5432")),
            str(parts.get("user", "")), str(parts.get("password", "")),
            schema="log", lock_timeout=10, pre_ping=True,
        )  # fmt: skip
        self.pool = ConnectionPool(
            conninfo(url, "vignettes_writer", name="vignettes ordering"),
            connection_class=Connection[DictRow],
            kwargs={"row_factory": dict_row, "autocommit": True},
            min_size=1,
            max_size=pool_size,
            open=False,
            timeout=5.0,
            # psycopg_pool hands out broken connections unless it is told to look.
            check=ConnectionPool.check_connection,
        )


class LogRecorder(PostgresApplicationRecorder):
    """Appends and reads as the library does, for orders saved one by one. Commands go through the Journal."""

    def __init__(self, datastore: PostgresDatastore, vault: Vault) -> None:
        super().__init__(datastore, events_table_name="events")
        self._vault = vault
        # LOCK TABLE would need more than INSERT; an advisory lock needs nothing and is the same for every writer.
        self.lock_table_statements = [SQL("SELECT pg_advisory_xact_lock({})").format(APPEND_LOCK)]
        self.channel_name = CHANNEL

    def create_table(self) -> None:
        """Leave the tables to the migrations: a writer may not create any."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Append events, and the keys that come with an order's first. It destroys none: erasing is a command.

        Not retried here: a lost reply must be resolved, not repeated.
        """
        if not stored_events:
            return []
        # Each statement is sent without waiting for the one before it: one round trip, the lock held to the commit.
        with (
            self.datastore.get_connection() as connection,
            connection.pipeline(),
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            self._lock_table(cursor)
            self._notify_channel(cursor)
            cursor.execute(_APPEND, self._parameters(stored_events), prepare=True)
            return [row["notification_id"] for row in cursor.fetchall()]

    def _parameters(self, stored_events: Sequence[StoredEvent]) -> dict[str, Any]:
        first = (UUID(str(each.originator_id)) for each in stored_events if each.originator_version == 1)
        keys = self._vault.new_keys(first)
        return {
            "ids": [event.originator_id for event in stored_events],
            "versions": [event.originator_version for event in stored_events],
            "topics": [event.topic for event in stored_events],
            "states": [event.state for event in stored_events],
            **columns_of_keys(keys),
        }

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Read one order's events. Not retried in silence: whoever waits for an answer is told soon."""
        order = SQL("DESC") if desc else SQL("ASC")
        with self.reading() as cursor:
            rows = cursor.execute(
                _SELECT.format(order=order), (originator_id, gt or 0, lte, limit), prepare=True
            ).fetchall()
            # The keys as they are now, after the events: nothing is read that was erased a moment ago.
            self._vault.take(cursor.execute(SELECT_KEYS, ([originator_id],), prepare=True).fetchall())
        return [
            StoredEvent(row["originator_id"], row["originator_version"], row["topic"], bytes(row["state"]))
            for row in rows
        ]

    @contextmanager
    def reading(self) -> Iterator[Cursor[DictRow]]:
        """Give a cursor for a query beside the library's own."""
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            yield cursor


class LogFactory(PostgresFactory):
    """The library's factory, with our datastore and our recorder."""

    def __init__(self, env: Environment, datastore: LogDatastore, vault: Vault) -> None:
        # Not the PostgreSQL factory's own: it would build a second datastore from variables of its own.
        InfrastructureFactory.__init__(self, env)
        self.datastore = datastore
        self._vault = vault

    def application_recorder(self) -> LogRecorder:
        return LogRecorder(self.datastore, self._vault)
