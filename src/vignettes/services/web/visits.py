"""Forms that only those can send who have seen them: a cookie, a proof that goes with it, and bounds for the body.

A form holds the id of the command that it becomes, so that pressing twice is one command, and a proof of that id and
of the form's purpose, made with the cookie. Another website can neither read the one nor set the other; what browsers
tell of where a form comes from is looked at beside that. So nothing is kept of visits, and no key is needed: a form
outlives us, and any process takes it.
"""

import asyncio
import base64
import hmac
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

#: What a form may take together, as the browser sends it.
LONGEST_BODY: Final = 16 * 1024
MOST_FIELDS: Final = 32
#: How long the body of a form may take to arrive; one that may be longer has more time in proportion.
BODY_SECONDS: Final = 10.0

_FORM: Final = "application/x-www-form-urlencoded"
_SECRET_BYTES: Final = 32
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_SENT_FROM_OUR_PAGES: Final = frozenset({"same-origin", "none"})

Why = Literal["foreign", "stale", "too_large", "too_slow", "unreadable"]
_STATUS: Final[Mapping[Why, int]] = {
    "foreign": 403,
    "stale": 403,
    "too_large": 413,
    "too_slow": 408,
    "unreadable": 400,
}


class NotTaken(Exception):
    """A form was not taken, and nothing was changed; `why` says what a page about it tells, `typed` what was read."""

    def __init__(self, why: Why, typed: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.typed = typed or {}
        self.status = _STATUS[why]


@dataclass(frozen=True, slots=True)
class Form(Mapping[str, str]):
    """What somebody typed, by field, and the id of the command that it is to become. A missing field is empty."""

    command_id: UUID
    fields: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)


@dataclass(frozen=True, slots=True)
class Visit:
    """One browser that looks at our forms: known by the secret of its cookie, and by nothing else."""

    secret: str
    is_new: bool

    def proof(self, purpose: str, command_id: UUID) -> str:
        """Return what a form of this purpose must bring back together with its command's id."""
        said = f"{command_id} {purpose}".encode()
        return (
            base64.urlsafe_b64encode(hmac.digest(self.secret.encode(), said, "sha256")).decode().rstrip("=")
        )

    def hidden(self, purpose: str, command_id: UUID | None = None) -> dict[str, str]:
        """Return the hidden fields of a form, for a command of its own or for one that is to be asked again."""
        command_id = command_id or uuid4()
        return {"command_id": str(command_id), "proof": self.proof(purpose, command_id)}


class Visits:
    """Knows visits by their cookies, and takes forms from them alone. `origin` is that of our public address."""

    def __init__(self, origin: str, patience: float = BODY_SECONDS) -> None:
        parts = urlsplit(origin)
        self._origin = f"{parts.scheme}://{parts.netloc}".lower()
        self._is_secure = parts.scheme == "https"
        self._cookie = "__Host-visit" if self._is_secure else "visit"
        self._patience = patience

    def of(self, request: Request) -> Visit:
        """Return the visit that a request belongs to, or a new one for a browser that names none."""
        known = request.cookies.get(self._cookie, "")
        if _SECRET.fullmatch(known):
            return Visit(known, is_new=False)
        return Visit(secrets.token_urlsafe(_SECRET_BYTES), is_new=True)

    def keep(self, response: Response, visit: Visit) -> None:
        """Let the browser remember a new visit until it is closed."""
        if visit.is_new:
            response.set_cookie(
                self._cookie, visit.secret, path="/", secure=self._is_secure, httponly=True, samesite="lax"
            )

    def renew(self, response: Response) -> None:
        """Begin a visit anew: the forms shown before are void, and whatever another knew of the visit is worthless."""
        self.keep(response, Visit(secrets.token_urlsafe(_SECRET_BYTES), is_new=True))

    async def checked(self, request: Request, purpose: str, *, most_bytes: int = LONGEST_BODY) -> Form:
        """Return the form that a request brings. Raises NotTaken for one that our page did not send."""
        self._check_head(request, most_bytes)
        fields = _fields(await self._body(request, most_bytes))
        return Form(self._proved(request, purpose, fields), fields)

    def _check_head(self, request: Request, most_bytes: int) -> None:
        """Refuse by the head alone what is not to be read at all."""
        headers = request.headers
        if headers.get("sec-fetch-site", "none").lower() not in _SENT_FROM_OUR_PAGES:
            raise NotTaken("foreign")
        # Pages that tell nobody where one comes from make browsers say "null" for our own forms too.
        if headers.get("origin", "null").lower() not in {"null", self._origin}:
            raise NotTaken("foreign")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise NotTaken("unreadable")
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > most_bytes:
            raise NotTaken("too_large")

    async def _body(self, request: Request, most_bytes: int) -> bytes:
        try:
            async with asyncio.timeout(self._patience * max(1.0, most_bytes / LONGEST_BODY)):
                return await _bounded(request, most_bytes)
        except TimeoutError:
            raise NotTaken("too_slow") from None
        except ClientDisconnect:
            raise NotTaken("unreadable") from None

    def _proved(self, request: Request, purpose: str, fields: Mapping[str, str]) -> UUID:
        visit = self.of(request)
        try:
            command_id = UUID(fields.get("command_id", ""))
        except ValueError:
            raise NotTaken("stale", fields) from None
        proof = fields.get("proof", "").encode()
        if visit.is_new or not hmac.compare_digest(visit.proof(purpose, command_id).encode(), proof):
            raise NotTaken("stale", fields)
        return command_id


async def _bounded(request: Request, most_bytes: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            raise NotTaken("too_large")
    return bytes(body)


def _fields(body: bytes) -> dict[str, str]:
    """Read an urlencoded body; of a field that comes twice the first counts."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise NotTaken("unreadable") from None
    return dict(reversed(pairs))
