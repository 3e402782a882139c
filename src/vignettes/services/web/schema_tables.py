"""JSON schemas as tables that people read: each field with its value, its limits, and what is said about it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_LIMITS = {
    "minLength": "length at least {}",
    "maxLength": "length at most {}",
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "pattern": "form {}",
    "default": "{} unless given",
}
#: Shown as one value: everybody knows their fields after the first time.
_WELL_KNOWN = frozenset({"Money", "Amount"})


@dataclass(frozen=True, slots=True)
class Field:
    """One line in the table of a schema. `schema` names the one to look at, if it has its own."""

    name: str
    kind: str
    schema: str | None
    required: bool
    notes: str


def fields(schema: Json) -> list[Field]:
    """Return the fields of one schema, those that are required first."""
    required = set(schema.get("required", ()))
    return [
        Field(name, kind(said), schema_in(said), name in required, notes(said))
        for name, said in sorted(
            schema.get("properties", {}).items(), key=lambda pair: (pair[0] not in required, pair[0])
        )
    ]


def flattened(schema: Json) -> list[Field]:
    """Return all fields of a schema with those within them, as `details.vehicle.plate`, in their order."""
    return list(_flat(schema, schema.get("$defs", {}), ""))


def _flat(schema: Json, known: Json, within: str) -> Iterator[Field]:
    required = set(schema.get("required", ()))
    for name, said in schema.get("properties", {}).items():
        target = schema_in(said)
        inner = known.get(target or "", {})
        path = f"{within}{name}" + ("[]" if _is_list(said) else "")
        if "properties" in inner and target not in _WELL_KNOWN:
            yield from _flat(inner, known, f"{path}.")
        else:
            value = kind({**said, **inner} if "enum" in inner and "$ref" in said else said)
            yield Field(path, value, None, name in required, notes(said))


def _is_list(said: Json) -> bool:
    return any(one.get("type") == "array" for one in (said, *said.get("anyOf", [])))


def kind(said: Json) -> str:
    """Return in words what a value is."""
    if "enum" in said:
        return " or ".join(json.dumps(value) for value in said["enum"])
    if "$ref" in said:
        return str(said["$ref"]).rpartition("/")[2]
    if "anyOf" in said:
        return " or ".join(kind(choice) for choice in said["anyOf"])
    if "const" in said:
        return json.dumps(said["const"])
    if said.get("type") == "array":
        return f"list of {kind(said['items'])}" if said.get("items") else "list"
    return str(said.get("format") or said.get("type") or "anything")


def schema_in(said: Json) -> str | None:
    """Return the schema to which a value leads, if it leads to one."""
    if "$ref" in said:
        return str(said["$ref"]).rpartition("/")[2]
    inner = [*said.get("anyOf", []), said.get("items") or {}]
    return next((name for one in inner if one and (name := schema_in(one))), None)


def notes(said: Json) -> str:
    """Return the limits of a value, and what is said about it."""
    limited = [said, *said.get("anyOf", [])]
    limits = [
        _LIMITS[limit].format(json.dumps(one[limit]) if limit == "default" else one[limit])
        for limit in _LIMITS
        for one in limited
        if one.get(limit) is not None
    ]
    return "; ".join([*([said["description"]] if "description" in said else []), *limits])
