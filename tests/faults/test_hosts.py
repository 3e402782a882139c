"""Three machines: whichever is cut off, stands still or dies, the service goes on within 30 s, and nothing is lost."""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection

from faults import casefile
from faults.clients import Clients
from faults.hosts import Host, Hosts, hosts
from faults.probing import all_the_way
from vignettes.services.mailing import LANES

PER_SECOND = 2
#: Within which everything goes on by itself, once somebody has promoted a standby where that is needed.
LIMIT_SECONDS = 30
#: How long is waited for it nevertheless, so that the figure is known.
_PATIENCE_SECONDS = 120
_STARTS_WITHIN_SECONDS = 90
#: How long a primary is away before somebody promotes.
_SEEN_AFTER_SECONDS = 2
_WRITE = "SELECT pg_logical_emit_message(true, 'faults', 'who has it?')"

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(900),
    # nats-py leaves the socket of an attempt to connect that came to nothing to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@dataclass
class Load:
    """Clients at work, and how long the service was away after each fault."""

    hosts: Hosts
    clients: Clients
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    #: How many mails may have been under way when their mailer was cut off from the mail server or the database: these
    #: go out again under the same id, which is no double.
    mails_under_way: int = 0
    second_copies: int = 0
    report: casefile.Report | None = None

    async def recovered(self, what: str, since: float) -> None:
        """Note when an order went all the way that was placed after the fault."""
        await all_the_way(self.hosts.service.client, _PATIENCE_SECONDS)
        self.recoveries.setdefault(what, []).append(round(time.monotonic() - since, 1))
        assert self.hosts.ended() == [], "roles have ended by themselves"

    @property
    def worst(self) -> float:
        """Return the longest of all."""
        return max(max(each) for each in self.recoveries.values())


def _second_copies(folder: Path) -> int:
    ids = [each["message_id"] for each in json.loads((folder / "inbox.json").read_text())["messages"]]
    return len(ids) - len(set(ids))


@asynccontextmanager
async def load(data_dir: Path, seed: int) -> AsyncIterator[Load]:
    """Run the service on three machines, and clients who order, until the block ends; then they settle."""
    folder, stop = data_dir / "case", asyncio.Event()
    async with hosts(data_dir) as running:
        await all_the_way(running.service.client, _STARTS_WITHIN_SECONDS)
        clients = Clients(running.quorum.url, seed, folder / "journal.jsonl", PER_SECOND)
        shopping = asyncio.create_task(clients.run(stop))
        at_work = Load(running, clients)
        try:
            yield at_work
            stop.set()
            await shopping
            logs, known = [each.log for each in running.all], {"mails": at_work.mails_under_way}
            await casefile.collect(running, clients, folder, logs=logs, documented_doubles=known)
            at_work.second_copies = _second_copies(folder)
            at_work.report = await asyncio.to_thread(casefile.check, folder)
        finally:
            shopping.cancel()
            await asyncio.gather(shopping, return_exceptions=True)
            running.service.serving.cancel()


# --- PostgreSQL


def _killed(host: Host) -> None:
    host.replica.kill()


def _isolated(host: Host) -> None:
    host.machine.isolate()


def _frozen(host: Host) -> None:
    """Let the whole machine stand still: its kernel, too, answers nobody."""
    host.freeze()
    host.machine.isolate()


@pytest.mark.fault(6)
async def test_a_promoted_standby_has_all_that_was_answered(data_dir, seed, record):
    """Kill, cut off or freeze the primary's machine, promote a standby, and put the machine back, again and again."""
    faults = [_killed, _isolated, _frozen] * 2
    random.Random(seed).shuffle(faults)
    async with load(data_dir, seed) as at_work:
        for fault in faults:
            await _promoted_after(at_work, fault)
    _told(at_work, record, 6, len(faults), "kill, isolate or freeze the primary, promote a standby")


async def _promoted_after(at_work: Load, fault: Callable[[Host], None]) -> None:
    replicas, old = at_work.hosts.replicas, at_work.hosts.of_primary
    at_work.mails_under_way += LANES * len(at_work.hosts.all)
    fault(old)
    await asyncio.sleep(_SEEN_AFTER_SECONDS)
    asking = asyncio.create_task(_ask(old)) if fault is _isolated else None
    since = time.monotonic()
    replicas.promote()
    await at_work.recovered(fault.__name__.strip("_"), since)
    if asking:
        assert not asking.done(), "a primary that is cut off has answered"
    _fence(old)
    if asking:
        with suppress(psycopg.OperationalError):
            await asking
    replicas.join(old.replica)
    replicas.in_sync(2)


async def _ask(old: Host) -> None:
    """Write on the machine that is cut off: as long as nobody else has it, there is no answer."""
    async with await AsyncConnection.connect(old.replica.url("vignettes"), autocommit=True) as connection:
        await connection.execute(_WRITE)


def _fence(host: Host) -> None:
    """See to it that the old primary takes nothing any more before its machine is back, and forget what it knew."""
    if host.replica.running:
        host.replica.kill()
    host.replica.forget()
    host.machine.put_back()
    host.thaw()


# --- NATS

Fault = tuple[Callable[[Host], None], Callable[[Host], None]]


def _put_back(host: Host) -> None:
    host.machine.put_back()


def _paused(host: Host) -> None:
    host.broker.signal(signal.SIGSTOP)


def _goes_on(host: Host) -> None:
    host.broker.signal(signal.SIGCONT)


def _killed_broker(host: Host) -> None:
    host.broker.kill()


def _starts_again(host: Host) -> None:
    host.broker.start()


@pytest.mark.fault(7)
async def test_whoever_leads_the_streams_may_be_gone(data_dir, seed, record):
    """Cut off, pause or kill the NATS server that leads the stream of orders, or another, and put it back."""
    faults: list[Fault] = [(_isolated, _put_back), (_paused, _goes_on), (_killed_broker, _starts_again)] * 2
    chance = random.Random(seed)
    chance.shuffle(faults)
    async with load(data_dir, seed) as at_work:
        for break_, mend in faults:
            await _mended(at_work, chance.choice(["ORDERS", "REGISTRATIONS"]), break_, mend)
    _told(at_work, record, 7, len(faults), "isolate, pause or kill the leader of a stream of three replicas")


async def _mended(
    at_work: Load, stream: str, break_: Callable[[Host], None], mend: Callable[[Host], None]
) -> None:
    leader = await at_work.hosts.leader(stream)
    if break_ is _isolated and leader is at_work.hosts.of_primary:
        # Without its PostgreSQL somebody would have to act; what that does is the other test's.
        break_, mend = _paused, _goes_on
    at_work.mails_under_way += LANES if break_ is _isolated else 0
    since = time.monotonic()
    break_(leader)
    await at_work.recovered(break_.__name__.strip("_"), since)
    back = time.monotonic()
    mend(leader)
    await at_work.recovered("put_back", back)


def _told(at_work: Load, record: Callable[..., None], test: int, faults: int, what: str) -> None:
    found = at_work.report
    assert found
    record(
        test=test,
        faults=faults,
        lost=found.lost,
        doubled=found.doubled,
        same_id=at_work.second_copies,
        broken=found.broken,
        worst_recovery_s=at_work.worst,
        what=what,
        recoveries=at_work.recoveries,
        commands=at_work.clients.settled,
        per_second=PER_SECOND,
        load_average=round(os.getloadavg()[0], 1),
    )
    assert found.whole, found.findings[:10]
    assert at_work.clients.unsettled == set()
    assert at_work.worst < LIMIT_SECONDS
