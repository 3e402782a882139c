"""Asking the running service from the command line, and showing what it says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from nats.aio.client import Client
from nats.errors import Error as NatsError
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from vignettes.messages.queries import AskHistory, AskStatus
from vignettes.runtime.link import Link, connect
from vignettes.runtime.settings import ConfigurationError, Settings

#: A server that is there takes a connection in far less; a person waits for this.
_CONNECT_SECONDS = 3.0
_TIMEOUT = 30.0  # moving the sandbox's clock waits for what becomes due


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Client]:
    """Connect to the running service; without an address, to the one that runs here."""
    url = _address(settings)
    link = Link()
    link.ending.set()  # until we are connected, what fails is told below, and not by the log of each attempt
    try:
        client = await asyncio.wait_for(
            connect(settings.model_copy(update={"nats_url": url}), link, "vignettes"),
            _CONNECT_SECONDS,
        )
    except (NatsError, OSError, TimeoutError):
        raise ConfigurationError(
            f"No service answers at {url}: start it with `vignettes run`, or set VIGNETTES_NATS_URL."
        ) from None
    link.ending.clear()
    try:
        yield client
    finally:
        link.ending.set()
        await client.close()


async def ask(settings: Settings, subject: str, body: bytes) -> dict[str, Any]:
    """Send one request to the running service."""
    async with service(settings) as client:
        try:
            answer = await client.request(subject, body, timeout=_TIMEOUT)
        except NatsError as error:
            raise ConfigurationError(
                f"Nobody answers {subject} at {_address(settings)} ({type(error).__name__})."
            ) from None
    reply: dict[str, Any] = json.loads(answer.data)
    return reply


def _address(settings: Settings) -> str:
    return settings.nats_url or f"nats://127.0.0.1:{settings.nats_port}"


def named(order: str) -> dict[str, str]:
    """Return how a request names an order: by id, else by number."""
    try:
        return {"order_id": str(UUID(order))}
    except ValueError:
        return {"order_number": order}


async def status(settings: Settings, order: str) -> dict[str, Any]:
    """Ask where an order stands."""
    return await ask(settings, AskStatus.subject, json.dumps(named(order)).encode())


async def history(settings: Settings, order: str, until: datetime | None) -> dict[str, Any]:
    """Ask for an order's history, by id or number."""
    wanted = named(order)
    if "order_number" in wanted:
        found = await status(settings, order)
        if not found["ok"]:
            return found
        wanted = {"order_id": found["order"]["order_id"]}
    body = {**wanted, **({"until": until.isoformat()} if until else {})}
    return await ask(settings, AskHistory.subject, json.dumps(body).encode())


def history_story(reply: dict[str, Any]) -> Group:
    """Show the events of one order in order: what, when, who asked, what was said, and where it stands."""
    lines: list[RenderableType] = []
    for event in reply["events"]:
        head = Text(f"{event['version']:>3}  {event['recorded_at'][:19]}Z  ")
        head.append(f"{event['type']:<20}", style="bold")
        head.append(f"  by {event['actor']}, position {event['position']}", style="dim")
        lines += [head, Padding(Text(_said(event["data"]), style="dim"), (0, 0, 0, 27))]
    return Group(
        Text(f"Order {reply['order_id']}", style="bold"), *lines, f"Status: {reply['state']['status']}"
    )


def _said(data: dict[str, Any], within: str = "") -> str:
    """Return what an event says, flat: `vehicle.plate M-AB 1234, ...`."""
    told = []
    for name, value in data.items():
        path = f"{within}{name}"
        if isinstance(value, dict) and value:
            told.append(_said(value, f"{path}."))
        elif value not in (None, [], {}):
            told.append(f"{path} {value}")
    return ", ".join(told)
