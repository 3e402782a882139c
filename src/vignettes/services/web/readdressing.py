"""`/o/<token>/email`: another e-mail address, possible at any time. The link is renewed by it."""

from collections import OrderedDict
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from vignettes.messages.commands import CorrectEmail
from vignettes.projections.order_pages import digest_of
from vignettes.services.calling import NoAnswer
from vignettes.services.web.order_forms import ACTOR, Notice, Opened, OrderForms
from vignettes.services.web.typed import Typed, Wrong
from vignettes.services.web.visits import Form, NotTaken

#: So many of the last corrections are remembered, for those who press twice.
_REMEMBERED: Final = 1000
_NOT_THERE: Final = 404


class Readdressing:
    """Takes this form. Pressed twice it leads to the new page twice, although the link it came by is void by then."""

    def __init__(self, forms: OrderForms) -> None:
        self._forms = forms
        self._sent: OrderedDict[bytes, CorrectEmail] = OrderedDict()
        self.router = APIRouter(prefix="/o", include_in_schema=False)
        self.router.add_api_route("/{token}/email", self._show, methods=["GET", "HEAD"])
        self.router.add_api_route("/{token}/email", self._take, methods=["POST"])

    async def _show(self, request: Request, token: str) -> Response:
        return self._forms.shown(await self._forms.opened(request, token), "email", {})

    async def _take(self, request: Request, token: str) -> Response:
        try:
            opened = await self._forms.opened(request, token)
        except HTTPException as refusal:
            if refusal.status_code == _NOT_THERE and (sent := self._sent.get(digest_of(token))):
                return await self._again(request, token, sent)
            raise
        form = await self._forms.taken(request, token, "email")
        email, wrong = _read(form, opened)
        if email is None or wrong:
            return self._forms.shown(opened, "email", {"typed": form, "wrong": wrong})
        return await self._correct(opened, form, email)

    async def _again(self, request: Request, token: str, sent: CorrectEmail) -> Response:
        """Answer the second of two presses as the first; for everything else the link is void."""
        try:
            form = await self._forms.taken(request, token, "email")
        except NotTaken:
            raise HTTPException(_NOT_THERE) from None
        if (form.command_id, Typed(form).email()) != (sent.command_id, sent.email):
            raise HTTPException(_NOT_THERE)
        try:
            reply = await self._forms.send(sent)
        except NoAnswer:
            raise HTTPException(503) from None
        return _new_page(reply["manage_url"])

    async def _correct(self, opened: Opened, form: Form, email: str) -> Response:
        order_id = opened.row["order_id"]
        command = CorrectEmail(command_id=form.command_id, actor=ACTOR, order_id=order_id, email=email)
        self._remember(opened, command)
        try:
            reply = await self._forms.send(command)
        except NoAnswer:
            return self._shown_again(opened, form, "unavailable", form.command_id)
        if reply["ok"]:
            return _new_page(reply["manage_url"])
        was_used = reply["error"]["code"] == "command_id_reused"
        return self._shown_again(opened, form, "reused" if was_used else "refused")

    def _remember(self, opened: Opened, command: CorrectEmail) -> None:
        self._sent[digest_of(opened.token)] = command
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)

    def _shown_again(
        self, opened: Opened, form: Form, notice: Notice, command_id: UUID | None = None
    ) -> Response:
        return self._forms.shown(opened, "email", {"typed": form}, notice=notice, command_id=command_id)


def _new_page(manage_url: str) -> Response:
    """Return the way to the page by its new link, wherever we are reached just now."""
    return RedirectResponse(urlsplit(manage_url).path, 303)


def _read(form: Form, opened: Opened) -> tuple[str | None, dict[str, Wrong]]:
    typed = Typed(form)
    typed.need("email")
    email = typed.email()
    if email and email == opened.row["email"]:
        typed.wrong["email"] = Wrong("same")
    return email, typed.wrong
