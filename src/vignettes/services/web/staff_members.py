"""Who of the staff there can be, and what each role may do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: What a member may be called: it stands in the history for ever.
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class StaffRole(StrEnum):
    """What somebody of the staff is there for."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    AUDITOR = "auditor"


#: What else a role may do: an operator sees what a viewer sees, and so does an auditor.
_IMPLIED: Final[Mapping[StaffRole, frozenset[StaffRole]]] = {
    StaffRole.VIEWER: frozenset({StaffRole.VIEWER}),
    StaffRole.OPERATOR: frozenset({StaffRole.OPERATOR, StaffRole.VIEWER}),
    StaffRole.AUDITOR: frozenset({StaffRole.AUDITOR, StaffRole.VIEWER}),
}


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the staff, by the name that the history keeps."""

    name: str
    roles: frozenset[StaffRole]

    @property
    def actor(self) -> str:
        """Who commands and looks are by."""
        return f"staff:{self.name}"

    def may(self, role: StaffRole) -> bool:
        """Tell whether this member may do what the role is for."""
        return any(role in _IMPLIED[held] for held in self.roles)


def roles_by_group(text: str) -> dict[str, StaffRole]:
    """Read which group of an identity provider may do what: "ops-team=operator, auditors=auditor".

    Raises ValueError for what is not of this form.
    """
    found: dict[str, StaffRole] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        group, _, role = (part.strip() for part in each.rpartition("="))
        if not group or role not in set(StaffRole):
            raise ValueError(f"says {each!r}, which is not group=viewer, group=operator or group=auditor")
        if group in found:
            raise ValueError(f"names the group {group!r} twice")
        found[group] = StaffRole(role)
    return found
