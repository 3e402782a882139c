"""Ordering processes side by side on one database, each of which may be killed and started again."""

import asyncio
import json
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from faults import apart
from service import until
from vignettes.runtime.settings import Settings
from vignettes.services.discovery import service_name

_PING = f"$SRV.PING.{service_name('ordering')}"
_PINGED_WITHIN_SECONDS = 0.1
#: How long an answer is waited for: longer each time, so that those who ask again do not drown a slow machine.
_FIRST_WAIT, _LONGEST_WAIT = 0.6, 5.0
_PAUSE_SECONDS = 0.05
_PATIENCE = 60


class Crew:
    """Some processes of `vignettes serve ordering`."""

    def __init__(self, settings: Settings, folder: Path, size: int) -> None:
        self._env = apart.given(settings)
        self._log = folder / "ordering.log"
        self._size = size
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        self._processes = [self._start() for _ in range(self._size)]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            apart.kill(process)

    def _start(self) -> "subprocess.Popen[str]":
        with self._log.open("a") as log:
            return apart.start(["vignettes", "serve", "ordering"], self._env, stdout=log, stderr=log)

    def replace(self, number: int) -> None:
        """Kill one with -9, and start another in its place."""
        process = self._processes[number]
        assert process.poll() is None, f"it ended by itself: {self._log.read_text()[-2000:]}"
        apart.kill(process)
        self._processes[number] = self._start()

    async def all_ready(self, client: Client) -> None:
        """Wait until every one of them answers."""

        async def look() -> bool:
            return {process.pid for process in self._processes} <= await _answering(client)

        await until(look, seconds=30)


async def _answering(client: Client) -> set[int]:
    inbox = client.new_inbox()
    replies = await client.subscribe(inbox)
    await client.publish(_PING, reply=inbox)
    pids = set()
    with suppress(NatsTimeout):
        while True:
            message = await replies.next_msg(timeout=_PINGED_WITHIN_SECONDS)
            if message.data:  # else nobody is there
                pids.add(int(json.loads(message.data)["metadata"]["pid"]))
    await replies.unsubscribe()
    return pids


class Asking:
    """Asks until there is an answer that is not `unavailable`, and counts what came before."""

    def __init__(self, client: Client, heard: Callable[[int], None] = lambda _: None) -> None:
        self._client = client
        self._heard = heard
        self.met: Counter[str] = Counter()

    async def settled(self, subject: str, body: dict[str, Any]) -> bytes:
        """Return the answer as it came, byte by byte."""
        for attempt in range(_PATIENCE):
            wait = min(_FIRST_WAIT * 1.5**attempt, _LONGEST_WAIT)
            answer = await self._once(subject, json.dumps(body).encode(), wait)
            if answer is not None:
                self.met["answered"] += 1
                self._heard(self.met["answered"])
                return answer
        raise AssertionError(f"{subject} was never answered")

    async def _once(self, subject: str, body: bytes, wait: float) -> bytes | None:
        try:
            answer = (await self._client.request(subject, body, timeout=wait)).data
        except NatsTimeout:
            self.met["unanswered"] += 1
            return None
        except NoRespondersError:
            self.met["nobody_there"] += 1
            await asyncio.sleep(wait)
            return None
        reply = json.loads(answer)
        if reply["ok"] or reply["error"]["code"] != "unavailable":
            return answer
        self.met["unavailable"] += 1
        await asyncio.sleep(_PAUSE_SECONDS)
        return None
