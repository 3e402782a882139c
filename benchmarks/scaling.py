"""`python -m benchmarks.scaling`: the same work with 1, 2 and 4 processes of the role that does it, on this machine.

Commands: ordering. Views: projecting, all of a log from its beginning, the processes let in at the same moment so that
they share the views. Noon: ordering, deadlines and registration. With each figure goes what used the processors: that
tells what more processes could bring where there are more of these.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import nats
import psycopg
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import apart, goals, noon
from benchmarks.house import NO_VIEWS, NOON, House, house
from benchmarks.machine import Machine, examine
from benchmarks.run import SEED
from benchmarks.usage import Usage
from vignettes.runtime import logs
from vignettes.runtime.settings import variable
from vignettes.services import discovery
from vignettes.services.discovery import service_name

PROCESSES = (1, 2, 4)
CLIENTS = 128
#: Noon needs the views of deadlines, which one process writes.
_OF_NOON = ("ordering", "deadlines", "registration")
_THERE_WITHIN_SECONDS = 60.0
_FOLLOWED_WITHIN_SECONDS = 300.0
_LOOK_EVERY_SECONDS = 0.02
_FROM_ZERO = "UPDATE view.editions SET position = 0 WHERE state = 'live'"
_BEHIND = """
SELECT min(position) < (SELECT max(notification_id) FROM log.events) FROM view.editions
WHERE state = 'live' AND holder IS NOT NULL HAVING count(*) > 0
"""
_HOLDERS = """
SELECT count(DISTINCT holder) FROM view.editions WHERE state = 'live' AND holder IS NOT NULL AND view <> 'published'
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What so many processes of the role did, and what used the processors meanwhile."""

    what: str
    processes: int
    per_second: float
    p50_ms: float | None
    p99_ms: float | None
    load: float
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    note: str = ""


async def commands(servers: House, processes: int, seconds: float) -> Found:
    """Let many clients order, one command at a time each."""
    name = f"commands_{processes}"
    async with AsyncExitStack() as stack:
        url, nats_url = await stack.enter_async_context(
            _service(servers, name, NO_VIEWS.roles, {"ordering": processes})
        )
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        load, usage = os.getloadavg()[0], Usage(connection, os.getpid())
        asked = {"nats_url": nats_url, "in_flight": CLIENTS, "of": ("W1", NO_VIEWS.what)}
        times = {"seconds": seconds, "warm_up": 1.0}
        [point] = await apart.measured("benchmarks.commands", **asked, seed=f"{SEED}/{name}", **times)
        used = usage.so_far()
    return Found("commands", processes, point.per_second, point.p50_ms, point.p99_ms, load, used)


async def views(servers: House, processes: int, events: int) -> Found:
    """Let all views be written from the beginning of a log, as after a restore."""
    name = f"views_{processes}"
    folder, url = servers.folder / name, servers.database(name)
    written = {"data_dir": str(folder), "database_url": url, "events": events, "seed": f"{SEED}/scaling"}
    await apart.measured("benchmarks.pasts", **written)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_FROM_ZERO)
        with _closed(url) as door, _more(servers, name, servers.nats_url, "projecting", processes):
            await _all_there(servers.nats_url, {"projecting": processes})
            load, usage = os.getloadavg()[0], Usage(connection, os.getpid())
            began = time.perf_counter()
            door.rollback()
            await _followed(connection)
            took, used = time.perf_counter() - began, usage.so_far()
            (sharing,) = connection.execute(_HOLDERS).fetchone() or (0,)
    return Found("views", processes, events / took, None, None, load, used, f"shared by {sharing}")


async def burst(servers: House, processes: int, due: int) -> Found:
    """Let so many orders fall due at one instant."""
    name = f"noon_{processes}"
    more = dict.fromkeys(_OF_NOON, processes)
    with noon.silent_authority() as authority:
        given = {"sandbox": True, "clock": "movable", "authority_url": authority}
        async with _service(servers, name, NOON.roles, more, **given) as (url, _):
            writing = {"data_dir": str(servers.folder / name), "database_url": url}
            await apart.measured("benchmarks.dues", **writing, orders=due, seed=f"{SEED}/{name}")
            load = os.getloadavg()[0]
            of = ("W5", goals.noon_of(due))
            [point] = await apart.measured("benchmarks.burst", database_url=url, of=of, orders=due)
    return Found(
        "noon", processes, point.per_second, point.p50_ms, point.p99_ms, load, dict(point.cpu_seconds or {})
    )


# --- processes


@asynccontextmanager
async def _service(
    servers: House, name: str, roles: Sequence[str], wanted: Mapping[str, int], **given: object
) -> AsyncIterator[tuple[str, str]]:
    """Run the service with so many processes of some roles, and give its database and its NATS.

    Each has a NATS of its own: orders of one log have the ids of another's, and triggers of these would be taken for
    repetitions of those.
    """
    url = servers.database(name)
    async with AsyncExitStack() as stack:
        nats_url = stack.enter_context(servers.another_nats(f"{name}_nats"))
        await stack.enter_async_context(servers.service(name, roles, nats_url, **given))
        for role, number in wanted.items():
            stack.enter_context(_more(servers, name, nats_url, role, number - 1, **given))
        await _all_there(nats_url, wanted)
        yield url, nats_url


@contextmanager
def _more(
    servers: House, name: str, nats_url: str, role: str, number: int, **given: object
) -> Iterator[None]:
    where = {"data_dir": servers.folder / name, "database_url": servers.database(name), "nats_url": nats_url}
    settings = {**where, **given}
    env = {variable(setting): str(value) for setting, value in settings.items()}
    argv = [sys.executable, "-m", "vignettes", "serve", role]
    with (servers.folder / f"{name}.more.log").open("ab") as log:
        started = [
            subprocess.Popen(argv, env={**os.environ, **env}, stdout=log, stderr=log)  # noqa: S603  # ourselves
            for _ in range(number)
        ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


async def _all_there(nats_url: str, wanted: Mapping[str, int]) -> None:
    client = await nats.connect(nats_url)
    names = Counter({service_name(role): number for role, number in wanted.items()})
    try:
        async with asyncio.timeout(_THERE_WITHIN_SECONDS):
            while names - Counter(each.name for each in await discovery.present(client)):
                pass  # who is asked has some time to answer
    finally:
        await client.close()


@contextmanager
def _closed(url: str) -> Iterator[psycopg.Connection]:
    """Let nobody take a view until this connection's transaction ends."""
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE view.editions IN ACCESS EXCLUSIVE MODE")
        yield connection


