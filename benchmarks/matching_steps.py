"""The steps of W9: orders that wait, a bank's file of payments for them, and both ways to match it."""

from benchmarks.goals import matched_among
from benchmarks.house import VIEWS, House
from benchmarks.run import SEED, Run

#: So many orders wait for each payment that comes.
ORDERS_A_PAYMENT = 10
STEPS = 4


async def matching(run: Run, servers: House) -> None:
    """Write the file, match it by amount and name, fill the view of a service, and match the file with it."""
    name, orders, seed = "matched", run.asked.waiting, f"{SEED}/matching"
    payments = orders // ORDERS_A_PAYMENT
    folder = str(servers.folder / "statements")
    drawn = {"folder": folder, "orders": orders, "seed": seed}
    await run.do(f"W9: writing {payments:,} payments", "benchmarks.matching_file", **drawn, payments=payments)
    await run.do("alternative: amount and name", "benchmarks.matching_names", **drawn)
    where = {"database_url": servers.database(name)}
    run.tell("starting the service with views")
    async with servers.service(name, VIEWS.roles) as run.changed_settings:
        filled = {**where, "nats_url": servers.nats_url, "orders": orders, "seed": seed}
        await run.do(f"W9: filling the view with {orders:,} orders", "benchmarks.matching_stocking", **filled)
        what = matched_among(orders)
        await run.do(f"W9: {what}", "benchmarks.matching", **where, folder=folder, what=what)
