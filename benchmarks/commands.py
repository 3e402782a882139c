"""Ours: customers who order through NATS, one command at a time each, as any other service would."""

import asyncio
import json
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import nats
from nats.aio.client import Client

from benchmarks import wishes
from benchmarks.apart import answer
from benchmarks.figures import Point, Window

_EVENTS_AN_ORDER = 4


class Refused(Exception):
    """A command was not done, so a figure would count what did not happen."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One client with at most one command in flight."""

    client: Client
    rng: random.Random
    window: Window

    async def order_while_open(self) -> None:
        """Order again and again; an order that was begun is brought to its end."""
        while self.window.open:
            await self.order()

    async def order(self) -> None:
        """Place, pay, start, issue: four commands, four events."""
        wish, now = wishes.of(self.rng), datetime.now(UTC).isoformat()
        placed = await self._command(
            "place", product=wish.product, vehicle={"country": "CZ", "plate": wish.plate},
            valid_from=wish.valid_from, email=wish.email, language="en",
        )  # fmt: skip
        order = {"order_id": placed["order_id"]}
        paid = {"amount": placed["price"]["total"], "method": "card", "received_at": now}
        await self._command("receive_payment", **order, payment_id=wish.payment_id, **paid)
        consent = {"kind": "immediate_performance", "text_version": "2026-01", "given_at": now}
        await self._command("start_registration", **order, consent=consent)
        issued = await self._command(
            "record_issue", **order, generation=1, number=wish.number, reference=wish.reference,
            valid_from=f"{wish.valid_from}T00:00:00+01:00", valid_until=f"{wish.valid_until}T00:00:00+01:00",
        )  # fmt: skip
        if (issued["status"], issued["version"]) != ("issued", _EVENTS_AN_ORDER):
            raise Refused(f"An order ended otherwise than it should: {issued}")

    async def _command(self, name: str, **body: Any) -> dict[str, Any]:
        body |= {"command_id": str(wishes.an_id(self.rng)), "actor": "benchmark"}
        request = json.dumps(body).encode()
        began = time.perf_counter()
        reply = await self.client.request(f"orders.v1.{name}", request, timeout=30)
        self.window.note(began, name)
        said: dict[str, Any] = json.loads(reply.data)
        if not said["ok"]:
            raise Refused(f"{name}: {said['error']}")
        return said


async def _ordered(nats_url: str, in_flight: int, seed: str, window: Window) -> None:
    client = await nats.connect(nats_url)
    async with asyncio.TaskGroup() as group:
        for n in range(in_flight):
            rng = random.Random(f"{seed}/{n}")  # noqa: S311  # repeatable
            group.create_task(Customer(client, rng, window).order_while_open())
    await client.close()


def measure(nats_url: str, in_flight: int, seed: str, seconds: float, warm_up: float) -> list[Point]:
    """Return how many commands so many customers get done, over one connection."""
    window = Window(seconds, warm_up)
    asyncio.run(_ordered(nats_url, in_flight, seed, window))
    return [Point.of(("W1", "ours", "commands"), in_flight, seconds, window)]


if __name__ == "__main__":
    answer(measure)
