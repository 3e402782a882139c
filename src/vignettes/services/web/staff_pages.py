"""The pages of staff, put together, and what is answered to whoever may not see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from vignettes.services.web.staff import MayNot, NotSignedIn, Staff, StaffFormNotTaken

_SEE_OTHER, _NOT_SIGNED_IN, _MAY_NOT = 303, 401, 403
_LOOKING: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class StaffPages:
    """All that staff can open, the way in first."""

    staff: Staff
    routers: Sequence[APIRouter]

    def join(self, app: FastAPI) -> None:
        """Let an application show them."""
        for router in self.routers:
            app.include_router(router)
        app.add_exception_handler(NotSignedIn, self._not_signed_in)
        app.add_exception_handler(MayNot, self._may_not)
        app.add_exception_handler(StaffFormNotTaken, self._not_taken)

    async def _not_signed_in(self, request: Request, _: Exception) -> Response:
        """Lead somebody who looks at a page to the way in; tell programs and scripts that they are not known.

        The way back is to the page alone: of what stands behind a question mark nothing is repeated.
        """
        if request.method in _LOOKING and request.headers.get("sec-fetch-mode", "navigate") == "navigate":
            return RedirectResponse(f"/sign-in?to={quote(request.url.path, safe='/')}", _SEE_OTHER)
        return self._refused(request, "not_signed_in", _NOT_SIGNED_IN)

    async def _may_not(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, MayNot)  # noqa: S101  # it is registered for these only; for the type
        told = {"why": "may_not", "needed": error.needed}
        return self.staff.page(request, error.member, "staff_refused.html", told, _MAY_NOT)

    async def _not_taken(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, StaffFormNotTaken)  # noqa: S101  # it is registered for these only; for the type
        return self._refused(request, error.why, error.status)

    def _refused(self, request: Request, why: str, status: int) -> Response:
        told = {"why": why, "needed": ""}
        member = self.staff.known(request)
        response = self.staff.page(request, member, "staff_refused.html", told, status)
        # Or the server would go on taking a body that nobody reads.
        response.headers["Connection"] = "close"
        return response
