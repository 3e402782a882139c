"""The whole service as processes: killed at any moment, run twice, told to stop."""

import asyncio
import os
import random
import signal
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import nats
import psutil
import psycopg
import pytest

from authorities import impatient
from eventstore_helpers import ask
from service import Service, until
from vignettes.runtime import bootstrap
from vignettes.runtime.embedded import EmbeddedPostgres, free_port
from vignettes.runtime.instance import instance
from vignettes.runtime.settings import load_settings

WEDNESDAY = "2030-06-05T08:00:00+00:00"
ORDERS = 8
KILLS = 3
#: What died while it worked on an order keeps it for a few seconds: as long as a slow answer takes, and a little.
LIMITS = "[limits]\ntimeout_seconds = 3\nrate_per_minute = 60000\nburst = 2000"
LAST_WORD_SECONDS = 10


@pytest.fixture
def data_dir():
    """Not below pytest's own folder: as root PostgreSQL runs as nobody, who may not enter there."""
    with tempfile.TemporaryDirectory(prefix="vignettes-killing-") as folder:
        yield Path(folder)


@asynccontextmanager
async def running(data_dir):
    """Run every role as a process of its own, and give what to ask and whom to kill."""
    settings = load_settings(
        data_dir=data_dir,
        sandbox=True,
        clock="movable",
        nats_port=0,
        http_port=free_port(),
        log_format="json",
        authorities_dir=impatient(data_dir / "authorities", LIMITS),
    )
    async with instance(settings) as started:
        await started.until_ready()
        client = await nats.connect(started.settings.nats_url)
        idle = asyncio.get_running_loop().create_future()
        try:
            yield Service(started.settings, client, idle), started.supervisor
        finally:
            await client.close()


async def born_again(supervisor, restarts):
    async def look():
        status = supervisor.status()["registration"]
        return status.pid if status.restarts >= restarts else None

    return await until(look)


@pytest.mark.thorough
async def test_a_run_that_is_told_to_stop_ends_in_time_and_what_it_left_is_there(data_dir):
    """TERM, as from a service manager: exit code 0 within ten seconds; no process and no lock is left behind."""
    ours = set(psutil.Process().children(recursive=True))
    ports = {"nats_port": free_port(), "http_port": free_port()}
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vignettes", "run"),
        env={**os.environ, **environment(data_dir, **ports)},
        cwd=data_dir,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(lambda: is_ready(run, ports["http_port"]), seconds=60)
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(family) > len(bootstrap.ROLES)
        placed = await place(f"nats://127.0.0.1:{ports['nats_port']}")
        run.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(run.wait(), LAST_WORD_SECONDS) == 0
        assert [child for child in family if child.is_running()] == []
    finally:
        if run.returncode is None:
            run.kill()
            await run.wait()
    assert set(psutil.Process().children(recursive=True)) == ours
    postgres = EmbeddedPostgres(data_dir)
    postgres.start()
    try:
        recorded = "SELECT originator_version FROM log.events WHERE originator_id = %s"
        assert ask(postgres.url("vignettes"), recorded, placed["order_id"]) == [1]
    finally:
        postgres.stop()


@pytest.mark.thorough
async def test_each_order_gets_one_vignette_however_often_its_registration_dies(data_dir):
    """Killed at any moment of its life, each call answered late; no order is lost, none registered twice."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201  # shown when it fails
    async with running(data_dir) as (service, supervisor):
        await registration_dies(service, supervisor, random.Random(seed))


async def registration_dies(service, supervisor, moments):
    await service.ask("sandbox.v1.clock", now=WEDNESDAY)
    orders = [await service.place(valid_from="2030-06-05") for _ in range(ORDERS)]
    for order in orders:
        await service.pay(order)
    await service.ask("sandbox.v1.authority", mode="slow")
    await service.advance(minutes=2)
    for number in range(KILLS):
        pid = await born_again(supervisor, number)
        await asyncio.sleep(moments.uniform(0.1, 4.0))  # its birth included
        os.kill(pid, signal.SIGKILL)
        await born_again(supervisor, number + 1)
    await service.ask("sandbox.v1.authority", mode="ok")
    order_ids = {order["order_id"] for order in orders}
    issued = "SELECT count(*) FROM read.order_status WHERE status = 'issued' HAVING count(*) = %s"

    async def all_issued():
        with psycopg.connect(service.settings.database_url) as connection:
            return connection.execute(issued, (ORDERS,)).fetchall()

    await until(all_issued, seconds=90)
    register = await service.registrations()
    assert {row["order_id"] for row in register} == order_ids
    assert len(register) == len({row["number"] for row in register}) == ORDERS
    for order_id in order_ids:
        history = await service.history(order_id)
        assert history == ["OrderPlaced", "PaymentReceived", "RegistrationStarted", "VignetteIssued"]
    assert supervisor.status()["registration"].restarts >= KILLS
    info = await service.ask_raw("$SRV.INFO.vignettes-registration", b"")
    assert int(info["metadata"]["restarts"]) >= KILLS


def environment(data_dir, **ports):
    settings = {"data_dir": data_dir, "sandbox": True, "clock": "movable", **ports}
    return {f"VIGNETTES_{name.upper()}": str(value) for name, value in settings.items()}


async def place(nats_url):
    client = await nats.connect(nats_url)
    try:
        return await Service(None, client, asyncio.get_running_loop().create_future()).place()
    finally:
        await client.close()


async def is_ready(run, port):
    assert run.returncode is None, "it ended before it was ready"
    async with httpx.AsyncClient() as web:
        try:
            return (await web.get(f"http://127.0.0.1:{port}/readyz")).is_success
        except httpx.HTTPError:
            return False
