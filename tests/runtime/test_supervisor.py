"""The supervisor, with real processes: restarts, endings, and nothing left behind."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from vignettes.runtime.supervisor import Child, Patience, Supervisor, keep_running, stop_on_signals

QUICK = Patience(first_delay_s=0.02, longest_delay_s=0.1, good_life_s=30, grace_s=5)
POLITE = "import signal; signal.pause()"
STUBBORN = (
    "import signal, pathlib, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "pathlib.Path(sys.argv[1]).touch(); [signal.pause() for _ in iter(int, 1)]"
)


def child(name, program, *args, **env):
    return Child(name, [sys.executable, "-S", "-c", program, *map(str, args)], env)


async def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
async def supervise():
    started = []

    async def start(*children, patience=QUICK):
        supervisor = Supervisor(children, patience)
        started.append(supervisor)
        await supervisor.start()
        return supervisor

    yield start
    for supervisor in started:
        await supervisor.stop()


async def test_all_children_start_and_none_is_left(supervise):
    supervisor = await supervise(child("ordering", POLITE), child("mailing", POLITE))
    pids = [status.pid for status in supervisor.status().values()]
    assert all(psutil.pid_exists(pid) for pid in pids)
    await supervisor.stop()
    assert all(gone(pid) for pid in pids)
    assert [status.pid for status in supervisor.status().values()] == [None, None]


async def test_a_killed_child_is_started_again_and_told_how_often(supervise, tmp_path):
    program = (
        "import os, pathlib, sys, signal;"
        "pathlib.Path(sys.argv[1], os.environ['VIGNETTES_RESTARTS']).touch(); signal.pause()"
    )
    supervisor = await supervise(child("ordering", program, tmp_path, EXTRA="1"))
    for restarts in range(3):
        await until((tmp_path / str(restarts)).exists)
        assert supervisor.status()["ordering"].restarts == restarts
        os.kill(supervisor.status()["ordering"].pid, signal.SIGKILL)
    await until((tmp_path / "3").exists)


async def test_a_child_that_fails_at_once_does_not_keep_the_others_from_living(supervise):
    supervisor = await supervise(
        child("broken", "raise SystemExit(3)"), Child("missing", ["/no/such/program"]), child("sound", POLITE)
    )
    sound = supervisor.status()["sound"]
    await until(lambda: supervisor.status()["broken"].restarts >= 3)
    await until(lambda: supervisor.status()["missing"].restarts >= 3)
    assert supervisor.status()["sound"] == sound


async def test_a_child_that_ignores_the_goodbye_is_killed(supervise, tmp_path):
    patience = Patience(first_delay_s=0.02, grace_s=0.3)
    supervisor = await supervise(child("stubborn", STUBBORN, tmp_path / "ready"), patience=patience)
    await until((tmp_path / "ready").exists)
    pid = supervisor.status()["stubborn"].pid
    began = time.monotonic()
    await supervisor.stop()
    assert gone(pid)
    assert time.monotonic() - began < 5


async def test_stopping_during_a_wait_for_the_next_start_is_quick(supervise):
    patience = Patience(first_delay_s=60, longest_delay_s=60)
    supervisor = await supervise(child("broken", "raise SystemExit(3)"), patience=patience)
    await until(lambda: supervisor.status()["broken"].restarts == 1)
    await asyncio.wait_for(supervisor.stop(), timeout=5)


async def test_cancelling_does_not_cut_the_cleaning_up_short(supervise, tmp_path):
    patience = Patience(grace_s=0.5)
    supervisor = await supervise(child("stubborn", STUBBORN, tmp_path / "ready"), patience=patience)
    await until((tmp_path / "ready").exists)
    pid = supervisor.status()["stubborn"].pid
    stopping = asyncio.create_task(supervisor.stop())
    for _ in range(3):
        await asyncio.sleep(0)
        stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert gone(pid)


def test_delays_double_up_to_a_limit_and_are_spread():
    patience = Patience()
    for failures, ceiling in [(1, 0.2), (2, 0.4), (5, 3.2), (7, 10), (10_000, 10)]:
        delays = {patience.delay(failures) for _ in range(50)}
        assert ceiling / 2 <= min(delays) <= max(delays) <= ceiling
        assert len(delays) > 1


WHOLE = textwrap.dedent(
    """
    import asyncio, sys
    from vignettes.runtime.logs import configure
    from vignettes.runtime.supervisor import Child, Patience, Supervisor, stop_on_signals

    async def main():
        _, program, place = sys.argv
        children = [Child(n, [sys.executable, "-S", "-c", program, f"{place}/{n}"]) for n in "ab"]
        with stop_on_signals() as stop:
            supervisor = Supervisor(children, Patience(grace_s=1))
            running = asyncio.create_task(supervisor.run(stop))
            while not all(status.pid for status in supervisor.status().values()):
                await asyncio.sleep(0.01)
            print(*(status.pid for status in supervisor.status().values()), flush=True)
            await running
        print("clean", flush=True)

    configure("json", "info", "run")
    asyncio.run(main())
    """
)


@pytest.fixture
def whole(tmp_path):
    """Give a process of its own that supervises two children."""
    with contextlib.ExitStack() as cleaning:

        def start(program):
            command = [sys.executable, "-c", WHOLE, program, str(tmp_path)]
            process = cleaning.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            cleaning.callback(kill, process.pid)
            process.children = [int(pid) for pid in process.stdout.readline().split()]
            for pid in process.children:
                cleaning.callback(kill, pid)
            return process

        yield start


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.thorough
async def test_ctrl_c_twice_still_cleans_up(whole, tmp_path):
    whole = whole(STUBBORN)
    await until(lambda: all((tmp_path / name).exists() for name in "ab"))
    whole.send_signal(signal.SIGINT)
    whole.send_signal(signal.SIGINT)
    whole.send_signal(signal.SIGTERM)
    out, _ = await asyncio.to_thread(whole.communicate, timeout=10)
    assert out == "clean\n"
    assert whole.returncode == 0
    assert all(gone(pid) for pid in whole.children)


@pytest.mark.skipif(
    sys.platform != "linux", reason="needs Linux's PR_SET_PDEATHSIG; elsewhere the next start cleans up"
)
async def test_children_end_with_a_supervisor_that_was_killed(whole):
    whole = whole(POLITE)
    whole.kill()
    await until(lambda: all(gone(pid) for pid in whole.children))


async def test_signals_are_left_as_they_were():
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), timeout=5)
    assert signal.getsignal(signal.SIGTERM) == before


class Fragile:
    """A server that fails to start the first time, and is stuck for as long as somebody says."""

    name = "fragile"
    running = False
    starts = 0
    stuck = False

    def start(self):
        self.starts += 1
        if self.starts == 1:
            raise OSError("not yet")
        self.running = True

    def stop(self):
        self.running = self.stuck = False

    def is_stuck(self):
        return self.stuck


async def test_a_dead_server_is_started_until_it_runs():
    server = Fragile()
    keeping = asyncio.create_task(keep_running([server], every_s=0.01))
    await until(lambda: server.running)
    keeping.cancel()
    assert server.starts == 2


async def test_a_server_that_runs_and_is_stuck_is_started_again():
    server = Fragile()
    keeping = asyncio.create_task(keep_running([server], every_s=0.01, asked_every_s=0.01))
    await until(lambda: server.running)
    server.stuck = True
    await until(lambda: server.starts > 2)
    keeping.cancel()
    assert not server.stuck
