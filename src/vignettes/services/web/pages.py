"""The documentation as people read it: HTML from the AsyncAPI document, without scripts."""

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from vignettes.services.error_codes import error_codes
from vignettes.services.web.rendering import static
from vignettes.services.web.schema_tables import Field, fields, schema_in

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """One message: its name, what it means, its headers, its fields and its example."""

    name: str
    summary: str
    headers: list[tuple[str, str]]
    fields: list[Field]
    example: str


@dataclass(frozen=True, slots=True)
class Topic:
    """One operation: the subject, what happens there, how to try it, which messages go which way."""

    anchor: str
    address: str
    summary: str
    notes: list[str]
    commands: list[str]
    messages: list[Shown]
    replies: list[Shown]

    def mentions(self, wanted: str) -> bool:
        """Tell whether a subject, a meaning, a message or a field has these letters in it."""
        told = [self.address, self.summary]
        for shown in (*self.messages, *self.replies):
            told += [shown.name, *(each.name for each in shown.fields)]
        return any(wanted in each.lower() for each in told)


def overview() -> str:
    """Return the page that leads to the others."""
    return rendered("docs.html", here="/docs")


def messages(document: Json, wanted: str = "") -> str:
    """Return the page of subjects, messages and schemas: of all, or of those with the letters that are wanted."""
    wanted = wanted.strip()
    topics = [each for each in _topics(document) if each[1].mentions(wanted.lower())]
    return rendered(
        "asyncapi.html",
        here="/docs/asyncapi",
        info=document["info"],
        wanted=wanted,
        requests=[topic for action, topic in topics if action == "receive"],
        events=[topic for action, topic in topics if action == "send"],
        schemas=_schemas(document, [topic for _, topic in topics]),
        errors=error_codes(),
    )


def _topics(document: Json) -> list[tuple[str, Topic]]:
    return [(op["action"], _topic(document, name, op)) for name, op in sorted(document["operations"].items())]


def _schemas(document: Json, topics: Iterable[Topic]) -> dict[str, tuple[str, list[Field]]]:
    """Return the schemas that these lead to, at whatever depth, but those of the messages themselves."""
    known = document["components"]["schemas"]
    shown = [message for topic in topics for message in (*topic.messages, *topic.replies)]
    found: set[str] = set()
    left = [each.schema for message in shown for each in message.fields if each.schema]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [inner for said in _said(known[name]) if (inner := schema_in(said))]
    return {name: (known[name].get("description", ""), fields(known[name])) for name in sorted(found)}


def _said(schema: Json) -> list[Json]:
    return list(schema.get("properties", {}).values())


def _topic(document: Json, name: str, operation: Json) -> Topic:
    channel = found(document, operation["channel"])
    queue = operation.get("bindings", {}).get("nats", {}).get("queue")
    parameters = [f"{key}: {said['description']}" for key, said in channel.get("parameters", {}).items()]
    told = [channel.get("description", ""), f"Queue group {queue}." if queue else "", *parameters]
    shown = [_shown(document, message) for message in operation["messages"]]
    asks = operation["action"] == "receive"
    return Topic(
        anchor=name.partition(".")[2],
        address=channel["address"],
        summary=operation["summary"],
        notes=[note for note in told if note],
        commands=_requesting(channel["address"], shown[0]) if asks else _listening(name, channel),
        messages=shown,
        replies=[_shown(document, message) for message in operation.get("reply", {}).get("messages", [])],
    )


def _requesting(subject: str, asked: Shown) -> list[str]:
    """Return how a person asks, in the two ways that people have."""
    body = shlex.quote(json.dumps(json.loads(asked.example), ensure_ascii=False))
    return [f"vignettes ask {subject} {body}", f"nats request {subject} {body}"]


def _listening(name: str, channel: Json) -> list[str]:
    """Return how a person listens: to what comes, and to all there was."""
    filtered, stream = f"{name.partition('.')[2]}.>", channel["x-jetstream-stream"]
    return [
        f"nats subscribe '{filtered}'",
        f"nats stream view {stream} --subject '{filtered}'",
    ]


def _shown(document: Json, reference: Json) -> Shown:
    message = found(document, found(document, reference))
    headers = message.get("headers", {}).get("properties", {})
    example = message["examples"][0]
    return Shown(
        name=message["name"],
        summary=message["summary"],
        headers=[
            (f"{name}: {example['headers'][name]}", said["description"]) for name, said in headers.items()
        ],
        fields=fields(found(document, message["payload"])),
        example=as_text(example["payload"]),
    )


def found(document: Json, reference: Json) -> Json:
    """Follow a reference inside the document."""
    value = document
    for step in reference["$ref"].removeprefix("#/").split("/"):
        value = value[step]
    return value


def as_text(value: Any) -> str:
    """Return JSON as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def rendered(name: str, **told: Any) -> str:
    """Return a page of the documentation from its template."""
    return _templates().get_template(name).render(told)


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("vignettes.services.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = static
    made.filters["marked"] = _marked
    return made


def _marked(text: str) -> Markup:
    """Return a text whose words in backticks are shown as code, as its author meant them."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped
