"""Fault 6, the log's writer alone: what was answered is on a second server, and one that is alone answers nothing."""

import signal
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from eventstore_helpers import ask, prepare, writing_to
from faults.orders import Shop
from faults.standbys import Replicas
from service import until
from vignettes.domain.errors import Unavailable

_ANSWERED = 20
_WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
_ORDERS = "SELECT originator_id FROM log.events WHERE originator_version = 1"
_OF_COMMAND = "SELECT count(*) FROM log.commands WHERE command_id = %s"


@pytest.fixture
def replicas(data_dir):
    replicas = Replicas(data_dir, [(name, None) for name in ("a", "b", "c")])
    try:
        replicas.start_primary()
        # What a killed server has written the system keeps: only a machine that dies needs more.
        for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
            ask(replicas.primary.url("postgres"), statement)
        prepare(replicas.primary.url("vignettes"))
        replicas.start_standbys()
        yield replicas
    finally:
        for each in replicas.all:
            if each.running:
                each.kill()  # nobody wants its data any more


@pytest.fixture
def shop(replicas):
    shop = Shop(replicas.url)
    yield shop
    shop.appender.close()


@pytest.mark.fault(6)
@pytest.mark.usefixtures("quiet")
async def test_what_was_answered_is_there_after_a_promotion(replicas, shop, record):
    """A primary that is alone answers nothing, also not after a restart; the next has all that was answered (I1)."""
    answered = shop.appender.execute_all([shop.placing() for _ in range(_ANSWERED)])
    receivers = deafened(replicas)
    command = writing_to(answered[0].order_id, "another@example.com")
    with ThreadPoolExecutor(1) as asking:
        first = asking.submit(shop.appender.execute_all, [command])
        await nobody_has_it(replicas)
        assert not first.done()
        replicas.primary.kill()
        assert isinstance(first.result()[0], Unavailable)
        # It is on the disk of the primary now, and nowhere else.
        replicas.primary.start()
        again = asking.submit(shop.appender.execute_all, [command])
        await nobody_has_it(replicas)
        assert not again.done(), "an answer was repeated that no standby knows"
        replicas.primary.kill()
        assert isinstance(again.result()[0], Unavailable)
    for receiver in receivers:
        receiver.send_signal(signal.SIGCONT)
    replicas.promote()
    [last] = shop.appender.execute_all([command])
    held = ask(replicas.url, _ORDERS)
    lost = {reply.order_id for reply in (*answered, last)} - set(held)
    record(
        test=6,
        what="kill a primary whose standbys do not hear it, twice, and promote one of them",
        faults=2,
        lost=len(lost),
        doubled=ask(replicas.url, _OF_COMMAND, command.command_id)[0] - 1,
    )
    assert lost == set()
    assert ask(replicas.url, _OF_COMMAND, command.command_id) == [1]


def deafened(replicas):
    """Stop what receives the log of the primary, on every standby."""
    stopped = []
    for each in replicas.standbys:
        for process in psutil.Process(each.pid).children():
            if "walreceiver" in " ".join(process.cmdline()):
                process.suspend()
                stopped.append(process)
    assert len(stopped) == len(replicas.standbys)
    return stopped


async def nobody_has_it(replicas):
    """Wait until the primary waits for a standby."""

    async def look():
        return replicas.primary.ask(_WAITS)

    await until(look)
