"""The OpenAPI document of all that is served: FastAPI knows the parts for programs; pages for people are added here."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final, Literal

Json = dict[str, Any]

DESCRIPTION: Final = """\
The web service of Vignettes. Orders are placed and changed over NATS (/docs/asyncapi); over HTTP there are pages for \
people, notices of payment providers, and health.

Pages for customers need no script and no session: an order's page is opened by its link, whose token is the right to \
see it. Every page is sent with no-store, no-referrer and a strict Content-Security-Policy. A GET changes nothing. \
Forms carry hidden fields that prove where they come from; they are for browsers, and not described."""

_NO_ORDER = {404: "No order has this link: the same for a wrong, cut, expired or renewed one."}
_LATER = {503: "It can't be told now; ask again."}
_HTML: Final = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """One address for people, or for their browsers."""

    path: str
    tag: str
    summary: str
    meaning: str
    refusals: dict[int, str]
    media_type: str = _HTML
    method: Literal["get", "post"] = "get"


def _of_order(path: str, summary: str, meaning: str, media_type: str = _HTML) -> Page:
    return Page(f"/o/{{token}}{path}", "order page", summary, meaning, {**_NO_ORDER, **_LATER}, media_type)


def _staff(path: str, summary: str, meaning: str) -> Page:
    refused = {303: "Not signed in: leads to /sign-in.", 403: "The role does not reach this far."}
    return Page(path, "staff", summary, meaning, refused)


PAGES: Final = (
    Page("/", "finding", "Find an order without its link", "Customers type what they know; links are mailed.", {}),
    Page("/open", "finding", "Lead back to the form", "A page that was left behind by a form.", {303: "To /."}),
    Page("/support", "support", "Ask support", "A form for whoever has no order at hand.", {}),
    _of_order("", "See an order", "What happens now and next, in the authority's time and the order's language."),
    _of_order("/document", "Get the authority's document", "As a file, where there is one.", "application/pdf"),
    _of_order(
        "/events", "Follow an order", "Tells an open page when there is news; nothing else.", "text/event-stream"
    ),
    _of_order("/correct", "Correct the details", "A form: plate, country, start, product, until registration starts."),
    _of_order("/email", "Correct the address", "A form; the link is renewed with it."),
    _of_order("/start", "Start at once", "A form with the consent that the law asks for."),
    _of_order("/withdraw", "Withdraw", "A form; money that is here goes back."),
    _of_order("/support", "Ask support about an order", "A form, with the order's particulars filled in."),
    Page("/docs", "documentation", "Overview", "The documentation, for people.", {}),
    Page("/docs/asyncapi", "documentation", "Messages over NATS", "`find` shows those with these letters.", {}),
    Page("/docs/asyncapi.json", "documentation", "AsyncAPI 3.0", "For programs.", {}, "application/json"),
    Page("/docs/events", "documentation", "Events", "`find` shows those with these letters.", {}),
    Page("/docs/events.json", "documentation", "Catalogue of events", "For programs.", {}, "application/json"),
    Page("/docs/openapi", "documentation", "HTTP", "This document, for people.", {}),
    Page("/docs/openapi.json", "documentation", "OpenAPI 3.1", "For programs.", {}, "application/json"),
    Page("/sign-in", "staff", "Sign in", "For staff: by token or OpenID Connect.", {}),
    _staff("/ops", "Operations", "The promises, what is due, what is stuck, and what can be done about it (viewer)."),
    _staff("/audit", "Audit", "Orders as they were at any moment, with proofs; every look is recorded (auditor)."),
)  # fmt: skip

_SUMMARIES: Final = {
    "/healthz": "Tell whether this process lives",
    "/readyz": "Tell whether everything is there",
    "/metrics": "Tell Prometheus",
}
_REFUSALS: Final = {
    "/metrics": {403: "Not asked from our own networks, or through a proxy."},
    "/webhooks/{provider}": {
        401: "The signature is missing, wrong or too old.",
        404: "No such provider is configured.",
        408: "The body took too long.",
        409: "It contradicts what is on record.",
        413: "The body is larger than 64 KiB.",
        415: "The body is not of the provider's media type.",
        503: "It is not known whether this was recorded: notify again.",
    },
}


def described(document: Json, served: Iterable[str | None]) -> Json:
    """Return FastAPI's document with what it does not know: pages, as far as they are served, and refusals."""
    known, paths = deepcopy(document), set(served)
    known["info"]["description"] = DESCRIPTION
    for page in PAGES:
        if page.path in paths:
            known["paths"].setdefault(page.path, {})[page.method] = _operation(page)
    for path, operations in known["paths"].items():
        for operation in operations.values():
            operation["summary"] = _SUMMARIES.get(path, operation["summary"])
            # FastAPI's own refusal of parameters: a path takes any text here, and is not found then.
            operation["responses"].pop("422", None)
            for status, meaning in _REFUSALS.get(path, {}).items():
                operation["responses"][str(status)] = {"description": meaning}
    for name in ("HTTPValidationError", "ValidationError"):
        known.get("components", {}).get("schemas", {}).pop(name, None)
    return known


def _operation(page: Page) -> Json:
    token = {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}}
    find = {"name": "find", "in": "query", "schema": {"type": "string", "maxLength": 100}}
    parameters = [token] if "{token}" in page.path else [find] if "`find`" in page.meaning else []
    shown = {"200": {"description": "It is shown.", "content": {page.media_type: {}}}}
    refused = {str(status): {"description": meaning} for status, meaning in page.refusals.items()}
    return {
        "tags": [page.tag],
        "summary": page.summary,
        "description": page.meaning,
        "operationId": f"{page.method}:{page.path}",
        **({"parameters": parameters} if parameters else {}),
        "responses": {**(shown if page.path != "/open" else {}), **refused},
    }
