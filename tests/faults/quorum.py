"""Three NATS servers that keep every stream three times, each cut off, paused or killed when a test says so.

As deploy/nats has them, without keys and certificates: what those refuse is tested elsewhere.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from faults.network import Machine
from nats_cluster import SHIPPED
from vignettes.runtime.children import end_with_parent
from vignettes.runtime.embedded import free_port

_PATIENCE_SECONDS = 20
_OF_A_MACHINE = (4222, 6222)


@dataclass
class Broker:
    """One server: on a machine of its own, or on ports of this one."""

    title: str
    folder: Path
    machine: Machine | None = None
    ports: tuple[int, int] = _OF_A_MACHINE
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def host(self) -> str:
        """Where others reach it."""
        return self.machine.address if self.machine else "127.0.0.1"

    @property
    def url(self) -> str:
        """Return its address for clients."""
        return f"nats://{self.host}:{self.ports[0]}"

    @property
    def log(self) -> Path:
        """Return the file of what it says."""
        return self.folder / f"{self.title}.log"

    def start(self) -> None:
        """Start it, again too; it may take a while until it knows the others."""
        program = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert program
        argv = [*(self.machine.within if self.machine else ()), program, "-c", str(self._config)]
        with self.log.open("ab") as log, warnings.catch_warnings():
            # Python 3.12 warns of any preexec_fn beside threads: this one makes two system calls and returns.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process = subprocess.Popen(
                argv,
                env={**os.environ, "NATS_SERVER_NAME": self.title},
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509  # see the warning above
            )

    def configure(self, all_: Sequence["Broker"]) -> None:
        """Write down what it is and where the others are."""
        self._config.write_text(_adapted(self, all_))

    @property
    def _config(self) -> Path:
        return self.folder / f"{self.title}.conf"

    def signal(self, signum: signal.Signals) -> None:
        """Send it a signal; nobody waits for what it does."""
        assert self.process
        self.process.send_signal(signum)

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process
        self.process.kill()
        self.process.wait()

    @property
    def answers(self) -> bool:
        """Tell whether clients can come."""
        with suppress(OSError), socket.create_connection((self.host, self.ports[0]), timeout=1) as connection:
            return connection.recv(5) == b"INFO "
        return False


class Quorum:
    """All of them."""

    def __init__(self, folder: Path, places: Sequence[tuple[str, Machine | None]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.all = [
            Broker(name, folder, machine, _OF_A_MACHINE if machine else (free_port(), free_port()))
            for name, machine in places
        ]

    @property
    def url(self) -> str:
        """Return the addresses of all, as clients are told them."""
        return ",".join(each.url for each in self.all)

    def start(self) -> None:
        """Start them, and wait until they have found each other."""
        for each in self.all:
            each.configure(self.all)
            each.start()
        end = time.monotonic() + _PATIENCE_SECONDS
        while not all(each.answers and "metadata leader" in each.log.read_text() for each in self.all):
            assert time.monotonic() < end, [each.log.read_text()[-1000:] for each in self.all]
            time.sleep(0.02)

    def named(self, name: str) -> Broker:
        """Return one by its name."""
        [found] = [each for each in self.all if each.title == name]
        return found

    def stop(self) -> None:
        """End them all."""
        for each in self.all:
            if each.process:
                each.kill()


def _adapted(broker: Broker, all_: Sequence[Broker]) -> str:
    """Return the shipped file with the places of this server in it, without certificates and users."""
    text = re.sub(r"(?m)^ *tls \{[^}]*\}\n", "", (SHIPPED / "nats.conf").read_text())
    text = text.replace('include "users.conf"', "")
    client, route = broker.ports
    for shipped, here in {
        '"0.0.0.0:4222"': f'"{broker.host}:{client}"',
        '"0.0.0.0:6222"': f'"{broker.host}:{route}"',
        'http: "127.0.0.1:8222"': "",
        "/run/nats/nats.pid": str(broker.folder / f"{broker.title}.pid"),
        "/var/lib/nats": str(broker.folder / broker.title),
        **{f"nats-{number}.internal:6222": f"{at.host}:{at.ports[1]}" for number, at in enumerate(all_, 1)},
    }.items():
        assert shipped in text, shipped
        text = text.replace(shipped, here)
    return text
