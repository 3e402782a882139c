"""What the year has left behind: the log, the authority's register and the views, read by plain SQL."""

import json
import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

_EVENTS = """
SELECT originator_id::text, topic, convert_from(state, 'UTF8') FROM log.events
ORDER BY originator_id, originator_version
"""
_STATUSES = """
SELECT order_id::text, order_number, status, hold_reason, rejection_code, country, starts_at, vignette_number
FROM read.order_status
"""
_DEADLINES = """
SELECT order_id::text, generation, due_at, rule, outcome, ended_at, fired_at, outage_id::text
FROM read.deadlines WHERE purpose = 'registration'
"""
_BROKEN = """
SELECT order_id::text, promise, rule, due_at, ended_at, late FROM read.promises WHERE state NOT IN ('kept', 'lapsed')
"""
_OUTAGES = "SELECT outage_id::text, country, begins_at, ends_at, announced_at, withdrawn_at FROM read.outages"
_KEPT = "SELECT promise, state, count(*) AS orders FROM read.promises GROUP BY 1, 2 ORDER BY 1, 2"
_CALLS = "SELECT sum(calls)::int AS calls, sum(calls_failed)::int AS failed FROM read.authorities"
_REGISTER = """
SELECT reference, country, plate, valid_from, valid_until, number, registered_at FROM registrations ORDER BY id
"""


class Event(NamedTuple):
    """One event: what kind, when, and what it says."""

    kind: str
    at: datetime
    data: dict[str, Any]


@dataclass
class Evidence:
    """All of it."""

    histories: dict[str, list[Event]]
    statuses: dict[str, dict[str, Any]]
    deadlines: list[dict[str, Any]]
    promises: list[dict[str, Any]]
    broken: list[dict[str, Any]]
    outages: list[dict[str, Any]]
    register: list[dict[str, Any]]
    calls: dict[str, int]

    def copied(self):
        """Return one that can be changed, but for what an event says."""
        return replace(
            self,
            histories={number: list(history) for number, history in self.histories.items()},
            statuses={number: dict(row) for number, row in self.statuses.items()},
            deadlines=[dict(row) for row in self.deadlines],
            broken=list(self.broken),
            outages=list(self.outages),
            register=list(self.register),
        )


def read(database, register):
    """Read it: `register` is the authority's file."""
    with psycopg.connect(database, row_factory=dict_row) as connection:

        def rows(query):
            return connection.execute(query).fetchall()

        return Evidence(
            histories=_histories(connection),
            statuses={row["order_id"]: row for row in rows(_STATUSES)},
            deadlines=rows(_DEADLINES),
            promises=rows(_KEPT),
            broken=rows(_BROKEN),
            outages=rows(_OUTAGES),
            register=_registered(register),
            calls=rows(_CALLS)[0],
        )


def _histories(connection):
    histories = {}
    with connection.cursor("events", row_factory=psycopg.rows.tuple_row) as cursor:
        cursor.itersize = 10_000
        for order, topic, state in cursor.execute(_EVENTS):
            told, kind = json.loads(state), topic.split(".")[1]
            histories.setdefault(order, []).append(Event(kind, instant(told["at"]), told["data"]))
    return histories


def _registered(path):
    with sqlite3.connect(path) as file:
        file.row_factory = sqlite3.Row
        return [dict(row) for row in file.execute(_REGISTER)]


def instant(text):
    """Read an instant as JSON carries it."""
    return datetime.fromisoformat(text)
