"""The record, read as an auditor reads it: by plain SQL, in one snapshot, with no right to change anything."""

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.rows import dict_row

from checker.case import NotACase, instant

Row = dict[str, Any]

_EVENTS = """
SELECT notification_id, originator_id::text, originator_version, topic, state FROM log.events ORDER BY notification_id
"""
_COMMANDS = """
SELECT command_id::text, order_id::text, position, reply::text AS reply, recorded_at FROM log.commands
"""
_STATUSES = (
    "SELECT *, order_id::text AS order_id, held_because_of::text AS held_because_of FROM read.order_status"
)
_DEADLINES = "SELECT *, order_id::text AS order_id FROM read.deadlines"
_PAYMENTS = "SELECT *, order_id::text AS order_id FROM read.payments"
_EMAILS = "SELECT *, order_id::text AS order_id FROM read.emails"
_TILES = "SELECT level, number, hashes, positions FROM ledger.tiles ORDER BY level, number"
_HEADS = "SELECT size, position, root, at FROM ledger.heads ORDER BY size"
_NOW = "SELECT clock.now() AS now"


class Event(NamedTuple):
    """One event: where it stands, whose it is, what it says, and its bytes."""

    position: int
    source: str
    version: int
    topic: str
    at: datetime
    by: str
    command: str | None
    data: dict[str, Any]
    state: bytes

    @property
    def kind(self) -> str:
        """Return what happened, without the version of its form."""
        return self.topic.rpartition(".")[0]


@dataclass
class Record:
    """All that was read."""

    events: list[Event]
    histories: dict[str, list[Event]]
    commands: dict[str, Row]
    statuses: dict[str, Row]
    deadlines: list[Row]
    payments: list[Row]
    emails: list[Row]
    tiles: list[Row]
    heads: list[Row]
    now: datetime

    @property
    def orders(self) -> dict[str, list[Event]]:
        """Return the histories of orders, each in its order: those of bank payments and cases are others."""
        return {
            source: history
            for source, history in self.histories.items()
            if history[0].topic.startswith("order.")
        }


def read(url: str) -> Record:
    """Read it. Raises NotACase where that can't be done."""
    try:
        with psycopg.connect(url) as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            return of(connection)
    except psycopg.Error as error:
        raise NotACase(f"The record can't be read as vignettes_auditor: {error}") from None


def of(connection: Connection[Any]) -> Record:
    """Read it in a transaction, as the auditors' role whoever has logged in."""
    connection.execute("SET LOCAL ROLE vignettes_auditor")
    cursor = connection.cursor(row_factory=dict_row)

    def rows(query: Any) -> list[Row]:
        return cursor.execute(query).fetchall()

    [now] = rows(_NOW)
    events = [_event(row) for row in rows(_EVENTS)]
    histories: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        histories[event.source].append(event)
    return Record(
        events=events,
        histories=dict(histories),
        commands={row["command_id"]: row | {"reply": json.loads(row["reply"])} for row in rows(_COMMANDS)},
        statuses={row["order_id"]: row for row in rows(_STATUSES)},
        deadlines=rows(_DEADLINES),
        payments=rows(_PAYMENTS),
        emails=rows(_EMAILS),
        tiles=rows(_TILES),
        heads=rows(_HEADS),
        now=now["now"],
    )


def _event(row: Row) -> Event:
    state = bytes(row["state"])
    said = json.loads(state)
    return Event(
        row["notification_id"],
        row["originator_id"],
        row["originator_version"],
        row["topic"],
        instant(said["at"]),
        said["by"],
        said["cmd"],
        said["data"],
        state,
    )
