"""The whole service in the test's own process, and the questions that tests ask it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import nats
import psycopg
from nats.aio.client import Client
from nats.errors import NoRespondersError

from vignettes.messages.commands import COMMANDS
from vignettes.messages.replies import REPLY_OF, Refused
from vignettes.runtime import bootstrap
from vignettes.runtime.embedded import free_port
from vignettes.runtime.settings import Settings, load_settings
from vignettes.runtime.staffing import for_the_sandbox, staff_file

PATIENCE_SECONDS = 15.0
REPLIES = {each.subject: REPLY_OF[each] for each in COMMANDS}
#: When the service's clock stands as a test begins: a Wednesday morning, far from midnight, DST days and year's ends.
BEGINNING = datetime.fromisoformat("2027-03-10T08:00:00+00:00")
_LOOK_AGAIN_SECONDS = 0.03


async def until(look: Callable[[], Awaitable[Any]], seconds: float = PATIENCE_SECONDS) -> Any:
    """Look again and again until there is something to see, and return it. Fails after a while, with the last look."""
    end = time.monotonic() + seconds
    while True:
        seen = await look()
        if seen:
            return seen
        assert time.monotonic() < end, f"nothing seen within {seconds} s"
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


@dataclass
class Service:
    """A running service, asked as another program would ask it."""

    settings: Settings
    client: Client
    serving: "asyncio.Task[None]"
    _plates: Iterator[int] = field(default_factory=lambda: count(2345))
    #: The ids and numbers of all orders placed here; and of those, and of what they led to, what is not to be seen.
    _placed: set[str] = field(default_factory=set)
    _unseen: frozenset[str] = frozenset()

    async def anew(self) -> "Service":
        """Return the same service, seen from now on: no mails and registrations that were there, or of orders before.

        The authority works again, whatever a test before told it. The clock stands where that test left it.
        """
        await self.ask("sandbox.v1.authority", mode="ok")
        mails = (await self.ask("sandbox.v1.inbox"))["messages"]
        registered = (await self.ask("sandbox.v1.authority"))["registrations"]
        there = {_copy(mail) for mail in mails} | {each["reference"] for each in registered}
        return replace(self, _unseen=frozenset(self._placed | there))

    async def ask(self, subject: str, **body: Any) -> dict[str, Any]:
        """Send a request as JSON and return the reply."""
        return await self.ask_raw(subject, json.dumps(body, default=str).encode())

    async def ask_raw(self, subject: str, body: bytes) -> dict[str, Any]:
        """Send any bytes and return the reply; a service that is just starting is waited for."""

        async def request() -> Any:
            if self.serving.done():
                self.serving.result()
            try:
                return await self.client.request(subject, body, timeout=30)
            except NoRespondersError:
                return None

        return json.loads((await until(request)).data)

    async def command(self, name: str, **body: Any) -> dict[str, Any]:
        """Send a command under a new command_id unless one is given; its reply must be of the published form."""
        reply = await self.ask(f"orders.v1.{name}", **{"command_id": str(uuid4()), **body})
        form = REPLIES[f"orders.v1.{name}"] if reply["ok"] else Refused
        form.model_validate(reply)
        if reply["ok"]:
            self._placed.update((reply["order_id"], reply["order_number"]))
        return reply

    async def now(self) -> datetime:
        """Return the service's time."""
        return datetime.fromisoformat((await self.ask("sandbox.v1.clock"))["now"])

    async def advance(self, **time_to_pass: float) -> datetime:
        """Move the clock forward and return the new time; what became due is triggered by then."""
        seconds = timedelta(**time_to_pass).total_seconds()
        return datetime.fromisoformat((await self.ask("sandbox.v1.clock", advance_seconds=seconds))["now"])

    async def day(self, ahead: int) -> date:
        """Return a day by its distance from the service's today (UTC)."""
        return (await self.now()).date() + timedelta(days=ahead)

    async def place(self, **different: Any) -> dict[str, Any]:
        """Place an order for a Czech ten-day vignette a week ahead, each for its own vehicle, or a different one."""
        order = {
            "product": "CZ-10D",
            "vehicle": {"country": "CZ", "plate": f"2A2 {next(self._plates)}"},
            "valid_from": (await self.day(7)).isoformat(),
            "email": "driver@example.com",
            "language": "en",
        }
        return await self.command("place", **{**order, **different})

    async def pay(self, placed: dict[str, Any], **different: Any) -> dict[str, Any]:
        """Pay an order as its reply asked, or differently."""
        payment = {
            "order_id": placed["order_id"],
            "payment_id": str(uuid4()),
            "amount": placed["price"]["total"],
            "method": "card",
            "received_at": (await self.now()).isoformat(),
        }
        return await self.command("receive_payment", **{**payment, **different})

    async def status(self, order_id: str, *statuses: str) -> dict[str, Any]:
        """Return the order's row, once its status is one of those wanted (or at once, when none is)."""

        async def look() -> dict[str, Any] | None:
            reply = await self.ask("orders.v1.status", order_id=order_id)
            known = reply["ok"] and (not statuses or reply["order"]["status"] in statuses)
            return reply["order"] if known else None

        return await until(look)

    async def history(self, order_id: str) -> list[str]:
        """Return the names of the order's events, in order."""
        reply = await self.ask("orders.v1.history", order_id=order_id)
        return [event["type"] for event in reply["events"]]

    async def registrations(self) -> list[dict[str, Any]]:
        """Return the authority's register."""
        register = (await self.ask("sandbox.v1.authority"))["registrations"]
        return [each for each in register if not {each["reference"], each["order_id"]} & self._unseen]

    async def inbox(
        self, wanted: Callable[[list[dict[str, Any]]], bool] | None = None
    ) -> list[dict[str, Any]]:
        """Return the mails that arrived, once they are as wanted."""

        async def look() -> list[dict[str, Any]] | None:
            arrived = (await self.ask("sandbox.v1.inbox"))["messages"]
            messages = [each for each in arrived if not {_copy(each), _order(each)} & self._unseen]
            return messages if wanted is None or wanted(messages) else None

        return (await until(look)) if wanted else (await look() or [])

    async def mail_kinds(self, *kinds: str) -> list[dict[str, Any]]:
        """Wait until mails of all these kinds have arrived, and return all mails."""
        return await self.inbox(lambda all_: set(kinds) <= {m["headers"]["X-Mail-Kind"] for m in all_})


