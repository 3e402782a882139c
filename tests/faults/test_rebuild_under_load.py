"""Views are built anew beside a service at work: whoever reads notices nothing, and no mail leaves again."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import nats
import pytest
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout
from psycopg import AsyncConnection

from eventstore_helpers import ask
from faults import apart
from faults.nodes import told
from service import BEGINNING, Service, set_clock, settings_for, until
from vignettes.eventstore.connections import conninfo
from vignettes.runtime.keys import master_keys

#: How long its processes may take until the service answers.
_STARTS_WITHIN_SECONDS = 90
#: A switch may hold readers up for so long.
SWITCH_MS = 50
_LAG = "SELECT max(events_behind), max(seconds_behind) FROM read.projection_lag WHERE view <> 'published'"
_ROW = "SELECT order_number FROM read.order_status WHERE order_id = %s"
_HEAD = "SELECT coalesce(max(notification_id), 0) FROM log.events"


@dataclass(frozen=True)
class Size:
    """How much of it: orders told beforehand, commands a second, seconds at least of each part, and which views."""

    orders: int
    per_second: int
    calm_seconds: float
    views: tuple[str, ...]
    processes: tuple[tuple[str, ...], ...]
    limit_ms: float
    #: How far a live view may be behind while another is built, if it was not far more before.
    behind: int


#: Beside the rest of the suite, on cores that are full: what it takes is the long form's to show.
SHORT = Size(
    50, 50, 1.0, ("order_status",), (("ordering", "projecting", "mailing", "sandbox"),), 10 * SWITCH_MS, 5_000
)
LONG = Size(
    8_000,
    int(os.environ.get("FAULTS_RATE", "500")),
    30.0,
    ("order_status", "emails"),
    (("ordering",), ("projecting",), ("mailing",), ("sandbox",)),
    SWITCH_MS,
    200,
)


class Readers:
    """What programs see that read all the time."""

    def __init__(self, service, database, order):
        self._service = service
        self._database = database
        self._order = order
        self.met = Counter()
        #: Events and seconds behind, as often as one looks.
        self.behind = []

    @asynccontextmanager
    async def reading(self):
        """Read until the block ends; what fails then fails the test."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for read in (self._rows, self._standings, self._lags):
                tasks.create_task(read(over))
            yield
            over.set()

    async def _rows(self, over):
        async with await self._connected() as connection:
            while not over.is_set():
                rows = await (await connection.execute(_ROW, (self._order["order_id"],))).fetchall()
                assert rows == [(self._order["order_number"],)]
                self.met["rows"] += 1
                await asyncio.sleep(0.005)

    async def _standings(self, over):
        last = 0
        async with await self._connected() as connection:
            while not over.is_set():
                [head] = await (await connection.execute(_HEAD)).fetchone()
                wanted = {"order_id": self._order["order_id"], "min_position": head}
                reply = await self._service.ask("orders.v1.status", **wanted)
                assert reply["ok"], reply
                assert reply["as_of_position"] >= last
                last = reply["as_of_position"]
                self.met["answers"] += 1
                self.met["answers_too_early"] += last < head
                await asyncio.sleep(0.02)

    async def _lags(self, over):
        async with await self._connected() as connection:
            while not over.is_set():
                self.behind.append(await (await connection.execute(_LAG)).fetchone())
                await asyncio.sleep(0.1)

    async def _connected(self):
        return await AsyncConnection.connect(conninfo(self._database, "vignettes_auditor"), autocommit=True)


