"""The running service as operators see it: units that are started and stopped, scraped, and cured by the runbook."""

import asyncio
import re
import shlex
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
from nats.aio.client import Client

from commanding import vignettes
from deploy.scraping import ROOT, Samples, alerts, firing, metrics_of, read
from faults.proxy import Proxy
from service import PATIENCE_SECONDS, Service
from vignettes.runtime import bootstrap
from vignettes.runtime.embedded import EmbeddedNats
from vignettes.runtime.settings import Settings

RUNBOOK = ROOT / "docs" / "runbook.md"
#: A word that whoever follows the runbook fills in.
_TO_FILL_IN = re.compile(r"\b[A-Z]{4,}\b")
#: More than nine tenths of what a scrape tells, and nothing that an alert, or a test of one, looks at.
_LEFT_OUT = re.compile(r"^\w+_(bucket|sum|created)\b.*\n", re.MULTILINE)
_LOOK_AGAIN_SECONDS = 0.2
_COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def entries() -> dict[str, str]:
    """Return the runbook's entries by their names."""
    parts = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0]: part for part in parts}


def cure(alert: str) -> list[str]:
    """Return the commands that the runbook gives as the cure of an alert."""
    written = entries()[alert].split("**Cure.**")[1]
    return [line for block in _COMMANDS.findall(written) for line in block.splitlines()]


@dataclass
class Unit:
    """A unit of systemd: some roles in a process of their own."""

    roles: tuple[str, ...]
    settings: Settings
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    running: "asyncio.Task[None] | None" = None

    async def start(self, **different: Any) -> None:
        """Run it, until it is stopped."""
        self.stopping.clear()
        settings = self.settings.model_copy(update=different)
        self.running = asyncio.create_task(bootstrap.serve(settings, self.roles, self.stopping))

    async def stop(self) -> None:
        """Stop it, and wait for its end. Harmless when it is stopped."""
        self.stopping.set()
        if self.running is not None:
            await self.running
        self.running = None


