"""An authority over HTTP and JSON as its file describes it. What it answers is read strictly: a doubt is Unknown."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import httpx
import structlog
from pydantic import JsonValue, ValidationError

from vignettes.services.authorities import (
    Application,
    Document,
    NotSent,
    Registered,
    RegisteredOtherwise,
    Rejected,
    Unknown,
    documents,
    reading,
)
from vignettes.services.authorities.capabilities import Capabilities
from vignettes.services.authorities.files import AuthorityFile, Call, Question, Signs
from vignettes.services.authorities.reading import Held
from vignettes.services.authorities.templates import at, filled, filled_body
from vignettes.services.authorities.wire import Answer, Lost, NothingSent, Request, Wire

log = structlog.get_logger(__name__)

T = TypeVar("T")


class HttpAuthority:
    """Registers, finds and asks as the file says."""

    def __init__(self, form: AuthorityFile, client: httpx.AsyncClient) -> None:
        self._form = form
        self._wire = Wire(client, form.limits)
        self.capabilities: Capabilities = form.capabilities

    # --- the port

    async def register(
        self, application: Application, until: float
    ) -> Registered | Rejected | RegisteredOtherwise | Unknown | NotSent:
        call = self._form.register_
        try:
            answer = await self._wire.send(_request(call, self._fields(application)), until)
        except NothingSent as nothing:
            return NotSent(nothing.why, failed=nothing.failed)
        except Lost as lost:
            return Unknown(str(lost))
        return _strictly(answer, lambda value: self._registered_or_rejected(application, answer, value))

    async def find(self, application: Application) -> Registered | RegisteredOtherwise | Unknown | None:
        held = await self._held(self._form.find, application)
        return held if isinstance(held, Unknown) else self._ours(held, application)

    async def covering(self, application: Application) -> Registered | Unknown | None:
        if self._form.cover is None:
            return None
        held = await self._held(self._form.cover, application)
        if isinstance(held, Unknown):
            return held
        return next((one.registered() for one in held if one.covers(application)), None)

    async def document(self, application: Application, registered: Registered) -> Document | None:
        if registered.enclosed is not None:
            return documents.checked(registered.enclosed)
        if self._form.document is None:
            return None
        fields = self._fields(application) | {"number": registered.number, "reference": registered.reference}
        path = filled(self._form.document.path, fields, as_path=True)
        headers = {name: filled(value, fields) for name, value in self._form.document.headers.items()}
        try:
            answer = await self._wire.send(Request("GET", path, {}, headers))
        except (NothingSent, Lost) as error:
            log.warning("document.missing", why=str(error))
            return None
        if answer.status != httpx.codes.OK:
            return None
        return documents.checked(answer.content, answer.media_type)

    # --- asking

    def _fields(self, application: Application) -> dict[str, str]:
        return {
            "order": str(application.order),
            "generation": str(application.generation),
            "country": application.country,
            "vehicle_country": application.vehicle_country,
            "plate": application.plate,
            "product": self._form.products.get(application.product, application.product),
            "valid_from": application.valid_from,
            "valid_until": application.valid_until,
        }

    async def _held(self, question: Question, application: Application) -> list[Held] | Unknown:
        try:
            answer = await self._wire.send(_request(question, self._fields(application)))
        except (NothingSent, Lost) as error:
            return Unknown(str(error))
        return _strictly(answer, lambda value: self._list(question, answer, value))

    # --- reading

    def _registered_or_rejected(
        self, application: Application, answer: Answer, value: JsonValue
    ) -> Registered | Rejected | RegisteredOtherwise | Unknown:
        call = self._form.register_
        kinds = {"registered": call.registered, "rejected": call.rejected, "covered": call.covered}
        shown = [kind for kind, signs in kinds.items() if signs and _shows(signs, answer, value)]
        if shown == ["registered"]:
            held = reading.held(value, self._form.registration)
            ours = held.is_for(application)
            return held.registered() if ours else RegisteredOtherwise("other data confirmed")
        if shown == ["covered"]:
            return Rejected("already_covered", reading.line(at(value, call.reason)))
        if shown == ["rejected"]:
            theirs = None if call.code is None else at(value, call.code)
            return Rejected(self._form.code_for(theirs), reading.line(at(value, call.reason)))
        return Unknown(f"HTTP {answer.status}")

    def _list(self, question: Question, answer: Answer, value: JsonValue) -> list[Held] | Unknown:
        if question.nothing and _shows(question.nothing, answer, value):
            return []
        if not _shows(question.found, answer, value):
            return Unknown(f"HTTP {answer.status}")
        found = at(value, question.registrations)
        if not isinstance(found, list | dict):
            return Unknown("no list of registrations")
        return [reading.held(each, self._form.registration) for each in _each(found)]

    def _ours(self, held: list[Held], application: Application) -> Registered | RegisteredOtherwise | None:
        """Return the registration that was wanted. Another one under our reference needs a person (I4)."""
        if self._form.find.by == "vehicle":
            held = [one for one in held if one.is_of_vehicle(application) and one.may_be_ours(application)]
        wanted = [one for one in held if one.is_for(application)]
        if wanted:
            return wanted[0].registered(also=len(held) - 1)
        return RegisteredOtherwise("other data held") if held else None


def _each(found: list[JsonValue] | dict[str, JsonValue]) -> Iterable[JsonValue]:
    return found if isinstance(found, list) else [found]


def _request(call: Call, fields: Mapping[str, str]) -> Request:
    content = None if call.body is None else json.dumps(filled_body(call.body, fields)).encode()
    headers = {name: filled(value, fields) for name, value in call.headers.items()}
    return Request(
        method=call.method,
        path=filled(call.path, fields, as_path=True),
        query={name: filled(value, fields) for name, value in call.query.items()},
        headers=headers if content is None else {"Content-Type": "application/json", **headers},
        content=content,
    )


def _strictly(answer: Answer, read: Callable[[JsonValue], T]) -> T | Unknown:
    """Return what an answer says; Unknown for one that is not JSON, or not of the form that was agreed."""
    try:
        value = json.loads(answer.content) if answer.content else None
        return read(value)
    except ValidationError:
        return Unknown(f"unreadable answer, HTTP {answer.status}")
    except (ValueError, RecursionError):
        return Unknown(f"no JSON, HTTP {answer.status}")


def _shows(signs: Signs, answer: Answer, value: JsonValue) -> bool:
    return answer.status in signs.status and all(
        at(value, place) == wanted and type(at(value, place)) is type(wanted)
        for place, wanted in signs.where.items()
    )
