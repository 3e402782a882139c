"""Settings of staff's pages: who may sign in, by a token or by an identity provider."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from vignettes.runtime.installation import PREFIX, Installation
from vignettes.runtime.setting_types import FilePath, WebUrl
from vignettes.services.web.staff_members import roles_by_group


def _roles(text: str) -> str:
    roles_by_group(text)
    return text


RolesByGroup = Annotated[str, AfterValidator(_roles)]


class StaffSettings(Installation):
    """Whom staff's pages are for."""

    staff_file: FilePath | None = Field(
        None, description="the file that `vignettes staff` keeps, or nothing for no pages of staff"
    )
    staff_key_file: FilePath = Field(
        default_factory=lambda data: data.get("data_dir", Path(".data")) / "staff" / "sessions.key",
        description="a file of 64 hexadecimal digits that only its owner can read, the same for all web roles",
    )
    openid_issuer: WebUrl | None = Field(
        None,
        description="the https:// address of an OpenID Connect provider that knows the staff, or nothing",
    )
    openid_client_id: str | None = Field(None, description="what that provider calls this service")
    openid_secret_file: FilePath | None = Field(
        None,
        description="a file of the client secret that only its owner can read, or nothing for a public client",
    )
    openid_scopes: str = Field(
        "openid profile", description="what is asked of that provider, openid and others with spaces"
    )
    openid_name_claim: str = Field(
        "preferred_username",
        min_length=1,
        description="the claim that names a member in the history; people must not be able to choose it",
    )
    openid_roles_claim: str = Field(
        "groups",
        min_length=1,
        description="the claim that holds groups, such as groups or realm_access.roles",
    )
    openid_roles: RolesByGroup = Field(
        "", description="which group may do what, such as ops-team=operator, auditors=auditor"
    )

    @model_validator(mode="after")
    def _openid_is_complete(self) -> Self:
        if self.openid_issuer is None:
            return self
        problems = [
            f"{PREFIX}OPENID_{name} must be set with {PREFIX}OPENID_ISSUER: it takes {said}."
            for name, value, said in (
                ("CLIENT_ID", self.openid_client_id, "what that provider calls this service"),
                ("ROLES", self.openid_roles, "which group may do what, such as ops-team=operator"),
            )
            if not value
        ]
        if self.environment == "production" and urlsplit(self.openid_issuer).scheme != "https":
            problems.append(f"{PREFIX}OPENID_ISSUER must begin with https:// in production.")
        if problems:
            raise ValueError("\n".join(problems))
        return self
