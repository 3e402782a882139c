"""Real servers for the tests: one PostgreSQL for each process, databases that are lent, NATS, the whole service."""

import gc
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import pytest_asyncio
import structlog

from databases import Databases
from eventstore_helpers import TEMPLATE, a_vault, ask, prepare
from service import Service, running_service
from vignettes.eventstore.orders import Orders
from vignettes.runtime.embedded import EmbeddedNats, EmbeddedPostgres

_MEMORY = Path("/dev/shm")  # a file system, not a name that others could take
_ENOUGH_BYTES = 4 << 30
#: Of no use to servers whose data live as long as the tests: each would cost a part of every test.
_UNSAFE = ("fsync = off", "autovacuum = off")


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """Start PostgreSQL with a database that has the schema, to be copied by tests; in memory, where there is enough.

    Not below pytest's own folder: as root PostgreSQL runs under another account, and the next pytest to start
    would close that folder to it.
    """
    with tempfile.TemporaryDirectory(prefix="vignettes-tests-", dir=_where()) as folder:
        server = EmbeddedPostgres(Path(folder))
        server.start()
        for setting in _UNSAFE:
            ask(server.url("postgres"), f"ALTER SYSTEM SET {setting}")
        ask(server.url("postgres"), "SELECT pg_reload_conf()")
        server.ensure_database(TEMPLATE)
        prepare(server.url(TEMPLATE))
        yield server
        server.stop()


def _where() -> Path | None:
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES else None


@pytest.fixture(scope="session")
def copied(postgres: EmbeddedPostgres) -> Callable[[], AbstractContextManager[str]]:
    """Give what lends a database with the schema and nothing in it, while a block runs: its URL."""
    return Databases(postgres, TEMPLATE).one


@pytest.fixture
def database(copied: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Give the URL of a database of this test's own, with the schema and nothing in it."""
    with copied() as url:
        yield url


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
    """Run every role in this process, with the sandbox and its movable clock, for one test alone."""
    async with running_service(database, nats_server.url, tmp_path / "data") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_service(
    copied: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """Run every role in this process for all tests of a module; each calls `anew()` to see only what is its own.

    Such a module says `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
    """
    folder = tmp_path_factory.mktemp("shared")
    server = EmbeddedNats(folder / "nats", 0)
    server.start()
    with copied() as database:
        async with running_service(database, server.url, folder / "data") as running:
            yield running
    server.stop()


def pytest_collection_finish() -> None:
    """Let no collection of garbage look again at what stays for the whole run: modules, and all tests."""
    gc.freeze()


def _plain_logs() -> None:
    """Set up logs as they are by default, but for tracebacks: to draw one costs more than most tests."""
    structlog.reset_defaults()
    structlog.configure(processors=_PROCESSORS)


_PROCESSORS = [
    *structlog.get_config()["processors"][:-1],
    structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
]
_plain_logs()


@pytest.fixture(autouse=True)
def _unconfigured_logs() -> Iterator[None]:
    """Take back how a command in this process set up the logs: who captures them next would see nothing."""
    yield
    if structlog.get_config()["processors"] is not _PROCESSORS:
        _plain_logs()
