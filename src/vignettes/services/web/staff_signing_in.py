"""`/sign-in` and `/sign-out`: members of the staff come in by a token or by their identity provider, and go again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from vignettes.services.web.staff import Staff
from vignettes.services.web.staff_members import Member, StaffRole
from vignettes.services.web.staff_openid import NotLetIn, OpenId, Why
from vignettes.services.web.staff_sessions import Jar, Seal, Sessions, Way
from vignettes.services.web.staff_tokens import Tokens
from vignettes.services.web.throttling import Rate, Throttle, Throttled, network_of

log = structlog.get_logger(__name__)

#: Tries with a wrong token, or that an identity provider did not vouch for.
FAILED: Final = Rate("staff_sign_in", "10/10 minutes; 60/day")
_SEE_OTHER, _WRONG, _TOO_MANY = 303, 422, 429
_STATUS: Final[Mapping[Why, int]] = {
    "cancelled": 200,
    "stale": 403,
    "refused": 403,
    "unavailable": 503,
    "no_role": 403,
    "name": 403,
}
#: What says nothing about whether somebody tries to get in who may not.
_BLAMELESS: Final = frozenset({"cancelled", "unavailable"})
#: A path of ours and nothing else: browsers read // and a backslash as another host.
_OURS: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f-\x9f]{0,1500}")
_PENDING: Final = "staff openid"
_PENDING_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways in. Without `openid` there are tokens alone."""

    tokens: Tokens
    openid: OpenId | None = None

    @property
    def all(self) -> Sequence[Way]:
        """Every one of them."""
        return [self.tokens, self.openid] if self.openid else [self.tokens]


class SignIn:
    """Begins and ends sessions."""

    def __init__(self, ways: Ways, seal: Seal, sessions: Sessions, staff: Staff, throttle: Throttle) -> None:
        self._ways = ways
        self._seal = seal
        self._sessions = sessions
        self._staff = staff
        self._throttle = throttle
        throttle.tell(FAILED)
        self._pending = Jar("staff-openid", sessions.is_secure)
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/sign-in", self._show, methods=["GET", "HEAD"])
        self.router.add_api_route("/sign-in", self._take, methods=["POST"])
        self.router.add_api_route("/sign-out", self._leave, methods=["POST"])
        if ways.openid is not None:
            self.router.add_api_route("/sign-in/openid", self._go, methods=["GET"])
            self.router.add_api_route("/sign-in/openid/done", self._come_back, methods=["GET"])

    async def _show(self, request: Request) -> Response:
        to = _ours(request.query_params.get("to", ""))
        member = self._staff.known(request)
        return self._form(request, to) if member is None else _onward(to, member)

    async def _take(self, request: Request) -> Response:
        form = await self._staff.form(request, None, "sign-in")
        to, network = _ours(form["to"]), network_of(request)
        try:
            self._throttle.check(FAILED, network)
        except Throttled as throttled:
            return self._too_many(request, to, throttled)
        said = self._ways.tokens.said_of(form["token"].strip())
        if said is None:
            self._throttle.count(FAILED, network)
            log.warning("staff.refused", way=self._ways.tokens.name)
            return self._form(request, to, "wrong_token", _WRONG)
        return self._let_in(request, self._ways.tokens, said, to)

    async def _leave(self, request: Request) -> Response:
        await self._staff.form(request, self._staff.member(request, StaffRole.VIEWER), "sign-out")
        response = RedirectResponse("/sign-in", _SEE_OTHER)
        self._sessions.end(response)
        self._staff.visits.renew(response)
        return response

    # ------------------------------------------------------------ by an identity provider

    async def _go(self, request: Request) -> Response:
        assert self._ways.openid is not None  # noqa: S101  # the route is there with it only; for the type
        to = _ours(request.query_params.get("to", ""))
        try:
            begun = await self._ways.openid.begin()
        except NotLetIn as refusal:
            return self._form(request, to, refusal.why, _STATUS[refusal.why])
        response = RedirectResponse(begun.address, _SEE_OTHER)
        sealed = self._seal.sealed(_PENDING, {**begun.kept, "to": to}, _PENDING_SECONDS)
        self._pending.put(response, sealed, _PENDING_SECONDS)
        return response

    async def _come_back(self, request: Request) -> Response:
        kept = self._seal.opened(_PENDING, self._pending.kept(request)) or {}
        response = await self._answered(request, kept)
        self._pending.empty(response)  # one answer for each question
        return response

    async def _answered(self, request: Request, kept: Mapping[str, Any]) -> Response:
        assert self._ways.openid is not None  # noqa: S101  # the route is there with it only; for the type
        to, network = str(kept.get("to", "")), network_of(request)
        try:
            self._throttle.check(FAILED, network)
            said = await self._ways.openid.finish(request.query_params, kept)
        except Throttled as throttled:
            return self._too_many(request, to, throttled)
        except NotLetIn as refusal:
            if refusal.why not in _BLAMELESS:
                self._throttle.count(FAILED, network)
                log.warning("staff.refused", way=self._ways.openid.name, why=refusal.why)
            return self._form(request, to, refusal.why, _STATUS[refusal.why])
        return self._let_in(request, self._ways.openid, said, to)

    # ------------------------------------------------------------ what is answered

    def _let_in(self, request: Request, way: Way, said: Mapping[str, Any], to: str) -> Response:
        member = way.member(said)
        if member is None:  # removed this very moment
            return self._form(request, to, "wrong_token", _WRONG)
        response = _onward(to, member)
        self._sessions.begin(response, way, said)
        # What another knew of this browser before, as a cookie that they have set, is worth nothing from here on.
        self._staff.visits.renew(response)
        log.info("staff.signed_in", way=way.name)
        return response

    def _too_many(self, request: Request, to: str, throttled: Throttled) -> Response:
        response = self._form(request, to, "too_many", _TOO_MANY, minutes=throttled.minutes)
        response.headers["Retry-After"] = str(throttled.retry_after)
        return response

    def _form(
        self, request: Request, to: str, why: str = "", status: int = 200, *, minutes: int = 0
    ) -> Response:
        told = {"to": to, "why": why, "minutes": minutes, "by_openid": self._ways.openid is not None}
        return self._staff.page(request, None, "staff_sign_in.html", told, status)


def _ours(path: str) -> str:
    """Return a path that leads to a page of ours; of anything else nothing is left."""
    return path if _OURS.fullmatch(path) else ""


def _onward(to: str, member: Member) -> Response:
    return RedirectResponse(to or ("/ops" if member.roles != {StaffRole.AUDITOR} else "/audit"), _SEE_OTHER)
