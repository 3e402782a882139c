"""Events to bytes and back: what happened, wrapped in who asked for it, when, and by which command."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast, get_type_hints
from uuid import UUID

from eventsourcing.domain import Aggregate, AggregateEvent
from eventsourcing.persistence import DatetimeAsISO, JSONTranscoder, Mapper, StoredEvent
from eventsourcing.utils import get_topic, resolve_topic
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

from vignettes.domain.order import Order
from vignettes.domain.personal import DataClass, Personal
from vignettes.eventstore.personal import Vault
from vignettes.eventstore.upcasting import UPCASTERS, upcast

ENVELOPE_VERSION = 1
_INHERITED = frozenset({"originator_id", "originator_version", "timestamp", "originator_topic"})


class UnknownEvent(Exception):
    """The log holds an event that this code does not know; it stops here rather than pass over it."""


class UnreadableEvent(Exception):
    """The log holds an event whose bytes do not fit its topic; it stops here rather than pass over it."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who asked, by which command, on behalf of which request. Kept with each event, in its bytes."""

    actor: str
    command_id: UUID | None = None
    correlation_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as it stands in the log, its personal data opened, or None where that was erased."""

    position: int
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
    """Return every event of an order by its topic."""
    found = {
        get_topic(value): value
        for value in vars(Order).values()
        if isinstance(value, type) and issubclass(value, Order.Event) and hasattr(value, "TOPIC")
    }
    return cast("dict[str, type[AggregateEvent]]", found)


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


def _typed(event_class: type[AggregateEvent], stored: StoredEvent, wrapped: dict[str, Any]) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", _adapter(event_class).validate_python(wrapped))
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
        topic, parsed = stored.topic, None
        if topic in UPCASTERS:
            parsed = _parsed(stored)
            topic = _upcast(stored, parsed)
        event_class = event_classes().get(topic)
        if event_class is None:
            raise UnknownEvent(f"{UnknownEvent.__doc__} {_named(stored)}.")
        parsed = parsed or _parsed(stored)
        _through(self.vault.open, cast("UUID", stored.originator_id), event_class, parsed["data"])
        wrapped = _typed(event_class, stored, parsed)
        envelope = Envelope(wrapped["by"], wrapped["cmd"], wrapped["cor"])
        event = object.__new__(event_class)
        state = {
            "originator_id": stored.originator_id,
            "originator_version": stored.originator_version,
            "timestamp": wrapped["at"],
            **wrapped["data"],
        }
        if issubclass(event_class, Aggregate.Created):
            state["originator_topic"] = get_topic(resolve_topic("order"))
        # Frozen dataclasses are filled as the library itself fills them.
        object.__setattr__(event, "__dict__", state)
        return Recorded(
            position,
            cast("UUID", stored.originator_id),
            stored.originator_version,
            event_class.__name__,
            wrapped["at"],
            envelope,
            event,
        )
