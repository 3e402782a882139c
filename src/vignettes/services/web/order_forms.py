"""What the forms of an order's page have in common: whose they are, how they are sent, how they are shown again."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from uuid import UUID

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from vignettes.messages.commands import AnyCommand
from vignettes.projections.order_pages import digest_of
from vignettes.services.calling import NoAnswer
from vignettes.services.mails.language import Language
from vignettes.services.web.asking import Ask
from vignettes.services.web.linked import LinkedOrders, Row
from vignettes.services.web.order_facts import Facts
from vignettes.services.web.rendering import rendered
from vignettes.services.web.visits import Form, Visit, Visits

ACTOR: Final = "customer"

Notice = Literal["unavailable", "changed", "priced", "reused", "refused", "unchanged"]
"""Why a form is shown again although nothing in it was wrong; the template `order_notice.html` has the words."""
_WRONG: Final = 422
_STATUS: Final[Mapping[Notice, int]] = {
    "unavailable": 503,
    "changed": 409,
    "priced": 409,
    "reused": 409,
    "refused": 409,
    "unchanged": _WRONG,
}


@dataclass(frozen=True, slots=True)
class Opened:
    """An order that somebody has opened by its link, in one visit."""

    token: str
    row: Row
    visit: Visit

    @property
    def language(self) -> Language:
        """That of the order."""
        return Language.best_for(self.row["language"])

    def hidden(self, name: str, command_id: UUID | None = None) -> dict[str, str]:
        """Return the hidden fields of a form: of a new command, or of one that is to be asked again."""
        proved = self.visit.hidden(_purpose(self.token, name), command_id)
        return {**proved, "version": str(self.row["version"])}

    def is_stale(self, form: Form) -> bool:
        """Tell whether the order has changed since the form was shown."""
        return form["version"] != str(self.row["version"])

    def back(self) -> Response:
        """Return the way to the order's page, which then shows what has become of it."""
        return RedirectResponse(f"/o/{self.token}", 303)


class OrderForms:
    """Opens orders for their forms, passes on what these ask for, and shows them."""

    def __init__(self, orders: LinkedOrders, visits: Visits, ask: Ask, facts: Facts) -> None:
        self._orders = orders
        self._visits = visits
        self._ask = ask
        self._facts = facts

    async def opened(self, request: Request, token: str) -> Opened:
        """Return the order of a link. Raises HTTPException for a wrong one before anything else is looked at."""
        return Opened(token, await self._orders.found(token), self._visits.of(request))

    async def anew(self, opened: Opened) -> Opened:
        """Return the same order as it is by now."""
        return replace(opened, row=await self._orders.found(opened.token))

    async def taken(self, request: Request, token: str, name: str) -> Form:
        """Return the form that was sent. Raises NotTaken."""
        return await self._visits.checked(request, _purpose(token, name))

    async def send(self, command: AnyCommand) -> dict[str, Any]:
        """Return the reply to a command, asking once more where there was none. Raises NoAnswer."""
        try:
            return await self._ask(command)
        except NoAnswer:
            return await self._ask(command)

    def shown(
        self,
        opened: Opened,
        name: str,
        told: Mapping[str, Any],
        *,
        purpose: str | None = None,
        notice: Notice | None = None,
        command_id: UUID | None = None,
    ) -> Response:
        """Return a page with a form, for its own `purpose`: with what it could not take, or what came between."""
        said: dict[str, Any] = {"wrong": {}, "typed": defaultdict(str), "notice": notice, **told}
        said["hidden"] = opened.hidden(purpose or name, command_id)
        status = _STATUS[notice] if notice else _WRONG if said["wrong"] else 200
        response = HTMLResponse(self.written(opened, name, said), status)
        self._visits.keep(response, opened.visit)
        return response

    def written(self, opened: Opened, name: str, told: Mapping[str, Any]) -> str:
        """Return the page of a template in the order's language."""
        facts = {**self._facts.of(opened.row, opened.token), **told}
        return rendered(f"order_{name}.html", opened.language, facts)


def _purpose(token: str, name: str) -> str:
    """Return what a form is for; that of a link which was renewed since is void."""
    return f"{name}:{digest_of(token).hex()}"
