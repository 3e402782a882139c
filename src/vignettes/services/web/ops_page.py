"""`/ops`: how the service stands, for whoever is on duty, and what they can do about it.

Whatever is done here is a command like those of other programs, in the name of the member who pressed the button. What
tells a person, the words of a payer or of a customer, stands on pages of their own, for operators who open them.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from psycopg_pool import AsyncConnectionPool
from starlette.exceptions import HTTPException

from vignettes.messages.payments import AskReview
from vignettes.messages.queries import AskHistory
from vignettes.messages.support import AskCase
from vignettes.services.calling import NoAnswer
from vignettes.services.web import ops_acts
from vignettes.services.web.asking import Ask, Asked
from vignettes.services.web.ops_acts import NotUnderstood, Wish
from vignettes.services.web.ops_board import HOURS, USUAL_HOURS, Board, Notice, board
from vignettes.services.web.ops_look import Looking
from vignettes.services.web.staff import Member, Staff, StaffRole

#: By this a script says that it shows the board itself; anybody else is shown a whole page.
FRAGMENT: Final = "x-ops-fragment"
_UNCHANGED, _NOT_THERE, _REFUSED, _WRONG, _TRY_AGAIN = 304, 404, 409, 422, 503
#: An answer to a customer, in letters that a form takes six bytes for.
_LONGEST_ANSWER: Final = 48 * 1024
_UNKNOWN: Final = "It is not known whether it was done: press again, it is done once."


def router(staff: Staff, database: AsyncConnectionPool, ask: Ask) -> APIRouter:
    """Return the pages. `database` connects as the reader."""
    return _OpsPages(staff, Looking(database), ask).router


class _OpsPages:
    """The board, what is done from it, and the pages that it leads to."""

    def __init__(self, staff: Staff, looking: Looking, ask: Ask) -> None:
        self._staff = staff
        self._looking = looking
        self._ask = ask
        self.router = APIRouter(prefix="/ops", include_in_schema=False)
        for path, show in (
            ("", self._show),
            ("/orders/{order_id}", self._order),
            ("/money/{payment_id}", self._money),
            ("/cases/{case_id}", self._case),
        ):
            self.router.add_api_route(path, show, methods=["GET", "HEAD"], response_class=HTMLResponse)
        self.router.add_api_route("/{listing}/{key}", self._do, methods=["POST"])

    # --- the board

    async def _show(self, request: Request) -> Response:
        member = self._staff.member(request, StaffRole.VIEWER)
        shown = board(await self._looking.look(), _hours_of(request))
        if _is_fragment(request) and request.headers.get("if-none-match") == _etag(shown):
            return Response(status_code=_UNCHANGED, headers=_told(shown))
        return self._board(request, member, shown)

    def _board(self, request: Request, member: Member, shown: Board, status: int = 200) -> Response:
        told = {"board": shown, "may_act": member.may(StaffRole.OPERATOR), "all_hours": HOURS}
        if _is_fragment(request):
            # To a script a refusal in words is an answer: browsers would complain of others.
            response = self._staff.page(request, member, "ops_board.html", told)
        else:
            response = self._staff.page(request, member, "ops.html", told, status)
        response.headers.update(_told(shown))
        return response

    # --- what is done

    async def _do(self, request: Request, listing: str, key: str) -> Response:
        member = self._staff.member(request, StaffRole.OPERATOR)
        form = await self._staff.form(request, member, f"ops {listing} {key}", most_bytes=_LONGEST_ANSWER)
        wish = Wish.of(listing, key, form)
        try:
            reply = await self._sent(ops_acts.command(wish, member.actor))
        except NotUnderstood as why:
            return await self._failed(request, member, wish, str(why), _WRONG)
        except NoAnswer:
            return await self._unknown(request, member, wish)
        if not reply["ok"]:
            return await self._failed(request, member, wish, reply["error"]["message"], _REFUSED)
        if reply.get("content"):
            return _file(reply)
        said = Notice(listing, key, form["title"], ops_acts.done(wish, reply), "good")
        return await self._ended(request, member, said, since=reply.get("position"))

    async def _unknown(self, request: Request, member: Member, wish: Wish) -> Response:
        """Give the same form back, to be sent once more as it is: another would be another command."""
        title = wish.form["title"]
        notice = Notice(wish.listing, wish.key, title, _UNKNOWN, "act", again=wish.form.fields)
        return await self._ended(request, member, notice, _TRY_AGAIN)

    async def _failed(self, request: Request, member: Member, wish: Wish, why: str, status: int) -> Response:
        """Tell why, where it was asked for: what was written to a customer is not to be written once more."""
        notice = Notice(wish.listing, wish.key, wish.form["title"], why, "act")
        if wish.act != "answer":
            return await self._ended(request, member, notice, status)
        found = await self._looked_up(AskCase(case_id=_case_id(wish.key), actor=member.actor))
        told = {**found, "notice": notice, "text": wish.form["text"]}
        return self._staff.page(request, member, "ops_case.html", told, status)

    async def _ended(
        self, request: Request, member: Member, notice: Notice, status: int = 200, *, since: int | None = None
    ) -> Response:
        """Show the board with what became of it, and with what the views know of it by then."""
        look = await self._looking.look(since=since or 0)
        return self._board(request, member, board(look, _hours_of(request), notice), status)

    async def _sent(self, message: Asked) -> dict[str, Any]:
        """Ask once more where there was no answer: a command is executed once. Raises NoAnswer."""
        try:
            return await self._ask(message)
        except NoAnswer:
            return await self._ask(message)

    # --- pages that it leads to

    async def _order(self, request: Request, order_id: UUID) -> Response:
        """Show what happened to an order and by whom, without what the events say of a person."""
        member = self._staff.member(request, StaffRole.VIEWER)
        found = await self._looked_up(AskHistory(order_id=order_id, actor=member.actor))
        told = {**found, "may_audit": member.may(StaffRole.AUDITOR)}
        return self._staff.page(request, member, "ops_order.html", told)

    async def _money(self, request: Request, payment_id: UUID) -> Response:
        member = self._staff.member(request, StaffRole.OPERATOR)
        found = await self._looked_up(AskReview(payment_id=payment_id, actor=member.actor))
        if not found["payments"]:
            raise HTTPException(_NOT_THERE)
        shown = board(await self._looking.look(), USUAL_HOURS)
        told = {"payment": found["payments"][0], "board": shown, "may_act": True, "key": str(payment_id)}
        return self._staff.page(request, member, "ops_money.html", told)

    async def _case(self, request: Request, case_id: UUID) -> Response:
        member = self._staff.member(request, StaffRole.OPERATOR)
        found = await self._looked_up(AskCase(case_id=case_id, actor=member.actor))
        return self._staff.page(request, member, "ops_case.html", {**found, "notice": None, "text": ""})

    async def _looked_up(self, question: Asked) -> dict[str, Any]:
        try:
            found = await self._sent(question)
        except NoAnswer:
            raise HTTPException(_TRY_AGAIN) from None
        if not found["ok"]:
            raise HTTPException(_NOT_THERE)
        return found


def _file(reply: Mapping[str, Any]) -> Response:
    """Hand the file for the bank over; asked for again, it is the same."""
    headers = {"Content-Disposition": f'attachment; filename="{reply["file_id"]}.xml"'}
    return Response(base64.b64decode(reply["content"]), media_type="application/xml", headers=headers)


def _is_fragment(request: Request) -> bool:
    return FRAGMENT in request.headers


def _etag(shown: Board) -> str:
    return f'"{shown.sign}"'


def _told(shown: Board) -> dict[str, str]:
    """Tell a script what it has, and when that was looked at."""
    return {"ETag": _etag(shown), "Vignettes-Now": f"{shown.now:%H:%M:%S}"}


def _hours_of(request: Request) -> int:
    """Return how far ahead is looked, or was from where something was done."""
    wished = request.query_params.get("hours", "")
    return next((hours for hours in HOURS if str(hours) == wished), USUAL_HOURS)


def _case_id(key: str) -> UUID:
    try:
        return UUID(key)
    except ValueError:
        raise HTTPException(_NOT_THERE) from None
