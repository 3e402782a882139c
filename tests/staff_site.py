"""The pages of staff as a browser sees them, and the identity provider that some of the staff sign in with."""

import base64
import hashlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from forms import BROWSER, hidden
from vignettes.runtime.staffing import add
from vignettes.services.asyncapi import document
from vignettes.services.calling import NoAnswer
from vignettes.services.web.app import create_app
from vignettes.services.web.audit_page import AuditPages
from vignettes.services.web.serving import serving
from vignettes.services.web.staff import Staff, StaffRole
from vignettes.services.web.staff_openid import OpenId, Rules
from vignettes.services.web.staff_pages import StaffPages
from vignettes.services.web.staff_provider import Client as ProvidersClient
from vignettes.services.web.staff_provider import Provider
from vignettes.services.web.staff_sessions import Seal, Sessions
from vignettes.services.web.staff_signing_in import SignIn, Ways
from vignettes.services.web.staff_tokens import Tokens
from vignettes.services.web.throttling import Throttle
from vignettes.services.web.visits import Visits

ORIGIN = "https://vignettes.example"
KEY = bytes(range(32))
#: With what a header takes only if it is encoded.
SECRET = "a client's secret, 100 %+:"
GROUPS = {"ops-team": StaffRole.OPERATOR, "audit-team": StaffRole.AUDITOR}
_FORM = re.compile(r'<form\b[^>]*action="([^"]*)"[^>]*>.*?</form>', re.DOTALL)


async def nobody(message: Any) -> dict[str, Any]:
    """Answer as a desk does that is not there."""
    raise NoAnswer


@dataclass
class Site:
    """One web process, its staff file and its clocks."""

    file: Path
    openid: Any = None
    ask: Any = nobody
    key: bytes = KEY
    origin: str = ORIGIN
    ahead: float = 0.0
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        """Build it as the web role does."""
        is_secure = self.origin.startswith("https:")
        tokens, throttle = Tokens(self.file), Throttle(self.now)
        seal = Seal(self.key, self.now)
        ways = Ways(tokens, self.openid(tokens, self.now) if self.openid else None)
        sessions = Sessions(seal, ways.all, is_secure=is_secure)
        staff = Staff(Visits(self.origin), sessions.member)
        pages = StaffPages(
            staff,
            [
                SignIn(ways, seal, sessions, staff, throttle).router,
                AuditPages(staff, self.ask, self.ask).router,
            ],
        )
        nowhere = AsyncConnectionPool("host=/nowhere", open=False)
        self.app = create_app(Client(), (), nowhere, document, staff=pages, is_secure=is_secure)

    def now(self) -> float:
        """Return the time of this process."""
        return time.time() + self.ahead

    def browser(self, address: str = "203.0.113.7", **headers: str) -> httpx.AsyncClient:
        """Return a browser that knows nothing yet."""
        transport = httpx.ASGITransport(app=self.app, client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url=self.origin, headers={**BROWSER, **headers})


def member(file: Path, name: str = "member", *roles: StaffRole) -> str:
    """Add somebody to a staff file, an auditor unless it is said, and return the token."""
    return add(file, name, roles or [StaffRole.AUDITOR], replace=True)


async def sign_in(http: httpx.AsyncClient, token: str, to: str = "/audit") -> httpx.Response:
    """Fill in the form with a token, as somebody does who was sent there from a page."""
    page = await http.get("/sign-in", params={"to": to})
    return await http.post("/sign-in", data={**hidden(page.text), "token": token})


def form(page: str, action: str) -> dict[str, str]:
    """Return the hidden fields of that form of a page which goes there."""
    [found] = [each[0] for each in _FORM.finditer(page) if unescape(each[1]) == action]
    return hidden(found)


# ------------------------------------------------------------ an identity provider


