"""Erasing an order's personal data from the command line, and waiting until it is gone from what we run."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from vignettes.domain.personal import DataClass
from vignettes.messages.commands import EraseOrder
from vignettes.messages.queries import AskStatus
from vignettes.runtime import asking
from vignettes.runtime.settings import ConfigurationError, Settings

_INBOX = "sandbox.v1.inbox"
_PATIENCE_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.05


async def erase(settings: Settings, order: str, classes: Sequence[DataClass], actor: str) -> dict[str, Any]:
    """Erase, and return the reply once the order's row, and the sandbox where there is one, have forgotten too.

    What other views still hold can't be opened any more; they let go of it in their own time.
    """
    found = await asking.status(settings, order)
    if not found["ok"]:
        return found
    order_id = found["order"]["order_id"]
    command = EraseOrder(
        command_id=uuid4(),
        order_id=UUID(order_id),
        classes=tuple(each.value for each in classes),
        actor=actor,
    )
    reply = await asking.ask(settings, EraseOrder.subject, command.model_dump_json().encode())
    if reply["ok"]:
        shown = {"order_id": order_id, "min_position": reply["position"]}
        await asking.ask(settings, AskStatus.subject, json.dumps(shown).encode())
        await _until_forgotten(settings, reply["order_number"])
    return reply


async def _until_forgotten(settings: Settings, order_number: str) -> None:
    """Wait until the sandbox, which hears of it by the stream as every neighbour does, has no mail of it left."""
    end = time.monotonic() + _PATIENCE_SECONDS
    question = json.dumps({"order_number": order_number}).encode()
    while time.monotonic() < end:
        try:
            inbox = await asking.ask(settings, _INBOX, question)
        except ConfigurationError:
            return  # nobody answers: there is no sandbox here
        if not inbox["messages"]:
            return
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    raise ConfigurationError(
        f"The keys of order {order_number} are destroyed, but the sandbox's inbox still holds its mails: "
        "is the role publishing running?"
    )
