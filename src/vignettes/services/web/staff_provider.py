"""An identity provider, asked by OpenID Connect; what it says is believed only as far as its signature goes."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, import_key
from pydantic import BaseModel, ValidationError

#: Signatures by keys that the provider alone has. None that our own secret, or nothing, would make.
_ALGORITHMS: Final = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]
#: By how much the provider's clock may differ from ours.
_LEEWAY_SECONDS: Final = 60
#: How long what a provider tells of itself is believed, and how often its keys are fetched anew at most.
_KNOWN_SECONDS: Final = 3600.0
_KEYS_AGAIN_SECONDS: Final = 30.0

_KEY_TYPES: Final = frozenset({"RSA", "EC", "OKP"})

Claims = Mapping[str, Any]
_Said = TypeVar("_Said", bound=BaseModel)


class ProviderFailed(Exception):
    """The provider said nothing that could be believed; `is_absent`: it said nothing at all."""

    def __init__(self, reason: str, *, is_absent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_absent = is_absent


@dataclass(frozen=True, slots=True)
class Client:
    """What we are to a provider. Without a secret we are a public client, that PKCE alone protects."""

    issuer: str
    client_id: str
    secret: str | None = field(repr=False)
    scopes: str
    redirect_uri: str


class _Metadata(BaseModel):
    """What a provider tells of itself (OpenID Connect Discovery 1.0, section 3), as far as we go by it."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(BaseModel):
    id_token: str


class _Keys(BaseModel):
    keys: list[dict[str, Any]]


class Provider:
    """One identity provider. `clock` gives seconds of the epoch."""

    def __init__(
        self, client: Client, http: httpx.AsyncClient, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._http = http
        self._clock = clock
        self._metadata: tuple[float, _Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None
        #: Which provider, and which client of it, sessions were begun with.
        self.mark: Final = hashlib.sha256(f"{client.issuer} {client.client_id}".encode()).hexdigest()[:16]

    async def address(self, question: Mapping[str, str]) -> str:
        """Return where somebody is sent to sign in, with this question. Raises ProviderFailed."""
        metadata = await self._known()
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": self._client.scopes,
            **question,
        }
        joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return f"{metadata.authorization_endpoint}{joint}{urlencode(asked)}"

    async def claims(self, answer: Mapping[str, str], verifier: str, nonce: str) -> Claims:
        """Return what the provider says of whoever came back with an answer. Raises ProviderFailed."""
        metadata = await self._known()
        # A provider that names itself must be the one that was asked; some say that they do (RFC 9207, section 2.4).
        unnamed = None if metadata.authorization_response_iss_parameter_supported else metadata.issuer
        if answer.get("iss", unnamed) != metadata.issuer:
            raise ProviderFailed("another_issuer")
        text = await self._id_token(metadata, answer.get("code", ""), verifier)
        claims = await self._verified(metadata, text)
        self._check(metadata, claims, nonce)
        return claims

    async def _known(self) -> _Metadata:
        """Return what the provider tells of itself."""
        now = self._clock()
        if self._metadata is None or now > self._metadata[0] + _KNOWN_SECONDS:
            address = f"{self._client.issuer}/.well-known/openid-configuration"
            self._metadata = (now, self._fit(await self._asked("GET", address, _Metadata)))
        return self._metadata[1]

    def _fit(self, metadata: _Metadata) -> _Metadata:
        """Refuse what another provider tells of itself, and addresses less safe than the one that we were given."""
        scheme = urlsplit(self._client.issuer).scheme
        if metadata.issuer.rstrip("/") != self._client.issuer:
            raise ProviderFailed("another_issuer")
        addresses = (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri)
        if any(urlsplit(each).scheme not in {"https", scheme} for each in addresses):
            raise ProviderFailed("unsafe_address")
        return metadata

    async def _id_token(self, metadata: _Metadata, code: str, verifier: str) -> str:
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.redirect_uri,
            "code_verifier": verifier,
            "client_id": self._client.client_id,
        }
        auth = None
        if self._client.secret is not None:
            if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
                # RFC 6749, section 2.3.1: encoded as in a form, before they become a header.
                auth = httpx.BasicAuth(
                    *(quote(each, safe="") for each in (self._client.client_id, self._client.secret))
                )
            else:
                body["client_secret"] = self._client.secret
        found = await self._asked("POST", metadata.token_endpoint, _Tokens, data=body, auth=auth)
        return found.id_token

    async def _verified(self, metadata: _Metadata, text: str) -> Claims:
        """Return the claims of a token that one of the provider's keys has signed; it may have new ones."""
        try:
            try:
                return _claims(text, await self._fetched(metadata, _KNOWN_SECONDS))
            except JoseError:
                return _claims(text, await self._fetched(metadata, _KEYS_AGAIN_SECONDS))
        except (JoseError, ValueError) as error:
            raise ProviderFailed(type(error).__name__) from None

    async def _fetched(self, metadata: _Metadata, seconds: float) -> KeySet:
        """Return the provider's keys, as they were no longer ago than that."""
        now = self._clock()
        if self._keys is None or now >= self._keys[0] + seconds:
            found = await self._asked("GET", metadata.jwks_uri, _Keys)
            self._keys = (now, KeySet([*_usable(found.keys)]))
        return self._keys[1]

    def _check(self, metadata: _Metadata, claims: Claims, nonce: str) -> None:
        """Refuse a word that is old, or was meant for another client or another browser."""
        own = self._client.client_id
        rules = jwt.JWTClaimsRegistry(
            now=int(self._clock()),
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": metadata.issuer},
            aud={"essential": True, "value": own},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            rules.validate(dict(claims))
        except JoseError as error:
            raise ProviderFailed(str(error.error)) from None
        audience = claims["aud"]
        if claims.get("azp", own) != own or (
            isinstance(audience, list) and set(audience) != {own} and "azp" not in claims
        ):
            raise ProviderFailed("another_client")

    async def _asked(self, method: str, address: str, form: type[_Said], **said: Any) -> _Said:
        """Return what an address of the provider answers, in its form."""
        try:
            answer = await self._http.request(method, address, **said)
        except httpx.HTTPError as error:
            raise ProviderFailed(type(error).__name__, is_absent=True) from None
        if not answer.is_success:
            raise ProviderFailed(f"status_{answer.status_code}", is_absent=answer.is_server_error)
        try:
            return form.model_validate_json(answer.content)
        except ValidationError:
            raise ProviderFailed("unreadable") from None


def _usable(keys: Sequence[dict[str, Any]]) -> Iterator[Key]:
    """Return the keys that sign, as far as we can read them: a provider may have others for other clients."""
    for key in keys:
        if key.get("kty") in _KEY_TYPES and key.get("use") != "enc":
            with suppress(JoseError, ValueError, LookupError, TypeError):
                yield import_key(key)


def _claims(text: str, keys: KeySet) -> Claims:
    return jwt.decode(text, keys, algorithms=_ALGORITHMS).claims
