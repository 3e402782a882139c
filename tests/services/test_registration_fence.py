"""Who is stopped between the look at the clock and the write after it ends, and never writes too late."""

import asyncio
import signal
import subprocess
import sys
from uuid import uuid4

import psutil
import pytest

from authorities import impatient
from service import until
from vignettes.services.authorities import Application, Unknown
from vignettes.services.authorities.directory import connected
from vignettes.services.authorities.wire import Fence, boot_clock

APPLICATION = Application(uuid4(), 1, "CZ", "CZ", "1AB2345", "CZ-10D", "2026-12-01", "2026-12-10")

_WRITER = """
import asyncio, os, signal, sys
from vignettes.services.authorities.wire import Guard, boot_clock

async def write(seconds):
    guard = Guard(boot_clock() + seconds, has_body=True)
    await guard("http11.send_request_headers.started", {})
    await guard("http11.send_request_body.started", {})
    os.kill(os.getpid(), signal.SIGSTOP)
    print("written")
    await guard("http11.send_request_body.complete", {})

asyncio.run(write(float(sys.argv[1])))
print("goes on")
"""


@pytest.fixture
def stopped():
    """Give what starts a process that stops just before it writes, which it may for so many seconds."""
    processes = []

    async def started(seconds):
        argv = [sys.executable, "-c", _WRITER, str(seconds)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        seen = psutil.Process(process.pid)

        async def look():
            return seen.status() == psutil.STATUS_STOPPED

        await until(look)
        return process

    yield started
    for process in processes:
        process.kill()
        process.communicate()


async def test_a_process_that_goes_on_too_late_ends_before_it_writes(stopped):
    """By a signal that came meanwhile: it is taken before any instruction of ours."""
    process = await stopped(0.5)
    over = boot_clock() + 0.5

    async def look():
        return boot_clock() > over

    await until(look)
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate(timeout=10)
    assert (process.returncode, said) == (-signal.SIGALRM, "")


async def test_a_process_that_goes_on_in_time_writes(stopped):
    """And has no timer afterwards."""
    process = await stopped(60)
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate(timeout=10)
    assert (process.returncode, said) == (0, "written\ngoes on\n")


async def test_after_a_call_there_is_no_timer(tmp_path):
    """However it ended: here the authority hangs up."""

    async def hang_up(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    before = signal.getitimer(signal.ITIMER_REAL)[0]
    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with connected(impatient(tmp_path), url, {}) as found:
        answer = await found.of("CZ").register(APPLICATION, boot_clock() + 20)
    assert isinstance(answer, Unknown)
    assert abs(signal.getitimer(signal.ITIMER_REAL)[0] - before) < 5
    server.close()
    await server.wait_closed()


def test_with_several_writing_the_first_time_counts_and_afterwards_what_counted_before():
    """They end in any order; a timer of somebody else goes on."""
    before, fence, now = signal.getitimer(signal.ITIMER_REAL)[0], Fence(), boot_clock()
    for until_ in (now + 50, now + 30, now + 40):
        fence.put_up(until_)
    fence.take_down(now + 50)
    assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 30
    fence.take_down(now + 30)
    assert 30 < signal.getitimer(signal.ITIMER_REAL)[0] <= 40
    fence.take_down(now + 40)
    assert abs(signal.getitimer(signal.ITIMER_REAL)[0] - before) < 5
