"""The documentation as people read it: HTML from the AsyncAPI document, without scripts."""

import json
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

Json = dict[str, Any]

_LIMITS = {
    "minLength": "length at least {}",
    "maxLength": "length at most {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "maxItems": "at most {} of them",
    "pattern": "form {}",
    "default": "{} unless given",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One line in the table of a schema. `schema` names the one to look at, if it has its own."""

    name: str
    kind: str
    schema: str | None
    required: bool
    notes: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One message: its name, what it means, its headers and its example."""

    name: str
    summary: str
    headers: list[tuple[str, str]]
    example: str


@dataclass(frozen=True, slots=True)
class Topic:
    """One operation: the subject, what happens there, which messages go which way."""

    anchor: str
    address: str
    summary: str
    notes: list[str]
    messages: list[Shown]
    replies: list[Shown]


def overview() -> str:
    """Return the page that leads to the others."""
    return _TEMPLATES.get_template("docs.html").render()


def messages(document: Json) -> str:
    """Return the page of all subjects, messages and schemas."""
    operations = sorted(document["operations"].items())
    topics = {
        action: [_topic(document, name, op) for name, op in operations if op["action"] == action]
        for action in ("receive", "send")
    }
    schemas = {
        name: (schema.get("description", ""), _fields(schema))
        for name, schema in sorted(document["components"]["schemas"].items())
    }
    return _TEMPLATES.get_template("asyncapi.html").render(
        info=document["info"], requests=topics["receive"], events=topics["send"], schemas=schemas
    )


def _topic(document: Json, name: str, operation: Json) -> Topic:
    channel = _found(document, operation["channel"])
    queue = operation.get("bindings", {}).get("nats", {}).get("queue")
    parameters = [f"{key}: {said['description']}" for key, said in channel.get("parameters", {}).items()]
    notes = [channel.get("description", ""), f"Queue group {queue}." if queue else "", *parameters]
    return Topic(
        anchor=name,
        address=channel["address"],
        summary=operation["summary"],
        notes=[note for note in notes if note],
        messages=[_shown(document, message) for message in operation["messages"]],
        replies=[_shown(document, message) for message in operation.get("reply", {}).get("messages", [])],
    )


def _shown(document: Json, reference: Json) -> Shown:
    message = _found(document, _found(document, reference))
    headers = message.get("headers", {}).get("properties", {})
    example = message["examples"][0]
    return Shown(
        name=message["name"],
        summary=message["summary"],
        headers=[
            (f"{name}: {example['headers'][name]}", said["description"]) for name, said in headers.items()
        ],
        example=json.dumps(example["payload"], indent=2, ensure_ascii=False),
    )


def _found(document: Json, reference: Json) -> Json:
    """Follow a reference inside the document."""
    value = document
    for step in reference["$ref"].removeprefix("#/").split("/"):
        value = value[step]
    return value


def _fields(schema: Json) -> list[Field]:
    required = set(schema.get("required", ()))
    return [
        Field(name, _kind(said), _schema_in(said), name in required, _notes(said))
        for name, said in sorted(
            schema.get("properties", {}).items(), key=lambda pair: (pair[0] not in required, pair[0])
        )
    ]


def _kind(said: Json) -> str:
    """Return in words what a value is."""
    if "$ref" in said:
        return str(said["$ref"]).rpartition("/")[2]
    if "anyOf" in said:
        return " or ".join(_kind(choice) for choice in said["anyOf"])
    if "const" in said:
        return json.dumps(said["const"])
    if "enum" in said:
        return " or ".join(json.dumps(value) for value in said["enum"])
    if said.get("type") == "array":
        return f"list of {_kind(said['items'])}" if said.get("items") else "list"
    return str(said.get("format") or said.get("type") or "anything")


def _schema_in(said: Json) -> str | None:
    """Return the schema to which a value leads, if it leads to one."""
    if "$ref" in said:
        return str(said["$ref"]).rpartition("/")[2]
    inner = [*said.get("anyOf", []), said.get("items") or {}]
    return next((name for one in inner if one and (name := _schema_in(one))), None)


def _notes(said: Json) -> str:
    """Return the limits of a value, and what is said about it."""
    limited = [said, *said.get("anyOf", [])]
    limits = [
        _LIMITS[limit].format(json.dumps(one[limit]) if limit == "default" else one[limit])
        for limit in _LIMITS
        for one in limited
        if one.get(limit) is not None
    ]
    return "; ".join([*([said["description"]] if "description" in said else []), *limits])


_TEMPLATES = Environment(
    loader=PackageLoader("vignettes.services.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
