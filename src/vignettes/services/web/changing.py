"""Buttons of an order's page with a page before them: start at once, and withdraw from the contract."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError

from vignettes.domain import schedule
from vignettes.domain.catalogue import product
from vignettes.domain.schedule import Start
from vignettes.messages.commands import AnyCommand, StartRegistration, Withdraw
from vignettes.messages.forms import ConsentForm, Line
from vignettes.services.calling import NoAnswer
from vignettes.services.web.linked import Row
from vignettes.services.web.order_forms import ACTOR, Opened, OrderForms
from vignettes.services.web.typed import Wrong
from vignettes.services.web.visits import Form

#: Which version of the words in `order_start.html` a customer agrees to. Other words are another version.
CONSENT_TEXT: Final = "order-page-2"
_LINE: TypeAdapter[str] = TypeAdapter(Line)


class Changing:
    """Takes these two forms."""

    def __init__(self, forms: OrderForms) -> None:
        self._forms = forms
        self.router = APIRouter(prefix="/o", include_in_schema=False)
        self.router.add_api_route("/{token}/start", self._show_start, methods=["GET", "HEAD"])
        self.router.add_api_route("/{token}/start", self._take_start, methods=["POST"])
        self.router.add_api_route("/{token}/withdraw", self._show_withdraw, methods=["GET", "HEAD"])
        self.router.add_api_route("/{token}/withdraw", self._take_withdraw, methods=["POST"])

    # --- start at once (promise 3)

    async def _show_start(self, request: Request, token: str) -> Response:
        opened = await self._forms.opened(request, token)
        return self._forms.shown(opened, "start", {"opens_at": _opens_at(opened.row)})

    async def _take_start(self, request: Request, token: str) -> Response:
        opened = await self._forms.opened(request, token)
        form = await self._forms.taken(request, token, "start")
        if opened.row["started_at"] or (opened.row["start_wished"] and opened.row["outstanding"]):
            return opened.back()  # pressed twice (case 35)
        told = {"opens_at": _opens_at(opened.row)}
        if opened.is_stale(form):
            return self._forms.shown(opened, "start", told, notice="changed")
        return await self._sent(opened, form, "start", told, self._start(opened, form))

    @staticmethod
    def _start(opened: Opened, form: Form) -> StartRegistration:
        consent = ConsentForm(
            kind="immediate_performance",
            text_version=CONSENT_TEXT,
            given_at=opened.row["now"],
            language=opened.language.code,
        )
        order_id = opened.row["order_id"]
        return StartRegistration(command_id=form.command_id, actor=ACTOR, order_id=order_id, consent=consent)

    # --- withdraw (promise 10; 2011/83/EU, Art. 11a)

    async def _show_withdraw(self, request: Request, token: str) -> Response:
        return self._forms.shown(await self._forms.opened(request, token), "withdraw", {})

    async def _take_withdraw(self, request: Request, token: str) -> Response:
        opened = await self._forms.opened(request, token)
        form = await self._forms.taken(request, token, "withdraw")
        if opened.row["withdrawn_at"]:
            return opened.back()
        told = {"typed": form}
        try:
            name = _LINE.validate_python(form["name"].strip()) if form["name"].strip() else None
        except ValidationError:
            return self._forms.shown(opened, "withdraw", {**told, "wrong": {"name": Wrong("form")}})
        order_id = opened.row["order_id"]
        command = Withdraw(command_id=form.command_id, actor=ACTOR, order_id=order_id, name=name)
        return await self._sent(opened, form, "withdraw", told, command)

    # --- both

    async def _sent(
        self, opened: Opened, form: Form, name: str, told: Mapping[str, Any], command: AnyCommand
    ) -> Response:
        try:
            reply = await self._forms.send(command)
        except NoAnswer:
            again = form.command_id
            return self._forms.shown(opened, name, told, notice="unavailable", command_id=again)
        if reply["ok"] or reply["error"]["code"] == "command_id_reused":
            return opened.back()  # pressed twice, and the first press counts (case 35)
        now = await self._forms.anew(opened)
        return self._forms.shown(now, name, told, notice="refused")


def _opens_at(row: Row) -> datetime | None:
    """Return when the authority begins to sell what is paid, where that lies ahead: nobody can start sooner."""
    bought = product(row["product"])
    if row["outstanding"]:
        return None
    return schedule.can_register_at(bought, Start.parse(row["valid_from"], bought), row["now"])
