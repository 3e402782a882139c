"""Where it is measured: embedded servers in a directory that is gone afterwards, and the service on them."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.errors import NoRespondersError

from vignettes.runtime.embedded import EmbeddedNats, EmbeddedPostgres, free_port
from vignettes.runtime.instance import instance
from vignettes.runtime.settings import load_settings, origins
from vignettes.services.discovery import service_name

_READY_WITHIN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Series:
    """Which roles run while it is measured, on a database of that name."""

    name: str
    what: str
    roles: tuple[str, ...]


#: Like the alternatives, which keep no views while they are measured.
NO_VIEWS = Series("no_views", "commands, no views", ("ordering",))
#: As in earnest: the views follow, here on the same cores.
VIEWS = Series("views", "commands, views following", ("ordering", "projecting"))
#: And the pages of orders.
PAGES = Series("queried", "queries and pages", (*VIEWS.roles, "web"))
#: All that brings an order from its deadline to the start of its registration; mails, events and pages stand still.
NOON = Series("noon", "deadlines", ("ordering", "projecting", "deadlines", "registration"))


@dataclass(frozen=True, slots=True)
class House:
    """Servers that run, with nothing in them."""

    folder: Path
    postgres: EmbeddedPostgres
    nats_url: str

    def database(self, name: str) -> str:
        """Return the URL of a database of that name, made when there is none."""
        self.postgres.ensure_database(name)
        return self.postgres.url(name)

    @contextmanager
    def another_nats(self, name: str) -> Iterator[str]:
        """Start one more, for a second service at the same time: on one NATS the two would share the work."""
        server = EmbeddedNats(self.folder / name, 0)
        try:
            server.start()
            yield server.url
        finally:
            server.stop()

    @asynccontextmanager
    async def service(
        self, name: str, roles: Sequence[str], nats_url: str = "", **given: Any
    ) -> AsyncIterator[dict[str, str]]:
        """Run the service on a database of that name, each role a process; `given` are settings that it needs.

        Gives what the environment has made other than the default.

        Its log goes to a file, as in earnest.
        """
        ours = {
            "data_dir": self.folder / name,
            "database_url": self.database(name),
            "nats_url": nats_url or self.nats_url,
            "http_port": free_port(),
            **given,
        }
        settings = load_settings(**ours)
        port = settings.http_port if "web" in roles else None
        with _output_into(self.folder / f"{name}.log"):
            async with instance(settings, roles=roles):
                await _until_ready(str(ours["nats_url"]), roles, port)
                told = origins(settings, **ours)
                yield {name: value for name, value, origin in told if origin in {"environment", ".env"}}


async def _until_ready(nats_url: str, roles: Sequence[str], port: int | None) -> None:
    client = await nats.connect(nats_url)
    try:
        async with asyncio.timeout(_READY_WITHIN_SECONDS):
            for role in roles:
                await _answered(client, role)
            if port:
                await _listening(port)
    finally:
        await client.close()


async def _answered(client: Client, role: str) -> None:
    """Ask a role whether it is there until it says so."""
    while True:
        try:
            await client.request(f"$SRV.PING.{service_name(role)}", timeout=5)
        except NoRespondersError:
            await asyncio.sleep(0.05)
        else:
            return


async def _listening(port: int) -> None:
    """Connect to the pages until somebody listens: the role is there a moment before its port is."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


@contextmanager
def house() -> Iterator[House]:
    """Start PostgreSQL and NATS as the service itself would, in a temporary directory (TMPDIR chooses the disk)."""
    with tempfile.TemporaryDirectory(prefix="vignettes-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        postgres, server = EmbeddedPostgres(folder), EmbeddedNats(folder, 0)
        try:
            postgres.start()
            server.start()
            yield House(folder, postgres, server.url)
        finally:
            server.stop()
            postgres.stop()


@contextmanager
def _output_into(file: Path) -> Iterator[None]:
    """Send what this process's children say into a file: they inherit stdout and stderr when they start."""
    sys.stdout.flush()
    kept = [(number, os.dup(number)) for number in (1, 2)]
    with file.open("ab") as target:
        for number, _ in kept:
            os.dup2(target.fileno(), number)
    try:
        yield
    finally:
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
