"""Commands queue up and go in groups: at once when alone, together under load, turned away when there are too many."""

import asyncio
from uuid import uuid4

import psycopg
import pytest

from eventstore_helpers import ask, placing
from service import running_service, until
from vignettes.eventstore.deciding import Reply
from vignettes.eventstore.recorder import APPEND_LOCK
from vignettes.services.grouping import GroupWriter, QueueFull


class Log:
    """Stands where the log is: remembers each group, and holds it up until it is let go."""

    def __init__(self):
        self.groups = []
        self.let_go = asyncio.Semaphore(0)
        self.begun = asyncio.Semaphore(0)

    async def execute_all(self, commands):
        self.groups.append([command.command_id for command in commands])
        self.begun.release()
        await self.let_go.acquire()
        return [Reply(command.command_id, None, None) for command in commands]


@pytest.fixture
def log():
    return Log()


@pytest.fixture
async def writer(log):
    writer = GroupWriter(log.execute_all, capacity=10, largest=4)
    yield writer
    for _ in range(100):
        log.let_go.release()
    await writer.end()


def put(writer):
    """Queue a command, and return its id and what will be its outcome."""
    command, outcome = placing(command_id=uuid4()), asyncio.get_running_loop().create_future()

    async def settle(what):
        outcome.set_result(what)

    writer.put(command, settle)
    return command.command_id, outcome


async def begun(log):
    async with asyncio.timeout(10):
        await log.begun.acquire()


async def test_a_lone_command_goes_at_once(log, writer):
    """It waits for no company."""
    command_id, outcome = put(writer)
    await begun(log)
    log.let_go.release()
    assert (await outcome).command_id == command_id
    assert log.groups == [[command_id]]


async def test_what_comes_meanwhile_goes_together(log, writer):
    """The group is as large as the load, up to a limit, and in order of arrival."""
    first, _ = put(writer)
    await begun(log)
    later = [put(writer) for _ in range(6)]
    for _ in range(3):
        log.let_go.release()
    await asyncio.gather(*(outcome for _, outcome in later))
    ids = [command_id for command_id, _ in later]
    assert log.groups == [[first], ids[:4], ids[4:]]


async def test_when_the_queue_is_full_the_next_is_told_at_once(log, writer):
    """Backpressure: nothing of it is queued, and it is counted; afterwards there is room again."""
    put(writer)
    await begun(log)
    waiting = [put(writer) for _ in range(10)]
    with pytest.raises(QueueFull) as refused:
        put(writer)
    assert refused.value.code == "unavailable"
    stats = writer.stats()
    assert (stats["queue_waiting"], stats["queue_capacity"], stats["queue_turned_away"]) == (10, 10, 1)
    for _ in range(4):
        log.let_go.release()
    await asyncio.gather(*(outcome for _, outcome in waiting))
    stats = writer.stats()
    assert (stats["queue_waiting"], stats["groups"], stats["group_commands"]) == (0, 4, 11)
    assert stats["group_largest"] == 4


async def test_a_group_that_fails_is_answered_and_the_next_goes_on(log):
    """Whatever breaks in it, each command gets an outcome."""
    error = ZeroDivisionError()

    async def fail(commands):
        raise error

    failing = GroupWriter(fail)
    assert await put(failing)[1] is error
    assert await put(failing)[1] is error
    await failing.end()


async def test_an_answer_that_can_not_be_given_holds_up_no_other(log, writer):
    """The asker's connection broke; the next in the group still hears."""

    async def broken(_):
        raise ConnectionError

    put(writer)
    await begun(log)
    writer.put(placing(), broken)
    _, outcome = put(writer)
    for _ in range(2):
        log.let_go.release()
    assert isinstance(await outcome, Reply)


async def test_a_full_queue_is_told_to_whoever_asks(database, nats_server, tmp_path, monkeypatch):
    """Over NATS, while another writer keeps the lock: `unavailable` at once, and done when asked again later."""
    monkeypatch.setitem(GroupWriter.__init__.__kwdefaults__, "capacity", 2)
    running = running_service(database, nats_server.url, tmp_path / "data", ["ordering", "sandbox"])
    async with running as service, await psycopg.AsyncConnection.connect(database) as holder:
        await service.ask("sandbox.v1.clock")
        await holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        first = asyncio.create_task(service.place())
        await until(lambda: _waits_for_the_lock(database))
        more = [asyncio.create_task(service.place()) for _ in range(3)]
        done, waiting = await asyncio.wait(more, return_when=asyncio.FIRST_COMPLETED)
        [turned_away] = [each.result() for each in done]
        assert (turned_away["ok"], turned_away["error"]["code"]) == (False, "unavailable")
        await holder.rollback()
        assert all(reply["ok"] for reply in await asyncio.gather(first, *waiting))
        assert (await service.place(command_id=turned_away["command_id"]))["ok"]


async def _waits_for_the_lock(database):
    return ask(database, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


async def test_what_is_queued_comes_to_its_end_when_the_process_ends(log, writer):
    """Nobody who was taken is left without an answer."""
    outcomes = [put(writer)[1] for _ in range(6)]
    ending = asyncio.create_task(writer.end())
    for _ in range(6):
        log.let_go.release()
    await ending
    assert all(outcome.done() for outcome in outcomes)
