"""Strict reading of what providers send: nothing that two readers could take for two things."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from vignettes.messages.forms import Line
from vignettes.services.notices import Refused

_Form = TypeVar("_Form", bound=BaseModel)

Account = Annotated[Line, Field(max_length=64)]

_MOST_FIELDS = 100
_LINE: TypeAdapter[Line] = TypeAdapter(Line)
_ACCOUNT: TypeAdapter[Account] = TypeAdapter(Account)
_BAD_REQUEST = 400


def parsed(form: type[_Form], body: bytes) -> _Form:
    """Return a JSON body in its form. Raises Refused."""
    try:
        json.loads(body, object_pairs_hook=_once_each, parse_constant=_not_json)
        return form.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise invalid(first["msg"], ".".join(map(str, first["loc"])) or "body") from None
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON as RFC 8259 has it, with each name once.", "body") from None


def form_fields(body: bytes) -> dict[str, str]:
    """Return the fields of an application/x-www-form-urlencoded body. Raises Refused."""
    try:
        pairs = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
        return _once_each(pairs)
    except ValueError:
        raise invalid("The body is not a form in UTF-8 with each field once.", "body") from None


def line(text: str | None) -> Line | None:
    """Return a text that is genuine but not ours to form, where it can be kept: else the money counts without it."""
    return _kept(_LINE, text)


def account(text: str | None) -> Account | None:
    """Return the number of an account in whatever form, where it can be kept."""
    return _kept(_ACCOUNT, text)


def invalid(message: str, field: str) -> Refused:
    """Return the refusal of a body that can't be read."""
    return Refused(_BAD_REQUEST, "invalid_request", message, field)


def _kept(form: TypeAdapter[str], text: str | None) -> str | None:
    try:
        return form.validate_python(text)
    except ValidationError:
        return None


def _once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: readers differ in which of them counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
