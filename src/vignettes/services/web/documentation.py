"""`/docs`: what other programs may rely on, for people and for programs."""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse

from vignettes.services.event_catalogue import catalogue
from vignettes.services.web import pages, pages_of_events, pages_of_http

Find = Annotated[str, Query(max_length=100)]


def documentation(asyncapi: Callable[[], dict[str, Any]]) -> APIRouter:
    """Return the pages. `asyncapi` gives the document when asked."""
    router = APIRouter(prefix="/docs", include_in_schema=False, default_response_class=HTMLResponse)

    @router.get("")
    def overview() -> str:
        return pages.overview()

    @router.get("/openapi")
    def http(request: Request, find: Find = "") -> str:
        return pages_of_http.operations(request.app.openapi(), find)

    _of_messages(router, cache(asyncapi))  # it depends on the code alone, and takes a while to write
    _of_events(router, cache(catalogue))
    return router


def _of_messages(router: APIRouter, known: Callable[[], dict[str, Any]]) -> None:
    @router.get("/asyncapi")
    def messages(find: Find = "") -> str:
        return pages.messages(known(), find)

    @router.get("/asyncapi.json")
    def document() -> JSONResponse:
        return JSONResponse(known())


def _of_events(router: APIRouter, events: Callable[[], dict[str, Any]]) -> None:
    @router.get("/events")
    def event_page(find: Find = "") -> str:
        return pages_of_events.events(events(), find)

    @router.get("/events.json")
    def event_document() -> JSONResponse:
        return JSONResponse(events())
