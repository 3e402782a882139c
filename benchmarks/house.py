"""Where it is measured: embedded servers in a directory that is gone afterwards, and the service on them."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.errors import NoRespondersError

from vignettes.runtime.embedded import EmbeddedNats, EmbeddedPostgres, free_port
from vignettes.runtime.instance import instance
from vignettes.runtime.settings import load_settings, origins
from vignettes.services.discovery import service_name

#: What the workloads need: the commands, and the views that follow them.
ROLES = ("ordering", "projecting")
_READY_WITHIN_SECONDS = 60


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

    @asynccontextmanager
    async def service(self) -> AsyncIterator[dict[str, str]]:
        """Run the service, each role a process; its log goes to a file, as in earnest. Gives what is not default."""
        ours = {
            "data_dir": self.folder,
            "database_url": self.database("vignettes"),
            "nats_url": self.nats_url,
            "http_port": free_port(),
        }
        settings = load_settings(**ours)
        with _output_into(self.folder / "service.log"):
            async with instance(settings, roles=ROLES):
                await self._until_ready()
                told = origins(settings, **ours)
                yield {name: value for name, value, origin in told if origin in {"environment", ".env"}}

    async def _until_ready(self) -> None:
        client = await nats.connect(self.nats_url)
        try:
            async with asyncio.timeout(_READY_WITHIN_SECONDS):
                for role in ROLES:
                    await _answered(client, role)
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
