"""What the pages of auditors show of the desk's answers: states side by side, values as people read them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from vignettes.domain.money import Money
from vignettes.domain.personal import DataClass

Json = Mapping[str, Any]

_SEALED: Final = {"sealed": True}
_MONEY: Final = frozenset({"amount", "currency"})
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
#: The fields that hold personal data of each class, by the last part of their path.
_PERSONAL: Final[Mapping[str, frozenset[str]]] = {
    DataClass.CONTACT: frozenset({"email", "message", "name", "note", "text", "typed_number"}),
    DataClass.VEHICLE: frozenset({"plate", "normal"}),
}


@dataclass(frozen=True, slots=True)
class Value:
    """One value: as it stands, under a key, gone for ever, or none."""

    kind: Literal["plain", "sealed", "erased", "none"]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """A field of the state, as it was and as it is."""

    field: str
    then: Value
    now: Value

    @property
    def label(self) -> str:
        """The path as it is shown: of ids in it only the beginning."""
        return _ID.sub(lambda found: f"{found[0][:8]}…", self.field)

    @property
    def differs(self) -> bool:
        """Tell whether something else stands there now."""
        return self.then != self.now


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a story, with its proof; `is_later`: it had not happened at the time that is shown."""

    told: Json
    says: Sequence[tuple[str, Value]]
    verified: bool
    is_later: bool


def story(history: Json, proof: Json, version: int) -> list[Event]:
    """Return every event of a whole history, as it is read from a version."""
    verified = {each["position"]: each["verified"] for each in proof["events"]}
    gone = _gone(history)
    return [
        Event(
            each,
            list(_values(each["data"], gone)),
            verified.get(each["position"], False),
            is_later=each["version"] > version,
        )
        for each in history["events"]
    ]


def compared(history: Json) -> list[Compared]:
    """Return the fields of the state, as it was and as it is, in the order of now."""
    gone, none = _gone(history), Value("none")
    then, now = (dict(_values(history[name], gone)) for name in ("state", "state_now"))
    fields = [Compared(field, then.get(field, none), now.get(field, none)) for field in {**now, **then}]
    # What was empty, and now holds something, stands there by its paths.
    return [each for each in fields if each.differs or (each.field in then and each.field in now)]


def _gone(history: Json) -> frozenset[str]:
    """Return the names of the fields whose data was erased by now: it is gone from earlier versions as well."""
    return frozenset().union(*(_PERSONAL[each] for each in history["state_now"].get("erased", ())))


def _values(told: Json, gone: frozenset[str], within: str = "") -> Iterator[tuple[str, Value]]:
    """Return values by paths, as `details.vehicle.country`; lists and amounts stay whole."""
    for name, each in told.items():
        path = f"{within}{name}"
        if isinstance(each, Mapping) and each and each != _SEALED and each.keys() != _MONEY:
            yield from _values(each, gone, f"{path}.")
        else:
            yield path, _value(each, is_gone=name in gone)


def _value(value: Any, *, is_gone: bool) -> Value:
    if value == _SEALED:
        return Value("sealed")
    if value is None and is_gone:
        return Value("erased")
    if value is None or value in ([], {}):
        return Value("none")
    plain = _plain(value)
    return Value("plain", plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))


def _plain(value: Any) -> Any:
    """Return JSON with amounts and times as people write them, and what is sealed as that word."""
    match value:
        case str() if _INSTANT.fullmatch(value):
            at = datetime.fromisoformat(value).astimezone(UTC)
            return f"{at.replace(tzinfo=None).isoformat(' ')} UTC"
        case Mapping() if value == _SEALED:
            return "sealed"
        case Mapping() if value.keys() == _MONEY:
            return str(Money(**value))
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
    return value