@pytest.fixture
def settings(database, nats_server, tmp_path, monkeypatch):
    set_clock(database, BEGINNING)
    ours = settings_for(database, nats_server.url, tmp_path, log_format="json")
    master_keys(ours)
    for name, value in apart.given(ours).items():
        monkeypatch.setenv(name, value)
    return ours


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SHORT, id="short", marks=pytest.mark.thorough),
        pytest.param(LONG, id="long", marks=[pytest.mark.faults, pytest.mark.timeout(900)]),
    ],
)
async def test_nobody_notices_that_views_are_built_anew(database, settings, size, seed, tell, tmp_path):
    """No row is missing, no position goes back, the live views keep up, and no mail leaves twice (I6, I7)."""
    async with AsyncExitStack() as stack:
        telling = stack.enter_context(
            told(database, seed, 5_000, orders=size.orders, keys_of_the_service=True)
        )
        before = await asyncio.to_thread(telling.ended)
        processes = [stack.enter_context(_process(tmp_path, "vignettes", "serve", "projecting"))]
        await _all_is_known(database)
        _end(processes)
        ask(database, "DELETE FROM effect.mails")  # nobody waits for these
        processes = [
            stack.enter_context(_process(tmp_path, "vignettes", "serve", *roles)) for roles in size.processes
        ]
        client = await nats.connect(settings.nats_url)
        stack.push_async_callback(client.close)
        service = Service(settings, client, asyncio.get_running_loop().create_future())
        await until(lambda: _tells_the_time(client), _STARTS_WITHIN_SECONDS)
        order = await service.place()
        await service.status(order["order_id"])
        readers = Readers(service, database, order)
        commands = {"nats_url": settings.nats_url, "per_second": size.per_second}
        with apart.side_by_side("faults.commanding", [commands]) as [commanding]:
            async with readers.reading():
                await asyncio.sleep(size.calm_seconds)
                calm, readers.behind = readers.behind, []
                built_in_s, switches = await _rebuilt(stack, tmp_path, size.views)
            commanding.send_signal(signal.SIGTERM)
            commanded = json.loads((await asyncio.to_thread(commanding.communicate, timeout=60))[0])
        await _all_is_known(database)
        _end(processes)
    mails = _mails(database, tmp_path)
    busy = readers.behind
    tell(
        events_before=before["events"],
        commands=commanded["met"],
        per_second=commanded["per_second"],
        p99_ms=commanded["p99_ms"],
        **readers.met,
        behind_before=_figures(calm),
        behind_meanwhile=_figures(busy),
        built_in_s=built_in_s,
        switches_ms=switches,
        mails=mails,
    )
    assert commanded["met"].keys() == {"ok"}
    assert _p95(busy) <= max(3 * _p95(calm), size.behind)
    assert max(switches) < size.limit_ms


def _process(folder, module, *argv, **pipes):
    """Start a module; whatever happens, it ends with the block."""
    with (folder / "roles.log").open("a") as log:
        return _Process(apart.start([module, *argv], **{"stdout": log, "stderr": log, **pipes}))


class _Process:
    def __init__(self, process):
        self.process = process

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        apart.kill(self.process)
        if self.process.stdout:
            self.process.stdout.close()


def _end(processes):
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        assert process.wait(20) == 0


async def _tells_the_time(client):
    """Tell whether the service is there: its processes have their code to load, on cores that are full."""
    try:
        return (await client.request("sandbox.v1.clock", b"{}", timeout=1)).data
    except (NoRespondersError, NatsTimeout):
        return None


async def _all_is_known(database):
    async def look():
        return ask(database, _LAG.replace("WHERE", "WHERE position < head AND")) == [(None, None)]

    await until(look, seconds=120)


async def _rebuilt(stack, folder, views):
    """Build views anew in a process of its own; return how long that took, and in ms each switch, whoever made it."""
    argv = ("faults.rebuilding", json.dumps(views))
    rebuilding = stack.enter_context(_process(folder, *argv, stdout=subprocess.PIPE))
    said, _ = await asyncio.to_thread(rebuilding.communicate, timeout=600)
    log = folder / "roles.log"
    assert rebuilding.returncode == 0, log.read_text()[-2000:]
    built = [json.loads(line) for line in said.splitlines()]
    assert {each["view"] for each in built} == set(views)
    # When it is starved of time, the service goes on with what it has begun, and it watches.
    by_the_service = [
        json.loads(line)["ms"] for line in log.read_text().splitlines() if "rebuild.switched" in line
    ]
    switches = [each["switch_ms"] for each in built if each["switch_ms"]] + by_the_service
    assert len(switches) == len(views)
    return {each["view"]: (each["seconds"], each["completed_by"]) for each in built}, switches


def _mails(database, folder):
    """Return how many mails have left; each once, and each is on record."""
    with sqlite3.connect(folder / "sandbox" / "inbox.sqlite") as inbox:
        arrived = [row[0] for row in inbox.execute("SELECT message_id FROM messages")]
    inbox.close()
    assert len(set(arrived)) == len(arrived), "a mail left twice"
    sent = ask(database, "SELECT message_id FROM effect.mails WHERE sent_at IS NOT NULL")
    assert sorted(arrived) == sorted(sent)
    earlier = "SELECT count(*) FROM effect.mails m JOIN log.events e ON e.notification_id = m.position"
    assert ask(database, f"{earlier} WHERE convert_from(e.state, 'UTF8')::jsonb ->> 'by' = 'test'") == [0]
    return len(arrived)


def _p95(behind):
    ordered = sorted(events for events, _ in behind)
    return ordered[len(ordered) * 95 // 100]


def _figures(behind):
    """Return events behind, and seconds."""
    events, seconds = (sorted(column) for column in zip(*behind, strict=True))
    place = len(events) * 95 // 100
    return (
        f"p95 {events[place]} worst {events[-1]} events; p95 {seconds[place]:.2f} worst {seconds[-1]:.2f} s"
    )
