"""`/webhooks/<provider>`: notices of payment providers, answered with 200 once they are on record."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

import structlog
from fastapi import APIRouter, HTTPException, Request
from prometheus_client import CollectorRegistry, Counter
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from vignettes.domain.errors import DomainError, Unavailable
from vignettes.messages.replies import Problem
from vignettes.services.notices import Delivery, Ignored, Notice, Provider, Refused

log = structlog.get_logger(__name__)

#: Notices are a few kilobytes.
LONGEST_BODY: Final = 64 * 1024
#: How long the body of one may take to arrive.
BODY_SECONDS: Final = 10.0

Take = Callable[[Notice], Awaitable[None]]
"""Puts a notice on record, and returns when it is durable. The same one again changes nothing.

Raises Unavailable where that is not known, so that the provider repeats it, and another DomainError to refuse it.
"""

Outcome = Literal["taken", "ignored", "refused", "unavailable"]
_OUTCOMES: Final[tuple[Outcome, ...]] = ("taken", "ignored", "refused", "unavailable")
_NOT_POST: Final = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Webhooks:
    """Takes the notices of the configured providers, and counts what became of them in `registry`."""

    def __init__(self, providers: Mapping[str, Provider], take: Take, patience: float = BODY_SECONDS) -> None:
        self._providers = providers
        self._take = take
        self._patience = patience
        self.registry = CollectorRegistry()
        self._outcomes = _counter(self.registry, providers)
        self.router = APIRouter(prefix="/webhooks", tags=["webhooks"])
        self.router.add_api_route(
            "/{provider}",
            self._receive,
            methods=["POST"],
            summary="Take a notice of a payment provider",
            responses={401: {}, 404: {}, 413: {}, 415: {}, 503: {}},
            response_class=Response,
        )
        self.router.add_api_route(
            "/{provider}", self._wrong_method, methods=_NOT_POST, include_in_schema=False
        )

    async def _receive(self, provider: str, request: Request) -> Response:
        known = self._known(provider)
        try:
            outcome = await self._taken(provider, known, request)
        except Refused as refusal:
            return self._refused(provider, refusal)
        except ClientDisconnect:
            return self._refused(provider, Refused(400, "cut_off", "The body did not come to its end."))
        self._outcomes.labels(provider, outcome).inc()
        return Response(known.acknowledgement.content, media_type=known.acknowledgement.media_type)

    async def _wrong_method(self, provider: str) -> Response:
        self._known(provider)
        return JSONResponse({"detail": "Method Not Allowed"}, 405, {"Allow": "POST"})

    def _known(self, provider: str) -> Provider:
        known = self._providers.get(provider)
        if known is None:
            raise HTTPException(404)
        return known

    async def _taken(self, name: str, provider: Provider, request: Request) -> Outcome:
        _check_head(request, provider.media_type)
        told = await provider.read(Delivery(request.headers, await self._body(request)))
        if isinstance(told, Ignored):
            log.info("webhook.ignored", provider=name, kind=told.kind)
            return "ignored"
        try:
            await self._take(told)
        except Unavailable as error:
            raise Refused(
                503, error.code, "It is not known whether this was recorded. Notify again."
            ) from None
        except DomainError as error:
            raise Refused(409, error.code, str(error), error.field) from None
        log.info("webhook.taken", provider=name, state=told.state, test=told.test)
        return "taken"

    async def _body(self, request: Request) -> bytes:
        try:
            async with asyncio.timeout(self._patience):
                return await _bounded(request)
        except TimeoutError:
            raise Refused(408, "too_slow", f"The body took more than {self._patience:g} s.") from None

    def _refused(self, provider: str, refusal: Refused) -> Response:
        outcome: Outcome = "unavailable" if refusal.status == 503 else "refused"  # noqa: PLR2004  # HTTP's own
        self._outcomes.labels(provider, outcome).inc()
        log.warning("webhook.refused", provider=provider, reason=refusal.code, field=refusal.field)
        problem = Problem(code=refusal.code, message=str(refusal), field=refusal.field)
        # Or the server would go on taking a body that nobody reads.
        hang_up = {"Connection": "close"}
        return JSONResponse({"ok": False, "error": problem.model_dump()}, refusal.status, hang_up)


def _check_head(request: Request, media_type: str) -> None:
    """Refuse by the head alone what is not to be read at all."""
    headers = request.headers
    if headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise Refused(415, "wrong_media_type", f"The body is to be {media_type}.")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refused(415, "wrong_encoding", "The body is to be sent uncompressed.")
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > LONGEST_BODY:
        raise _too_large()


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            raise _too_large()
    return bytes(body)


def _too_large() -> Refused:
    return Refused(413, "too_large", f"The body is larger than {LONGEST_BODY} bytes.")


def _counter(registry: CollectorRegistry, providers: Mapping[str, Provider]) -> Counter:
    meaning = "Notices of payment providers, by what became of them."
    counter = Counter("vignettes_webhooks", meaning, ["provider", "outcome"], registry=registry)
    for provider in providers:
        for (
            outcome
        ) in _OUTCOMES:  # told as zero before the first: a series that is not there can't be watched
            counter.labels(provider, outcome)
    return counter
