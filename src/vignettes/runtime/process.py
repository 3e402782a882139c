"""What the roles of one process share: settings, and connections that end with them."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol

from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from vignettes.eventstore.connections import Role as DatabaseRole
from vignettes.eventstore.connections import conninfo
from vignettes.runtime.link import Link, needed
from vignettes.runtime.settings import Settings
from vignettes.services.edge import Endpoints
from vignettes.services.tracing import OFF, Tracing


class Running(Protocol):
    """A role of this process."""

    name: str

    async def run(self) -> None:
        """Work until cancelled."""


@dataclass(slots=True)
class Process:
    """One process, its connections, and the roles that were built on it."""

    settings: Settings
    stack: AsyncExitStack
    link: Link
    client: Client
    endpoints: Endpoints
    tracing: Tracing = OFF
    roles: list[Running] = field(default_factory=list)

    def conninfo(self, role: DatabaseRole, name: str, *, options: str = "") -> str:
        """Return how one part connects to PostgreSQL, and as whom."""
        url = needed(self.settings.database_url, "VIGNETTES_DATABASE_URL")
        return conninfo(url, role, name=f"vignettes {name}", options=options)

    async def pool(
        self, role: DatabaseRole, name: str, size: int, *, options: str = ""
    ) -> AsyncConnectionPool:
        """Open a pool that looks at each connection before it hands it out, and is closed with the process."""
        pool = AsyncConnectionPool(
            self.conninfo(role, name, options=options),
            min_size=1,
            max_size=size,
            open=False,
            timeout=5.0,
            kwargs={"autocommit": True},
            check=AsyncConnectionPool.check_connection,
        )
        return await self.stack.enter_async_context(pool)
