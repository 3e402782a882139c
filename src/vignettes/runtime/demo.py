"""`vignettes demo`: one order of each kind lives through a service of its own, while the clock is moved."""

import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from nats.aio.client import Client
from nats.errors import NoRespondersError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vignettes.domain.catalogue import product
from vignettes.runtime import logs
from vignettes.runtime.embedded import free_port
from vignettes.runtime.instance import instance
from vignettes.runtime.link import Link, connect
from vignettes.runtime.settings import load_settings

_TIMEOUT = 30.0
_LOOK_EVERY_SECONDS = 0.05
_PATIENCE_SECONDS = 20.0
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue")


@dataclass(slots=True)
class Told:
    """One order of the demo, and how much of its story was shown."""

    title: str
    colour: str
    placed: dict[str, Any]
    events_shown: int = 0
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def order_id(self) -> str:
        """The order's id."""
        order_id: str = self.placed["order_id"]
        return order_id


class Demo:
    """Talks to the service as its neighbours would, and draws what comes of it as it comes."""

    def __init__(self, client: Client, out: Console) -> None:
        self._client = client
        self._out = out
        self._orders: list[Told] = []
        self._mails_shown = 0
        self._colours = itertools.cycle(_COLOURS)

    async def ask(self, subject: str, **body: Any) -> dict[str, Any]:
        """Send one request and return its reply; a role that is still starting is waited for."""
        while True:
            with suppress(NoRespondersError):
                answer = await self._client.request(subject, json.dumps(body).encode(), timeout=_TIMEOUT)
                reply: dict[str, Any] = json.loads(answer.data)
                if reply.get("ok", True):
                    return reply
                raise RuntimeError(f"{subject}: {reply['error']}")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def command(self, name: str, **body: Any) -> dict[str, Any]:
        """Send one command under an id of its own."""
        return await self.ask(f"orders.v1.{name}", command_id=str(uuid4()), actor="demo", **body)

    async def now(self) -> datetime:
        """Return the service's time."""
        return datetime.fromisoformat((await self.ask("sandbox.v1.clock"))["now"])

    async def move_clock(self, to: datetime, why: str) -> None:
        """Move the clock and say so; what became due is triggered when this returns."""
        await self.quiet()
        self._out.print(
            Text(f"{_local(to)}  ⏩ {why}", style="bold white"), overflow="ellipsis", no_wrap=True
        )
        await self.ask("sandbox.v1.clock", now=to.isoformat())

    async def place(
        self, title: str, bought: str, plate: tuple[str, str], valid_from: str, language: str
    ) -> Told:
        """Place an order and remember it."""
        placed = await self.command(
            "place",
            product=bought,
            vehicle={"country": plate[0], "plate": plate[1]},
            valid_from=valid_from,
            email=f"{title.replace(' ', '.')}@example.com",
            language=language,
        )
        told = Told(title, next(self._colours), placed)
        self._orders.append(told)
        return told

    async def pay(self, told: Told) -> dict[str, Any]:
        """Pay an order in full."""
        return await self.command(
            "receive_payment",
            order_id=told.order_id,
            payment_id=f"demo-{uuid4()}",
            amount=told.placed["price"]["total"],
            method="card",
            received_at=(await self.now()).isoformat(),
        )

    async def until(self, told: Told, status: str) -> None:
        """Wait until an order stands as expected, drawing meanwhile. Raises TimeoutError when it does not."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while told.state.get("status") != status:
            if time.monotonic() > end:
                raise TimeoutError(f"{told.title} is {told.state.get('status')}, not {status}")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def quiet(self) -> None:
        """Wait until every mail that was called for has been drawn."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            called = [
                mail
                for told in self._orders
                for mail in (await self.ask("orders.v1.emails", order_id=told.order_id))["emails"]
            ]
            if len(called) == self._mails_shown and all(mail["state"] == "sent" for mail in called):
                return
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def draw(self) -> None:
        """Draw events and mails as they come, until cancelled."""
        while True:
            for told in list(self._orders):
                await self._draw_events(told)
            await self._draw_mails()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _draw_events(self, told: Told) -> None:
        reply = await self.ask("orders.v1.history", order_id=told.order_id)
        for event in reply["events"][told.events_shown :]:
            at = datetime.fromisoformat(event["recorded_at"])
            self._line(at, told, f"● {event['type']:<19} {_detail(event)}")
        told.events_shown = len(reply["events"])
        told.state = reply["state"]

    async def _draw_mails(self) -> None:
        mails = (await self.ask("sandbox.v1.inbox"))["messages"]
        for mail in mails[self._mails_shown :]:
            number = mail["headers"].get("X-Order-Number")
            told = next((one for one in self._orders if one.placed["order_number"] == number), None)
            if told is None:
                return  # its order is being placed at this very moment: next time
            subject = mail["subject"].partition(":")[2].strip()  # the number is said at the end
            self._line(datetime.fromisoformat(mail["received_at"]), told, f"  ✉ {subject}", "dim")
            self._mails_shown += 1

    def _line(self, at: datetime, told: Told, text: str, style: str = "") -> None:
        line = Text(_local(at) + "  ")
        line.append(f"{told.title:<14}", style=told.colour)
        line.append(text, style=style)
        self._out.print(line, overflow="ellipsis", no_wrap=True)

    def summary(self) -> Table:
        """Return how each order ended, and how it kept its time."""
        table = Table("Order", "Number", "Product", "Ended", "Vignette", "Started by", title="How they ended")
        for told in self._orders:
            vignette = told.state["vignette"] or {}
            table.add_row(
                Text(told.title, style=told.colour),
                told.placed["order_number"],
                told.state["details"]["product"],
                told.state["status"],
                vignette.get("number", "–"),
                told.state["started_rule"] or "–",
            )
        return table


