"""Machines of a network, as network namespaces: each has an address, a cable that can be pulled, and its own processes.

This process stays outside, where everybody reaches everybody: it is the world that asks the service.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

import pytest

#: All that is made carries this prefix, so that what a killed run has left is known.
_PREFIX = "vghost"
_BRIDGE = f"{_PREFIX}-br"
_NETWORK = "10.213.77"
OUTSIDE = f"{_NETWORK}.254"
_LOCK = Path(gettempdir()) / f"{_PREFIX}.lock"


@dataclass(frozen=True)
class Machine:
    """One of them."""

    name: str
    address: str

    @property
    def within(self) -> list[str]:
        """Return what a command begins with that is to run there."""
        return ["ip", "netns", "exec", _namespace(self.name)]

    def isolate(self) -> None:
        """Pull its cable: nobody hangs up, nothing arrives any more. What runs there goes on, and reaches itself."""
        _ip("link", "set", _cable(self.name), "down")

    def put_back(self) -> None:
        """Put the cable in again."""
        _ip("link", "set", _cable(self.name), "up")


@contextmanager
def machines(*names: str) -> Iterator[list[Machine]]:
    """Give machines on one network while the block runs. Skips the test, with the reason, where none can be made."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the names and addresses are there once
        _remove()
        try:
            yield _made(names)
        finally:
            _remove()


def _made(names: Sequence[str]) -> list[Machine]:
    try:
        _ip("link", "add", _BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{OUTSIDE}/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        return [_machine(name, f"{_NETWORK}.{number}") for number, name in enumerate(names, 1)]
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces can be made here: {getattr(error, 'stderr', None) or error}")


def _machine(name: str, address: str) -> Machine:
    namespace, cable = _namespace(name), _cable(name)
    _ip("netns", "add", namespace)
    _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    _ip("link", "set", cable, "master", _BRIDGE, "up")
    _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        _ip("-n", namespace, "link", "set", device, "up")
    return Machine(name, address)


def _remove() -> None:
    """Take away all that carries our prefix, with the processes that a killed run has left in it."""
    if shutil.which("ip") is None or sys.platform != "linux":
        return
    for line in _ip("netns", "list").splitlines():
        namespace = line.split()[0]
        if namespace.startswith(f"{_PREFIX}-"):
            for pid in _ip("netns", "pids", namespace).split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            _ip("netns", "delete", namespace)
    for line in _ip("-o", "link", "show").splitlines():
        device = line.split(": ")[1].split("@")[0]
        if device.startswith(f"{_PREFIX}-"):
            with suppress(subprocess.CalledProcessError):  # a cable goes with its machine, a moment later
                _ip("link", "delete", device)


def _namespace(name: str) -> str:
    return f"{_PREFIX}-{name}"


def _cable(name: str) -> str:
    return f"{_PREFIX}-{name}0"


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, check=True, text=True, timeout=20)
    return done.stdout
