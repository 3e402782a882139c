"""Processes of their own for what a fault test does: they end with the test, and may be killed at any moment."""

import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vignettes.runtime.children import end_with_parent
from vignettes.runtime.settings import Settings, variable

TESTS = Path(__file__).parents[1]
READY = "ready\n"


def start(
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    within: Sequence[str] = (),
    **pipes: Any,
) -> "subprocess.Popen[str]":
    """Start a Python module that the kernel ends with us, however we end; `within` is what brings it elsewhere."""
    paths = filter(None, (str(TESTS), os.environ.get("PYTHONPATH")))
    with warnings.catch_warnings():
        # Python 3.12 warns of any preexec_fn beside threads: this one makes two system calls and returns.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            [*within, sys.executable, "-m", *argv],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(env or {})},
            text=True,
            preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509  # see the warning above
            **pipes,
        )


def kill(process: "subprocess.Popen[str]") -> None:
    """End a process as a power cut would, and wait until it is gone. Harmless when it has ended."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()


def given(settings: Settings) -> dict[str, str]:
    """Return settings as the environment that a role of the service gets them by."""
    return {
        variable(name): str(value)
        for name in Settings.model_fields
        if (value := getattr(settings, name)) is not None
    }


@contextmanager
def side_by_side(module: str, each: Sequence[Mapping[str, Any]]) -> Iterator[list["subprocess.Popen[str]"]]:
    """Start a module once for each of these arguments, and let all begin at the same moment."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [start([module, json.dumps(arguments)], **pipes) for arguments in each]
    try:
        for process in processes:
            assert process.stdout.readline() == READY
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        yield processes
    finally:
        for process in processes:
            kill(process)
            process.stdin.close()
            process.stdout.close()


def wait_for_the_start() -> None:
    """Tell `side_by_side` that this process is ready, and wait for the others."""
    sys.stdout.write(READY)
    sys.stdout.flush()
    sys.stdin.readline()
