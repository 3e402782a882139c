"""The web application: health, metrics, documentation, webhooks, order pages; answers closed against other sites."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from nats.aio.client import Client
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vignettes.services.web.customers import Customers
from vignettes.services.web.documentation import documentation
from vignettes.services.web.http_operations import described
from vignettes.services.web.metrics import exposition
from vignettes.services.web.readiness import Readiness, readiness
from vignettes.services.web.rendering import STATIC, content_mark, missing
from vignettes.services.web.staff_pages import StaffPages
from vignettes.services.web.webhooks import Webhooks

_FOUND, _NOT_FOR_YOU = 200, 403
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


_ONLY_SECURE = {"Strict-Transport-Security": "max-age=31536000"}
#: Files whose address names their content: another content has another address.
_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}


class Health(BaseModel):
    """The process lives. Nothing else is asked."""

    status: str = "ok"


def create_app(  # noqa: PLR0913  # what an application is made of
    client: Client,
    expected_roles: Sequence[str],
    database: AsyncConnectionPool,
    asyncapi: Callable[[], dict[str, Any]],
    *,
    customers: Customers | None = None,
    staff: StaffPages | None = None,
    webhooks: Webhooks | None = None,
    is_secure: bool = False,
) -> FastAPI:
    """Return the application. `database` connects as the reader; `asyncapi` gives the document when asked.

    Without `customers` and `staff` there are no pages for these, without `webhooks` no provider's notices are taken.
    `is_secure`: browsers come by https, and are told never to come otherwise.
    """
    app = _empty(is_secure=is_secure)
    registries = [webhooks.registry] if webhooks else []
    registries += [customers.throttle.registry] if customers else []
    app.include_router(_health(client, expected_roles, database, registries))
    app.include_router(documentation(asyncapi))
    if customers is not None:
        customers.join(app, database)
    if staff is not None:
        staff.join(app)
    if webhooks is not None:
        app.include_router(webhooks.router)
    return app


def _empty(*, is_secure: bool) -> FastAPI:
    """Return an application without a page, which says so in the form of a page."""
    app = _Application(
        headers={**HEADERS, **_ONLY_SECURE} if is_secure else HEADERS,
        title="Vignettes",
        version=version("vignettes"),
        openapi_url="/docs/openapi.json",
        docs_url=None,  # FastAPI's own pages load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,  # it would lead to whatever host the request names
    )
    for status in (404, 405, 503):
        app.add_exception_handler(status, missing)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def _health(
    client: Client,
    roles: Sequence[str],
    database: AsyncConnectionPool,
    registries: Sequence[CollectorRegistry],
) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> Health:
        """Tell that the process lives."""
        return Health()

    @router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
    async def readyz(request: Request) -> JSONResponse:
        """Tell whether the database, NATS and every role are there, and to our own networks what is missing."""
        found = await readiness(client, database, roles)
        told = found.model_dump(include=None if is_from_inside(request) else {"status"})
        return JSONResponse(told, 503 if found.missing else 200)

    @router.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Tell Prometheus how the service stands. Counts of mails and commands would tell strangers what they found."""
        if not is_from_inside(request):
            raise HTTPException(_NOT_FOR_YOU)
        return Response(await exposition(client, database, roles, registries), media_type=CONTENT_TYPE_LATEST)

    return router


def is_from_inside(request: Request) -> bool:
    """Tell whether a program of our own networks asks, and asks directly: a proxy passes on what customers ask."""
    passed_on = any(name in request.headers for name in ("x-forwarded-for", "forwarded"))
    try:
        return not passed_on and ip_address(request.client.host if request.client else "").is_private
    except ValueError:
        return False


class _Application(FastAPI):
    """Adds the headers outside of everything, so that also an error's page has them."""

    def __init__(self, *, headers: Mapping[str, str], **said: Any) -> None:
        super().__init__(**said)
        self._headers = headers

    def openapi(self) -> dict[str, Any]:
        """Return the document with the pages in it."""
        return described(super().openapi(), (each.path for each in iter_route_contexts(self.routes)))

    def build_middleware_stack(self) -> ASGIApp:
        inner = super().build_middleware_stack()

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_with_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message).update(self._headers)
                    if message["status"] == _FOUND and _names_its_content(scope):
                        MutableHeaders(scope=message).update(_KEPT)
                await send(message)

            await inner(scope, receive, send_with_headers)

        return guarded


def _names_its_content(scope: Scope) -> bool:
    """Tell whether it is asked for a file of ours by an address that `rendering.static` made."""
    if scope["type"] != "http" or not scope["path"].startswith("/static/"):
        return False
    asked: str = scope["query_string"].decode("latin-1")
    return asked != "" and asked == content_mark(scope["path"].removeprefix("/static/"))
