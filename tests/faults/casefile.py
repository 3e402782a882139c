"""What is laid before the checker, which shares nothing with us: gathered from a household that has come to rest."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import nats
import psycopg
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.errors import ServiceUnavailableError

from service import until
from vignettes.eventstore.connections import conninfo
from vignettes.messages import events
from vignettes.runtime.settings import Settings
from vignettes.sandbox.authority import AuthorityRegister
from vignettes.sandbox.inbox import Inbox

PROGRAM = Path(__file__).parents[1] / "checker"
#: Nothing is to come any more: no view is behind, no mail waits, no registration is under way or overdue.
_UNDER_WAY = """
SELECT (SELECT count(*) FROM read.projection_lag WHERE events_behind > 0)
     + (SELECT count(*) FROM read.emails WHERE state IN ('waiting', 'retrying'))
     + (SELECT count(*) FROM read.order_status WHERE status = 'registering' AND person_called_at IS NULL)
     + (SELECT count(*) FROM read.deadlines WHERE ended_at IS NULL AND due_at < clock.now() - interval '1 s')
"""
_RESTS_WITHIN_SECONDS = 90.0
#: Servers of a stream that were apart have agreed by then.
_AGREED_WITHIN_SECONDS = 60.0
_CHECKED_WITHIN_SECONDS = 600
_AT_A_TIME = 500
MISUSED = 2


class Lived(Protocol):
    """What has run: a Household, or whatever else has settings and a log."""

    settings: Settings
    log: Path


class Shopped(Protocol):
    """Who has asked it."""

    secrets: list[str]


@dataclass(frozen=True)
class Report:
    """What the checker said."""

    counts: dict[str, int]
    findings: list[dict[str, Any]]
    text: str

    @property
    def whole(self) -> bool:
        """Tell whether nothing was found."""
        return not self.findings

    @property
    def lost(self) -> int:
        """How many things are not there that should be."""
        return self._of("lost")

    @property
    def doubled(self) -> int:
        """How many things are there twice."""
        return self._of("doubled")

    @property
    def broken(self) -> int:
        """How many promises of time were broken."""
        return self._of("broken")

    def _of(self, kind: str) -> int:
        return sum(finding["kind"] == kind for finding in self.findings)


async def collect(
    household: Lived,
    clients: Shopped,
    folder: Path,
    *,
    logs: Iterable[Path] = (),
    rests_within: float = _RESTS_WITHIN_SECONDS,
    **more: Any,
) -> Path:
    """Wait until nothing is under way any more, and gather the case, beside the clients' journal.jsonl in this folder.

    What does not come to rest in time is gathered as it is: the checker will say what is wrong with it.
    `logs`: further files; `more`: further things that case.json says.
    """
    settings = household.settings
    with suppress(AssertionError):
        await until(lambda: _rests(str(settings.database_url)), seconds=rests_within)
    folder.mkdir(parents=True, exist_ok=True)
    _write_case(folder, settings, clients.secrets, await _service_time(str(settings.database_url)), more)
    _gather_sandbox(folder, settings.data_dir / "sandbox")
    _gather_logs(folder / "logs", [household.log, *settings.data_dir.glob("*.log"), *logs])
    await asyncio.to_thread(_gather_metrics, folder, settings.http_port)
    await _gather_stream(folder, str(settings.nats_url))
    return folder


async def _rests(database: str) -> bool:
    with suppress(psycopg.OperationalError):
        async with await psycopg.AsyncConnection.connect(
            conninfo(database, "vignettes_auditor")
        ) as connection:
            return await (await connection.execute(_UNDER_WAY)).fetchone() == (0,)
    return False


async def _service_time(database: str) -> datetime:
    async with await psycopg.AsyncConnection.connect(conninfo(database, "vignettes_auditor")) as connection:
        [now] = await (await connection.execute("SELECT clock.now()")).fetchone() or ()
        return now


def _write_case(
    folder: Path, settings: Settings, secrets: Sequence[str], now: datetime, more: dict[str, Any]
) -> None:
    case = {
        "now": now.isoformat(),
        "database_url": str(settings.database_url),
        "nats_url": str(settings.nats_url),
        "secrets": sorted(set(secrets)),
        "mail_domain": settings.mail_from.rpartition("@")[2].rstrip(">"),
    }
    (folder / "case.json").write_text(json.dumps(case | more, indent=1, default=str))


def _gather_sandbox(folder: Path, sandbox: Path) -> None:
    """Read inbox and register from their files, in the form of the sandbox's replies: these can't hold so much."""
    if (sandbox / "inbox.sqlite").exists():
        inbox = Inbox(sandbox / "inbox.sqlite", now=_now)
        (folder / "inbox.json").write_text(json.dumps({"messages": inbox.messages()}))
    if (sandbox / "authority.sqlite").exists():
        register = AuthorityRegister(sandbox / "authority.sqlite")
        (folder / "authority.json").write_text(json.dumps({"registrations": register.registrations()}))
        register.close()


async def _now() -> datetime:
    return datetime.now(UTC)


def _gather_logs(folder: Path, logs: Iterable[Path]) -> None:
    folder.mkdir(exist_ok=True)
    for log in {each.resolve() for each in logs if each.exists()}:
        shutil.copyfile(log, folder / log.name)


def _gather_metrics(folder: Path, port: int) -> None:
    with (
        suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response,
    ):
        (folder / "metrics.txt").write_bytes(response.read())


async def _gather_stream(folder: Path, nats_url: str) -> None:
    client = await nats.connect(nats_url.split(","))
    jetstream = client.jetstream(timeout=10)
    try:
        reading = await until(lambda: _reading(jetstream), seconds=_AGREED_WITHIN_SECONDS)
        held = (await jetstream.stream_info(events.STREAM)).state.messages
        with (folder / "orders_stream.jsonl").open("w", encoding="utf-8") as file:
            async for message in _messages(reading, held):
                file.write(json.dumps(message) + "\n")
    finally:
        await client.close()


async def _reading(jetstream: JetStreamContext) -> JetStreamContext.PullSubscription | None:
    """Return a reader of the stream; None while the servers still agree on who leads, as after a machine is back."""
    with suppress(ServiceUnavailableError, NatsTimeout):
        return await jetstream.pull_subscribe(events.SUBJECTS, stream=events.STREAM)
    return None


async def _messages(reading: JetStreamContext.PullSubscription, held: int) -> Any:
    while held > 0:
        try:
            batch = await reading.fetch(min(held, _AT_A_TIME), timeout=10)
        except NatsTimeout:
            return
        for message in batch:
            await message.ack()
            yield {"subject": message.subject, "headers": message.headers, "data": message.data.decode()}
        held -= len(batch)


def check(folder: Path) -> Report:
    """Let the checker look at a case, as a program of its own: nothing of our environment but where programs are."""
    ran = subprocess.run(
        [sys.executable, "-I", str(PROGRAM), str(folder), "--json"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=_CHECKED_WITHIN_SECONDS,
        check=False,
    )
    assert ran.returncode < MISUSED, ran.stderr
    told = json.loads(ran.stdout)
    return Report(told["counts"], told["findings"], told["text"])
