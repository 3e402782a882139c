"""One attempt at registering one order: ask first, send once, record what came back."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar
from uuid import uuid4

import structlog

from vignettes.messages.commands import Command
from vignettes.services.authorities import (
    Application,
    Authority,
    Document,
    NotSent,
    Registered,
    RegisteredOtherwise,
    Rejected,
    Unknown,
)
from vignettes.services.authorities.documents import SealedDocument, sealed
from vignettes.services.calling import Calling, NoAnswer
from vignettes.services.registering import answers
from vignettes.services.registering.calls import Due
from vignettes.services.registering.ledger import Ledger, Left, State, Taken, seconds_for_a_call
from vignettes.services.registering.measuring import Measures
from vignettes.services.tracing import OFF, Tracing

log = structlog.get_logger(__name__)

#: How often, and for how long at most, the official document is asked for before the driver gets word without it.
DOCUMENT_TRIES = 3
DOCUMENT_SECONDS = 6.0
_DOCUMENT_PAUSE = 0.5

T = TypeVar("T")


class Attempt:
    """Works on an order that was leased to us.

    RegistrationStarted is the fence, and is on record. Before anything is sent it is noted that we are about to; who
    finds that note asks the authority first (cases 45, 46), so that a crash anywhere ends in one vignette.
    """

    def __init__(
        self,
        taken: Taken,
        authority: Authority,
        ledger: Ledger,
        ordering: Calling,
        measures: Measures,
        tracing: Tracing = OFF,
    ) -> None:
        self._taken = taken
        self._authority = authority
        self._ledger = ledger
        self._ordering = ordering
        self._measures = measures
        self._tracing = tracing
        self._application: Application = answers.application_for(taken)

    async def outcome(self) -> Left:
        """Carry it as far as it goes now."""
        answer = await self._answer()
        if isinstance(answer, Registered):
            return await self._issued(answer)
        if isinstance(answer, Rejected):
            return await self._record(answers.rejection(self._taken, answer))
        return answer

    async def _answer(self) -> Registered | Rejected | Left:
        """Return what the authority has decided, or how it stands while nobody knows."""
        tried_before = self._taken.state == "unknown"
        known = await (self._found() if tried_before else self._covered())
        if known is not None:
            return known
        needed = seconds_for_a_call(self._authority.capabilities)
        if not await self._ledger.about_to_send(self._taken, needed):
            return Left("waiting", "no longer ours")
        return await self._sent(tried_before=tried_before)

    async def _found(self) -> Registered | Left | None:
        """Ask before any retry; None: the authority holds nothing of ours."""
        answer = await self._call(self._authority.find(self._application))
        return answer if isinstance(answer, Registered | None) else _left(answer, "unknown")

    async def _covered(self) -> Rejected | Left | None:
        """Ask before the first call whether somebody else has covered the vehicle already (case 47).

        Not where the customer wants two vignettes for the same days (case 48), whichever of them is registered first.
        """
        taken = self._taken
        if taken.twin_accepted or not self._authority.capabilities.tells_cover:
            return None
        answer = await self._call(self._authority.covering(self._application))
        if isinstance(answer, Registered):
            if await self._ledger.has_accepted_twin(taken.order_id, taken.country):
                return None
            until = f"{answer.valid_from} - {answer.valid_until}"
            return Rejected("already_covered", f"covered {until}")
        return None if answer is None else _left(answer, "waiting")

    async def _sent(self, *, tried_before: bool) -> Registered | Rejected | Left:
        answer = await self._call(self._authority.register(self._application, self._taken.until))
        if isinstance(answer, Rejected) and tried_before:
            # It may refuse only because an earlier call, whose answer was lost, has registered the vehicle.
            return await self._found() or answer
        if isinstance(answer, Registered | Rejected):
            return answer
        return _left(answer, "waiting" if isinstance(answer, NotSent) else "unknown")

    async def _issued(self, answer: Registered) -> Left:
        if answer.also:
            log.error("authority.holds_others", others=answer.also)
            await self._call_person()
        document = await self._document(answer)
        left = await self._record(answers.issue(self._taken, answer, document))
        return Left(left.state, left.why, odd=bool(answer.also))

    async def _call_person(self) -> None:
        """Call while the order is still under way: a moment later it is issued. The work list calls again."""
        taken = self._taken
        due = Due(
            taken.order_id,
            taken.started_at,
            taken.generation,
            taken.country,
            taken.act_by,
            "registered_otherwise",
        )
        with suppress(NoAnswer):
            await self._ordering.command(due.command())

    # --- the document

    async def _document(self, answer: Registered) -> SealedDocument | None:
        """Return the official document once it is kept; without one the driver gets word all the same."""
        if not self._authority.capabilities.documents:
            return None
        try:
            async with asyncio.timeout(DOCUMENT_SECONDS):
                return await self._kept(answer)
        except TimeoutError:
            log.warning("document.late")
            return None

    async def _kept(self, answer: Registered) -> SealedDocument | None:
        for tried in range(DOCUMENT_TRIES):
            await asyncio.sleep(_DOCUMENT_PAUSE * tried)
            found: Document | None = await self._call(self._authority.document(self._application, answer))
            if found:
                document = sealed(found, self._taken.vehicle_key)
                return document if await self._ledger.keep(self._taken.order_id, document) else None
        return None

    # --- passing on

    async def _call(self, call: Coroutine[Any, Any, T]) -> T:
        taken = self._taken
        key = f"call {uuid4()}" if self._tracing.is_on else ""
        told = {"vignettes.country": taken.country}
        with self._tracing.span(
            f"authority {getattr(call, '__name__', 'call')}",
            taken.order_id,
            key,
            parent=taken.order_id,
            attributes=told,
        ):
            return await self._measures.of(taken.country, call)

    async def _record(self, command: Command) -> Left:
        try:
            reply = await self._ordering.command(command)
        except NoAnswer:
            return Left("unknown", "unrecorded")
        if not reply["ok"]:
            log.error("registration.unrecorded", code=reply["error"]["code"])
            return Left("unknown", f"refused: {reply['error']['code']}")
        log.info("registration.done", outcome=command.subject.rpartition(".")[2])
        return Left("recorded", "recorded")


def _left(answer: RegisteredOtherwise | Unknown | NotSent, state: State) -> Left:
    """Return how it stands after an answer that decides nothing."""
    odd = isinstance(answer, RegisteredOtherwise)
    say = log.error if odd else log.warning
    say("registration.undecided", answer=type(answer).__name__, why=answer.why)
    return Left(state, f"{type(answer).__name__}: {answer.why}", odd=odd)
