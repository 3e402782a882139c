"""Nobody is told of anything, and whoever listens loses the connection: all is found by looking, within two seconds."""

import asyncio
import random
from contextlib import asynccontextmanager

import pytest

from faults.listening import Deaf, Kills, Watch
from service import running_service

EVERY_SECONDS = 0.4
ORDERS_EVERY_SECONDS = 0.2
#: The promise is the long form's to hold; the short one runs beside the rest of the suite, on cores that are full.
LIMIT_SECONDS = {"short": 10.0, "long": 2.0}
SOME = ("ordering", "projecting", "publishing", "auditing", "mailing", "sandbox")


@pytest.mark.fault(4)
@pytest.mark.parametrize(
    ("kills", "form", "roles"),
    [
        pytest.param(5, "short", SOME, id="short"),
        pytest.param(200, "long", None, id="long", marks=[pytest.mark.faults, pytest.mark.timeout(900)]),
    ],
)
async def test_whoever_hears_nothing_sees_it_all(
    database, nats_server, tmp_path, kills, form, roles, seed, record
):
    """Views, publisher, mailer and ledger: a lost notification and a killed connection cost a moment (I2, I12)."""
    deaf, watch = Deaf(database), Watch(database)
    killing = Kills(database, deaf, random.Random(seed))
    with deaf.way() as way:
        async with running_service(
            database, nats_server.url, tmp_path / "data", roles, database_url=way
        ) as service:
            await service.place()
            async with watching(watch), ordering(service):
                await killing.run(kills, EVERY_SECONDS)
    worst = {name: round(seconds, 2) for name, seconds in watch.worst.most_common()}
    record(
        test=4,
        faults=kills,
        what="LISTEN connections killed, and every NOTIFY dropped",
        worst_recovery_s=max(worst.values()),
        connections_killed=killing.ended,
        notifications_dropped=deaf.swallowed,
        events=watch.events,
        worst_s=worst,
    )
    assert deaf.swallowed > 0
    assert max(worst.values()) < LIMIT_SECONDS[form]


@asynccontextmanager
async def watching(watch):
    """Watch while the block runs, and then until everybody knows all of it."""
    over = asyncio.Event()
    task = asyncio.create_task(watch.run(over))
    yield
    over.set()
    async with asyncio.timeout(60):
        await task


@asynccontextmanager
async def ordering(service):
    """Place orders and pay them while the block runs."""
    over = asyncio.Event()

    async def order():
        while not over.is_set():
            await service.pay(await service.place())
            await asyncio.sleep(ORDERS_EVERY_SECONDS)

    task = asyncio.create_task(order())
    yield
    over.set()
    await task
