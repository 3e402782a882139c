"""How late registrations started, from the log: the time of each RegistrationStarted less the instant it was due.

Both are instants of the database's clock; the event's is taken when its order is decided on, just before its commit.
When all were on record is seen from outside, after the last commit.
"""

import time
from datetime import datetime
from typing import Any

import psycopg

from vignettes.domain.order import Order

#: Slower than any machine that is worth measuring on.
_STARTED_PER_SECOND = 50
_PATIENCE_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.02

_HEAD = "SELECT coalesce(max(notification_id), 0), clock.now() FROM log.events"
_STARTED = "SELECT count(*) FROM log.events WHERE notification_id > %s AND topic = %s"
_LATE = """
SELECT originator_id, extract(epoch FROM (said->>'at')::timestamptz - (said->'data'->>'due_at')::timestamptz)::float8
FROM (SELECT originator_id, convert_from(state, 'UTF8')::jsonb AS said FROM log.events
      WHERE notification_id > %s AND topic = %s) AS started
ORDER BY 2
"""


class NotInPlace(Exception):
    """What was to be due, or done, was not all there, so a figure would be of something else."""


def head(connection: psycopg.Connection[Any]) -> int:
    """Return the position of the log's last event."""
    return _look(connection)[0]


def now(connection: psycopg.Connection[Any]) -> datetime:
    """Return the service's time."""
    return _look(connection)[1]


def until_started(connection: psycopg.Connection[Any], after: int, orders: int) -> datetime:
    """Wait until so many registrations have started since that position; return when it was seen. Raises NotInPlace."""
    until = time.monotonic() + _PATIENCE_SECONDS + orders / _STARTED_PER_SECOND
    while True:
        position, seen = _look(connection)
        if position >= after + orders and _started(connection, after) >= orders:
            return seen
        if time.monotonic() > until:
            raise NotInPlace(f"{_started(connection, after):,} of {orders:,} registrations have started.")
        time.sleep(_LOOK_EVERY_SECONDS)


def started_late(connection: psycopg.Connection[Any], after: int, orders: int) -> list[float]:
    """Return how many seconds late each started, in order. Raises NotInPlace unless each of so many started once."""
    rows = connection.execute(_LATE, (after, Order.RegistrationStarted.TOPIC)).fetchall()
    if len(rows) != orders or len({order_id for order_id, _ in rows}) != orders:
        raise NotInPlace(f"{len(rows):,} registrations of {orders:,} orders have started.")
    return [late for _, late in rows]


def _look(connection: psycopg.Connection[Any]) -> tuple[int, datetime]:
    row = connection.execute(_HEAD).fetchone()
    if row is None:
        raise NotInPlace("There is no log.")
    return row[0], row[1]


def _started(connection: psycopg.Connection[Any], after: int) -> int:
    row = connection.execute(_STARTED, (after, Order.RegistrationStarted.TOPIC)).fetchone()
    return int(row[0]) if row else 0
