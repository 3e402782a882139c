"""Logins to a log with something in it, one for each role: what they try is taken back."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo

from eventstore_helpers import a_database, a_writer, ask, placing
from forbidden_statements import ROLES
from vignettes.runtime.embedded import EmbeddedPostgres


@contextmanager
def a_full_log(postgres: EmbeddedPostgres, name: str) -> Iterator[str]:
    """Give the URL of a database with an order and a tile, while the block runs."""
    with a_database(postgres, name) as url:
        writer = a_writer(url)
        writer.execute(placing())
        writer.close()
        ask(url, "INSERT INTO ledger.tiles (level, number, hashes) VALUES (1, 0, sha256(''))")
        yield url


@contextmanager
def logins_to(url: str) -> Iterator[dict[str, Connection]]:
    """Give a connection for each role, by a login that was granted just this one; the logins go with the block."""
    names = {role: f"{role}_login" for role in ROLES}
    connections = {}
    try:
        for role, login in names.items():
            _administer(url, "CREATE ROLE {} LOGIN IN ROLE {}", login, role)
            connections[role] = psycopg.connect(make_conninfo(url, user=login, options=f"-c role={role}"))
        yield connections
    finally:
        for connection in connections.values():
            connection.close()
        for login in names.values():
            _administer(url, "DROP ROLE IF EXISTS {}", login)


def _administer(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def attempt(connection: Connection, statement: str) -> None:
    """Try a statement, and take it back."""
    with connection.transaction(force_rollback=True), connection.transaction(force_rollback=True):
        if statement.startswith("COPY"):
            with connection.cursor().copy(statement) as copied:
                list(copied)
        else:
            connection.execute(statement)
