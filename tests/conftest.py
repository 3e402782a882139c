"""Real servers for the tests: one PostgreSQL per run with a migrated template, a fresh database and NATS per test."""

import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from eventstore_helpers import a_vault, ask, prepare
from service import Service, running_service
from vignettes.eventstore.orders import Orders
from vignettes.runtime.embedded import EmbeddedNats, EmbeddedPostgres

TEMPLATE = "vignettes_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """Start PostgreSQL with a database that has the schema, to be copied by each test.

    Not below pytest's own folder: as root PostgreSQL runs under another account, and the next pytest to start
    would close that folder to it.
    """
    with tempfile.TemporaryDirectory(prefix="vignettes-tests-") as folder:
        server = EmbeddedPostgres(Path(folder))
        server.start()
        # No test here crashes this server, and every test makes and drops a database: each would be synced to the disk.
        ask(server.url("postgres"), "ALTER SYSTEM SET fsync = off")
        ask(server.url("postgres"), "SELECT pg_reload_conf()")
        server.ensure_database(TEMPLATE)
        prepare(server.url(TEMPLATE))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def copied(postgres: EmbeddedPostgres) -> Callable[[], AbstractContextManager[str]]:
    """Give what makes a database with the schema and nothing in it, there while a block runs: its URL."""

    @contextmanager
    def copy() -> Iterator[str]:
        name = f"test_{next(_numbers)}"
        _administer(postgres, "CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE)
        yield postgres.url(name)
        _administer(postgres, "DROP DATABASE {} WITH (FORCE)", name)

    return copy


@pytest.fixture
def database(copied: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Give the URL of a database of this test's own, with the schema and nothing in it."""
    with copied() as url:
        yield url


def _administer(server: EmbeddedPostgres, statement: str, *names: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture
def orders(database: str) -> Iterator[Orders]:
    """Give the log of this test's database."""
    log = Orders(database, a_vault())
    yield log
    log.close()


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[EmbeddedNats]:
    """Start NATS with an empty JetStream, on a free port."""
    server = EmbeddedNats(tmp_path / "nats", 0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def service(database: str, nats_server: EmbeddedNats, tmp_path: Path) -> AsyncIterator[Service]:
    """Run every role in this process, with the sandbox and its movable clock."""
    async with running_service(database, nats_server.url, tmp_path / "data") as running:
        yield running
