"""The OpenAPI document as people read it, without anybody's script."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vignettes.services.web.pages import rendered
from vignettes.services.web.schema_tables import Field, fields, kind, notes

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Response:
    """What may be answered: the status, what it means, in which form."""

    status: str
    meaning: str
    media_types: list[str]
    schema: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one path."""

    anchor: str
    method: str
    path: str
    tag: str
    summary: str
    meaning: str
    parameters: list[Field]
    responses: list[Response]
    command: str

    def mentions(self, wanted: str) -> bool:
        """Tell whether a path or what is said about it has these letters in it."""
        return any(wanted in each.lower() for each in (self.path, self.summary, self.meaning, self.tag))


def operations(document: Json, wanted: str = "") -> str:
    """Return the page of all operations, or of those with the letters that are wanted."""
    wanted = wanted.strip()
    shown = [each for each in _operations(document) if each.mentions(wanted.lower())]
    tags = dict.fromkeys(each.tag for each in shown)
    schemas = document.get("components", {}).get("schemas", {})
    return rendered(
        "docs_openapi.html",
        here="/docs/openapi",
        info=document["info"],
        wanted=wanted,
        operations=shown,
        groups=[(tag, [each for each in shown if each.tag == tag]) for tag in tags],
        schemas={name: (said.get("description", ""), fields(said)) for name, said in sorted(schemas.items())},
    )


def _operations(document: Json) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            yield Operation(
                anchor=f"{method}-{path.strip('/').replace('/', '-').translate(_PLAIN) or 'root'}",
                method=method.upper(),
                path=path,
                tag=said["tags"][0],
                summary=said["summary"],
                meaning=said.get("description", ""),
                parameters=[_parameter(each) for each in said.get("parameters", [])],
                responses=[_response(status, each) for status, each in said["responses"].items()],
                command=_command(method, path),
            )


_PLAIN = str.maketrans("", "", "{}")


def _parameter(said: Json) -> Field:
    schema = said["schema"]
    return Field(
        f"{said['name']} ({said['in']})", kind(schema), None, said.get("required", False), notes(schema)
    )


def _response(status: str, said: Json) -> Response:
    content = said.get("content", {})
    schemas = [each.get("schema", {}).get("$ref", "") for each in content.values()]
    named = next((each.rpartition("/")[2] for each in schemas if each), None)
    return Response(status, said["description"], list(content), named)


def _command(method: str, path: str) -> str:
    address = path.replace("{token}", "$TOKEN").replace("{provider}", "$PROVIDER")
    if method == "post":
        given = '--data-binary @notice.json --header "Content-Type: application/json"'
        return f'curl --fail-with-body {given} "$PUBLIC_URL{address}"'
    return f'curl --fail-with-body "$PUBLIC_URL{address}"'
