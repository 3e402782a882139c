"""The whole service in one data directory: servers, roles and sandbox, each stopped when a test says so."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats

from eventstore_helpers import prepare
from faults import apart
from service import BEGINNING, Service, set_clock, settings_for
from vignettes.runtime import bootstrap
from vignettes.runtime.embedded import EmbeddedNats, EmbeddedPostgres
from vignettes.runtime.instance import Instance
from vignettes.runtime.keys import master_keys
from vignettes.runtime.settings import Settings

ALL_ROLES = (*bootstrap.ROLES, bootstrap.SANDBOX)
_ENDS_WITHIN_SECONDS = 20


@dataclass
class Household:
    """What runs, and how to ask it."""

    settings: Settings
    service: Service
    servers: tuple[EmbeddedPostgres, EmbeddedNats]
    log: Path
    roles: Sequence[Sequence[str]]
    processes: list["subprocess.Popen[str]"] = field(default_factory=list)
    #: What the processes of some roles find in their environment beside the settings.
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def run(self, *argv: str) -> "subprocess.Popen[str]":
        """Start `vignettes ...` with the settings of this household; what it says goes to the log."""
        env = apart.given(self.settings)
        for each in argv:
            env |= self.environments.get(each, {})
        with self.log.open("a") as log:
            return apart.start(["vignettes", *argv], env, stdout=log, stderr=log)

    def replace(self, role: str) -> None:
        """Kill the process of a role with -9, and start another in its place."""
        [number] = [number for number, group in enumerate(self.roles) if role in group]
        self.all_live()
        apart.kill(self.processes[number])
        self.processes[number] = self.run("serve", *self.roles[number])

    def all_live(self) -> None:
        """Fail where a process has ended by itself, with what it said."""
        for process, group in zip(self.processes, self.roles, strict=True):
            assert process.poll() is None, f"{group} ended by itself: {self.log.read_text()[-2000:]}"

    def stop_roles(self) -> None:
        """Tell every role to end, and wait until it did."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            assert process.wait(_ENDS_WITHIN_SECONDS) == 0
        self.processes.clear()

    def stop_servers(self) -> None:
        """Stop PostgreSQL and NATS as they want to be stopped: all they know is in their files then."""
        for server in self.servers:
            server.stop()


@asynccontextmanager
async def household(
    data_dir: Path,
    roles: Sequence[Sequence[str]],
    environments: Mapping[str, Mapping[str, str]] | None = None,
    **different: Any,
) -> AsyncIterator[Household]:
    """Run these roles, each group of them as one process, on servers of their own; with other settings, if given."""
    postgres, broker = EmbeddedPostgres(data_dir), EmbeddedNats(data_dir, 0)
    try:
        postgres.start()
        broker.start()
        postgres.ensure_database("vignettes")
        url = postgres.url("vignettes")
        prepare(url)
        set_clock(url, BEGINNING)
        usual = {"log_format": "json", "log_level": "debug"}
        settings = settings_for(url, broker.url, data_dir, **{**usual, **different})
        master_keys(settings)
        client = await nats.connect(broker.url)
        service = Service(settings, client, asyncio.get_running_loop().create_future())
        running = Household(settings, service, (postgres, broker), data_dir / "roles.log", roles)
        running.environments = environments or {}
        try:
            running.processes += [running.run("serve", *each) for each in roles]
            if any("web" in each for each in roles):  # else nobody knows: who asks first, waits
                await Instance(settings, None).until_ready()
            yield running
        finally:
            for process in running.processes:
                apart.kill(process)
            await client.close()
    finally:
        broker.stop()
        postgres.stop()