async def _followed(connection: psycopg.Connection) -> None:
    async with asyncio.timeout(_FOLLOWED_WITHIN_SECONDS):
        while connection.execute(_BEHIND).fetchone() != (False,):  # noqa: ASYNC110  # the log's end is looked for
            await asyncio.sleep(_LOOK_EVERY_SECONDS)


# --- telling


def shown(found: Sequence[Found]) -> Table:
    """Return a table: each with the ratio to one process, and who used the processors most."""
    table = Table("work", "processes", "per s", "÷ one", "p50 ms", "p99 ms", "load", "CPU s", "")
    first = {each.what: each.per_second for each in found if each.processes == PROCESSES[0]}
    for each in found:
        ratio = each.per_second / first.get(each.what, each.per_second)
        used = ", ".join(f"{name} {seconds:.1f}" for name, seconds in [*each.cpu_seconds.items()][:6])
        late = [f"{ms:.1f}" if ms is not None else "" for ms in (each.p50_ms, each.p99_ms)]
        figures = (f"{each.per_second:,.0f}", f"{ratio:.2f}", *late, f"{each.load:.1f}")
        table.add_row(each.what, str(each.processes), *figures, used, each.note)
    return table


def main(
    seconds: Annotated[float, typer.Option(min=1, max=60, help="How long commands are measured.")] = 8.0,
    events: Annotated[
        int, typer.Option(min=400, help="How long the log is that views are written of.")
    ] = 10_000,
    due: Annotated[int, typer.Option(min=10, help="How many orders noon has.")] = 4_000,
    to: Annotated[Path, typer.Option("--json", help="The file to write the figures to, as JSON.")] = Path(
        ".bench/scaling.json"
    ),
) -> None:
    """Measure commands, views and noon with 1, 2 and 4 processes."""
    logs.configure("auto", "error", "benchmarks")
    found, machine = asyncio.run(_measured(seconds, events, due))
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(
        json.dumps({"machine": asdict(machine), "found": [asdict(each) for each in found]}, indent=2)
    )
    out = Console(width=None if sys.stdout.isatty() else 200)
    out.print(shown(found))
    out.print(f"{machine.cores} cores ({machine.processor}), load {machine.load} at the start. Written: {to}")


async def _measured(seconds: float, events: int, due: int) -> tuple[list[Found], Machine]:
    found: list[Found] = []
    with house() as servers:
        machine = await examine(servers)
        for processes in PROCESSES:
            found.append(await commands(servers, processes, seconds))
            found.append(await views(servers, processes, events))
            found.append(await burst(servers, processes, due))
    return sorted(found, key=lambda each: each.what), machine


if __name__ == "__main__":
    typer.run(main)
