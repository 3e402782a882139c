"""An order that goes all the way: placed, paid, started, registered, issued and published. So every role is at work."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from nats.aio.client import Client
from nats.errors import Error

from service import BEGINNING
from vignettes.messages import events

_ASKED_SECONDS = 1.5
_PAUSE_SECONDS = 0.1
_STEPS = ("placed", "paid", "started", "issued", "published")
_serials = itertools.count(1)


async def all_the_way(client: Client, limit: float) -> float:
    """Bring one order all the way, and return how many seconds it took; whoever does not answer is asked again."""
    began, steps = time.monotonic(), 0
    try:
        async with asyncio.timeout(limit):
            async for _ in _steps(client):
                steps += 1
    except TimeoutError:
        raise AssertionError(f"not within {limit} s, but {_STEPS[:steps]}") from None
    return time.monotonic() - began


async def _steps(client: Client) -> AsyncIterator[None]:
    placed = await _done(client, "place", _wish())
    yield
    order_id = placed["order_id"]
    await _done(client, "receive_payment", _payment(placed))
    yield
    await _done(client, "start_registration", {"order_id": order_id})
    yield
    await _shown(client, order_id)
    yield
    await _published(client, order_id)


def _wish() -> dict[str, Any]:
    return {
        "product": "CZ-10D",
        "vehicle": {"country": "CZ", "plate": f"PRB{next(_serials):04}"},
        "valid_from": "2027-03-17",
        "email": "probe@example.com",
        "language": "en",
    }


def _payment(placed: dict[str, Any]) -> dict[str, Any]:
    return {
        "order_id": placed["order_id"],
        "payment_id": str(uuid4()),
        "amount": placed["price"]["total"],
        "method": "card",
        "received_at": BEGINNING.isoformat(),
    }


async def _done(client: Client, command: str, body: dict[str, Any]) -> dict[str, Any]:
    command_id = str(uuid4())
    while True:
        reply = await _asked(client, f"orders.v1.{command}", {"command_id": command_id, **body})
        if reply and reply["ok"]:
            return reply
        assert reply is None or reply["error"]["code"] == "unavailable", reply
        await asyncio.sleep(_PAUSE_SECONDS)


async def _shown(client: Client, order_id: str) -> None:
    while True:
        reply = await _asked(client, "orders.v1.status", {"order_id": order_id})
        if reply and reply["ok"] and reply["order"]["status"] == "issued":
            return
        await asyncio.sleep(_PAUSE_SECONDS)


async def _published(client: Client, order_id: str) -> None:
    subject = events.SUBJECTS.replace(">", f"*.{order_id}")
    wanted = {"subjects_filter": subject}
    while True:
        reply = await _asked(client, f"$JS.API.STREAM.INFO.{events.STREAM}", wanted)
        told = ((reply or {}).get("state") or {}).get("subjects") or {}
        if any("vignette-issued" in each for each in told):
            return
        await asyncio.sleep(_PAUSE_SECONDS)


async def _asked(client: Client, subject: str, body: dict[str, Any]) -> dict[str, Any] | None:
    try:
        answer = await client.request(subject, json.dumps(body).encode(), timeout=_ASKED_SECONDS)
    except (Error, OSError):
        return None
    found: dict[str, Any] = json.loads(answer.data)
    return found
