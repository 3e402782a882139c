"""Going on with an order that is held as a second one for the same vehicle and period."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from vignettes.messages.commands import AcceptTwin
from vignettes.runtime import asking
from vignettes.runtime.local_times import both
from vignettes.runtime.settings import Settings


async def release(settings: Settings, order: str, actor: str) -> dict[str, Any]:
    """Tell the service that both orders are meant, and return what it says; `zone` is the authority's."""
    found = await asking.status(settings, order)
    if not found["ok"]:
        return found
    command = AcceptTwin(command_id=uuid4(), order_id=UUID(found["order"]["order_id"]), actor=actor)
    reply = await asking.ask(settings, AcceptTwin.subject, command.model_dump_json().encode())
    return {**reply, "zone": found["order"]["zone"]} if reply["ok"] else reply


def shown(reply: dict[str, Any]) -> str:
    """Tell what follows."""
    due = f"due {both(datetime.fromisoformat(reply['due']), reply['zone'])}" if reply["due"] else "not due"
    return f"Released: order {reply['order_number']} is {reply['status']}, {due}."