async def demo(out: Console) -> int:
    """Run the demo and return its exit code: 0 when every order ended as it should."""
    began = time.monotonic()
    out.print("Starting a service of its own, with a clock to move …")
    async with _service(out) as shown:
        drawing = asyncio.create_task(shown.draw())
        story = asyncio.create_task(_story(shown))
        await asyncio.wait({drawing, story}, return_when=asyncio.FIRST_COMPLETED)
        drawing.cancel()
        await asyncio.gather(drawing, return_exceptions=True)
        if not story.done():
            story.cancel()
            drawing.result()
        story.result()
        out.print(shown.summary())
    out.print(f"Four vignettes and one refund, for real, in {time.monotonic() - began:.1f} s.")
    return 0


async def _story(shown: Demo) -> None:
    """Tell the five orders. Each ends as its kind should, or this raises."""
    prague = product("CZ-10D").zone
    morning = (await shown.now()).astimezone(prague) + timedelta(days=1)
    morning = morning.replace(hour=9, minute=0, second=0, microsecond=0)
    await shown.move_clock(morning, "nine in the morning in Prague: five orders come")

    def in_days(days: int) -> str:
        return (morning.date() + timedelta(days=days)).isoformat()

    ahead = await shown.place("a week ahead", "CZ-10D", ("D", "M-AB 1234"), in_days(7), "en")
    same_day = await shown.place("same day", "SK-1D", ("PL", "WA 12345"), in_days(0), "en")
    at_once = await shown.place("start at once", "RO-12M", ("BG", "CA 1234 AB"), in_days(14), "fr")
    corrected = await shown.place("corrected", "HU-10D", ("A", "W 12345 B"), in_days(7), "en")
    refunded = await shown.place("refunded", "AT-10D", ("F", "AB-123-CD"), in_days(7), "fr")
    for told in (ahead, same_day, at_once, corrected, refunded):
        await shown.pay(told)

    consent = {
        "kind": "immediate_performance",
        "text_version": "2026-01",
        "given_at": (await shown.now()).isoformat(),
    }
    await shown.command("start_registration", order_id=at_once.order_id, consent=consent)
    await shown.until(at_once, "issued")
    await shown.command("correct_details", order_id=corrected.order_id, changes={"plate": "W 12345 C"})
    await shown.command("request_refund", order_id=refunded.order_id, reason="plans have changed")
    await shown.command(
        "confirm_refund",
        order_id=refunded.order_id,
        refund_id="demo-refund",
        amount=refunded.placed["price"]["total"],
    )
    await shown.until(refunded, "refunded")

    await shown.move_clock(
        await shown.now() + timedelta(minutes=2), "two minutes on: the same-day order is due"
    )
    await shown.until(same_day, "issued")
    await shown.move_clock(morning + timedelta(days=6, hours=3), "twelve hours before the others begin")
    await shown.until(ahead, "issued")
    await shown.until(corrected, "issued")
    await shown.quiet()


@asynccontextmanager
async def _service(out: Console) -> AsyncIterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="vignettes-demo-") as folder:
        settings = load_settings(
            data_dir=Path(folder),
            sandbox=True,
            clock="movable",
            nats_port=free_port(),
            http_port=free_port(),
            log_level="error",
        )
        logs.configure("auto", "error", "demo")
        async with instance(settings) as running:
            await running.until_ready()
            link = Link()
            client = await connect(running.settings, link, "vignettes demo")
            try:
                yield Demo(client, out)
            finally:
                link.ending.set()
                await client.close()


def _local(at: datetime) -> str:
    return at.astimezone(product("CZ-10D").zone).strftime("%d %b %H:%M:%S")


def _detail(event: dict[str, Any]) -> str:
    """Return what is worth a glance of one event."""
    data = event["data"]
    match event["type"]:
        case "OrderPlaced" | "DetailsCorrected":
            details = data["details"]
            return f"{details['product']} {details['vehicle']['plate']} {details['start']['day'][5:]}"
        case "PaymentReceived":
            return _money(data["payment"]["amount"])
        case "RefundRequested" | "OrderRefunded":
            return _money(data["amount"])
        case "RegistrationStarted":
            return f"by rule {data['rule']}"
        case "VignetteIssued":
            return f"number {data['vignette']['number']}"
        case _:
            return ""


def _money(amount: dict[str, Any]) -> str:
    return f"{amount['amount'] / 100:.2f} {amount['currency']}"
