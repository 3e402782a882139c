"""Signing in by OpenID Connect: the code flow with PKCE, and what an identity provider's word is checked for.

OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3; RFC 7636 (PKCE); RFC 9207 (who answers).
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import structlog

from vignettes.services.web.staff_members import NAME, Member, StaffRole
from vignettes.services.web.staff_provider import Claims, Provider, ProviderFailed

log = structlog.get_logger(__name__)

_SECRET_BYTES: Final = 32

Why = Literal["cancelled", "stale", "refused", "unavailable", "no_role", "name"]


class NotLetIn(Exception):
    """The identity provider's word did not open a session; `why` says what a page about it tells."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why: Why = why


@dataclass(frozen=True, slots=True)
class Rules:
    """How claims become members: which one names somebody, which one holds groups, and what these may do."""

    name_claim: str
    roles_claim: str
    roles: Mapping[str, StaffRole]


@dataclass(frozen=True, slots=True)
class Begun:
    """Somebody on the way to the provider: where to, and what their browser keeps until they are back."""

    address: str
    kept: Mapping[str, str]


class OpenId:
    """A way in for members that an identity provider knows. `is_taken` tells which names are somebody else's."""

    name: Final = "openid"
    #: Who was removed at the provider is let in no longer than this; to sign in again is one press there.
    seconds: Final = 3600

    def __init__(self, provider: Provider, rules: Rules, is_taken: Callable[[str], bool]) -> None:
        self._provider = provider
        self._rules = rules
        self._is_taken = is_taken

    async def begin(self) -> Begun:
        """Return the way to the provider. Raises NotLetIn where it does not answer."""
        kept = {name: secrets.token_urlsafe(_SECRET_BYTES) for name in ("state", "nonce", "verifier")}
        question = {
            "state": kept["state"],
            "nonce": kept["nonce"],
            "code_challenge": _challenge(kept["verifier"]),
            "code_challenge_method": "S256",
        }
        try:
            return Begun(await self._provider.address(question), kept)
        except ProviderFailed as failure:
            raise _not_let_in(failure) from None

    async def finish(self, answer: Mapping[str, str], kept: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a session is to say of whoever came back with an answer. Raises NotLetIn."""
        state = answer.get("state", "")
        if not kept or not hmac.compare_digest(state.encode(), str(kept["state"]).encode()):
            raise NotLetIn("stale")
        if "error" in answer:
            raise NotLetIn("cancelled" if answer["error"] == "access_denied" else "refused")
        try:
            claims = await self._provider.claims(answer, str(kept["verifier"]), str(kept["nonce"]))
        except ProviderFailed as failure:
            raise _not_let_in(failure) from None
        return self._said_of(claims)

    def member(self, said: Mapping[str, Any]) -> Member | None:
        """Return the member of a session, as this provider's groups are mapped to roles at this moment."""
        name = str(said["name"])
        roles = frozenset(self._rules.roles[group] for group in said["groups"] if group in self._rules.roles)
        is_ours = said["of"] == self._provider.mark
        return Member(name, roles) if is_ours and roles and not self._is_taken(name) else None

    def _said_of(self, claims: Claims) -> dict[str, Any]:
        name = str(_claim(claims, self._rules.name_claim) or "").lower()
        # A provider that lets people choose their names must not lend them the name of another member.
        if not NAME.fullmatch(name) or self._is_taken(name):
            raise NotLetIn("name")
        groups = [each for each in _groups(claims, self._rules.roles_claim) if each in self._rules.roles]
        if not groups:
            raise NotLetIn("no_role")
        return {"name": name, "groups": groups, "of": self._provider.mark}


def _not_let_in(failure: ProviderFailed) -> NotLetIn:
    log.warning("staff.openid_failed", reason=failure.reason)
    return NotLetIn("unavailable" if failure.is_absent else "refused")


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _claim(claims: Claims, name: str) -> Any:
    """Return a claim by its name, or by the path of names that leads to it, as Keycloak's realm_access.roles."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _groups(claims: Claims, name: str) -> Iterator[str]:
    found = _claim(claims, name)
    yield from (str(each) for each in (found if isinstance(found, list) else [found]) if each is not None)
