"""Serving open orders by another lead: each is told by a command, as any program would."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from rich.console import Console
from rich.progress import Progress

from vignettes.domain.errors import RegistrationAlreadyStarted
from vignettes.messages.commands import ChangeTerms
from vignettes.runtime import asking
from vignettes.runtime.settings import ConfigurationError, Settings
from vignettes.runtime.what_if import Move
from vignettes.services.calling import Calling, NoAnswer

#: Commands that are under way at a time.
_AT_ONCE = 50


@dataclass(slots=True)
class Applied:
    """What became of the orders that were to be served by another lead."""

    changed: int = 0
    started: int = 0
    """In the meantime: there is nothing to change any more."""
    refused: dict[UUID, str] = field(default_factory=dict)
    """With what was said."""

    def note(self, order_id: UUID, reply: dict[str, Any]) -> None:
        """Count one reply."""
        if reply["ok"]:
            self.changed += 1
        elif reply["error"]["code"] == RegistrationAlreadyStarted.code:
            self.started += 1
        else:
            self.refused[order_id] = reply["error"]["message"]


def apply(
    settings: Settings, moves: Sequence[Move], lead: timedelta, actor: str, progress_on: Console
) -> Applied:
    """Serve these orders by another lead from now on. Asked again, it goes on with those that are left."""
    applied = Applied()

    async def change_all() -> None:
        async with asking.service(settings) as client:
            with Progress(console=progress_on, transient=True) as progress:
                calling, waiting = Calling(client), iter(progress.track(moves, description="changing"))
                await asyncio.gather(
                    *(_change(calling, waiting, lead, actor, applied) for _ in range(_AT_ONCE))
                )

    try:
        asyncio.run(change_all())
    except NoAnswer:
        raise ConfigurationError(
            f"Nobody answers {ChangeTerms.subject}: {applied.changed:,} orders are changed. "
            "The same command goes on with the others."
        ) from None
    return applied


async def _change(
    calling: Calling, waiting: Iterator[Move], lead: timedelta, actor: str, applied: Applied
) -> None:
    """Change one order after the other, of those that nobody has taken yet."""
    hours = lead / timedelta(hours=1)
    for move in waiting:
        command = ChangeTerms(command_id=uuid4(), actor=actor, order_id=move.order_id, lead_hours=hours)
        applied.note(move.order_id, await calling.command(command))


def shown(applied: Applied) -> str:
    """Tell how it went."""
    lines = [f"Changed: {applied.changed:,} orders. Started in the meantime: {applied.started:,}."]
    lines += [f"{order_id}: {why}" for order_id, why in applied.refused.items()]
    return "\n".join(lines)