@dataclass
class House:
    """All of it."""

    service: Service
    client: Client
    nats_server: EmbeddedNats
    proxy: Proxy
    units: dict[str, Unit]
    promtool: str
    folder: Path
    #: How the service was found, well and ill by turns, and what should fire while it is ill.
    found: list[Samples] = field(default_factory=list)
    expected: list[set[str]] = field(default_factory=list)
    #: What is happening to it.
    cause: str = "its start"

    async def live_through(self, *causes: "Callable[[House], Awaitable[None]]") -> None:
        """Let one thing after the other happen to it, and hold that each lets exactly its alerts fire."""
        for each in causes:
            self.cause = each.__name__
            await each(self)
        self.check()

    @property
    def database(self) -> str:
        """The URL of the database, for whoever owns it."""
        return str(self.service.settings.database_url)

    def sql(self, statement: str, *values: Any) -> list[Any]:
        """Execute as the owner of the database."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def leap(self, **passed: float) -> None:
        """Let time pass without waiting for what falls due by it."""
        keywords = ", ".join(f"{unit} => {number}" for unit, number in passed.items())
        self.sql(f"UPDATE clock.shift SET ahead = ahead + make_interval({keywords})")
        self.sql("SELECT pg_notify('clock', '')")

    async def morning(self) -> None:
        """Let it become eight o'clock of another day: far from midnight in every country."""
        now = await self.service.now()
        await self.ask(
            "sandbox.v1.clock", now=(now + timedelta(days=1)).replace(hour=8, minute=0).isoformat()
        )

    # --- what Prometheus sees

    async def scrape(self) -> Samples:
        """Return what a scrape tells now; only that there was no answer where there is none."""
        address = f"http://127.0.0.1:{self.service.settings.http_port}/metrics"
        up = 'up{instance="here",job="vignettes"}'
        # Nothing is encrypted here, and to read the certificates of the world takes as long as all the rest.
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=15) as http:
            try:
                told = (await http.get(address)).text
                return {**read(_LEFT_OUT.sub("", told)), up: 1.0}
            except httpx.TransportError:
                return {up: 0.0}

    async def ill(self, alert: str, shows: Callable[[Samples], bool]) -> Samples:
        """Scrape until it shows what an alert is about, and nothing else that passes by itself."""
        about = metrics_of(alerts()[alert])
        return await self.seen(lambda seen: shows(seen) and is_calm(seen, about), 60)

    async def cured(self, shows: Callable[[Samples], bool]) -> Samples:
        """Scrape until it shows that something is over, and that nothing else is under way."""
        return await self.seen(lambda seen: shows(seen) and is_calm(seen, set()), 60)

    async def seen(self, shows: Callable[[Samples], bool], seconds: float = PATIENCE_SECONDS) -> Samples:
        """Scrape until it shows what is waited for, and return that scrape."""
        end = time.monotonic() + seconds
        while True:
            samples = await self.scrape()
            with suppress(KeyError):  # a scrape that did not reach everything in time
                if shows(samples):
                    return samples
            assert time.monotonic() < end, (
                f"{self.cause}: not seen within {seconds} s; {restless(samples, set()) or 'all is calm'}"
            )
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def note(self, ill: Samples, well: Samples, *expected: str) -> None:
        """Keep what was seen, and what should fire by it: these alerts, and none before it and once it is cured."""
        self.found += [ill, well]
        self.expected += [set(expected), set()]

    def check(self) -> None:
        """Hold that all that was noted, one thing after the other, lets exactly those alerts fire."""
        fired = firing(self.promtool, self.folder, *self.found)
        wrong = [
            (number, fire, meant)
            for number, (fire, meant) in enumerate(zip(fired, [set(), *self.expected], strict=True))
            if fire != meant
        ]
        assert not wrong, f"scrape, what fires by it, what should: {wrong}"

    # --- what the runbook says

    async def follow(self, alert: str, only: str = "", **filled_in: Any) -> None:
        """Do what the runbook gives as the cure, or the part of it that has these words in it."""
        commands = [each for each in cure(alert) if only in each]
        assert commands, f"the runbook gives no cure of {alert}"
        for command in commands:
            words = [
                _TO_FILL_IN.sub(lambda found: str(filled_in.get(found[0], found[0])), word)
                for word in shlex.split(command)
            ]
            await self._do(words)

    async def _do(self, words: list[str]) -> None:
        match words:
            case ["vignettes", *arguments]:
                await self.vignettes(*arguments)
            case ["psql", "$VIGNETTES_DATABASE_URL", "-c", statement]:
                self.sql(statement)
            case ["systemctl", verb, unit]:
                await self._control(verb, unit)
            case ["nats", "stream", "edit", name, *limits]:
                await self._edit(name, limits)
            case _:
                raise AssertionError(f"nobody here knows how to do {shlex.join(words)}")

    async def vignettes(self, *arguments: str) -> str:
        """Run the command line, as an operator does."""
        settings = self.service.settings
        told = {
            "VIGNETTES_DATABASE_URL": self.database,
            "VIGNETTES_NATS_URL": str(settings.nats_url),
            "VIGNETTES_DATA_DIR": str(settings.data_dir),
            "VIGNETTES_SANDBOX": "true",
            "VIGNETTES_CLOCK": "movable",
        }
        ended = await vignettes(*arguments, **told)
        assert ended.code == 0, ended.said + ended.complained
        return ended.said

    async def _control(self, verb: str, name: str) -> None:
        role = name.removeprefix("vignettes@")
        if role == "postgresql":
            self.proxy.refuse_no_more()
        elif role == "nats":
            self.nats_server.start()  # by the main thread alone: it ends with whoever started it
        else:
            unit = self.units[role]
            if verb == "restart":
                await unit.stop()
            await unit.start()

    async def _edit(self, name: str, limits: list[str]) -> None:
        jetstream = self.client.jetstream()
        config = (await jetstream.stream_info(name)).config
        assert limits == ["--max-bytes=-1", "--force"]
        await jetstream.update_stream(config.evolve(max_bytes=-1))

    async def ask(self, subject: str, **body: Any) -> dict[str, Any]:
        """Ask the service, which must say yes."""
        reply = await self.service.ask(subject, **body)
        assert reply.get("ok", True), reply
        return reply


#: What samples stand at while all is well.
_WHEN_CALM: dict[str, Callable[[float], bool]] = {
    "vignettes_processes": lambda value: value > 0,
    "vignettes_projection_led": lambda value: value == 1,
    "vignettes_projection_seconds_behind": lambda value: value == 0,
    "vignettes_ledger_seconds_behind": lambda value: value == 0,
    "vignettes_authority_callable": lambda value: value == 1,
}


def is_calm(seen: Samples, but: set[str]) -> bool:
    """Tell whether everybody is there and nothing is behind; what these metrics tell does not count."""
    return not restless(seen, but)


def restless(seen: Samples, but: set[str]) -> Samples:
    """Return the samples that tell that somebody is away or something behind, without those of these metrics."""
    found = {
        name: value
        for name, value in seen.items()
        if (metric := name.partition("{")[0]) not in but and not _WHEN_CALM.get(metric, lambda _: True)(value)
    }
    published = seen.get("vignettes_published_events{}", 0)
    if "vignettes_published_events" not in but and published > seen.get("vignettes_stream_messages{}", 0):
        found["vignettes_published_events{}"] = published
    return found


async def stop_all(units: dict[str, Unit]) -> None:
    """Stop everything."""
    for unit in units.values():
        await unit.stop()
