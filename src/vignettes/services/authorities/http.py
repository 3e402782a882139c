"""An authority over HTTP and JSON, in the manner of the sandbox's."""

import asyncio
from typing import Annotated

import httpx
import structlog
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from vignettes.services.authorities import Application, Registered, Rejected, Unknown

log = structlog.get_logger(__name__)

#: Longer than a slow authority takes; httpx counts each read anew.
TIMEOUT = httpx.Timeout(5.0, connect=2.0)
#: The whole of a call, shorter than what is left of the lease when it begins.
LIMIT_SECONDS = 8.0
_LONGEST_REASON = 200
_CREATED, _OK, _REFUSED = 201, 200, 422


_Word = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,100}$")]
_Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$")]


class _Registration(BaseModel):
    number: _Word
    authority_reference: _Word
    plate: str
    valid_from: _Date
    valid_until: _Date
    registered_at: AwareDatetime

    def registered(self) -> Registered:
        return Registered(
            self.number, self.authority_reference, self.valid_from, self.valid_until, self.registered_at
        )


class _Refusal(BaseModel):
    reason: Annotated[str, Field(min_length=1)]

    def rejected(self) -> Rejected:
        """Return the reason as one line of bearable length, whatever the authority writes."""
        line = "".join(character if character.isprintable() else " " for character in self.reason)
        return Rejected(line[:_LONGEST_REASON].strip() or "unnamed")


class _Found(BaseModel):
    registrations: list[_Registration]


class HttpAuthority:
    """Registers by POST /registrations, asks by GET. What it answers is read strictly: a doubt is Unknown."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def register(self, application: Application) -> Registered | Rejected | Unknown:
        body = {
            "reference": str(application.reference),
            "country": application.country,
            "plate": application.plate,
            "product": application.product,
            "valid_from": application.valid_from,
            "valid_until": application.valid_until,
        }
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                answer = await self._client.post("/registrations", json=body)
            if answer.status_code == _CREATED:
                return _Registration.model_validate_json(answer.content).registered()
            if answer.status_code == _REFUSED:
                return _Refusal.model_validate_json(answer.content).rejected()
        except (httpx.HTTPError, ValidationError, TimeoutError) as error:
            return Unknown(type(error).__name__)
        return Unknown(f"HTTP {answer.status_code}")

    async def find(self, application: Application) -> Registered | Unknown | None:
        question = {"reference": str(application.reference), "country": application.country}
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                answer = await self._client.get("/registrations", params=question)
            if answer.status_code != _OK:
                return Unknown(f"HTTP {answer.status_code}")
            found = _Found.model_validate_json(answer.content).registrations
        except (httpx.HTTPError, ValidationError, TimeoutError) as error:
            return Unknown(type(error).__name__)
        return _the_one(found, application)


def _the_one(found: list[_Registration], application: Application) -> Registered | Unknown | None:
    """Return the registration that was wanted. Another one under our reference needs a person (I4)."""
    wanted = [
        one for one in found if (one.plate, one.valid_from) == (application.plate, application.valid_from)
    ]
    if len(found) > 1 or len(wanted) != len(found):
        log.error("authority.holds_others", found=len(found), wanted=len(wanted))
    if found and not wanted:
        return Unknown("registered otherwise")
    return wanted[0].registered() if wanted else None
