"""Who of the staff asks, what they may see, and the frame of their pages.

A page for staff begins with `member = staff.member(request, StaffRole.VIEWER)` and ends with `staff.page(...)`. Its
forms hold `{{ proved("what it does") }}`, and are taken by `staff.form(request, member, "what it does")`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from vignettes.services.web.staff_members import Member, StaffRole
from vignettes.services.web.staff_rendering import rendered
from vignettes.services.web.visits import LONGEST_BODY, Form, NotTaken, Visits

__all__ = ["MayNot", "Member", "NotSignedIn", "Staff", "StaffFormNotTaken", "StaffRole"]


class NotSignedIn(Exception):
    """Nobody of the staff asks, as far as can be told; nothing was shown or done."""


class MayNot(Exception):
    """The member's roles do not allow this; nothing was shown or done."""

    def __init__(self, member: Member, needed: StaffRole) -> None:
        super().__init__(needed)
        self.member = member
        self.needed = needed


class StaffFormNotTaken(NotTaken):
    """A form of staff was not taken, and nothing was changed."""


class Staff:
    """Knows who of the staff asks. `known` finds the member of a request, or none."""

    def __init__(self, visits: Visits, known: Callable[[Request], Member | None]) -> None:
        self.visits = visits
        self._known = known

    def member(self, request: Request, needed: StaffRole) -> Member:
        """Return who asks. Raises NotSignedIn, and MayNot for a member without the role."""
        member = self.known(request)
        if member is None:
            raise NotSignedIn
        if not member.may(needed):
            raise MayNot(member, needed)
        return member

    def known(self, request: Request) -> Member | None:
        """Return who asks, whatever their roles; None for whoever is not signed in."""
        return self._known(request)

    async def form(
        self, request: Request, member: Member | None, purpose: str, *, most_bytes: int = LONGEST_BODY
    ) -> Form:
        """Return the form that a member sent, for the purpose that it was shown with. Raises StaffFormNotTaken."""
        try:
            return await self.visits.checked(request, _of_member(member, purpose), most_bytes=most_bytes)
        except NotTaken as refusal:
            raise StaffFormNotTaken(refusal.why, refusal.typed) from None

    def page(
        self,
        request: Request,
        member: Member | None,
        template: str,
        told: Mapping[str, Any],
        status: int = 200,
    ) -> Response:
        """Return a page of a template that extends `staff.html`; None: for whoever is not signed in."""
        visit = self.visits.of(request)

        def proved(purpose: str) -> dict[str, str]:
            """Return the hidden fields of a form."""
            return visit.hidden(_of_member(member, purpose))

        page = rendered(template, {**told, "member": member, "proved": proved, "path": request.url.path})
        response = HTMLResponse(page, status)
        self.visits.keep(response, visit)
        return response


def _of_member(member: Member | None, purpose: str) -> str:
    """Return what a form is for; one that was shown to somebody else is void."""
    return f"staff {member.name if member else ''}:{purpose}"
