"""On what it is measured: asked of the machine and the servers themselves."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import nats
import psutil
import psycopg

from benchmarks.house import House

_SETTINGS = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_sync_method",
    "wal_level",
    "shared_buffers",
    "max_connections",
)
_MUST_BE_ON = ("fsync", "synchronous_commit", "full_page_writes")


class NotDurable(Exception):
    """The server would lose what it acknowledged, so its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores, memory, disk and versions; `load` is the load average before anything was measured."""

    processor: str
    cores: int
    memory_gb: float
    filesystem: str
    load: float
    python: str
    postgresql: str
    nats_server: str
    eventsourcing: str
    node: str | None
    postgresql_settings: dict[str, str]
    nats_settings: dict[str, str]


async def examine(house: House) -> Machine:
    """Ask. Raises NotDurable when a commit would not be on disk."""
    with psycopg.connect(house.postgres.url("postgres")) as connection:
        settings = {name: _shown(connection, name) for name in (*_SETTINGS, "server_version")}
    if off := [name for name in _MUST_BE_ON if settings[name] != "on"]:
        raise NotDurable(f"{', '.join(off)} must be on.")
    client = await nats.connect(house.nats_url)
    said = client.connected_server_version
    nats_version = f"{said.major}.{said.minor}.{said.patch}"
    await client.close()
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 0,
        memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        filesystem=_filesystem(house.folder),
        load=round(os.getloadavg()[0], 2),
        python=platform.python_version(),
        postgresql=settings.pop("server_version"),
        nats_server=nats_version,
        eventsourcing=version("eventsourcing"),
        node=_node(),
        postgresql_settings=settings,
        nats_settings=_nats_settings(house.folder),
    )


def _shown(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else ""


def _nats_settings(folder: Path) -> dict[str, str]:
    """Return what the server was told about its store."""
    text = (folder / "nats" / "nats.conf").read_text()
    found = text.partition("sync_interval:")[2].partition("}")[0].strip()
    return {"sync_interval": found or "default"}


def _node() -> str | None:
    """Return which Node there is, if any: the alternative in Node is measured by it."""
    program = shutil.which("node")
    if program is None:
        return None
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    return told.stdout.strip() or None


def _filesystem(folder: Path) -> str:
    mounts = [m for m in psutil.disk_partitions(all=True) if folder.is_relative_to(m.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
