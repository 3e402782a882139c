"""Pages for customers in their language, and what they say where something can't be shown or taken."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from vignettes.domain.vehicle import sign_of
from vignettes.services.mails.language import Language, translations
from vignettes.services.web.visits import NotTaken

CATALOGUES: Final = Path(__file__).parent / "locale"
STATIC: Final = Path(__file__).parent / "static"
_NOT_THERE, _WRONG_METHOD, _TRY_AGAIN = 404, 405, 503


def rendered(name: str, language: Language, told: dict[str, Any]) -> str:
    """Return a page of a template in one language."""
    return environment(language).get_template(name).render(told, language=language.code)


def language_of(request: Request) -> Language:
    """Return the language that a browser asks for, where no order says it."""
    return Language.of_browser(request.headers.get("accept-language", ""))


async def missing(request: Request, error: Exception) -> Response:
    """Answer for a page that can't be shown: to people in words, to programs as ever.

    Below an order's link the wrong method is no other answer than the wrong link.
    """
    assert isinstance(error, HTTPException)  # noqa: S101  # it is registered for these only; for the type
    if error.status_code == _WRONG_METHOD and request.url.path.startswith("/o/"):
        error = HTTPException(_NOT_THERE)
    response = await _missing(request, error)
    if request.method not in {"GET", "HEAD"}:
        response.headers["Connection"] = "close"  # or the server would go on taking a body that nobody reads
    return response


async def _missing(request: Request, error: HTTPException) -> Response:
    is_told = error.status_code in {_NOT_THERE, _TRY_AGAIN}
    if not is_told or "text/html" not in request.headers.get("accept", ""):
        return await http_exception_handler(request, error)
    page = rendered("missing.html", language_of(request), {"status": error.status_code})
    return HTMLResponse(page, error.status_code)


async def not_taken(request: Request, error: Exception) -> Response:
    """Answer for a form that was not taken: in words, with the way back to a fresh one."""
    assert isinstance(error, NotTaken)  # noqa: S101  # it is registered for these only; for the type
    page = rendered("not_taken.html", language_of(request), {"why": error.why, "again": request.url.path})
    # Or the server would go on taking a body that nobody reads.
    return HTMLResponse(page, error.status, {"Connection": "close"})


def static(name: str) -> str:
    """Return the address of one of our files, by its content: browsers keep it, and ask for another one anew."""
    return f"/static/{name}?{content_mark(name)}"


def content_mark(name: str) -> str:
    """Return what stands for the content of one of our files; nothing for one that is not there."""
    return _marks().get(name, "")


@cache
def _marks() -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in STATIC.iterdir()}


@cache
def environment(language: Language) -> Environment:
    """Return what writes pages in one language; the mails lend their words."""
    made = Environment(
        loader=PackageLoader("vignettes.services.web"),
        auto_reload=False,  # or it would look at every file of a page each time
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["ext.i18n.trimmed"] = True
    words = translations(CATALOGUES, language.code)
    words.add_fallback(language.translations)
    made.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]  # i18n's
    made.globals["static"] = static
    made.filters |= {**language.filters(), "sign": sign_of}
    return made
