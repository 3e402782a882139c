"""Who is examined: an installation, as far as it answers."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from nats.aio.client import Client
from psycopg import AsyncConnection

from vignettes.eventstore.connections import READ_ONLY, Role, conninfo
from vignettes.runtime.settings import Settings
from vignettes.services.reconciling import Tell

T = TypeVar("T")

NAME = "vignettes doctor"
#: What a login without a role of ours may wait for.
_LIMITS = f"{READ_ONLY} -c statement_timeout=10s -c lock_timeout=2s -c timezone=UTC"


class NotThere(Exception):
    """What is needed to look at it does not answer."""


@dataclass(slots=True)
class Patient:
    """One installation. `database_url` and `client` are None until it is known that they answer."""

    settings: Settings
    tell: Tell
    #: Whether the servers are those that `vignettes run` has started on this machine.
    is_embedded: bool = False
    database_url: str | None = None
    client: Client | None = None

    @property
    def nats(self) -> Client:
        """The connection to NATS. Raises NotThere."""
        if self.client is None:
            raise NotThere("NATS does not answer")
        return self.client

    @property
    def database(self) -> str:
        """The address of the database. Raises NotThere."""
        if self.database_url is None:
            raise NotThere("PostgreSQL does not answer")
        return self.database_url

    @asynccontextmanager
    async def connected(self, role: Role | None = None) -> AsyncIterator[AsyncConnection]:
        """Connect as one of our roles, or as the login itself; nothing can be changed over it."""
        connection = await connected(self.database, role)
        async with connection:
            yield connection

    async def rows(self, query: str, *values: Any, role: Role | None = None) -> list[Any]:
        """Return the rows of a query."""
        async with self.connected(role) as connection:
            return await (await connection.execute(query.encode(), values)).fetchall()


async def connected(url: str, role: Role | None) -> AsyncConnection:
    """Connect to read."""
    if role is None:
        return await AsyncConnection.connect(
            url, autocommit=True, connect_timeout=5, options=_LIMITS, application_name=NAME
        )
    return await AsyncConnection.connect(
        conninfo(url, role, name=NAME, options=READ_ONLY), autocommit=True, prepare_threshold=None
    )


async def aside(work: Callable[..., T], *values: Any) -> T:
    """Do what may hang, as a file on a server that is gone does, in a thread that nobody has to wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[Any], None], outcome: Any) -> None:
        if not done.done():
            settle(outcome)

    def run() -> None:
        try:
            settled = partial(tell, done.set_result, work(*values))
        except Exception as error:  # noqa: BLE001  # it is raised where it is waited for
            settled = partial(tell, done.set_exception, error)
        with suppress(RuntimeError):  # nobody waits any more: the loop was closed
            loop.call_soon_threadsafe(settled)

    threading.Thread(target=run, daemon=True, name=NAME).start()
    return await done
