"""Commands on what lives in the log beside the orders; asked again, each of them is answered as before."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from vignettes.domain import errors
from vignettes.eventstore.codec import Kept
from vignettes.eventstore.deciding import Command, Outcome, Reply
from vignettes.services.grouping import GroupWriter, QueueFull

_FULL_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Ask:
    """One command on one payment, or case. `body` tells two of the same id apart; nothing where the id says it all."""

    command_id: UUID
    about: UUID
    decide: Callable[[Any, datetime], Kept]
    actor: str
    body: bytes = b""
    erases: bool = False


class RefusedByRules(errors.DomainError):
    """Its rules refuse it."""

    def __init__(self, error: dict[str, str]) -> None:
        Exception.__init__(self, error["message"])
        self.refused_code = error["code"]
        self.field = error.get("field")

    @property
    def code(self) -> str:  # type: ignore[override]  # that of the refusal which was recorded
        return self.refused_code


class Commanding:
    """Has commands decided and recorded, many at a time. `answer` makes the reply that is kept with them."""

    def __init__(
        self, writer: GroupWriter, digest: Callable[[bytes], bytes], answer: Callable[[Any], dict[str, Any]]
    ) -> None:
        self._writer = writer
        self._digest = digest
        self._answer = answer

    async def end(self) -> None:
        """Let the commands under way come to their end."""
        await self._writer.end()

    async def execute(self, ask: Ask) -> Reply:
        """Return the reply of one command. Raises what it ended in, refusals by the rules included."""
        [outcome] = await self.execute_all([ask])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def execute_all(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Return for each command its reply, a refusal, or the exception that it ended in."""
        return await asyncio.gather(*(self._outcome(ask) for ask in asks))

    async def _outcome(self, ask: Ask) -> Outcome:
        settled: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        async def settle(outcome: Outcome) -> None:
            if not settled.done():
                settled.set_result(_told(outcome))

        while True:
            try:
                self._writer.put(self._command(ask), settle)
                break
            except QueueFull:
                await asyncio.sleep(_FULL_PAUSE_SECONDS)
        return await settled

    def _command(self, ask: Ask) -> Command:
        return Command(
            command_id=ask.command_id,
            payload_hash=self._digest(ask.body),
            actor=ask.actor,
            order_id=ask.about,
            decide=ask.decide,
            answer=self._answer,
            erases=ask.erases,
        )


def _told(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Reply) and outcome.refusal:
        return RefusedByRules(outcome.refusal)
    return outcome
