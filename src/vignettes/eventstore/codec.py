"""Events to bytes and back: what happened, wrapped in who asked for it, when, and by which command."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, cast, get_type_hints
from uuid import UUID

from eventsourcing.domain import Aggregate, AggregateEvent
from eventsourcing.persistence import DatetimeAsISO, JSONTranscoder, Mapper, StoredEvent
from eventsourcing.utils import get_topic
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

from vignettes.domain.folding import Evolving
from vignettes.domain.order import Order
from vignettes.domain.payment import BankPayment
from vignettes.domain.personal import DataClass, Personal
from vignettes.domain.support_case import SupportCase
from vignettes.eventstore.personal import Vault
from vignettes.eventstore.upcasting import UPCASTERS, upcast

ENVELOPE_VERSION = 1
Kept = Order | BankPayment | SupportCase
"""What the log tells the history of. Each has ids of its own; commands and views know which they are about."""

AGGREGATES: tuple[type[Kept], ...] = (Order, BankPayment, SupportCase)
#: With these, keys are destroyed.
ERASURES = (Order.PersonalDataErased, BankPayment.PersonalDataErased, SupportCase.PersonalDataErased)
_INHERITED = frozenset({"originator_id", "originator_version", "timestamp", "originator_topic"})


class UnknownEvent(Exception):
    """The log holds an event that this code does not know; it is not passed over."""


class UnreadableEvent(Exception):
    """The log holds an event whose bytes do not fit its topic; it is not passed over."""


class Envelope(NamedTuple):
    """Who asked, by which command, on behalf of which request. Kept with each event, in its bytes."""

    actor: str
    command_id: UUID | None = None
    correlation_id: UUID | None = None


class Recorded(NamedTuple):
    """An event as it stands in the log, its personal data opened, or None where that was erased.

    A tuple, as its envelope is: a fold of the log makes them by the million, and frozen dataclasses take much longer.
    """

    position: int
    #: Of the order, the bank payment or the case that it happened to.
    order_id: UUID
    version: int
    type: str
    recorded_at: datetime
    envelope: Envelope
    event: AggregateEvent

    @property
    def data(self) -> dict[str, Any]:
        """What the event says, as JSON."""
        return cast(
            "dict[str, Any]",
            _adapter(type(self.event)).dump_python(_wrap(self.event, self.envelope), mode="json")["data"],
        )


@cache
def event_classes() -> dict[str, type[AggregateEvent]]:
    """Return every event of an order, a bank payment or a case by its topic."""
    found = {get_topic(each): each for aggregate in AGGREGATES for each in _events_of(aggregate)}
    return cast("dict[str, type[AggregateEvent]]", found)


def _events_of(aggregate: type[Kept]) -> Iterator[type[Evolving]]:
    for value in vars(aggregate).values():
        if isinstance(value, type) and issubclass(value, Evolving) and hasattr(value, "TOPIC"):
            yield value


def schema_of(event_class: type[AggregateEvent]) -> dict[str, Any]:
    """Return the JSON schema of what an event says (`data` in a history), as it is written."""
    schema = _adapter(event_class).json_schema(mode="serialization")
    said = schema["properties"]["data"]
    inner: dict[str, Any] = schema["$defs"].pop(said["$ref"].rpartition("/")[2])
    return {**inner, **({"$defs": schema["$defs"]} if schema["$defs"] else {})}


def personal_of(event_class: type[AggregateEvent]) -> dict[str, DataClass]:
    """Return the personal texts of an event by their paths, as `details.vehicle.plate`, each with its class."""
    return {".".join(mark.path): mark.data_class for mark in _marked(event_class)}


def about(event_class: type[AggregateEvent]) -> type[Kept]:
    """Return what an event happens to: an order, a bank payment or a case."""
    [found] = (each for each in AGGREGATES if event_class in vars(each).values())
    return found


def _begun_by(event_class: type[AggregateEvent]) -> str:
    """Return the topic of what an event brings into being."""
    return get_topic(about(event_class))


@cache
def _adapter(event_class: type[AggregateEvent]) -> TypeAdapter[Any]:
    own = _own_fields(event_class)
    # mypy can't follow a TypedDict made at run time; pydantic can, and validates every field of it.
    data = TypedDict(f"{event_class.__name__}Data", own)  # type: ignore[misc]
    form = TypedDict(  # type: ignore[misc]  # noqa: UP013  # its fields are known at run time only
        f"{event_class.__name__}Envelope",
        {"v": int, "at": datetime, "by": str, "cmd": UUID | None, "cor": UUID | None, "data": data},
    )
    return TypeAdapter(form)


def _own_fields(event_class: type[AggregateEvent]) -> dict[str, Any]:
    hints = get_type_hints(event_class, include_extras=True)
    return {field.name: hints[field.name] for field in fields(event_class) if field.name not in _INHERITED}


@dataclass(frozen=True, slots=True)
class _Marked:
    """A personal text within an event: `details`, `vehicle`, `plate`."""

    path: tuple[str, ...]
    data_class: DataClass

    @property
    def holder(self) -> Callable[[AggregateEvent], Any]:
        """What finds in an event that which holds the text: the event itself, or something within it."""
        outer = self.path[:-1]
        return attrgetter(".".join(outer)) if outer else lambda event: event


@cache
def _marked(event_class: type[AggregateEvent]) -> tuple[_Marked, ...]:
    """Return every text of an event that the domain marks as personal."""
    return tuple(_marks(_own_fields(event_class), ()))


def _marks(hints: dict[str, Any], within: tuple[str, ...]) -> Iterator[_Marked]:
    for name, hint in hints.items():
        path = (*within, name)
        if is_dataclass(hint):
            yield from _marks(get_type_hints(hint, include_extras=True), path)
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, Personal):
                yield _Marked(path, mark.data_class)


@dataclass(frozen=True, slots=True)
class _Form:
    """How the bytes of one kind of event are read, found out once."""

    event_class: type[AggregateEvent]
    name: str
    #: From bytes, and from their JSON.
    typed: Callable[[bytes], dict[str, Any]]
    typed_json: Callable[[dict[str, Any]], dict[str, Any]]
    #: Where personal texts are: what holds them, their class and their name.
    personal: tuple[tuple[Callable[[AggregateEvent], Any], DataClass, str], ...]
    #: What the bytes need not say, since it is the same in every event of the kind.
    unsaid: dict[str, Any]


@cache
def _forms() -> dict[str, _Form]:
    """Return the forms of today by their topics."""
    return {topic: _form(event_class) for topic, event_class in event_classes().items()}


def _form(event_class: type[AggregateEvent]) -> _Form:
    validator = _adapter(event_class).validator
    return _Form(
        event_class,
        event_class.__name__,
        validator.validate_json,
        validator.validate_python,
        tuple((each.holder, each.data_class, each.path[-1]) for each in _marked(event_class)),
        {"originator_topic": _begun_by(event_class)} if issubclass(event_class, Aggregate.Created) else {},
    )


def _wrap(event: AggregateEvent, envelope: Envelope) -> dict[str, Any]:
    return {
        "v": ENVELOPE_VERSION,
        "at": event.timestamp,
        "by": envelope.actor,
        "cmd": envelope.command_id,
        "cor": envelope.correlation_id,
        "data": {key: value for key, value in vars(event).items() if key not in _INHERITED},
    }


def _upcast(stored: StoredEvent, wrapped: dict[str, Any]) -> str:
    """Bring an event to its newest form, in place, and return the topic of that."""
    try:
        topic, wrapped["data"] = upcast(stored.topic, wrapped["data"])
    except (KeyError, TypeError) as error:
        raise UnreadableEvent(
            f"{UnreadableEvent.__doc__} {_named(stored)}: {type(error).__name__}."
        ) from None
    return topic


def _parsed(stored: StoredEvent) -> dict[str, Any]:
    """Return the JSON of an event as it is stored."""
    try:
        wrapped = from_json(stored.state)
        if isinstance(wrapped, dict) and isinstance(wrapped["data"], dict):
            return wrapped
    except (ValueError, KeyError):
        pass
    raise UnreadableEvent(f"{UnreadableEvent.__doc__} {_named(stored)}: no JSON of ours.")


def _typed(form: _Form, stored: StoredEvent, wrapped: dict[str, Any]) -> dict[str, Any]:
    try:
        return form.typed_json(wrapped)
    except ValidationError as error:
        # Told by place, never by value: what is quoted here ends in the log, and may be a person's.
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        places = "; ".join(f"{'.'.join(map(str, each['loc']))} ({each['type']})" for each in problems)
        raise UnreadableEvent(f"{UnreadableEvent.__doc__} {_named(stored)}: {places}.") from None


def _named(stored: StoredEvent) -> str:
    return f"Topic {stored.topic!r}, order {stored.originator_id}, version {stored.originator_version}"


def _through(
    door: Callable[[UUID, DataClass, str, str | None], str | None],
    order_id: UUID,
    event_class: type[AggregateEvent],
    data: dict[str, Any],
) -> None:
    """Seal, or open, every personal text of an event, in place; what is of another form, its type refuses."""
    for mark in _marked(event_class):
        *outer, name = mark.path
        holder: Any = data
        for each in outer:
            holder = holder.get(each) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and isinstance(text := holder.get(name), str):
            holder[name] = door(order_id, mark.data_class, name, text)


def _recorded(form: _Form, position: int, order_id: UUID, version: int, wrapped: dict[str, Any]) -> Recorded:
    at = wrapped["at"]
    said = {
        "originator_id": order_id,
        "originator_version": version,
        "timestamp": at,
        **wrapped["data"],
        **form.unsaid,
    }
    event = object.__new__(form.event_class)
    # Frozen dataclasses are filled as the library itself fills them.
    object.__setattr__(event, "__dict__", said)
    envelope = Envelope(wrapped["by"], wrapped["cmd"], wrapped["cor"])
    return Recorded(position, order_id, version, form.name, at, envelope, event)


class OrderMapper(Mapper[UUID]):
    """The library's mapper with our bytes: JSON that names its form, personal data sealed, no class name anywhere.

    The vault must hold the keys of the orders whose events come and go here.
    """

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        # The library wants a transcoder; ours is the typed adapter above, so this one only keeps its interface whole.
        transcoder = JSONTranscoder()
        transcoder.register(DatetimeAsISO())
        super().__init__(transcoder)

    def to_stored_event(self, domain_event: Any, envelope: Envelope | None = None) -> StoredEvent:
        """Return the bytes of `domain_event`; without an envelope its actor is `system`."""
        wrapped = _wrap(domain_event, envelope or Envelope("system"))
        event_class: type[AggregateEvent] = type(domain_event)
        if issubclass(event_class, Aggregate.Created):
            self.vault.create(domain_event.originator_id)
        told = _adapter(event_class).dump_python(wrapped, mode="json")
        _through(self.vault.seal, domain_event.originator_id, event_class, told["data"])
        return StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=get_topic(type(domain_event)),
            state=to_json(told),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> AggregateEvent:
        return self.to_recorded(stored_event, 0).event

    def to_recorded(self, stored: StoredEvent, position: int) -> Recorded:
        """Return the event with its envelope. Raises UnknownEvent or UnreadableEvent; the log is never passed over."""
        order_id = cast("UUID", stored.originator_id)
        return self.read(position, order_id, stored.originator_version, stored.topic, stored.state)

    def read(self, position: int, order_id: UUID, version: int, topic: str, state: bytes) -> Recorded:
        """Return the event of one row of the log, as `to_recorded` does."""
        form = _forms().get(topic)
        try:
            if form is not None:
                recorded = _recorded(form, position, order_id, version, form.typed(state))
                self._open(recorded.event, form)
                return recorded
        except ValidationError:
            pass  # told below, by what is wrong first
        return self._read_slowly(StoredEvent(order_id, version, topic, state), position)

    def _open(self, event: AggregateEvent, form: _Form) -> None:
        for holder, data_class, name in form.personal:
            within = holder(event)
            opened = self.vault.open(event.originator_id, data_class, name, getattr(within, name))
            # Nobody has seen this event yet: frozen or not, it is still in the making.
            object.__setattr__(within, name, opened)

    def _read_slowly(self, stored: StoredEvent, position: int) -> Recorded:
        """Return an event of an earlier form; of one that is wrong, tell what is."""
        order_id = cast("UUID", stored.originator_id)
        topic, parsed = stored.topic, None
        if topic in UPCASTERS:
            parsed = _parsed(stored)
            topic = _upcast(stored, parsed)
        form = _forms().get(topic)
        if form is None:
            raise UnknownEvent(f"{UnknownEvent.__doc__} {_named(stored)}.")
        parsed = parsed or _parsed(stored)
        _through(self.vault.open, order_id, form.event_class, parsed["data"])
        return _recorded(form, position, order_id, stored.originator_version, _typed(form, stored, parsed))
