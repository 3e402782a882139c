"""How the database goes about a question, as it says itself: with the statement that the service sends."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from vignettes.eventstore.connections import Role, conninfo

Values = Mapping[str, Any] | Sequence[Any]


def plan(database_url: str, role: Role, statement: str, values: Values) -> list[str]:
    """Return how the database answers somebody in that role, line by line."""
    query = f"EXPLAIN (ANALYZE, BUFFERS) {statement}".encode()
    with psycopg.connect(conninfo(database_url, role), autocommit=True) as connection:
        connection.execute(
            query, values
        )  # what the connection looks up for the first time is not the query's
        return [row[0] for row in connection.execute(query, values)]
