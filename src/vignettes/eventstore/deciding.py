"""One round of a group: each command is decided on its order as the log, and the commands before it, have left it."""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from pydantic_core import to_json

from vignettes.domain import errors
from vignettes.domain.personal import DataClass
from vignettes.eventstore.codec import ERASURES, Envelope, Kept, OrderMapper
from vignettes.eventstore.journal import PRIVATE, Cover, Destroyed, Entry, Known, Seen
from vignettes.eventstore.personal import Vault


@dataclass(frozen=True, slots=True)
class Command:
    """A request to decide on one order, or bank payment. `decide` gets it (None when there is none) and the time.

    `answer` is kept as it is, the lists of `private` sealed: they are empty once erased. Whether another order is for
    the same `cover` is told to `private`.
    `payment_id` counts for one order, whichever is first.
    """

    command_id: UUID
    payload_hash: bytes
    actor: str
    order_id: UUID | None
    decide: Callable[[Any, datetime], Kept]
    answer: Callable[[Any], dict[str, Any]]
    private: Callable[[Any, bool], dict[str, list[str]]] = lambda *_: {}
    cover: Cover | None = None
    payment_id: str | None = None
    erases: bool = False
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

    @classmethod
    def known(cls, command_id: UUID, known: Known, vault: Vault) -> "Reply":
        """Return an answer that was given before; what was erased since is left out of it."""
        body = dict(known.reply)
        for name, sealed in body.pop(PRIVATE, {}).items():
            assert known.order_id is not None  # noqa: S101  # sealed for an order; for the type only
            opened = vault.open(known.order_id, DataClass.VEHICLE, name, sealed)
            body[name] = json.loads(opened) if opened else []
        return cls(command_id, known.order_id, known.position, body)


Outcome = Reply | Exception


@dataclass(frozen=True, slots=True)
class Decided:
    """A command that was decided, and what it leaves in the log."""

    place: int
    command: Command
    entry: Entry
    body: dict[str, Any]

    def reply(self, position: int | None) -> Reply:
        """Return the reply, now that it is on record where the order stands."""
        return Reply(self.command.command_id, self.entry.order_id, position, self.body)


