"""One run: limits and alternative on bare servers, then the service on the same servers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.progress import Progress

from benchmarks import apart
from benchmarks.figures import Point
from benchmarks.goals import Standing, standings
from benchmarks.house import ROLES, House, house
from benchmarks.machine import Machine, examine

WORKLOADS = ("W1", "W2")
CLIENTS = (1, 8, 32, 128)
LIBRARY_THREADS = (1, 4, 16)
INSERT_CONNECTIONS = (1, 8, 32)
ECHOES_IN_FLIGHT = (1, 200)
_LONGEST_WARM_UP_SECONDS = 1.0
#: Two runs on one database would order with the same ids: each point draws from a seed of its own.
SEED = "vignettes"


@dataclass(frozen=True, slots=True)
class Asked:
    """What to measure, and for how many seconds each point."""

    only: Sequence[str] = WORKLOADS
    seconds: float = 5.0
    clients: Sequence[int] = CLIENTS

    @property
    def warm_up(self) -> float:
        """How many seconds pass before anything is counted."""
        return min(_LONGEST_WARM_UP_SECONDS, self.seconds / 4)


@dataclass(frozen=True, slots=True)
class Step:
    """One process that measures."""

    title: str
    module: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """All that a run found."""

    asked: Asked
    machine: Machine
    points: list[Point]
    standings: list[Standing]
    changed_settings: dict[str, str]
    seed: str = SEED
    roles: Sequence[str] = field(default=ROLES)


async def run(asked: Asked, progress: Progress) -> Result:
    """Measure everything asked for, step by step."""
    with house() as servers:
        machine = await examine(servers)
        bare, served = list(_on_bare_servers(asked, servers)), list(_on_the_service(asked, servers))
        task = progress.add_task("", total=len(bare) + len(served))
        points: list[Point] = []
        async with apart.beside("benchmarks.responder", nats_url=servers.nats_url):
            points += await _measured(bare, asked, progress)
            progress.update(task, description="starting the service")
            async with servers.service() as changed:
                points += await _measured(served, asked, progress)
    return Result(asked, machine, points, standings(points, asked.only), changed)


async def _measured(steps: Sequence[Step], asked: Asked, progress: Progress) -> list[Point]:
    points: list[Point] = []
    task = progress.task_ids[0]
    for step in steps:
        progress.update(task, description=step.title)
        times = {"seconds": asked.seconds, "warm_up": asked.warm_up}
        found = await apart.measured(step.module, **step.arguments, **times)
        for point in found:
            progress.print(
                f"{step.title}: {point.what} {point.per_second:,.0f}/s", style="dim", highlight=False
            )
        points += found
        progress.advance(task)
    return points


def _on_bare_servers(asked: Asked, servers: House) -> Iterator[Step]:
    if "W1" not in asked.only:
        return
    limits = {"database_url": servers.database("limits")}
    library = {"database_url": servers.database("manual")}
    for n in INSERT_CONNECTIONS:
        yield Step(f"limit: inserts, {n} connections", "benchmarks.inserts", {**limits, "connections": n})
    for n in ECHOES_IN_FLIGHT:
        echo = {"nats_url": servers.nats_url, "in_flight": n}
        yield Step(f"limit: NATS echo, {n} in flight", "benchmarks.echo", echo)
    for n in LIBRARY_THREADS:
        threads = {**library, "threads": n, "seed": f"{SEED}/manual/{n}"}
        yield Step(f"alternative: eventsourcing, {n} threads", "benchmarks.manual", threads)


def _on_the_service(asked: Asked, servers: House) -> Iterator[Step]:
    where = {"nats_url": servers.nats_url}
    if "W1" in asked.only:
        for n in asked.clients:
            clients = {**where, "in_flight": n, "seed": f"{SEED}/W1/{n}"}
            yield Step(f"W1: commands, {n} clients", "benchmarks.commands", clients)
    if "W2" in asked.only:
        limits = {"database_url": servers.database("limits")}
        alone = {**where, **limits, "seed": f"{SEED}/W2"}
        yield Step("W2: a lone client, an insert, a round trip", "benchmarks.alone", alone)
