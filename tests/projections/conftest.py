"""A log that the tests of one file share, each looking at orders of its own; a new one comes with `database`."""

from collections.abc import Iterator

import pytest

from eventstore_helpers import a_database, a_vault
from vignettes.eventstore.orders import Orders
from vignettes.eventstore.personal import Vault
from vignettes.runtime.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
def shared_database(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give one database to all tests of a file."""
    with a_database(postgres, request.module.__name__.rpartition(".")[2]) as url:
        yield url


@pytest.fixture(scope="module")
def shared_orders(shared_database: str) -> Iterator[Orders]:
    """Give the log of that database."""
    log = Orders(shared_database, a_vault())
    yield log
    log.close()


@pytest.fixture
def vault() -> Vault:
    """Return the keys of a process that follows the log, none of them at hand yet."""
    return a_vault()
