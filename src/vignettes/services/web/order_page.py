"""`/o/<token>`: the page of one order, for whoever has its link. It shows; it changes nothing."""

import base64
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from vignettes.messages.links import AskDocument
from vignettes.services.calling import NoAnswer
from vignettes.services.web.asking import Ask
from vignettes.services.web.order_facts import Facts
from vignettes.services.web.order_forms import OrderForms

_NOT_THERE: Final = 404
_TRY_AGAIN: Final = 503


class OrderPages:
    """Shows orders to those who have their links."""

    def __init__(self, forms: OrderForms, facts: Facts, ask: Ask) -> None:
        self._forms = forms
        self._facts = facts
        self._ask = ask
        self.router = APIRouter(prefix="/o", include_in_schema=False)
        self.router.add_api_route("/{token}", self._show, methods=["GET", "HEAD"])
        self.router.add_api_route("/{token}/document", self._document, methods=["GET"])

    async def _show(self, request: Request, token: str) -> Response:
        opened = await self._forms.opened(request, token)
        told = self._facts.of_page(opened.row)
        if opened.row["email_fails"]:  # then the form for another address stands here
            return self._forms.shown(opened, "page", told, purpose="email")
        return HTMLResponse(self._forms.written(opened, "page", told))

    async def _document(self, request: Request, token: str) -> Response:
        """Return the authority's document as a file to keep, never as a page of ours."""
        opened = await self._forms.opened(request, token)
        if not opened.row["has_document"]:
            raise HTTPException(_NOT_THERE)
        try:
            reply = await self._ask(AskDocument(order_id=opened.row["order_id"]))
        except NoAnswer:
            raise HTTPException(_TRY_AGAIN) from None
        if not reply["ok"]:
            raise HTTPException(_NOT_THERE)
        disposition = f'attachment; filename="{reply["name"]}"'
        content = base64.b64decode(reply["content"])
        return Response(content, media_type=reply["media_type"], headers={"Content-Disposition": disposition})