class Round:
    """Decides commands one after the other. `orders` are those at hand; they are changed in place.

    `failed` are commands that ended in an exception, `postponed` those to be taken again in the next round.
    """

    def __init__(self, seen: Seen, orders: OrderedDict[UUID, Kept], vault: Vault, codec: OrderMapper) -> None:
        self._seen = seen
        self._orders = orders
        self._vault = vault
        self._codec = codec
        self._units: dict[UUID, int] = {}
        self._asked: set[UUID] = set()
        #: Payments that commands of this round count for an order: not on record yet, and so no ground for a refusal.
        self._claimed: dict[str, UUID] = {}
        self._unreadable: dict[UUID, Exception] = {}
        #: Orders that a failed decision may have left half changed: they are read again before anything else.
        self._spoilt: set[UUID] = set()
        self.decided: list[Decided] = []
        self.failed: dict[int, Exception] = {}
        self.postponed: list[tuple[int, Command]] = []
        self._fold(seen.newer)

    def decide(self, place: int, command: Command) -> None:
        """Decide one command. The same command_id once more waits for what the first one comes to."""
        if command.command_id in self._asked or command.order_id in self._spoilt or self._awaits(command):
            self.postponed.append((place, command))
            return
        if command.order_id in self._unreadable:
            self.failed[place] = self._unreadable[command.order_id]
            return
        self._asked.add(command.command_id)
        order = self._orders.get(command.order_id) if command.order_id else None
        try:
            entry, body = self._decide(command, order)
        except Exception as error:  # noqa: BLE001  # it is this command's outcome, and nobody else's
            self._spoil(order or command.order_id)
            self.failed[place] = error
        else:
            self.decided.append(Decided(place, command, entry, body))

    def _awaits(self, command: Command) -> bool:
        """Tell whether its payment may count for another order by the end of this round."""
        claimed = self._claimed.get(command.payment_id) if command.payment_id else None
        return claimed is not None and claimed != command.order_id

    def _decide(self, command: Command, order: Kept | None) -> tuple[Entry, dict[str, Any]]:
        at = max(self._seen.now, order.modified_on) if order else self._seen.now
        try:
            self._check_owner(command, order)
            if command.order_id in self._seen.in_the_clear:
                raise errors.WrittenInTheClear
            order = command.decide(order, at)
        except errors.DomainError as refusal:
            if order and order.pending_events:
                self._spoil(order)
            return self._entry(command, order, _refusal(refusal), {}, at)
        decided = self._entry(
            command,
            order,
            command.answer(order),
            command.private(order, command.cover in self._seen.covered),
            at,
        )
        self._orders[order.id] = order
        self._orders.move_to_end(order.id)
        return decided

    def _check_owner(self, command: Command, order: Kept | None) -> None:
        """Refuse money that counts for another order already, whatever the command's own id (case 17)."""
        owner = self._seen.owners.get(command.payment_id) if command.payment_id else None
        if order and owner and owner != order.id:
            raise errors.PaymentIdReused(field="payment_id")

    def _entry(
        self,
        command: Command,
        order: Kept | None,
        body: dict[str, Any],
        private: dict[str, list[str]],
        at: datetime,
    ) -> tuple[Entry, dict[str, Any]]:
        order_id = order.id if order else command.order_id
        refused = "error" in body
        events = order.collect_events() if order and not refused else ()
        stored = [self._codec.to_stored_event(event, command.envelope) for event in events]
        entry = Entry(
            unit=self._units.setdefault(order_id or command.command_id, len(self._units)),
            command_id=command.command_id,
            payload_hash=command.payload_hash,
            order_id=order_id,
            order_version=order.version - len(order.pending_events) if order else None,
            reply=to_json({**body, **self._sealed(order_id, private)}).decode(),
            recorded_at=at,
            events=stored,
            payment_id=self._claim(command, order_id) if stored else None,
            keys=self._vault.new_keys([order_id]) if order_id and stored else (),
            destroyed=tuple(_destroyed(events)),
        )
        return entry, {**body, **private}

    def _claim(self, command: Command, order_id: UUID | None) -> str | None:
        """Return the payment that this command is the first to count; None when it is counted, or there is none."""
        payment_id = command.payment_id
        if payment_id is None or order_id is None:
            return None
        if payment_id in self._claimed or payment_id in self._seen.owners:
            return None
        self._claimed[payment_id] = order_id
        return payment_id

    def _sealed(self, order_id: UUID | None, private: dict[str, list[str]]) -> dict[str, Any]:
        if order_id is None or not any(private.values()):
            return private
        seal = self._vault.seal
        sealed = {
            name: seal(order_id, DataClass.VEHICLE, name, json.dumps(told)) for name, told in private.items()
        }
        return {PRIVATE: sealed}

    def _spoil(self, order: Kept | UUID | None) -> None:
        order_id = order if isinstance(order, UUID) or order is None else order.id
        if order_id:
            self._orders.pop(order_id, None)
            self._vault.forget(order_id)
            self._spoilt.add(order_id)

    def _fold(self, newer: Sequence[StoredEvent]) -> None:
        """Bring the orders at hand up to what the log holds. One that can't be read fails its own commands only."""
        for stored in newer:
            order_id = cast("UUID", stored.originator_id)
            if order_id in self._unreadable:
                continue
            try:
                event = self._codec.to_domain_event(stored)
                order: Any = event.mutate(self._orders.get(order_id))
            except Exception as error:  # noqa: BLE001  # told to whoever asks for this order
                self._orders.pop(order_id, None)
                self._unreadable[order_id] = error
            else:
                self._orders[order_id] = order
                self._orders.move_to_end(order_id)


def _destroyed(events: Sequence[Any]) -> Iterator[Destroyed]:
    for event in events:
        if isinstance(event, ERASURES):
            yield Destroyed(
                event.originator_id,
                contact=DataClass.CONTACT in event.classes,
                vehicle=DataClass.VEHICLE in event.classes,
            )


def _refusal(refusal: errors.DomainError) -> dict[str, Any]:
    error = {"code": refusal.code, "message": str(refusal)}
    return {"error": {**error, "field": refusal.field} if refusal.field else error}
