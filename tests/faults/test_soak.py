"""An hour of steady work amid faults: what is used stays flat, and the checker finds it whole (`make soak`)."""

import asyncio
import os
import random
import signal
import statistics
from collections import Counter
from contextlib import suppress

import psycopg
import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from eventstore_helpers import ask
from faults.house import MANY, house
from faults.shopped import Life
from faults.steady import Series, Watch

MINUTES = float(os.environ.get("MINUTES") or 60)
PER_SECOND = float(os.environ.get("PER_SECOND") or 5)
FAULT_EVERY_SECONDS, LOOK_EVERY_SECONDS = 15.0, 2.0
_LONGEST_PAUSE_SECONDS = 5.0
_SHARED = 4
_CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name LIKE 'vignettes%%' ORDER BY random() LIMIT 3
"""
MB = 1 << 20


class Troubles:
    """Small faults without end: sessions cut, processes stopped for seconds, the younger ones and servers killed."""

    def __init__(self, running, elders, chance):
        self._running = running
        self._elders = elders
        self._chance = chance
        self.met = Counter()

    async def run(self):
        while True:
            await asyncio.sleep(self._chance.uniform(0, 2 * FAULT_EVERY_SECONDS))
            kinds = {self.cut: 4, self.stop: 3, self.kill: 3, self.kill_a_server: 1}
            [fault] = self._chance.choices(list(kinds), list(kinds.values()))
            await fault()
            self.met[fault.__name__] += 1

    async def cut(self):
        self._running.note("postgres")
        with suppress(psycopg.OperationalError):
            await asyncio.to_thread(ask, self._running.settings.database_url, _CUT)

    async def stop(self):
        member = self._chance.choice(self._elders)
        self._running.note(*member.roles)
        os.kill(member.pid, signal.SIGSTOP)
        await asyncio.sleep(self._chance.uniform(1.0, _LONGEST_PAUSE_SECONDS))
        self._running.note(*member.roles)
        os.kill(member.pid, signal.SIGCONT)

    async def kill(self):
        young = [each for each in self._running.members[-_SHARED:] if each.pid is not None]
        if young:
            self._running.kill(self._chance.choice(young).pid)

    async def kill_a_server(self):
        server = self._chance.choice(self._running.servers)
        if server.running:
            self._running.kill_server(server)


@pytest.mark.faults
@pytest.mark.timeout(0)
async def test_an_hour_of_faults_leaves_no_trace(data_dir, seed, tell, capsys):
    """Memory, files and sessions of processes that live through it stay flat; nothing lost, nothing doubled."""
    async with house(data_dir, MANY) as running:
        elders = running.members[:-_SHARED]
        watch = Watch(running.settings.database_url, {" ".join(each.roles): each.pid for each in elders})
        troubles = Troubles(running, elders, random.Random(seed))
        life = Life(running, seed, PER_SECOND, data_dir / "case")
        async with life.shopping():
            work = [asyncio.create_task(each) for each in (watch.run(LOOK_EVERY_SECONDS), troubles.run())]
            with capsys.disabled():
                await _wait(60 * MINUTES, work)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        report = await life.judged()
    with capsys.disabled():
        Console(width=120).print(_table(watch))
    tell(minutes=MINUTES, per_second=PER_SECOND, faults=dict(troubles.met), **life.figures())
    assert report.whole, report.text
    assert running.ended == []
    assert watch.grown() == []


async def _wait(seconds, work):
    """Show how far it is; whoever of those at work ends by himself is heard of at once."""
    columns = (TextColumn("soak"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=seconds)
        for _ in range(round(seconds)):
            done, _waiting = await asyncio.wait(work, timeout=1.0)
            for each in done:
                each.result()
            progress.advance(bar)


def _table(watch):
    table = Table("process", "MB when warm", "MB in the end", "files when warm", "files in the end")
    for name, memory in watch.memory.items():
        files = watch.files[name]
        figures = (statistics.median(part) for part in (memory.warm, memory.late))
        table.add_row(
            name,
            *(f"{each / MB:.0f}" for each in figures),
            *(f"{statistics.median(part):.0f}" for part in (files.warm, files.late)),
        )
    return table


def test_what_grows_is_seen():
    """Slowly, or once and for good; what comes and goes is not."""
    flat = Series([100.0 + number % 7 for number in range(400)])
    assert not flat.has_grown(1.1, 1)
    assert Series([100.0 + number / 4 for number in range(400)]).has_grown(1.1, 1)
    assert Series([100.0] * 250 + [130.0] * 150).has_grown(1.1, 1)
