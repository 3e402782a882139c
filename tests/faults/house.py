"""The whole service on servers of its own, in as many processes as one likes; whatever dies is started again."""

import asyncio
import json
import os
import signal
import subprocess
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import nats
import psutil
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout

from eventstore_helpers import prepare
from faults import apart
from faults.household import ALL_ROLES
from service import BEGINNING, Service, set_clock, settings_for, until
from vignettes.runtime.embedded import EmbeddedNats, EmbeddedPostgres
from vignettes.runtime.keys import master_keys
from vignettes.runtime.settings import Settings
from vignettes.runtime.staffing import for_the_sandbox, staff_file
from vignettes.runtime.supervisor import Patience, keep_running

_SHARED = ("ordering", "projecting", "registration", "mailing")
#: Every so many times a process loads its code, as it does in life.
_AFRESH = 20
_LOOK_SECONDS = 0.05
_HEARD_WITHIN_SECONDS = 0.2


#: Each role as a process of its own, and a second one of those that share their work.
MANY = [(role,) for role in (*ALL_ROLES, *_SHARED)]


#: The whole service in few processes: what a short form can pay for.
FEW = [
    ("ordering", "registration"),
    ("ordering", "deadlines", "projecting"),
    ("projecting", "payments", "support", "mailing", "publishing", "auditing"),
    ("web", "sandbox"),
]


class Origin:
    """Gives processes that are forked from one with its code loaded; every so often one that loads it itself."""

    def __init__(self, log):
        self._log = log
        self._started = 0
        #: Those that were not forked.
        self._processes = {}

    def __enter__(self):
        with self._log.open("a") as log:
            pipe = subprocess.PIPE
            self._process = apart.start(["faults.serving"], stdin=pipe, stdout=pipe, stderr=log)
        assert self._process.stdout.readline() == apart.READY
        return self

    def __exit__(self, *_):
        for each in (self._process, *self._processes.values()):
            apart.kill(each)
        self._process.stdin.close()
        self._process.stdout.close()

    def start(self, roles, env):
        """Return the number of a new process."""
        self._started += 1
        if self._started % _AFRESH == 0:
            return self._start_afresh(roles, env)
        self._process.stdin.write(json.dumps({"roles": roles, "env": env, "log": str(self._log)}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def _start_afresh(self, roles, env):
        with self._log.open("a") as log:
            process = apart.start(["vignettes", "serve", *roles], env, stdout=log, stderr=log)
        self._processes[process.pid] = process
        return process.pid

    def is_alive(self, pid):
        if pid in self._processes:
            return self._processes[pid].poll() is None
        return psutil.pid_exists(pid)


@dataclass
class Member:
    """One place in the house: some roles, and the process that has them, None between a death and the next start."""

    roles: tuple
    pid: int | None = None


@dataclass
class House:
    """What runs, and how to ask it."""

    settings: Settings
    service: Service
    servers: tuple
    log: Path
    members: list
    starting: Origin
    #: When each process was last heard of, by its number.
    heard: dict = field(default_factory=dict)
    #: Whose death was not our doing.
    ended: list = field(default_factory=list)
    #: When somebody was killed or stopped, by the real clock, and who: the names of roles, or of a server.
    strikes: list = field(default_factory=list)
    is_over: bool = False
    _killed: set = field(default_factory=set)

    async def tend(self):
        """Start again whatever has died, as a supervisor would, until cancelled."""
        env, pause = apart.given(self.settings), Patience().first_delay_s
        keeping = asyncio.create_task(keep_running(self.servers))
        try:
            while True:
                for member in self.members:
                    if member.pid is None:
                        member.pid = self.starting.start(member.roles, env)
                    elif not self.lives(member):
                        if member.pid not in self._killed:
                            self.ended.append(member.roles)
                        member.pid = None
                assert not keeping.done(), "nobody keeps the servers running"
                await asyncio.sleep(pause)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def listen(self):
        """Learn who lives, until cancelled."""
        client = self.service.client
        while not self.is_over:  # nats-py may take a cancellation for a time-out
            with suppress(NatsError):
                inbox = client.new_inbox()
                replies = await client.subscribe(inbox)
                await client.publish("$SRV.PING", reply=inbox)
                with suppress(NatsTimeout):
                    while True:
                        message = await replies.next_msg(timeout=_HEARD_WITHIN_SECONDS)
                        told = json.loads(message.data or b"{}").get("metadata")
                        if told:
                            self.heard[told["role"], int(told["pid"])] = time.monotonic()
                await replies.unsubscribe()
            await asyncio.sleep(_LOOK_SECONDS)

    def note(self, *struck):
        """Put on record who is killed or stopped now."""
        self.strikes.append((datetime.now(UTC), struck))

    def kill_server(self, server):
        """End PostgreSQL or NATS as a power cut would."""
        self.note(server.name)
        os.kill(server.pid, signal.SIGKILL)

    def kill(self, pid):
        """End a process as a power cut would."""
        self.note(*(role for member in self.members if member.pid == pid for role in member.roles))
        self._killed.add(pid)
        os.kill(pid, signal.SIGKILL)

    def lives(self, member):
        """Tell whether somebody is in this place now."""
        return member.pid is not None and self.starting.is_alive(member.pid)

    async def answers(self, member, since, seconds=300):
        """Wait until a process in this place has been heard of, in all its roles, since a moment."""

        async def look():
            heard = [self.heard.get((role, member.pid), 0.0) for role in member.roles]
            return member.pid is not None and min(heard) > since

        try:
            await until(look, seconds)
        except AssertionError:
            raise AssertionError(f"{member} does not answer: {self.log.read_text()[-3000:]}") from None

    async def all_answer(self):
        """Wait until everybody is there."""
        since = time.monotonic()
        for member in self.members:
            await self.answers(member, since)


@asynccontextmanager
async def house(data_dir, members, *, on=None, **different):
    """Run the service in these processes. `on`: where PostgreSQL and NATS keep their data, when not beside the rest."""
    folders = on or (data_dir, data_dir)
    postgres, broker = EmbeddedPostgres(folders[0]), EmbeddedNats(folders[1], 0)
    async with AsyncExitStack() as stack:
        for server in (postgres, broker):
            stack.callback(server.stop)
            server.start()
        postgres.ensure_database("vignettes")
        url, log = postgres.url("vignettes"), data_dir / "roles.log"
        prepare(url)
        set_clock(url, BEGINNING)
        usual = {"log_format": "json", "log_level": "info", "bank_folder": data_dir / "bank"}
        settings = settings_for(url, broker.url, data_dir, **{**usual, **different})
        master_keys(settings)
        for_the_sandbox(staff_file(settings))
        client = await nats.connect(broker.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
        stack.push_async_callback(client.close)
        service = Service(settings, client, asyncio.get_running_loop().create_future())
        starting = stack.enter_context(Origin(log))
        places = [Member(tuple(roles)) for roles in members]
        running = House(settings, service, (postgres, broker), log, places, starting)
        tasks = [asyncio.create_task(each) for each in (running.tend(), running.listen())]
        stack.push_async_callback(_ended, running, tasks)
        await running.all_answer()
        yield running


async def _ended(running, tasks):
    running.is_over = True
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
