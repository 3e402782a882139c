"""One run: limits and alternatives on bare servers, then the service on the same servers."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from rich.progress import Progress

from benchmarks import apart, emmett
from benchmarks.figures import Point, peak
from benchmarks.goals import AT_80_PERCENT, EMPTY_LOG, Standing, grown_log, standings
from benchmarks.house import NO_VIEWS, VIEWS, House, Series, house
from benchmarks.machine import Machine, examine
from benchmarks.run import Asked, Run

WORKLOADS = ("W1", "W2", "W10")
#: What is measured when nothing is said: what takes minutes must be asked for.
USUAL = ("W1", "W2")
CLIENTS = (1, 8, 32, 128, 256)
LIBRARY_THREADS = (1, 4, 16)
EMMETT_IN_FLIGHT = (1, 8, 32)
INSERT_CONNECTIONS = (1, 8, 32)
ECHOES_IN_FLIGHT = (1, 200)
SHARE_OF_PEAK = 0.8
GROWTH_TURNS = 5
GROWTH_CLIENTS = 32
EVENTS = 1_000_000
#: Two runs on one database would order with the same ids: each point draws from a seed of its own.
SEED = "vignettes"


@dataclass(frozen=True, slots=True)
class Result:
    """All that a run found."""

    asked: Asked
    machine: Machine
    points: list[Point]
    standings: list[Standing]
    changed_settings: dict[str, str]
    notes: list[str]
    seed: str = SEED
    series: Sequence[Series] = (NO_VIEWS, VIEWS)


async def measure(asked: Asked, progress: Progress) -> Result:
    """Measure everything asked for, step by step."""
    run = Run(asked, progress, _steps(asked))
    with house() as servers:
        machine = await examine(servers)
        async with apart.beside("benchmarks.responder", nats_url=servers.nats_url):
            if "W1" in asked.only:
                await _bare_servers(run, servers)
                await _without_views(run, servers)
            if {"W1", "W2"} & set(asked.only):
                await _with_views(run, servers)
            if "W10" in asked.only:
                await _growth(run, servers)
    found = standings(run.points, asked.only, asked.events)
    return Result(asked, machine, run.points, found, run.changed_settings, run.notes)


def _steps(asked: Asked) -> int:
    """Return how many processes will measure, when nothing is missing."""
    bare = (INSERT_CONNECTIONS, ECHOES_IN_FLIGHT, LIBRARY_THREADS, EMMETT_IN_FLIGHT)
    each = {"W1": sum(map(len, bare)) + 2 * len(asked.clients) + 1, "W2": 1, "W10": 1 + 2 * GROWTH_TURNS}
    return sum(each[workload] for workload in asked.only)


async def _bare_servers(run: Run, servers: House) -> None:
    limits = {"database_url": servers.database("limits")}
    library = {"database_url": servers.database("manual")}
    for n in INSERT_CONNECTIONS:
        await run.measure(f"limit: inserts, {n} connections", "benchmarks.inserts", **limits, connections=n)
    for n in ECHOES_IN_FLIGHT:
        echo = {"nats_url": servers.nats_url, "in_flight": n}
        await run.measure(f"limit: NATS echo, {n} in flight", "benchmarks.echo", **echo)
    for n in LIBRARY_THREADS:
        threads = {**library, "threads": n, "seed": f"{SEED}/manual/{n}"}
        await run.measure(f"alternative: eventsourcing, {n} threads", "benchmarks.manual", **threads)
    await _emmett(run, servers)


async def _emmett(run: Run, servers: House) -> None:
    run.tell("alternative: emmett, installing")
    try:
        folder = await asyncio.to_thread(emmett.installed)
    except emmett.NotInstalled as reason:
        run.leave_out(len(EMMETT_IN_FLIGHT), f"not measured: emmett {emmett.VERSION}, because {reason}")
        return
    where = {"installed": str(folder), "database_url": servers.database("emmett")}
    for n in EMMETT_IN_FLIGHT:
        title = f"alternative: emmett, {n} in flight"
        await run.measure(title, "benchmarks.emmett.commands", **where, in_flight=n)


async def _without_views(run: Run, servers: House) -> None:
    """Measure what the alternatives do too, and then how long a command takes when there is some room left."""
    run.tell("starting the service without views")
    async with servers.service(NO_VIEWS.name, NO_VIEWS.roles) as run.changed_settings:
        await _clients(run, servers, NO_VIEWS)
        highest = peak(p for p in run.points if (p.workload, p.what) == ("W1", NO_VIEWS.what))
        if highest:
            rate = SHARE_OF_PEAK * highest.per_second
            at_rate = {"nats_url": servers.nats_url, "what": AT_80_PERCENT, "rate": rate}
            title = f"W1: {rate:,.0f} commands a second"
            await run.measure(title, "benchmarks.steady", **at_rate, seed=f"{SEED}/steady")


async def _with_views(run: Run, servers: House) -> None:
    run.tell("starting the service with views")
    async with servers.service(VIEWS.name, VIEWS.roles) as run.changed_settings:
        if "W1" in run.asked.only:
            await _clients(run, servers, VIEWS)
        if "W2" in run.asked.only:
            where = {"nats_url": servers.nats_url, "database_url": servers.database("limits")}
            title = "W2: a lone client, an insert, a round trip"
            await run.measure(title, "benchmarks.alone", **where, what=VIEWS.what, seed=f"{SEED}/W2")


async def _clients(run: Run, servers: House, series: Series) -> None:
    for n in run.asked.clients:
        clients = {"nats_url": servers.nats_url, "in_flight": n, "seed": f"{SEED}/{series.name}/{n}"}
        title = f"W1: {series.what}, {n} clients"
        await run.measure(title, "benchmarks.commands", **clients, of=("W1", series.what))


async def _growth(run: Run, servers: House) -> None:
    """Let a service on a long log and one on an empty log take turns: a neighbour's noise falls on both alike."""
    run.tell("starting two services")
    async with AsyncExitStack() as stack:
        another = stack.enter_context(servers.another_nats("grown"))
        urls = {EMPTY_LOG: servers.nats_url, grown_log(run.asked.events): another}
        for name, url in zip(("empty", "grown"), urls.values(), strict=True):
            service = servers.service(name, NO_VIEWS.roles, url)
            run.changed_settings = await stack.enter_async_context(service)
        grown = {"nats_url": another, "database_url": servers.database("grown")}
        title = f"W10: writing {run.asked.events:,} events"
        await run.do(title, "benchmarks.filling", **grown, events=run.asked.events, seed=f"{SEED}/filling")
        for turn in range(GROWTH_TURNS):
            for what, url in urls.items():
                clients = {"nats_url": url, "in_flight": GROWTH_CLIENTS, "seed": f"{SEED}/{what}/{turn}"}
                title = f"W10: {what}, turn {turn + 1}"
                await run.measure(title, "benchmarks.commands", **clients, of=("W10", what))
