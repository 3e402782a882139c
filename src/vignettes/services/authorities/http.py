"""An authority over HTTP and JSON, in the manner of the sandbox's."""

import httpx
from pydantic import AwareDatetime, BaseModel, ValidationError

from vignettes.services.authorities import Application, Registered, Rejected, Unknown

#: Longer than a slow authority takes, shorter than the lease under which we call it.
TIMEOUT = httpx.Timeout(5.0, connect=2.0)
_CREATED, _OK, _REFUSED = 201, 200, 422


class _Registration(BaseModel):
    number: str
    authority_reference: str
    valid_from: str
    valid_until: str
    registered_at: AwareDatetime

    def registered(self) -> Registered:
        return Registered(
            self.number, self.authority_reference, self.valid_from, self.valid_until, self.registered_at
        )


class _Refusal(BaseModel):
    reason: str


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
            answer = await self._client.post("/registrations", json=body)
            if answer.status_code == _CREATED:
                return _Registration.model_validate_json(answer.content).registered()
            if answer.status_code == _REFUSED:
                return Rejected(_Refusal.model_validate_json(answer.content).reason)
        except (httpx.HTTPError, ValidationError) as error:
            return Unknown(type(error).__name__)
        return Unknown(f"HTTP {answer.status_code}")

    async def find(self, application: Application) -> Registered | Unknown | None:
        question = {"reference": str(application.reference), "country": application.country}
        try:
            answer = await self._client.get("/registrations", params=question)
            if answer.status_code != _OK:
                return Unknown(f"HTTP {answer.status_code}")
            found = _Found.model_validate_json(answer.content).registrations
        except (httpx.HTTPError, ValidationError) as error:
            return Unknown(type(error).__name__)
        return found[0].registered() if found else None
