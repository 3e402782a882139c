"""The disk is full: who asks is told so, nothing promised is lost, and with room again all comes back alone."""

import asyncio
import random
import statistics
import time
from contextlib import asynccontextmanager
from uuid import uuid4

import nats
import psycopg
import pytest
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import StreamConfig

from eventstore_helpers import a_writer, ask, placing, prepare
from faults.filling import small_disk
from faults.house import FEW, house
from faults.probing import all_the_way
from faults.shopped import Life
from service import until
from vignettes.eventstore.deciding import Reply
from vignettes.runtime.embedded import EmbeddedNats, EmbeddedPostgres
from vignettes.runtime.supervisor import keep_running

FILLED = "the disk of PostgreSQL, or of NATS, filled to the last byte"
#: PostgreSQL alone has 45 MB from the first day on.
MEGABYTES = {"postgres": 120, "nats": 40}
#: In minutes its WAL grows to `max_wal_size` before a part of it is used again: the disk would be full by itself.
GIGABYTE = 1024
ROUNDS, LONGEST_SECONDS, PER_SECOND = 20, 10.0, 5
#: Within this time somebody who asks must know that nothing is recorded now.
REFUSED_WITHIN_SECONDS = 15.0
#: What a house is given until an order goes all the way again, on cores that are full.
LIMIT_SECONDS = 240.0
WISH = {
    "product": "CZ-10D",
    "vehicle": {"country": "CZ", "plate": "2A2 2345"},
    "valid_from": "2027-03-17",
    "email": "driver@example.com",
    "language": "en",
}
_NEXT_SEGMENT = "SELECT pg_switch_wal()"


@pytest.mark.fault(9)
async def test_servers_whose_disk_was_full_come_back_alone(data_dir, seed, record):
    """Whatever was acknowledged is there: an order in the log, a message in its stream (I1, I9)."""
    with small_disk(data_dir / "disk", sum(MEGABYTES.values())) as disk:
        postgres, broker = EmbeddedPostgres(disk.folder), EmbeddedNats(disk.folder, 0)
        async with kept_running(postgres, broker):
            postgres.ensure_database("vignettes")
            url = postgres.url("vignettes")
            prepare(url)
            client = await nats.connect(broker.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
            jetstream = client.jetstream(timeout=0.5)
            await jetstream.add_stream(StreamConfig(name="S", subjects=["s"]))
            writer = a_writer(url)
            disk.fill()
            placed = await refused(lambda: _placed(writer))
            published = await refused(lambda: _published(jetstream))
            disk.make_room()
            emptied = time.monotonic()
            await until(lambda: _placed(writer), LIMIT_SECONDS)
            await until(lambda: _published(jetstream), LIMIT_SECONDS)
            seconds = time.monotonic() - emptied
            lost = placed - ask(url, "SELECT count(*) FROM log.commands")[0] + 1
            held = (await jetstream.stream_info("S")).state.messages
            writer.close()
            await client.close()
    record(
        test=9,
        faults=2,
        what=FILLED,
        lost=max(lost, 0) + max(published + 1 - held, 0),
        worst_recovery_s=seconds,
    )
    assert lost == 0
    assert held > published


@asynccontextmanager
async def kept_running(*servers):
    """Start servers, and start them again as `vignettes run` does."""
    for server in servers:
        server.start()
    keeping = asyncio.create_task(keep_running(servers, asked_every_s=0.2))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        for server in servers:
            server.stop()


async def refused(act):
    """Do it until it is refused; return how often it was done."""
    done = 0
    while await act():
        done += 1
    return done


async def _placed(writer):
    [outcome] = await asyncio.to_thread(writer.execute_all, [placing()])
    return isinstance(outcome, Reply)


async def _published(jetstream):
    try:
        return await jetstream.publish("s", bytes(2000), stream="S")
    except NatsTimeout:
        return None


@pytest.mark.faults
@pytest.mark.fault(9)
@pytest.mark.parametrize("server", ["postgres", "nats"])
@pytest.mark.timeout(1200)
async def test_a_house_whose_disk_is_full_again_and_again(data_dir, server, seed, record):
    """At times in the middle of a segment, at times with none to write to, when PostgreSQL gives up (I1-I10)."""
    chance, recovered, waited = random.Random(seed), [], []
    with small_disk(data_dir / "disk", MEGABYTES[server] + GIGABYTE) as disk:
        on = (disk.folder, data_dir) if server == "postgres" else (data_dir, disk.folder)
        async with house(data_dir, FEW, on=on) as running:
            life = Life(running, seed, PER_SECOND, data_dir / "case")
            async with life.shopping() as clients:
                await until(lambda: _have_begun(clients), LIMIT_SECONDS)
                for _ in range(ROUNDS):
                    running.note(server)
                    disk.fill()
                    if server == "postgres":
                        waited.append(await _told_so(running, chance))
                    await asyncio.sleep(chance.uniform(1.0, LONGEST_SECONDS))
                    disk.make_room()
                    recovered.append(await all_the_way(running.service.client, LIMIT_SECONDS))
            report = await life.judged(logs=[disk.folder / f"{server}.log"])
    record(
        test=9,
        faults=ROUNDS,
        what=f"the disk of {server} filled to the last byte",
        worst_recovery_s=max(recovered),
        recovery_s=f"{statistics.median(recovered):.2f} median",
        refused_within_s=round(max(waited, default=0.0), 2),
        **life.figures(),
    )
    assert report.whole, report.text
    assert max(waited, default=0.0) < REFUSED_WITHIN_SECONDS


async def _have_begun(clients):
    return clients.settled


async def _told_so(running, chance):
    """Ask until the answer is that it can't be done now; return how long the longest question waited."""
    longest = 0.0
    if chance.random() < 0.5:
        _let_go_of_the_segment(running.settings.database_url)
    while True:
        began = time.monotonic()
        reply = await running.service.ask("orders.v1.place", command_id=uuid4(), **WISH)
        longest = max(longest, time.monotonic() - began)
        if not reply["ok"]:
            assert reply["error"]["code"] == "unavailable", reply
            return longest


def _let_go_of_the_segment(database):
    """Let PostgreSQL need a new segment of its log, which there is no room for: it can only give up."""
    try:
        ask(database, _NEXT_SEGMENT)
    except psycopg.OperationalError:
        return
