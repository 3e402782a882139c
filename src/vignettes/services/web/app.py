"""The web application: health, metrics, documentation, webhooks, order pages; answers closed against other sites."""

from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, JSONResponse
from nats.aio.client import Client
from prometheus_client import CONTENT_TYPE_LATEST
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vignettes.services.deciding import Payee
from vignettes.services.web import pages
from vignettes.services.web.metrics import exposition
from vignettes.services.web.order_page import OrderPages, missing
from vignettes.services.web.readiness import Readiness, readiness
from vignettes.services.web.webhooks import Webhooks

STATIC = Path(__file__).parent / "static"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Health(BaseModel):
    """The process lives. Nothing else is asked."""

    status: str = "ok"


def create_app(
    client: Client,
    expected_roles: Sequence[str],
    database: AsyncConnectionPool,
    asyncapi: Callable[[], dict[str, Any]],
    payee: Payee,
    webhooks: Webhooks | None = None,
) -> FastAPI:
    """Return the application. `database` connects as the reader; `asyncapi` gives the document when asked.

    Without `webhooks` no provider's notices are taken.
    """
    app = _Application(
        title="Vignettes",
        version=version("vignettes"),
        openapi_url="/docs/openapi.json",
        docs_url=None,  # FastAPI's own pages load scripts from other sites
        redoc_url=None,
    )
    app.include_router(_health(client, expected_roles, database, webhooks))
    app.include_router(_documentation(asyncapi))
    app.include_router(OrderPages(database, payee).router)
    if webhooks is not None:
        app.include_router(webhooks.router)
    for status in (404, 503):
        app.add_exception_handler(status, missing)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def _health(
    client: Client, roles: Sequence[str], database: AsyncConnectionPool, webhooks: Webhooks | None
) -> APIRouter:
    router = APIRouter(tags=["health"])
    registries = [webhooks.registry] if webhooks else []

    @router.get("/healthz")
    async def healthz() -> Health:
        """Tell that the process lives."""
        return Health()

    @router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
    async def readyz() -> JSONResponse:
        """Tell whether the database, NATS and every role are there, and what is missing."""
        found = await readiness(client, database, roles)
        return JSONResponse(found.model_dump(), 503 if found.missing else 200)

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Tell Prometheus how the service stands."""
        return Response(await exposition(client, database, registries), media_type=CONTENT_TYPE_LATEST)

    return router


def _documentation(asyncapi: Callable[[], dict[str, Any]]) -> APIRouter:
    known = cache(asyncapi)  # it depends on the code alone, and takes a while to write
    router = APIRouter(prefix="/docs", include_in_schema=False, default_response_class=HTMLResponse)

    @router.get("")
    async def overview() -> str:
        return pages.overview()

    @router.get("/asyncapi")
    async def messages() -> str:
        return pages.messages(known())

    @router.get("/asyncapi.json")
    async def document() -> JSONResponse:
        return JSONResponse(known())

    return router


class _Application(FastAPI):
    """Adds the headers outside of everything, so that also an error's page has them."""

    def build_middleware_stack(self) -> ASGIApp:
        inner = super().build_middleware_stack()

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_with_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message).update(HEADERS)
                await send(message)

            await inner(scope, receive, send_with_headers)

        return guarded
