"""The library's PostgreSQL recorder, made fit for a log that several writers share and nobody may change."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
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
from psycopg.types.json import Jsonb

from vignettes.eventstore.connections import conninfo

#: Every append of every process takes this one transaction-level lock, so that positions become visible in order.
APPEND_LOCK = 0x7669676E  # "vign"
#: One notification per append, without payload: readers look for themselves.
CHANNEL = "log"

_APPEND = SQL("""
WITH appended AS (
    INSERT INTO log.events (originator_id, originator_version, topic, state)
    SELECT id, version, topic, state
    FROM unnest(%(ids)s::uuid[], %(versions)s::bigint[], %(topics)s::text[], %(states)s::bytea[])
         WITH ORDINALITY AS e (id, version, topic, state, place)
    ORDER BY place
    RETURNING notification_id
), answered AS (
    INSERT INTO log.commands (command_id, payload_hash, order_id, position, reply, recorded_at)
    SELECT %(command_id)s::uuid, %(payload_hash)s::bytea, %(order_id)s::uuid,
           coalesce((SELECT max(notification_id) FROM appended), %(position)s::bigint), %(reply)s::jsonb,
           %(recorded_at)s::timestamptz
    WHERE %(command_id)s::uuid IS NOT NULL
)
SELECT notification_id FROM appended ORDER BY notification_id
""")

_SELECT = SQL("""
SELECT originator_id, originator_version, topic, state FROM log.events
WHERE originator_id = %s AND originator_version > %s
  AND originator_version <= coalesce(%s, 9223372036854775807)
ORDER BY originator_version {order} LIMIT %s
""")


@dataclass(frozen=True, slots=True)
class Answer:
    """The row of log.commands that goes into the transaction of the command's events."""

    command_id: UUID
    payload_hash: bytes
    order_id: UUID | None
    position: int | None
    reply: dict[str, Any]
    recorded_at: datetime


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
    """Appends events and the command's answer in one transaction; reads as the library does."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, events_table_name="events")
        # LOCK TABLE would need more than INSERT; an advisory lock needs nothing and is the same for every writer.
        self.lock_table_statements = [SQL("SELECT pg_advisory_xact_lock({})").format(APPEND_LOCK)]
        self.channel_name = CHANNEL

    def create_table(self) -> None:
        """Leave the tables to the migrations: a writer may not create any."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], *, answer: Answer | None = None, **_: Any
    ) -> Sequence[int] | None:
        """Append, and keep the answer with it. Not retried here: a lost reply must be resolved, not repeated."""
        if not stored_events and answer is None:
            return []
        # Each statement is sent without waiting for the one before it: one round trip, the lock held to the commit.
        with (
            self.datastore.get_connection() as connection,
            connection.pipeline(),
            connection.transaction(),
            connection.cursor() as cursor,
        ):
            if stored_events:
                self._lock_table(cursor)
                self._notify_channel(cursor)
            cursor.execute(_APPEND, _parameters(stored_events, answer), prepare=True)
            return [row["notification_id"] for row in cursor.fetchall()]

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
        return [
            StoredEvent(row["originator_id"], row["originator_version"], row["topic"], bytes(row["state"]))
            for row in rows
        ]

    @contextmanager
    def reading(self) -> Iterator[Cursor[DictRow]]:
        """Give a cursor for a query beside the library's own."""
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            yield cursor


def _parameters(stored_events: Sequence[StoredEvent], answer: Answer | None) -> dict[str, Any]:
    return {
        "ids": [event.originator_id for event in stored_events],
        "versions": [event.originator_version for event in stored_events],
        "topics": [event.topic for event in stored_events],
        "states": [event.state for event in stored_events],
        "command_id": answer and answer.command_id,
        "payload_hash": answer and answer.payload_hash,
        "order_id": answer and answer.order_id,
        "position": answer and answer.position,
        "reply": answer and Jsonb(answer.reply),
        "recorded_at": answer and answer.recorded_at,
    }


class LogFactory(PostgresFactory):
    """The library's factory, with our datastore and our recorder."""

    def __init__(self, env: Environment, datastore: LogDatastore) -> None:
        # Not the PostgreSQL factory's own: it would build a second datastore from variables of its own.
        InfrastructureFactory.__init__(self, env)
        self.datastore = datastore

    def application_recorder(self) -> LogRecorder:
        return LogRecorder(self.datastore)
