"""Commands as processes of their own, but for the seconds that each would take to import what others have imported."""

import asyncio
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

_STREAMS = ("in", "out", "err")


class Ended(NamedTuple):
    """How a command ended, and what it said where."""

    code: int
    said: str
    complained: str


async def vignettes(*words: str, **environment: str) -> Ended:
    """Run `vignettes` with these words to its end, with these variables besides our own."""
    return await asyncio.to_thread(run_vignettes, *words, **environment)


def run_vignettes(*words: str, **environment: str) -> Ended:
    """Do the same, and keep this thread waiting."""
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in _STREAMS]
        streams[0].touch()
        told = (words, {**os.environ, **environment}, streams)
        process = _started_by().Process(target=_run, args=told, daemon=True)
        process.start()
        process.join()
        code = process.exitcode
        process.close()
        assert code is not None
        _, said, complained = (each.read_text(encoding="utf-8") for each in streams)
    return Ended(code, said, complained)


@cache
def _started_by() -> ForkServerContext:
    """Give what forks a process that has imported the command line."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vignettes.runtime.cli"])
    return context


def _run(words: Sequence[str], environment: Mapping[str, str], streams: Sequence[Path]) -> None:
    """Be the process of a command, from the moment on when everything is imported."""
    for number, stream in enumerate(streams):
        opened = os.open(stream, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate("rww")
    )
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["vignettes", *words]
    # It costs nothing here; whoever only starts us need not import it.
    from vignettes.runtime import cli, console  # noqa: PLC0415

    for each, to_stderr in ((console.out, False), (console.err, True)):
        vars(each).update(vars(Console(stderr=to_stderr)))  # how wide it is was looked at when it was made
    cli.main()
