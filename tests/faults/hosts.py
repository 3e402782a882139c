"""The whole service on three machines: on each a server of PostgreSQL and of NATS, and all roles in one process.

The world outside (clients, the authority, the mail server, the clock) is reached from every machine, and reaches it.
"""

import asyncio
import os
import signal
import subprocess
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.errors import Error

from eventstore_helpers import prepare
from faults import apart
from faults.network import OUTSIDE, Machine, machines
from faults.quorum import Broker, Quorum
from faults.standbys import Replica, Replicas
from service import BEGINNING, Service, set_clock, settings_for, until
from vignettes.runtime import bootstrap
from vignettes.runtime.keys import master_keys
from vignettes.runtime.settings import Settings
from vignettes.services import streams

NAMES = ("a", "b", "c")
_STARTED = "roles.started"


@dataclass
class Host:
    """One machine, and what runs on it."""

    machine: Machine
    replica: Replica
    broker: Broker
    settings: Settings
    log: Path
    roles: "subprocess.Popen[str] | None" = None

    @property
    def name(self) -> str:
        return self.machine.name

    def start_roles(self) -> None:
        """Start all roles as one process; as systemd would, also after they have ended."""
        argv = ["vignettes", "serve", *bootstrap.ROLES]
        with self.log.open("a") as log:
            self.roles = apart.start(
                argv, apart.given(self.settings), self.machine.within, stdout=log, stderr=log
            )

    def kill_roles(self) -> None:
        """End them as a power cut would."""
        if self.roles:
            apart.kill(self.roles)

    def freeze(self) -> None:
        """Let no process on it go on. Its kernel does, and answers for them that they are there."""
        self._all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let everything on it go on."""
        self._all(signal.SIGCONT)

    def _all(self, signum: signal.Signals) -> None:
        listed = ["ip", "netns", "pids", self.machine.within[-1]]
        for pid in subprocess.run(listed, capture_output=True, check=True, text=True).stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signum)


@dataclass
class Hosts:
    """All three, and how to ask the service that runs on them."""

    settings: Settings
    service: Service
    replicas: Replicas
    quorum: Quorum
    all: list[Host]
    log: Path
    sandbox: list["subprocess.Popen[str]"] = field(default_factory=list)

    def named(self, name: str) -> Host:
        """Return one by its name."""
        [found] = [each for each in self.all if each.name == name]
        return found

    @property
    def of_primary(self) -> Host:
        """Return the one whose PostgreSQL writes."""
        return self.named(self.replicas.primary.title)

    async def leader(self, stream: str) -> Host:
        """Return the one whose NATS leads a stream, once one does."""

        async def look() -> str | None:
            with suppress(Error):
                cluster = (await self.service.client.jetstream(timeout=1).stream_info(stream)).cluster
                return cluster.leader if cluster else None
            return None

        return self.named(await until(look, seconds=30))

    def ended(self) -> list[str]:
        """Return the machines whose roles have ended by themselves."""
        return [each.name for each in self.all if each.roles and each.roles.poll() is not None]


@asynccontextmanager
async def hosts(data_dir: Path, **different: object) -> AsyncIterator[Hosts]:
    """Run the service on three machines while the block runs."""
    async with AsyncExitStack() as stack:
        places = [(each.name, each) for each in stack.enter_context(machines(*NAMES))]
        replicas = stack.enter_context(_replicas(data_dir, places))
        quorum = stack.enter_context(_quorum(data_dir / "nats", places))
        usual = {
            "nats_replicas": 3,
            "log_format": "json",
            "log_level": "debug",
            "heads_folder": data_dir / "heads",
            "master_key_file": data_dir / "master.key",
            "ledger_key_file": data_dir / "ledger.key",
        }
        settings = settings_for(replicas.url, quorum.url, data_dir / "outside", **{**usual, **different})
        (data_dir / "outside").mkdir()
        master_keys(settings)
        for port in (settings.sandbox_authority_port, settings.sandbox_smtp_port):
            await stack.enter_async_context(_reached_from_the_machines(port))
        client = await _connected(quorum)
        stack.push_async_callback(client.close)
        await streams.ensure(client, 3)
        service = Service(settings, client, asyncio.get_running_loop().create_future())
        running = Hosts(settings, service, replicas, quorum, [], data_dir / "roles.log")
        stack.callback(_end, running)
        running.sandbox.append(_sandbox(running))
        for name, machine in places:
            running.all.append(_host(running, name, machine, data_dir))
            running.all[-1].start_roles()
        yield running


def _host(running: Hosts, name: str, machine: Machine, data_dir: Path) -> Host:
    own = data_dir / f"host-{name}"
    own.mkdir()
    settings = running.settings.model_copy(
        update={
            "data_dir": own,
            "authority_url": f"http://{OUTSIDE}:{running.settings.sandbox_authority_port}",
            "smtp_url": f"smtp://{OUTSIDE}:{running.settings.sandbox_smtp_port}",
        }
    )
    [replica] = [each for each in running.replicas.all if each.title == name]
    return Host(machine, replica, running.quorum.named(name), settings, data_dir / f"roles-{name}.log")


def _sandbox(running: Hosts) -> "subprocess.Popen[str]":
    with running.log.open("a") as log:
        given = apart.given(running.settings)
        return apart.start(["vignettes", "serve", bootstrap.SANDBOX], given, stdout=log, stderr=log)


def _end(running: Hosts) -> None:
    for host in running.all:
        host.thaw()
        host.kill_roles()
    for process in running.sandbox:
        apart.kill(process)


@contextmanager
def _replicas(data_dir: Path, places: list[tuple[str, Machine]]) -> Iterator[Replicas]:
    replicas = Replicas(data_dir, places)
    with ExitStack() as stack:
        stack.callback(replicas.stop)
        replicas.start_primary()
        url = replicas.primary.url("vignettes")
        prepare(url)
        set_clock(url, BEGINNING)
        replicas.start_standbys()
        yield replicas


@contextmanager
def _quorum(folder: Path, places: list[tuple[str, Machine]]) -> Iterator[Quorum]:
    quorum = Quorum(folder, places)
    with ExitStack() as stack:
        stack.callback(quorum.stop)
        quorum.start()
        yield quorum


async def _connected(quorum: Quorum) -> Client:
    return await nats.connect(
        quorum.url.split(","),
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,
        ping_interval=2,
        max_outstanding_pings=2,
    )


@asynccontextmanager
async def _reached_from_the_machines(port: int) -> AsyncIterator[None]:
    """Stand on the address of the outside for somebody who listens on the loopback address only."""

    sessions: set[asyncio.Task[None]] = set()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            there, here = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        try:
            await asyncio.gather(_passed_on(reader, here), _passed_on(there, writer))
        finally:
            here.transport.abort()
            writer.transport.abort()

    def accept(reader: StreamReader, writer: StreamWriter) -> None:
        session = asyncio.create_task(serve(reader, writer))
        sessions.add(session)
        session.add_done_callback(sessions.discard)

    server = await asyncio.start_server(accept, OUTSIDE, port)
    try:
        yield
    finally:
        server.close()
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)


async def _passed_on(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
