"""Keeps the roles of one machine running: each is a process, and may be killed at any moment (I12)."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from vignettes.runtime.children import end_with_parent
from vignettes.runtime.installation import PREFIX

log = structlog.stdlib.get_logger(__name__)

RESTARTS: Final = f"{PREFIX}RESTARTS"
#: How often a server that runs is asked whether it is stuck.
_ASKED_EVERY_S: Final = 2.0


class Server(Protocol):
    """A server that can be started again after its death, such as the embedded ones."""

    @property
    def name(self) -> str: ...
    @property
    def running(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def is_stuck(self) -> bool:
        """Tell whether it runs, and only a new start helps it. May wait a moment for its answer."""
        ...


@dataclass(frozen=True)
class Child:
    """One process to keep running; env is added to our own environment."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Patience:
    """How the supervisor waits, in seconds. A child gets grace_s to end by itself when all is stopped."""

    first_delay_s: float = 0.2
    longest_delay_s: float = 10.0
    good_life_s: float = 30.0
    grace_s: float = 8.0

    def delay(self, failures: int) -> float:
        """Double with each failure in a row, and spread: what died together need not return together."""
        ceiling = min(self.longest_delay_s, self.first_delay_s * 2 ** min(failures - 1, 30))
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311  # nobody gains from guessing it


@dataclass(frozen=True)
class ChildStatus:
    """What is known of a child now; pid is None between a death and the next start."""

    pid: int | None
    restarts: int
    since: datetime


@contextlib.contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into an event; a second Ctrl-C changes nothing, so all is cleaned up.

    Keep it open around the stopping as well.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for signum in caught:
        loop.add_signal_handler(signum, stop.set)
    try:
        yield stop
    finally:
        for signum in caught:
            loop.remove_signal_handler(signum)


class Supervisor:
    """Starts all children at once, starts the dead again, and leaves none behind."""

    def __init__(self, children: Sequence[Child], patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._lives = {child.name: _Life(child, self._patience) for child in children}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start all children; from here on a dead one is started again."""
        self._tasks = [asyncio.create_task(life.go_on(), name=name) for name, life in self._lives.items()]
        await asyncio.gather(*(life.begun.wait() for life in self._lives.values()))
        for task in self._tasks:
            if task.done():
                task.result()

    async def stop(self) -> None:
        """End all children within grace_s and a moment, politely first; cancelling does not cut it short."""
        ending = asyncio.create_task(self._end_all())
        cancelled = False
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                cancelled = True
        ending.result()
        if cancelled:
            raise asyncio.CancelledError

    async def run(self, stop: asyncio.Event) -> None:
        """Run until told to stop."""
        try:
            await self.start()
            await stop.wait()
        finally:
            await self.stop()

    def status(self) -> dict[str, ChildStatus]:
        """Tell how each child does, by name."""
        return {name: life.status() for name, life in self._lives.items()}

    async def _end_all(self) -> None:
        for life in self._lives.values():
            life.say_goodbye()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self._patience.grace_s)
        for life in self._lives.values():
            life.kill()
        if late:
            await asyncio.wait(late)
        for task in self._tasks:
            task.result()


class _Life:
    """One child through its deaths and restarts."""

    def __init__(self, child: Child, patience: Patience) -> None:
        self._child = child
        self._patience = patience
        self._process: asyncio.subprocess.Process | None = None
        self._leaving = asyncio.Event()
        self._restarts = 0
        self._since = datetime.now(UTC)
        self.begun = asyncio.Event()

    def status(self) -> ChildStatus:
        return ChildStatus(self._process.pid if self._process else None, self._restarts, self._since)

    def say_goodbye(self) -> None:
        self._leaving.set()
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, signum: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signum)

    async def go_on(self) -> None:
        failures = 0
        while not self._leaving.is_set():
            lived = await self._live_once()
            failures = 1 if lived >= self._patience.good_life_s else failures + 1
            if not self._leaving.is_set():
                self._restarts += 1
                await self._rest(self._patience.delay(failures))

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._leaving.wait(), seconds)

    async def _live_once(self) -> float:
        """Run the child to its end; give the seconds that it lived."""
        born = asyncio.get_running_loop().time()
        try:
            process = await self._spawn()
        except (OSError, subprocess.SubprocessError):
            log.exception("role.not_started", child=self._child.name)
            return 0.0
        finally:
            self.begun.set()
        self._process, self._since = process, datetime.now(UTC)
        log.info("role.started", child=self._child.name, pid=process.pid, restarts=self._restarts)
        if self._leaving.is_set():  # the goodbye came while it was being born
            self._send(signal.SIGTERM)
        code = await process.wait()
        self._process, self._since = None, datetime.now(UTC)
        lived = asyncio.get_running_loop().time() - born
        self._note_end(code, lived)
        return lived

    async def _spawn(self) -> asyncio.subprocess.Process:
        """Start it in a session of its own: a terminal's Ctrl-C reaches us only, and we decide the order."""
        return await asyncio.create_subprocess_exec(
            *self._child.argv,
            env={**os.environ, **self._child.env, RESTARTS: str(self._restarts)},
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGTERM),
        )

    def _note_end(self, code: int, lived: float) -> None:
        how = {"signal": signal.Signals(-code).name} if code < 0 else {"exit_code": code}
        say = log.info if self._leaving.is_set() else log.warning
        event = "role.stopped" if self._leaving.is_set() else "role.died"
        say(event, child=self._child.name, uptime_s=round(lived, 1), **how)


async def keep_running(
    servers: Sequence[Server], every_s: float = 0.1, asked_every_s: float = _ASKED_EVERY_S
) -> None:
    """Start an embedded server again that died (or was killed), or is stuck, until cancelled.

    Starting blocks the loop for the moment it takes: a supervising process has nothing better to do. One that does not
    start, for which the disk may be full, is tried again after ever longer pauses.
    """
    async with asyncio.TaskGroup() as keeping:
        for server in servers:
            keeping.create_task(_keep_running(server, every_s, asked_every_s))


async def _keep_running(server: Server, every_s: float, asked_every_s: float) -> None:
    loop, patience, failures = asyncio.get_running_loop(), Patience(first_delay_s=every_s), 0
    ask_at = loop.time() + asked_every_s
    while True:
        if server.running and loop.time() >= ask_at:
            ask_at = loop.time() + asked_every_s
            if await asyncio.to_thread(server.is_stuck):
                log.warning("server.stuck", server=server.name)
                server.stop()
        if not server.running:
            failures = 0 if _revived(server) else failures + 1
        await asyncio.sleep(patience.delay(failures) if failures else every_s)


def _revived(server: Server) -> bool:
    log.warning("server.died", server=server.name)
    try:
        server.start()
    except (OSError, RuntimeError):
        log.exception("server.not_started", server=server.name)
        return False
    log.info("server.started", server=server.name)
    return True
