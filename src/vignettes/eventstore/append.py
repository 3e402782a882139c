"""One command, one transaction: load, decide, append with the answer. Asked again, the answer is the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from eventsourcing.persistence import IntegrityError, InterfaceError, InternalError, OperationalError

from vignettes.domain import errors
from vignettes.domain.order import Order
from vignettes.eventstore.codec import Envelope
from vignettes.eventstore.orders import Known, Orders
from vignettes.eventstore.recorder import Answer

log = structlog.get_logger(__name__)

#: The connection broke, a limit of time was passed, or the server takes no writes (a standby): all pass by themselves.
_PASSING = (OperationalError, InterfaceError, InternalError)

#: How often a decision is taken again because another process changed the same order in between.
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Command:
    """A request to decide on one order. `decide` gets the order (None when there is none) and the time."""

    command_id: UUID
    payload_hash: bytes
    actor: str
    order_id: UUID | None
    decide: Callable[[Order | None, datetime], Order]
    answer: Callable[[Order], dict[str, Any]]
    correlation_id: UUID | None = None

    @property
    def envelope(self) -> Envelope:
        """Who asks, kept with each event."""
        return Envelope(self.actor, self.command_id, self.correlation_id)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command got: the first time, and every time it is asked again."""

    command_id: UUID
    order_id: UUID | None
    position: int | None
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def refusal(self) -> dict[str, Any] | None:
        """The error, when the command was refused."""
        return self.body.get("error")


class Appender:
    """Executes commands on the log. Safe to use from several threads, and from several processes side by side."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    def execute(self, command: Command) -> Reply:
        """Decide and record once. Raises CommandIdReused, Conflict, or Unavailable when the end is not known."""
        try:
            return self._execute(command)
        except _PASSING as error:
            return self._resolve(command, error)

    def _execute(self, command: Command) -> Reply:
        for attempt in range(_ATTEMPTS):
            now, known = self._orders.now_and_known(command.command_id)
            if known:
                return _again(command, known)
            try:
                return self._decide_and_append(command, now)
            except IntegrityError:
                # Another process appended to this order, or answered this very command: look again.
                log.info("command.conflict", attempt=attempt + 1, command=str(command.command_id))
        raise errors.Conflict

    def _decide_and_append(self, command: Command, now: datetime) -> Reply:
        order = self._orders.find(command.order_id) if command.order_id else None
        at = max(now, order.modified_on) if order else now
        try:
            order = command.decide(order, at)
        except errors.DomainError as refusal:
            return self._append(command, None, _refusal(refusal), at)
        return self._append(command, order, command.answer(order), at)

    def _append(self, command: Command, order: Order | None, body: dict[str, Any], at: datetime) -> Reply:
        events = order.collect_events() if order else []
        stored = [self._orders.codec.to_stored_event(event, command.envelope) for event in events]
        order_id = order.id if order else command.order_id
        standing = self._orders.position_of(order_id) if order_id and not stored else None
        answer = Answer(command.command_id, command.payload_hash, order_id, standing, body, at)
        positions = self._orders.journal.insert_events(stored, answer=answer)
        return Reply(command.command_id, order_id, positions[-1] if positions else standing, body)

    def _resolve(self, command: Command, error: Exception) -> Reply:
        """After a lost connection the command may be on record: only its id can tell, never a guess."""
        log.warning("command.unresolved", command=str(command.command_id), error=type(error).__name__)
        try:
            _, known = self._orders.now_and_known(command.command_id)
        except _PASSING:
            known = None
        if known:
            return _again(command, known)
        raise errors.Unavailable from error


def _again(command: Command, known: Known) -> Reply:
    if known.payload_hash != command.payload_hash:
        raise errors.CommandIdReused(field="command_id")
    return Reply(command.command_id, known.order_id, known.position, known.reply)


def _refusal(refusal: errors.DomainError) -> dict[str, Any]:
    error = {"code": refusal.code, "message": str(refusal)}
    return {"error": {**error, "field": refusal.field} if refusal.field else error}
