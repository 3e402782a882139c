"""Commands on bank payments, through the log: asked again, each of them is answered as before."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from vignettes.domain import errors
from vignettes.domain.entry import BankEntry
from vignettes.domain.payment import BankPayment, payment_id_of
from vignettes.eventstore.deciding import Command, Outcome, Reply
from vignettes.services.grouping import GroupWriter, QueueFull

#: Commands follow from what they are about: whoever finds the same asks the same.
NAMESPACE = UUID("5b0f8f0c-3f0e-5f3a-8c56-6f7a3d2e9b41")
STATEMENT = "statement"
_FULL_PAUSE_SECONDS = 0.02

Act = Callable[[BankPayment, datetime], None]


@dataclass(frozen=True, slots=True)
class Ask:
    """One command on one payment. `body` tells two commands of the same id apart; nothing where the id says it all."""

    command_id: UUID
    payment_id: UUID
    decide: Callable[[Any, datetime], BankPayment]
    actor: str
    body: bytes = b""
    erases: bool = False


def on(
    payment_id: UUID, command_id: UUID, act: Act, actor: str, body: bytes = b"", *, erases: bool = False
) -> Ask:
    """Return a command on a payment that must exist."""

    def decide(payment: Any, at: datetime) -> BankPayment:
        if not isinstance(payment, BankPayment):  # none, or an order's id
            raise errors.PaymentNotFound(field="payment_id")
        act(payment, at)
        return payment

    return Ask(command_id, payment_id, decide, actor, body, erases)


def booking(entry: BankEntry, source: str, method: str, actor: str, *, test: bool = False) -> Ask:
    """Return the command that takes an entry down, or notes that what was announced has arrived.

    Its id follows from the entry: the same entry from another file is the same command (case 17).
    """
    payment_id = payment_id_of(entry.entry_id)

    def decide(payment: Any, at: datetime) -> BankPayment:
        if payment is None:
            return BankPayment.book(entry, source, method, at, test=test)
        payment.note_again(entry, at, test=test)
        return payment  # type: ignore[no-any-return]  # ids of payments are derived: no order has this one

    state = "test" if test else "booked" if entry.booked else "announced"
    told = f"{entry.amount.amount} {entry.amount.currency}"
    # What is only announced may be announced anew with another amount; what has arrived has one.
    named = f"book:{state}" if state == "booked" else f"book:{state}:{told}"
    return Ask(uuid5(payment_id, named), payment_id, decide, actor, told.encode())


class PaymentWriter:
    """Has commands on bank payments decided and recorded, many at a time."""

    def __init__(self, writer: GroupWriter, digest: Callable[[bytes], bytes]) -> None:
        self._writer = writer
        self._digest = digest

    async def end(self) -> None:
        """Let the commands under way come to their end."""
        await self._writer.end()

    async def execute(self, ask: Ask) -> Reply:
        """Return the reply of one command. Raises what it ended in, refusals by the payment's rules included."""
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
            order_id=ask.payment_id,
            decide=ask.decide,
            answer=_answer,
            erases=ask.erases,
        )


class PaymentRefused(errors.DomainError):
    """The payment's rules refuse it."""

    def __init__(self, error: dict[str, str]) -> None:
        Exception.__init__(self, error["message"])
        self.refused_code = error["code"]
        self.field = error.get("field")

    @property
    def code(self) -> str:  # type: ignore[override]  # that of the refusal which was recorded
        return self.refused_code


def _told(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Reply) and outcome.refusal:
        return PaymentRefused(outcome.refusal)
    return outcome


def _answer(payment: BankPayment) -> dict[str, Any]:
    return {"payment_id": str(payment.id), "version": payment.version, "status": str(payment.status)}
