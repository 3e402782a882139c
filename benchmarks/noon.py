"""The steps of what is measured about deadlines: limits, alternatives, single deadlines, and the burst at noon."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import jobs
from benchmarks.goals import SINGLE_DEADLINES, noon_of
from benchmarks.house import NOON, House
from benchmarks.installing import NotInstalled
from benchmarks.run import SEED, Run

PUBLISHES_IN_FLIGHT = (1, 256)
INSERT_CONNECTIONS = 32
SINGLES = 200
ALTERNATIVES = (jobs.PROCRASTINATE, jobs.DBOS)

STEPS = len(PUBLISHES_IN_FLIGHT) + 2 + sum(len(each.at_once) for each in ALTERNATIVES) + 3


async def burst(run: Run, servers: House) -> None:
    """Measure the limits and the alternatives, which have the machine to themselves, and then ours."""
    for n in PUBLISHES_IN_FLIGHT:
        title = f"limit: JetStream, {n} in flight"
        await run.measure(title, "benchmarks.publishes", nats_url=servers.nats_url, in_flight=n)
    batches = {"nats_url": servers.nats_url, "in_flight": 1, "batched": True}
    await run.measure("limit: JetStream, batches", "benchmarks.publishes", **batches)
    limits = {"database_url": servers.database("limits"), "connections": INSERT_CONNECTIONS, "workload": "W5"}
    await run.measure("limit: inserts", "benchmarks.inserts", **limits)
    for alternative in ALTERNATIVES:
        await _alternative(run, servers, alternative)
    await ours(run, servers)


async def _alternative(run: Run, servers: House, alternative: jobs.Alternative) -> None:
    title = f"alternative: {alternative.title}"
    run.tell(f"{title}, installing")
    try:
        python = await asyncio.to_thread(jobs.installed, alternative)
    except NotInstalled as reason:
        run.leave_out(
            len(alternative.at_once),
            f"not measured: {alternative.title} {alternative.version}, because {reason}",
        )
        return
    for n in alternative.at_once:
        where = {"python": str(python), "database_url": servers.database(f"{alternative.name}_{n}")}
        await run.do(
            f"{title}, {n} at once", "benchmarks.jobs.noon", name=alternative.name, **where, at_once=n
        )


async def ours(run: Run, servers: House, singles: int = SINGLES) -> None:
    """Measure the service with all orders waiting: first alone, then at noon."""
    orders, where = run.asked.due, _where(servers)
    run.tell("starting the service")
    with silent_authority() as authority:
        given = {"sandbox": True, "clock": "movable", "authority_url": authority}
        async with servers.service(NOON.name, NOON.roles, **given) as run.changed_settings:
            writing = {"orders": orders, "seed": f"{SEED}/noon"}
            await run.do(f"W5: writing {orders:,} paid orders", "benchmarks.dues", **where, **writing)
            alone = {"of": ("W5", SINGLE_DEADLINES), "deadlines": singles, "seed": f"{SEED}/singles"}
            await run.do(f"W5: {SINGLE_DEADLINES}", "benchmarks.singles", **where, **alone)
            of = ("W5", noon_of(orders))
            url = where["database_url"]
            await run.do(f"W5: {of[1]}", "benchmarks.burst", database_url=url, of=of, orders=orders)


def _where(servers: House) -> dict[str, Any]:
    return {"data_dir": str(servers.folder / NOON.name), "database_url": servers.database(NOON.name)}


@contextmanager
def silent_authority() -> Iterator[str]:
    """Give the address of an authority that takes calls and answers none: calls cost it nothing, and us what they may.

    What is measured ends before the first call; an answer would only bring work of another kind.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=1_000) as listening:
        host, port = listening.getsockname()
        yield f"http://{host}:{port}"
