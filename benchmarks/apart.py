"""Processes of their own for what measures: nothing of the service, and nothing of the progress shown, is in them."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from benchmarks.figures import Point
from vignettes.runtime.children import end_with_parent

READY = b"ready\n"
_READY_WITHIN_SECONDS = 20


class MeasuringFailed(Exception):
    """What was to be measured went wrong, so there is no figure; what it last said is in the text."""


async def measured(module: str, **arguments: Any) -> list[Point]:
    """Run `module` as a process that gets the arguments as JSON, and return the points it measured."""
    process = await _start(module)
    try:
        told, complaints = await process.communicate(json.dumps(arguments).encode())
    finally:
        await _end(process)
    return _points(module, process, told, complaints)


@asynccontextmanager
async def beside(module: str, **arguments: Any) -> AsyncIterator[None]:
    """Let `module` run beside whatever the block does."""
    process = await _start(module)
    try:
        await _until_ready(process, json.dumps(arguments).encode())
        yield
    finally:
        await _end(process)


@asynccontextmanager
async def meanwhile(module: str, **arguments: Any) -> AsyncIterator[list[Point]]:
    """Let `module` measure beside whatever the block does; the points are there when the block has ended.

    It says when it has begun, and comes to its end when it is told to terminate.
    """
    process, points = await _start(module), list[Point]()
    try:
        await _until_ready(process, json.dumps(arguments).encode())
        yield points
        process.terminate()
        points += _points(module, process, *await process.communicate())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def answer(measure: Callable[..., list[Point]]) -> None:
    """Measure as asked on stdin and print the points: the main function of a measuring module."""
    points = measure(**json.load(sys.stdin))
    json.dump([asdict(point) for point in points], sys.stdout)


def _points(module: str, process: asyncio.subprocess.Process, told: bytes, complaints: bytes) -> list[Point]:
    if process.returncode:
        raise MeasuringFailed(f"{module} failed:\n{complaints.decode()[-3000:]}")
    return [Point(**point) for point in json.loads(told)]


async def _start(module: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module,
        stdin=pipe, stdout=pipe, stderr=pipe, preexec_fn=end_with_parent(signal.SIGTERM),
    )  # fmt: skip


async def _until_ready(process: asyncio.subprocess.Process, arguments: bytes) -> None:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise MeasuringFailed("started without pipes")
    process.stdin.write(arguments)
    process.stdin.close()
    async with asyncio.timeout(_READY_WITHIN_SECONDS):
        if await process.stdout.readline() != READY:
            raise MeasuringFailed((await process.stderr.read()).decode())


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()
