"""One run: limits and alternatives on bare servers, then the service on the same servers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from rich.progress import Progress

from benchmarks import apart, emmett, matching_steps, noon, views
from benchmarks.figures import Point, peak
from benchmarks.goals import (
    AT_80_PERCENT,
    EMPTY_LOG,
    LAG_EMPTY_LOG,
    grown_log,
    lag_grown_log,
    standings,
)
from benchmarks.house import NO_VIEWS, NOON, PAGES, VIEWS, House, Series, house
from benchmarks.machine import Machine, examine
from benchmarks.pasts import at_head
from benchmarks.run import SEED, Asked, Run
from benchmarks.standing import Standing

WORKLOADS = ("W1", "W2", "W3", "W4", "W5", "W7", "W8", "W9", "W10")
#: What is measured when nothing is said: what takes minutes must be asked for.
USUAL = ("W1", "W2", "W3", "W4", "W5", "W7", "W9")
CLIENTS = (1, 8, 32, 128, 256)
LIBRARY_THREADS = (1, 4, 16)
EMMETT_IN_FLIGHT = (1, 8, 32)
INSERT_CONNECTIONS = (1, 8, 32)
ECHOES_IN_FLIGHT = (1, 200)
SHARE_OF_PEAK = 0.8
GROWTH_TURNS = 5
GROWTH_CLIENTS = 32
EVENTS = 1_000_000
REBUILT_EVENTS = 120_000
LOGGED = 1_000_000
ORDERS = 1_000_000
RATE = 500.0
#: Of all that are wanted at noon, as many as a run among others has time for.
DUE = 20_000
WAITING = 50_000


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
    series: Sequence[Series] = (NO_VIEWS, VIEWS, PAGES, NOON)


async def measure(asked: Asked, progress: Progress) -> Result:
    """Measure everything asked for, step by step."""
    run = Run(asked, progress, _steps(asked))
    with house() as servers:
        machine = await examine(servers)
        async with apart.beside("benchmarks.responder", nats_url=servers.nats_url):
            if {"W3", "W4"} & set(asked.only):
                await views.runner(run, servers)
            if "W1" in asked.only:
                await _bare_servers(run, servers)
                await _without_views(run, servers)
            if {"W1", "W2", "W4"} & set(asked.only):
                await _with_views(run, servers)
            works = {
                "W3": views.rebuilds,
                "W5": noon.burst,
                "W7": _proofs,
                "W8": views.queries,
                "W9": matching_steps.matching,
            }
            works["W10"] = _growth
            for workload, measure in works.items():
                if workload in asked.only:
                    await measure(run, servers)
    sizes = {
        "proven": _lengths(asked),
        "events": asked.events,
        "orders": asked.orders,
        "due": asked.due,
        "waiting": asked.waiting,
    }
    found = standings(run.points, asked.only, **sizes)
    return Result(asked, machine, run.points, found, run.changed_settings, run.notes)


def _steps(asked: Asked) -> int:
    """Return how many processes will measure, when nothing is missing."""
    bare = (INSERT_CONNECTIONS, ECHOES_IN_FLIGHT, LIBRARY_THREADS, EMMETT_IN_FLIGHT)
    each = {
        "W1": sum(map(len, bare)) + 2 * len(asked.clients) + 1,
        "W2": 1,
        "W3": views.REBUILD_STEPS,
        "W4": views.LAG_STEPS,
        "W5": noon.STEPS,
        "W7": 2,
        "W8": views.QUERY_STEPS,
        "W9": matching_steps.STEPS,
        "W10": 1 + 4 * GROWTH_TURNS,
    }
    the_runner = 1 if {"W3", "W4"} & set(asked.only) else 0
    return the_runner + sum(each[workload] for workload in asked.only)


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
        if "W4" in run.asked.only:
            await views.lag(run, servers)


async def _clients(run: Run, servers: House, series: Series) -> None:
    for n in run.asked.clients:
        clients = {"nats_url": servers.nats_url, "in_flight": n, "seed": f"{SEED}/{series.name}/{n}"}
        title = f"W1: {series.what}, {n} clients"
        await run.measure(title, "benchmarks.commands", **clients, of=("W1", series.what))


async def _proofs(run: Run, servers: House) -> None:
    """Let the service write a few orders; copies of them are the log."""
    database = {"database_url": servers.database("proofs")}
    run.tell("starting the service without views")
    async with servers.service("proofs", NO_VIEWS.roles) as run.changed_settings:
        few = {"nats_url": servers.nats_url, **database, "events": 0, "seed": f"{SEED}/proofs"}
        await run.do("W7: writing a few orders", "benchmarks.filling", **few)
    title = f"W7: histories among {run.asked.logged:,} events"
    await run.measure(title, "benchmarks.proofs", **database, sizes=_lengths(run.asked), seed=f"{SEED}/W7")


def _lengths(asked: Asked) -> list[int]:
    """Return how long the logs are that histories are verified on: three, so that the growth can be told."""
    return [asked.logged // 100, asked.logged // 10, asked.logged]


async def _growth(run: Run, servers: House) -> None:
    """Let a service on a long log and one on an empty log take turns: a neighbour's noise falls on both alike.

    First without views. Then these are said to have the whole of both logs, and follow what comes: they can't be
    built from copies of orders, whose personal data no key opens. The long log's views are as short as the other's.
    """
    with servers.another_nats("grown") as another:
        where = {"empty": servers.nats_url, "grown": another}
        async with _both(run, servers, where, NO_VIEWS):
            grown = {"nats_url": another, "database_url": servers.database("grown")}
            title = f"W10: writing {run.asked.events:,} events"
            await run.do(
                title, "benchmarks.filling", **grown, events=run.asked.events, seed=f"{SEED}/filling"
            )
            urls = {EMPTY_LOG: servers.nats_url, grown_log(run.asked.events): another}
            for turn in range(GROWTH_TURNS):
                for what, url in urls.items():
                    clients = {"nats_url": url, "in_flight": GROWTH_CLIENTS, "seed": f"{SEED}/{what}/{turn}"}
                    title = f"W10: {what}, turn {turn + 1}"
                    await run.measure(title, "benchmarks.commands", **clients, of=("W10", what))
        for name in where:
            at_head(servers.database(name))
        async with _both(run, servers, where, VIEWS):
            await _growth_of_lag(run, servers, where)


async def _growth_of_lag(run: Run, servers: House, where: dict[str, str]) -> None:
    whats = dict(zip(where, (LAG_EMPTY_LOG, lag_grown_log(run.asked.events)), strict=True))
    for turn in range(GROWTH_TURNS):
        for name, what in whats.items():
            one = {"nats_url": where[name], "database_url": servers.database(name)}
            title = f"W10: {what}, turn {turn + 1}"
            await run.measure(title, "benchmarks.lag", **one, of=("W10", what), seed=f"{SEED}/{what}/{turn}")


@asynccontextmanager
async def _both(run: Run, servers: House, where: dict[str, str], series: Series) -> AsyncIterator[None]:
    """Run two services, each on a NATS of its own."""
    run.tell("starting two services")
    async with AsyncExitStack() as stack:
        for name, url in where.items():
            run.changed_settings = await stack.enter_async_context(servers.service(name, series.roles, url))
        yield
