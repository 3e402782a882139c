"""Processes that we start: they end with us, whatever ends us, and are ended politely first."""

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog

log = structlog.stdlib.get_logger(__name__)

START_LIMIT_S: Final = 30.0
STOP_LIMIT_S: Final = 8.0
LAST_LIMIT_S: Final = 2.0
POLL_S: Final = 0.02

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class EmbeddedServerError(RuntimeError):
    """An embedded server can't be had; the text says why, and the way out."""


class ServerDidNotStart(EmbeddedServerError):  # reads as the refusal it is
    """The server ended, or did not answer in time; what it last said is in the text."""

    def __init__(self, name: str, logfile: Path) -> None:
        super().__init__(f"{name} did not start. The end of {logfile}:\n{tail(logfile)}")


def end_with_parent(signum: signal.Signals) -> Callable[[], None] | None:
    """Give a preexec function: the kernel sends signum to the new process when its parent's thread ends.

    So nothing is orphaned even when we are killed with -9. Only the main thread may use it, since another
    that ends would take the process with it. Linux only; elsewhere None: a killed parent leaves its children.
    """
    if _LIBC is None:
        return None
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "Start processes from the main thread: they end with the thread that started them."
        )
    return partial(_end_with, os.getpid(), signum)


def _end_with(parent: int, signum: signal.Signals) -> None:
    """Run in the new process before its program: it may have lost its parent already."""
    assert _LIBC is not None  # noqa: S101  # end_with_parent has looked
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


class ServerProcess:
    """What both have in common: a foreground child with a log file, ended by a polite signal."""

    name: str
    _polite: signal.Signals
    _last_word: signal.Signals

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()
        self._logfile = self._data_dir / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Tell whether our child lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Give the process id of our child, None when there is none."""
        return self._process.pid if self._process is not None and self.running else None

    def is_stuck(self) -> bool:
        """Tell whether it runs, and only a new start helps it."""
        return False

    def stop(self) -> None:
        """End it politely within STOP_LIMIT_S, otherwise firmly. Harmless when it does not run."""
        if self._process is not None:
            _end(lambda: self.running, self._process.send_signal, self._polite, self._last_word)
            self._process = None

    def _end_leftover(self, pidfile: Path, directory: Path) -> bool:
        """End the server that a killed instance left in this directory (we hold the lock: nobody else's).

        Give False when the pid on file belongs to another program by now, as it may after a reboot.
        """
        import psutil  # noqa: PLC0415  # of the extra "embedded"; this module is imported without it, too

        try:
            leftover = psutil.Process(int(pidfile.read_text().split()[0]))
            if not leftover.name().startswith(self.name) or leftover.cwd() != str(directory.resolve()):
                return False
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return True
        except psutil.AccessDenied:
            return False
        log.warning("server.leftover", server=self.name, pid=leftover.pid)

        def alive() -> bool:
            return leftover.is_running() and leftover.status() != psutil.STATUS_ZOMBIE

        with contextlib.suppress(psutil.NoSuchProcess):
            _end(alive, leftover.send_signal, self._polite, self._last_word)
        return True

    def _spawn(
        self,
        argv: Sequence[str],
        parting: signal.Signals,
        cwd: Path = Path("/"),
        user: pwd.struct_passwd | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a child that ends with us, in a session of its own so that Ctrl-C is ours to pass on."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
        with self._logfile.open("ab") as output, warnings.catch_warnings():
            # Python 3.12 warns of any preexec_fn beside threads: ours makes two system calls and returns.
            warnings.simplefilter("ignore", DeprecationWarning)
            return subprocess.Popen(  # noqa: S603  # our own binaries
                argv,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent(parting),  # noqa: PLW1509  # see the warning above
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )

    def _wait_until(self, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while not answers():
            if not self.running or time.monotonic() > deadline:
                self.stop()
                raise ServerDidNotStart(self.name, self._logfile)
            time.sleep(POLL_S)


def _end(alive: Callable[[], bool], send: Callable[[int], None], *signals: signal.Signals) -> None:
    for signum, limit in zip(
        (*signals, signal.SIGKILL), (STOP_LIMIT_S, LAST_LIMIT_S, LAST_LIMIT_S), strict=True
    ):
        if not alive():
            return
        send(signum)
        deadline = time.monotonic() + limit
        while alive() and time.monotonic() < deadline:
            time.sleep(POLL_S)


def tail(logfile: Path, begin: int = 0) -> str:
    """Give the last lines of a log that were written after its first `begin` bytes."""
    with contextlib.suppress(OSError):
        return b"\n".join(logfile.read_bytes()[begin:].splitlines()[-15:]).decode(errors="replace")
    return "(there is none)"
