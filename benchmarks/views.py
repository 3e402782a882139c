"""The steps of what is measured about views: builds, lag, queries."""

from typing import Any

from benchmarks.figures import peak
from benchmarks.goals import (
    LAG,
    LAG_AT_HALF,
    LIVE,
    LIVE_BESIDE,
    LOST_LINK,
    PAGE,
    REBUILT,
    REBUILT_BESIDE,
    asked_of,
)
from benchmarks.house import PAGES, VIEWS, House
from benchmarks.run import SEED, Run
from vignettes.runtime.embedded import free_port

SHARE_OF_PEAK = 0.5
#: How many commands a second come while it is measured whether a rebuild holds up the live view.
LIVE_RATE = 50
IN_FLIGHT = (1, 8)
QUESTIONS = ("status", "lookup")

REBUILD_STEPS = 5
LAG_STEPS = 2
QUERY_STEPS = 1 + (len(QUESTIONS) + 1) * len(IN_FLIGHT) + 1


async def runner(run: Run, servers: House) -> None:
    """Measure the alternative, which has the machine to itself as ours will have it."""
    only = [workload for workload in ("W3", "W4") if workload in run.asked.only]
    where = {"database_url": servers.database("runner"), "seed": f"{SEED}/runner"}
    await run.measure("alternative: ProjectionRunner", "benchmarks.runner", **where, only=only)


async def rebuilds(run: Run, servers: House) -> None:
    """Build a view with nothing else going on, and then beside a service that has something to do."""
    name = "rebuilt"
    where = {"data_dir": str(servers.folder / name), "database_url": servers.database(name)}
    title = f"W3: writing {run.asked.rebuilt:,} events"
    await run.do(title, "benchmarks.pasts", **where, events=run.asked.rebuilt, seed=f"{SEED}/pasts")
    await run.measure(f"W3: {REBUILT}", "benchmarks.rebuilding", **where, what=REBUILT)
    run.tell("starting the service with views")
    async with servers.service(name, VIEWS.roles) as run.changed_settings:
        await _lag(run, servers, name, ("W3", LIVE), LIVE_RATE)
        async with run.meanwhile(
            f"W3: {REBUILT_BESIDE}", "benchmarks.rebuilding", **where, what=REBUILT_BESIDE
        ):
            await _lag(run, servers, name, ("W3", LIVE_BESIDE), LIVE_RATE)


async def lag(run: Run, servers: House) -> None:
    """Measure on the service that runs with views: idle, and at half of what it can do where that is known."""
    await _lag(run, servers, VIEWS.name, ("W4", LAG))
    highest = peak(p for p in run.points if (p.workload, p.what) == ("W1", VIEWS.what))
    rate = SHARE_OF_PEAK * highest.per_second if highest else run.asked.rate
    await _lag(run, servers, VIEWS.name, ("W4", LAG_AT_HALF), rate)


async def _lag(run: Run, servers: House, name: str, of: tuple[str, str], rate: float | None = None) -> None:
    where: dict[str, Any] = {"nats_url": servers.nats_url, "database_url": servers.database(name)}
    seed = f"{SEED}/{name}/{of[1]}"
    await run.measure(": ".join(of), "benchmarks.lag", **where, of=of, rate=rate, seed=seed)


async def queries(run: Run, servers: House) -> None:
    """Fill the views of a service, and ask it: over NATS, over HTTP, and as it asks itself."""
    name, orders, port = PAGES.name, (run.asked.orders, f"{SEED}/stocking"), free_port()
    where = {"data_dir": str(servers.folder / name), "database_url": servers.database(name)}
    over_nats = {**where, "nats_url": servers.nats_url}
    run.tell("starting the service with views and pages")
    async with servers.service(name, PAGES.roles, http_port=port) as run.changed_settings:
        title = f"W8: filling the views with {orders[0]:,} orders"
        await run.do(title, "benchmarks.stocking", **over_nats, orders=orders[0], seed=orders[1])
        for question in QUESTIONS:
            of = (question, asked_of(question, orders[0]))
            await _ask(run, of[1], "benchmarks.queries", **over_nats, of=of, orders=orders)
        what = asked_of(PAGE, orders[0])
        await _ask(run, what, "benchmarks.pages", **where, port=port, what=what, orders=orders)
        what = asked_of(LOST_LINK, orders[0])
        finding = {**where, "what": what, "orders": orders, "seed": f"{SEED}/{LOST_LINK}"}
        await run.measure(f"W8: {what}", "benchmarks.linking", **finding)


async def _ask(run: Run, title: str, module: str, **arguments: Any) -> None:
    """Let some ask one after the other, and more at a time."""
    for n in IN_FLIGHT:
        asking = {**arguments, "in_flight": n, "seed": f"{SEED}/{title}/{n}"}
        await run.measure(f"W8: {title}, {n} in flight", module, **asking)
