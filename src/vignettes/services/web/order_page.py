"""`/o/<token>`: the page of one order, for whoever has its link. It shows; it changes nothing."""

import asyncio
import time
from functools import cache
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
import structlog
from fastapi import APIRouter, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from starlette.exceptions import HTTPException

from vignettes.domain import references
from vignettes.domain.catalogue import product
from vignettes.domain.money import Money
from vignettes.projections.order_pages import digest_of
from vignettes.services.deciding import Payee
from vignettes.services.mails.language import Language, translations
from vignettes.services.payment_codes import payment_code

log = structlog.get_logger(__name__)

CATALOGUES: Final = Path(__file__).parent / "locale"
#: How long a request waits for the views to know what the log knew when it came.
PATIENCE_SECONDS: Final = 1.0
_LOOK_AGAIN_SECONDS = 0.05
#: After so long the database counts as gone.
_GONE_SECONDS = 5.0

# One statement, so that the order is as it was at the position.
_LOOK: LiteralString = """
SELECT known.position, known.head, o.order_number, o.status, o.language, o.zone, o.product, o.vehicle_country, o.plate,
       o.starts_at, o.ends_at, o.currency, o.price_total, o.outstanding, o.refund, o.due_at, o.placed_at,
       o.vignette_number, o.vignette_valid_from, o.vignette_valid_until
FROM (SELECT min(position) AS position, max(head) AS head FROM read.projection_lag
      WHERE view IN ('order_pages', 'order_status')) AS known
LEFT JOIN (read.order_pages p JOIN read.order_status o USING (order_id)) ON p.digest = %s
"""
_AMOUNTS = ("price_total", "outstanding", "refund")

Row = dict[str, Any]


class OrderPages:
    """Shows orders to those who have their links. `database` connects as the reader."""

    def __init__(self, database: AsyncConnectionPool, payee: Payee) -> None:
        self._database = database
        self._payee = payee
        self.router = APIRouter(prefix="/o", include_in_schema=False)
        self.router.add_api_route("/{token}", self._show, methods=["GET", "HEAD"])

    async def _show(self, token: str) -> Response:
        try:
            async with asyncio.timeout(_GONE_SECONDS):
                row = await self._found(digest_of(token))
        except (psycopg.Error, TimeoutError) as error:
            log.warning("page.unavailable", error=type(error).__name__)
            raise HTTPException(503) from None
        if row["order_number"] is None:
            # What the views have not come to yet may be this order.
            raise HTTPException(404 if row["position"] >= row["head"] else 503)
        return HTMLResponse(self._page(row))

    async def _found(self, digest: bytes) -> Row:
        """Return the order as the log knew it when it was asked for: a link just renewed is valid, the old one void.

        Found or not, every request waits for that alike; an order is shown as far as it is known in the end.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        row = await self._look(digest)
        head = row["head"]
        while row["position"] < head and time.monotonic() < until:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            row = await self._look(digest)
        return row

    async def _look(self, digest: bytes) -> Row:
        async with (
            self._database.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(_LOOK, (digest,), prepare=False)  # its columns change with the edition
            [row] = await cursor.fetchall()
        return row

    def _page(self, row: Row) -> str:
        language = Language.best_for(row["language"])
        return _rendered("order.html", language, {**row, **_of_product(row), **self._money(row)})

    def _money(self, row: Row) -> Row:
        amounts = {name: _amount(row[name], row["currency"]) for name in _AMOUNTS}
        number, rest = row["order_number"], Money(row["outstanding"], row["currency"])
        code = payment_code(self._payee.name, self._payee.iban, rest, number) if rest.amount else None
        return {
            **amounts,
            "paid": Money(row["price_total"] - row["outstanding"], row["currency"]),
            "payee_name": self._payee.name,
            "payee_iban": self._payee.iban,
            "variable_symbol": references.variable_symbol(number),
            "creditor_reference": references.creditor_reference(number),
            "code": code.svg() if code else None,
        }


async def missing(request: Request, error: Exception) -> Response:
    """Answer for a page that can't be shown: to people in words, to programs as ever."""
    assert isinstance(error, HTTPException)  # noqa: S101  # it is registered for these only; for the type
    if "text/html" not in request.headers.get("accept", ""):
        return await http_exception_handler(request, error)
    language = Language.best_for(request.headers.get("accept-language", "").partition(",")[0])
    page = _rendered("missing.html", language, {"status": error.status_code})
    return HTMLResponse(page, error.status_code)


def _amount(minor_units: int | None, currency: str) -> Money | None:
    return Money(minor_units, currency) if minor_units else None


def _of_product(row: Row) -> Row:
    """Tell from when it is valid: what was ordered for a day that had begun is from its registration (case 9)."""
    bought = product(row["product"])
    return {"from_registration": bought.valid_at_once or row["starts_at"] <= row["placed_at"]}


def _rendered(name: str, language: Language, told: Row) -> str:
    return _environment(language).get_template(name).render(told, language=language.code)


@cache
def _environment(language: Language) -> Environment:
    """Return what writes pages in one language; the mails lend their words."""
    made = Environment(
        loader=PackageLoader("vignettes.services.web"),
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
    made.filters |= language.filters()
    return made