@cache
def a_key(kid: str = "first", owner: str = "the provider") -> RSAKey:
    """Return a key that signs: the same for the same owner, for it takes a while to make one."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass
class IdentityProvider:
    """Speaks OpenID Connect over HTTP: signs in whoever comes, and says of them what a test wants."""

    key: RSAKey
    secret: str | None = SECRET
    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, str | None] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    signed: Any = None
    asked: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    #: The clients of those who ask it, closed with it.
    asked_by: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def app(self) -> FastAPI:
        """Return it as an application."""
        app = FastAPI()
        app.add_api_route("/.well-known/openid-configuration", self._configuration)
        app.add_api_route("/keys", self._keys)
        app.add_api_route("/authorize", self._authorize)
        app.add_api_route("/token", self._token, methods=["POST"])
        return app

    async def _configuration(self) -> dict[str, Any]:
        places = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return {**places, **self.metadata}

    async def _keys(self) -> dict[str, Any]:
        unusable = {"kty": "EC", "crv": "P-0", "x": "AA", "y": "AA", "kid": "unknown"}
        return {"keys": [unusable, *KeySet([self.key]).as_dict(private=False)["keys"]]}

    async def _authorize(self, request: Request) -> RedirectResponse:
        asked = dict(request.query_params)
        self.asked.append(asked)
        code = f"code-{len(self.asked)}"
        self.codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.issuer, **self.answer}
        said = {name: each for name, each in back.items() if each is not None}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(said)}", 303)

    async def _token(self, request: Request) -> JSONResponse:
        said = {name: each[0] for name, each in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(said.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(said["code_verifier"].encode()).digest())
        if asked is None or asked["code_challenge"] != challenge.decode().rstrip("="):
            return JSONResponse({"error": "invalid_grant"}, 400)
        if self.secret and _basic(request.headers.get("authorization", "")) != ["vignettes", self.secret]:
            return JSONResponse({"error": "invalid_client"}, 401)
        return JSONResponse({"id_token": self._id_token(asked["nonce"]), "token_type": "Bearer"})

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        usual = {
            "iss": self.issuer,
            "sub": "248289761001",
            "aud": "vignettes",
            "exp": now + 300,
            "iat": now,
            "nonce": nonce,
            "preferred_username": "Member@Example.com",
            "groups": ["everybody", "audit-team"],
        }
        claims = {name: each for name, each in {**usual, **self.claims}.items() if each is not None}
        return self.signed(claims) if self.signed else self.by(self.key)(claims)

    @staticmethod
    def by(key: RSAKey | OctKey, algorithm: str = "RS256", kid: str = "first") -> Any:
        """Return what signs with a key."""
        return lambda claims: jwt.encode({"alg": algorithm, "kid": kid}, claims, key)

    def way(self, tokens: Tokens, now: Any) -> OpenId:
        """Return the way in by this provider, as the web role would build it."""
        client = ProvidersClient(
            self.issuer, "vignettes", self.secret, "openid profile", f"{ORIGIN}/sign-in/openid/done"
        )
        http = httpx.AsyncClient(trust_env=False, timeout=5, verify=False)
        self.asked_by.append(http)
        return OpenId(Provider(client, http, now), Rules("preferred_username", "groups", GROUPS), tokens.has)


def unsigned(claims: dict[str, Any]) -> str:
    """Return a token of the algorithm "none"."""
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    head, body = (base64.urlsafe_b64encode(_json(part)).decode().rstrip("=") for part in parts)
    return f"{head}.{body}."


def _json(value: Any) -> bytes:
    return JSONResponse(value).body


def _basic(header: str) -> list[str]:
    """Return the name and the secret of a header, read as RFC 6749, 2.3.1 says."""
    decoded = base64.b64decode(header.removeprefix("Basic ")).decode()
    return [unquote_plus(each) for each in decoded.split(":")]


@asynccontextmanager
async def provider(**different: Any) -> AsyncIterator[IdentityProvider]:
    """Run an identity provider on a port of this machine until the block ends."""
    running = IdentityProvider(a_key(), **different)
    async with serving(running.app) as port:
        running.issuer = f"http://127.0.0.1:{port}"
        yield running
        for http in running.asked_by:
            await http.aclose()


async def go(http: httpx.AsyncClient, to: str = "/audit") -> str:
    """Sign in at the provider, and return the address with which it sends the browser back."""
    begun = await http.get("/sign-in/openid", params={"to": to})
    assert begun.status_code == 303, begun.text
    async with httpx.AsyncClient(trust_env=False, verify=False) as elsewhere:
        back = (await elsewhere.get(begun.headers["location"])).headers["location"]
    parts = urlsplit(back)
    return f"{parts.path}?{parts.query}"
