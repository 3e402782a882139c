"""The two small languages of an authority's file: texts with fields to fill in, and places in an answer."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, JsonValue

#: What a template may name: of the application, and of a registration that there is.
OF_APPLICATION = frozenset(
    {
        "order",
        "generation",
        "country",
        "vehicle_country",
        "plate",
        "product",
        "valid_from",
        "valid_until",
    }
)
OF_REGISTRATION = frozenset({"number", "reference"})

_FIELD = re.compile(r"\{([a-z_]+)\}")
_SECRET = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_POINTER = re.compile(r"(/([^~/]|~[01])*)*")


def _known_fields(text: str, known: frozenset[str]) -> str:
    unknown = sorted(set(_FIELD.findall(text)) - known)
    if unknown:
        raise ValueError(f"names {{{unknown[0]}}}, which is none of {', '.join(sorted(known))}")
    return text


def _of_application(text: str) -> str:
    return _known_fields(text, OF_APPLICATION)


def _of_registration(text: str) -> str:
    return _known_fields(text, OF_APPLICATION | OF_REGISTRATION)


def _path(text: str) -> str:
    if not text.startswith("/") or text.startswith("//"):
        raise ValueError("is no path that begins with a slash")
    return text


def _body(value: JsonValue) -> JsonValue:
    for text in _texts(value):
        _of_application(text)
    return value


def _texts(value: JsonValue) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _texts(each)]


def _pointer(text: str) -> str:
    if not _POINTER.fullmatch(text):
        raise ValueError("is no JSON pointer (RFC 6901), such as /registration/number")
    return text


Template = Annotated[str, AfterValidator(_of_application)]
Path = Annotated[str, AfterValidator(_path), AfterValidator(_of_application)]
DocumentPath = Annotated[str, AfterValidator(_path), AfterValidator(_of_registration)]
Body = Annotated[JsonValue, AfterValidator(_body)]
Pointer = Annotated[str, AfterValidator(_pointer)]


def filled(template: str, fields: Mapping[str, str], *, as_path: bool = False) -> str:
    """Return the text with its fields filled in; in a path each is quoted, and can't lead elsewhere."""
    return _FIELD.sub(lambda found: _quoted(fields[found[1]], as_path), template)


def _quoted(value: str, as_path: bool) -> str:
    return quote(value, safe="") if as_path else value


def filled_body(body: JsonValue, fields: Mapping[str, str]) -> JsonValue:
    """Return the JSON with every text in it filled in."""
    if isinstance(body, str):
        return filled(body, fields)
    if isinstance(body, dict):
        return {name: filled_body(value, fields) for name, value in body.items()}
    return [filled_body(value, fields) for value in body] if isinstance(body, list) else body


def revealed(text: str, secret: Callable[[str], str]) -> str:
    """Return the text with each ${NAME} replaced by that variable of the environment."""
    return _SECRET.sub(lambda found: secret(found[1]), text)


def at(value: JsonValue, pointer: str) -> JsonValue:
    """Return what stands at a place (RFC 6901), or None where there is no such place."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value
