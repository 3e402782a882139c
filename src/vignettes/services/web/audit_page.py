"""`/audit`: an order's history as a story, as it was at any moment, with its proofs. Nothing can be changed from here.

All of it is told by the auditors' desk, which puts every look on record in the member's name before it answers.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from vignettes.messages.audit import (
    AskAuditedHistory,
    AskHeads,
    AskLooks,
    ExportBundle,
    FindAudited,
    ProveHistory,
)
from vignettes.services.calling import NoAnswer
from vignettes.services.web.asking import Ask, Audited
from vignettes.services.web.audit_facts import compared, story
from vignettes.services.web.staff import Member, Staff, StaffRole

#: By this a script says that it shows another moment itself; anybody else is shown a whole page.
FRAGMENT: Final = "x-audit-fragment"
MOST_LOOKS: Final = 100
_MOST_VERSIONS: Final = 2**31 - 1
_SEE_OTHER, _NOT_THERE, _REFUSED, _WRONG, _TRY_AGAIN = 303, 404, 409, 422, 503
_STATUS: Final = {"not_found": _NOT_THERE, "invalid_request": _WRONG}


class _NotShown(Exception):
    """The desk did not show what was asked for; the text says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class AuditPages:
    """The pages. `export` asks as `ask` does, with the patience that a new head takes."""

    def __init__(self, staff: Staff, ask: Ask, export: Ask) -> None:
        self._staff = staff
        self._ask = ask
        self._export_of = export
        self.router = APIRouter(prefix="/audit", include_in_schema=False)
        for path, show in (("", self._empty), ("/looks", self._looks), ("/{key}", self._history)):
            self.router.add_api_route(path, show, methods=["GET", "HEAD"], response_class=HTMLResponse)
        self.router.add_api_route("", self._find, methods=["POST"])
        self.router.add_api_route("/{key}/bundle", self._export, methods=["POST"])

    async def _empty(self, request: Request) -> Response:
        return self._search(request, self._staff.member(request, StaffRole.AUDITOR))

    async def _find(self, request: Request) -> Response:
        """Look for what was typed: people type names too, and an address would stand in histories and logs."""
        member = self._staff.member(request, StaffRole.AUDITOR)
        wanted = (await self._staff.form(request, member, "audit find"))["find"].strip()
        if not wanted:
            return self._search(request, member)
        try:
            reply = await self._told(FindAudited(actor=member.actor, query=wanted))
        except ValidationError:
            return self._search(request, member, wanted, "This can't be looked for.", _WRONG)
        except _NotShown as refusal:
            return self._search(request, member, wanted, str(refusal), refusal.status)
        if len(reply["orders"]) == 1:
            return RedirectResponse(f"/audit/{reply['orders'][0]['order_id']}", _SEE_OTHER)
        return self._search(request, member, wanted, found=reply["orders"])

    async def _looks(self, request: Request, history: str = "") -> Response:
        member = self._staff.member(request, StaffRole.AUDITOR)
        try:
            key = _id(history) if history else None
            reply = await self._told(AskLooks(actor=member.actor, limit=MOST_LOOKS, order_id=key))
        except _NotShown as refusal:
            return self._search(request, member, "", str(refusal), refusal.status)
        told = {"looks": reply["looks"], "history": key, "most": MOST_LOOKS}
        return self._staff.page(request, member, "audit_looks.html", told)

    async def _history(self, request: Request, key: str, version: int | None = None) -> Response:
        member = self._staff.member(request, StaffRole.AUDITOR)
        try:
            if FRAGMENT in request.headers:
                then = await self._at(member, _id(key), version)
                return self._staff.page(request, member, "audit_then.html", _moment(then))
            told = await self._whole(member, _id(key), version)
        except _NotShown as refusal:
            return self._search(request, member, "", str(refusal), refusal.status)
        return self._staff.page(request, member, "audit_history.html", told)

    async def _export(self, request: Request, key: str) -> Response:
        member = self._staff.member(request, StaffRole.AUDITOR)
        await self._staff.form(request, member, f"audit bundle {key}")
        try:
            reply = await self._told(ExportBundle(actor=member.actor, order_id=_id(key)), self._export_of)
        except _NotShown as refusal:
            return self._search(request, member, "", str(refusal), refusal.status)
        named = {"Content-Disposition": f'attachment; filename="bundle-{_id(key)}.json"'}
        written = json.dumps(reply["bundle"], indent=1, ensure_ascii=False) + "\n"
        return Response(written, media_type="application/json", headers=named)

    # --- what is asked of the desk

    async def _whole(self, member: Member, key: UUID, version: int | None) -> dict[str, Any]:
        """Return all that the page of a history shows, read from a version of it, or from now."""
        actor = member.actor
        history, proof, heads = await asyncio.gather(
            self._told(AskAuditedHistory(actor=actor, order_id=key)),
            self._told(ProveHistory(actor=actor, order_id=key)),
            self._told(AskHeads(actor=actor, limit=1)),
        )
        last = history["versions"]
        then = history if version is None or version >= last else await self._at(member, key, version)
        shown = _moment(then)
        return {
            **shown,
            "history": history,
            "events": story(history, proof, shown["version"]),
            "proof": proof,
            "key": {"origin": heads["origin"], "fingerprint": heads["fingerprint"]},
        }

    async def _at(self, member: Member, key: UUID, version: int | None) -> dict[str, Any]:
        """Return a history as far as a version; one that there can't be is the first or the last."""
        at = None if version is None else min(max(version, 1), _MOST_VERSIONS)
        return await self._told(AskAuditedHistory(actor=member.actor, order_id=key, version=at))

    async def _told(self, message: Audited, ask: Ask | None = None) -> dict[str, Any]:
        """Return the desk's answer. Raises _NotShown."""
        try:
            reply = await (ask or self._ask)(message)
        except NoAnswer:
            why = "The auditors' desk does not answer. Nothing is shown: try again in a moment."
            raise _NotShown(_TRY_AGAIN, why) from None
        if not reply["ok"]:
            error = reply["error"]
            raise _NotShown(_STATUS.get(error["code"], _REFUSED), error["message"])
        return reply

    def _search(
        self,
        request: Request,
        member: Member,
        wanted: str = "",
        why: str = "",
        status: int = 200,
        found: list[Mapping[str, Any]] | None = None,
    ) -> Response:
        told = {"wanted": wanted, "why": why, "found": found}
        return self._staff.page(request, member, "audit.html", told, status)


def _id(key: str) -> UUID:
    """Return the id in an address. Raises _NotShown for what is none."""
    try:
        return UUID(key)
    except ValueError:
        raise _NotShown(_NOT_THERE, "There is no such history.") from None


def _moment(history: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is shown of a moment: the last event of a history until then, and the state beside that of now."""
    fields = compared(history)
    last = history["events"][-1]
    return {
        "version": last["version"],
        "versions": history["versions"],
        "moment": last,
        "different": [each for each in fields if each.differs],
        "same": [each for each in fields if not each.differs and each.now.kind != "none"],
        "none": [each.field for each in fields if not each.differs and each.now.kind == "none"],
    }
