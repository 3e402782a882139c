"""Sessions of staff: cookies that say who signed in and how, sealed by a key that all web processes share.

Nothing is kept on our side, so a session outlives restarts. It is believed only as far as the way in still says so:
what somebody may do is asked anew with every request.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from fastapi import Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.responses import Response

from vignettes.services.web.staff_members import Member

_ALGORITHM: Final = "HS256"
_NONCE_BYTES: Final = 16


class Way(Protocol):
    """A way to sign in."""

    @property
    def name(self) -> str:
        """What sessions call it."""

    @property
    def seconds(self) -> int:
        """How long a session lasts that began this way."""

    def member(self, said: Mapping[str, Any]) -> Member | None:
        """Return who a session is of, as this way knows them now; None for nobody any more."""


class Seal:
    """Seals what browsers keep for us: they can read it, and change nothing. `clock` gives seconds of the epoch."""

    def __init__(self, key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = OctKey.import_key(key)
        self._clock = clock

    def sealed(self, purpose: str, said: Mapping[str, Any], seconds: int) -> str:
        """Return what opens for so long, and for this purpose alone; no two are alike."""
        until = int(self._clock()) + seconds
        claims = {**said, "aud": purpose, "exp": until, "jti": secrets.token_urlsafe(_NONCE_BYTES)}
        return jwt.encode({"alg": _ALGORITHM}, claims, self._key)

    def opened(self, purpose: str, text: str) -> Mapping[str, Any] | None:
        """Return what was sealed; None for anything that we did not seal, or that has ended."""
        rules = jwt.JWTClaimsRegistry(
            now=int(self._clock()),
            aud={"essential": True, "value": purpose},
            exp={"essential": True},
        )
        try:
            said = jwt.decode(text, self._key, algorithms=[_ALGORITHM]).claims
            rules.validate(said)
        except (JoseError, ValueError):
            return None
        return said


@dataclass(frozen=True, slots=True)
class Jar:
    """A cookie of ours that no script can read. Under https no other host can set it."""

    name: str
    is_secure: bool

    def put(self, response: Response, value: str, seconds: int) -> None:
        """Let a browser keep a value."""
        response.set_cookie(
            self._called,
            value,
            max_age=seconds,
            path="/",
            secure=self.is_secure,
            httponly=True,
            samesite="lax",
        )

    def kept(self, request: Request) -> str:
        """Return what a browser kept; nothing where it did not."""
        return request.cookies.get(self._called, "")

    def empty(self, response: Response) -> None:
        """Let a browser forget it."""
        response.delete_cookie(self._called, path="/", secure=self.is_secure, httponly=True, samesite="lax")

    @property
    def _called(self) -> str:
        return f"__Host-{self.name}" if self.is_secure else self.name


class Sessions:
    """Begins, knows and ends sessions of staff."""

    _PURPOSE: Final = "staff session"

    def __init__(self, seal: Seal, ways: Sequence[Way], *, is_secure: bool) -> None:
        self._seal = seal
        self._ways = {way.name: way for way in ways}
        self.is_secure = is_secure
        self._jar = Jar("staff", is_secure)

    def begin(self, response: Response, way: Way, said: Mapping[str, Any]) -> None:
        """Begin a session anew, whatever the browser brought."""
        sealed = self._seal.sealed(self._PURPOSE, {"way": way.name, "said": said}, way.seconds)
        self._jar.put(response, sealed, way.seconds)

    def member(self, request: Request) -> Member | None:
        """Return who asks, with the roles of this moment; None for nobody of the staff."""
        kept = self._jar.kept(request)
        session = self._seal.opened(self._PURPOSE, kept) if kept else None
        if session is None or session["way"] not in self._ways:
            return None
        return self._ways[session["way"]].member(session["said"])

    def end(self, response: Response) -> None:
        """Let the browser forget its session."""
        self._jar.empty(response)
