"""Events as an auditor sees them: everything but what is under keys, for which it is told that something is there."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter

from vignettes.domain.personal import DataClass
from vignettes.eventstore.codec import ERASURES, Kept, OrderMapper, Recorded
from vignettes.eventstore.ledger import Row
from vignettes.eventstore.personal import Vault
from vignettes.projections.folding import folded

#: In the place of a text under a key. No edge lets a NUL in, so no text of anybody's begins like that.
_MARK: Final = "\0"
SEALED: Final = {"sealed": True}

_JSON: TypeAdapter[Any] = TypeAdapter(Any)


class SealedVault(Vault):
    """A vault without keys: whatever it is to open, it tells only of which class that is."""

    def __init__(self) -> None:
        """Hold nothing."""

    def open(self, order_id: UUID, data_class: DataClass, field: str, stored: str | None) -> str | None:
        """Return what stands for the text; None where there was none."""
        del order_id, field  # it is the same for all of them
        return None if stored is None else f"{_MARK}{data_class}"


def read(rows: Iterable[Row]) -> list[Recorded]:
    """Return events without what is personal. Raises UnknownEvent or UnreadableEvent."""
    mapper = OrderMapper(SealedVault())
    return [mapper.read(*row) for row in rows]


def fold(events: Iterable[Recorded]) -> Kept | None:
    """Return what events of one order, bank payment or case make of it; None where there are none."""
    found: Kept | None = None
    for event in events:
        found = folded(found, event)
    return found


def erased_by(events: Iterable[Recorded]) -> frozenset[DataClass]:
    """Return the classes whose keys these events say were destroyed."""
    return frozenset(
        data_class for each in events if isinstance(each.event, ERASURES) for data_class in each.event.classes
    )


def said(event: Recorded, erased: Collection[DataClass]) -> dict[str, Any]:
    """Return what an event says, as JSON: null for what was erased, `SEALED` for what is still under a key."""
    told: dict[str, Any] = shown(event.data, erased)
    return told


def state_of(kept: Kept, erased: Collection[DataClass]) -> dict[str, Any]:
    """Return a state as JSON: what events have assigned, and the status that follows from it."""
    assigned = {name: value for name, value in vars(kept).items() if not name.startswith("_")}
    told = {"id": kept.id, "version": kept.version, "status": kept.status, **assigned}
    state: dict[str, Any] = shown(_JSON.dump_python(_in_order(told), mode="json"), erased)
    return state


def shown(value: Any, erased: Collection[DataClass]) -> Any:
    """Return JSON with everything replaced that stands for a personal text."""
    match value:
        case str() if value.startswith(_MARK):
            return None if value.removeprefix(_MARK) in erased else dict(SEALED)
        case Mapping():
            return {name: shown(each, erased) for name, each in value.items()}
        case list():
            return [shown(each, erased) for each in value]
    return value


def _in_order(value: Any) -> Any:
    """Return the same, with sets in an order that is the same in every process."""
    match value:
        case frozenset():
            return sorted(value)
        case Mapping():
            return {name: _in_order(each) for name, each in value.items()}
    return value


def flat(value: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Return JSON by paths, as `details.vehicle.country`; lists stay whole."""
    found: dict[str, Any] = {}
    for name, each in value.items():
        path = f"{within}{name}"
        if isinstance(each, Mapping) and each != SEALED:
            found |= flat(each, f"{path}.")
        else:
            found[path] = each
    return found


def differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return the paths at which two states differ, each with what stood there and what stands there."""
    before, after = flat(then), flat(now)
    paths: Sequence[str] = [*after, *(path for path in before if path not in after)]
    return [
        (path, before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)
    ]
