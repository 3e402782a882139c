"""PostgreSQL servers of which one writes, and answers nothing before another has it: a primary and its standbys."""

import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from eventstore_helpers import ask
from faults.network import Machine
from vignettes.runtime.children import ServerDidNotStart
from vignettes.runtime.embedded import DATABASE, POSTGRES_PORT, SUPERUSER, EmbeddedPostgres

#: As docs/deployment.md has it: a standby soon notices a primary that is gone, and finds the next by itself.
_SETTINGS = {"wal_receiver_timeout": "5s", "wal_retrieve_retry_interval": "500ms", "wal_keep_size": "256MB"}
#: The last is what counts: who receives the log heeds no connect_timeout, and would try a dead primary for a minute.
_SOON_NOTICED = "keepalives_idle=3 keepalives_interval=2 keepalives_count=2 tcp_user_timeout=3000"
_HAVE_IT = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
_RECEIVED = "SELECT (pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::bigint"
_PATIENCE_SECONDS = 30


class Replica(EmbeddedPostgres):
    """One server: on a machine of its own, or beside the others on sockets."""

    def __init__(self, data_dir: Path, name: str, machine: Machine | None = None) -> None:
        super().__init__(data_dir / name)
        self.title = name
        self.machine = machine
        #: From whom it is copied; nothing for the one that is made first.
        self.origin = ""

    @property
    def host(self) -> str:
        """Where the others reach it."""
        return self.machine.address if self.machine else str(self._sockets)

    @property
    def received(self) -> int:
        """How much of the primary's log it has."""
        return int(self.ask(_RECEIVED))

    def ask(self, question: str) -> object:
        """Return the only value of an answer, from this server whatever it is now, also when it is cut off."""
        return ask(self.url("postgres"), question)[0]

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """Throw away its data: a former primary may know what nobody else does."""
        assert not self.running
        shutil.rmtree(self._cluster)

    def _server_command(self, install: Path) -> list[str]:
        settings = {"cluster_name": self.title, **_SETTINGS}
        if self.machine:
            settings["listen_addresses"] = self.machine.address
        command = super()._server_command(install)
        return command + [f"--{name}={value}" for name, value in settings.items()]

    def _make_cluster(self, install: Path) -> None:
        if not self.origin:
            super()._make_cluster(install)
            with (self._cluster / "pg_hba.conf").open("a") as known:
                known.write("host all all samenet trust\nhost replication all samenet trust\n")
            return
        command = [str(install / "bin" / "pg_basebackup"), "-D", str(self._cluster), "-c", "fast", "-R"]
        copying = self._spawn([*command, "-d", self.origin], signal.SIGTERM, user=self._user)
        if copying.wait() != 0:
            raise ServerDidNotStart("pg_basebackup", self._logfile)

    def _spawn(
        self,
        argv: Sequence[str],
        parting: signal.Signals,
        cwd: Path = Path("/"),
        user: pwd.struct_passwd | None = None,
    ) -> "subprocess.Popen[bytes]":
        if self.machine is None:
            return super()._spawn(argv, parting, cwd, user)
        assert user, "only root can enter a machine"
        # There it becomes who it is to be, and ends with us nevertheless.
        become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        become += ["--pdeathsig", parting.name.removeprefix("SIG"), "--"]
        return super()._spawn([*self.machine.within, *become, *argv], parting, cwd)


class Replicas:
    """All of them. Any one beside the primary must have a transaction before it counts."""

    def __init__(self, data_dir: Path, places: Sequence[tuple[str, Machine | None]]) -> None:
        self.all = [Replica(data_dir, name, machine) for name, machine in places]
        self.primary = self.all[0]

    @property
    def url(self) -> str:
        """Return what the service is told: all servers, whichever of them writes."""
        hosts = ",".join(each.host for each in self.all)
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={hosts}&port={self._ports}&target_session_attrs=read-write"

    @property
    def _ports(self) -> str:
        return ",".join([str(POSTGRES_PORT)] * len(self.all))

    @property
    def standbys(self) -> list[Replica]:
        """Return those that run and are not the primary."""
        return [each for each in self.all if each is not self.primary and each.running]

    def start_primary(self) -> None:
        """Start the first, alone: nobody has to have what it writes."""
        self.primary.start()
        self.primary.ensure_database(DATABASE)

    def start_standbys(self) -> None:
        """Start the others as copies of it, and demand from here on that one of them has everything."""
        names = ", ".join(each.title for each in self.all)
        with psycopg.connect(self.primary.url("postgres"), autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({names})'")  # type: ignore[arg-type]  # our own names
        for each in self.all[1:]:
            self.join(each)
        self.primary.ask("SELECT pg_reload_conf()")
        self.in_sync(len(self.all) - 1)

    def join(self, replica: Replica) -> None:
        """Make it a copy of the primary, and start it."""
        hosts = ",".join(each.host for each in self.all)
        wanted = f"user={SUPERUSER} target_session_attrs=read-write {_SOON_NOTICED}"
        replica.origin = f"host={hosts} port={self._ports} {wanted}"
        replica.start()

    def in_sync(self, wanted: int) -> None:
        """Wait until so many standbys follow the primary."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while int(str(self.primary.ask(_HAVE_IT))) < wanted:
            assert time.monotonic() < end, "no standby follows"
            time.sleep(0.02)

    def promote(self) -> Replica:
        """Make that standby the primary which has most of the log, and return the one that was it before.

        Whoever calls this has seen to it that the old one is cut off or dead.
        """
        old = self.primary
        self.primary = max(self.standbys, key=lambda each: each.received)
        assert self.primary.ask("SELECT pg_promote(true, 30)") is True
        return old

    def stop(self) -> None:
        """End them all."""
        for each in self.all:
            each.stop()