def _copy(mail: dict[str, Any]) -> str:
    """Return what tells a mail from all others, and from itself sent once more."""
    return f"{mail['message_id']} {mail['received_at']}"


def _order(mail: dict[str, Any]) -> str:
    return str(mail["headers"].get("X-Order-Number"))


def settings_for(database: str, nats_url: str, data_dir: Path, **different: Any) -> Settings:
    """Return the settings of a sandbox on these servers."""
    authority, smtp = free_port(), free_port()
    return load_settings(
        **{
            "database_url": database,
            "nats_url": nats_url,
            "data_dir": data_dir,
            "sandbox": True,
            "clock": "movable",
            "http_port": free_port(),
            "sandbox_authority_port": authority,
            "sandbox_smtp_port": smtp,
            "authority_url": f"http://127.0.0.1:{authority}",
            "smtp_url": f"smtp://127.0.0.1:{smtp}",
            "returns_folder": data_dir / "sandbox" / "returns",
            "staff_file": data_dir / "staff" / "staff.toml",
            "head_seconds": 1,
            **different,
        }
    )


def set_clock(database: str, at: datetime) -> None:
    """Set a test database's clock, backwards too; one that a test has moved already is left alone."""
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE clock.shift SET ahead = %s - clock_timestamp() WHERE ahead = '0'", (at,))


@asynccontextmanager
async def running_service(
    database: str, nats_url: str, data_dir: Path, roles: Sequence[str] | None = None, **different: Any
) -> AsyncIterator[Service]:
    """Run roles (all of them by default) in this process until the block ends."""
    data_dir.mkdir(parents=True, exist_ok=True)
    set_clock(database, BEGINNING)
    settings = settings_for(database, nats_url, data_dir, **different)
    for_the_sandbox(staff_file(settings))
    stop = asyncio.Event()
    chosen = roles or (*bootstrap.ROLES, bootstrap.SANDBOX)
    serving = asyncio.create_task(bootstrap.serve(settings, chosen, stop))
    client = await nats.connect(nats_url)
    try:
        yield Service(settings, client, serving)
    finally:
        await client.close()
        stop.set()
        await serving
