"""An authority or partner as a small TOML file: how it is asked, and how its answers are read."""

import json
import tomllib
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from vignettes.services.authorities import RejectionCode
from vignettes.services.authorities.capabilities import (
    Breaker,
    Capabilities,
    Form,
    Limits,
    Opening,
    Pace,
    Rechecking,
)
from vignettes.services.authorities.templates import Body, DocumentPath, Path, Pointer, Template, revealed

#: Stands for every country.
EVERYWHERE = "*"
Country = Annotated[str, Field(pattern=r"^([A-Z]{2}|\*)$")]
Status = Annotated[int, Field(ge=100, le=599)]


class AuthorityFileError(ValueError):
    """An authority's file can't be used; the text names the file, the field, and what is wrong."""


class Signs(Form):
    """How an answer of one kind is known: by its status and, where that is not enough, by what stands at places."""

    status: Annotated[tuple[Status, ...], Field(min_length=1)]
    where: dict[Pointer, str | int | bool] = Field(default_factory=dict)


class Call(Form):
    """One request."""

    method: Literal["GET", "POST", "PUT"] = "GET"
    path: Path
    query: dict[str, Template] = Field(default_factory=dict)
    headers: dict[str, Template] = Field(default_factory=dict)
    body: Body = None


class Register(Call):
    """The request that registers, and the answers to it. One that shows no sign is no answer."""

    registered: Signs
    rejected: Signs
    covered: Signs | None = None
    #: Where the authority's own code of a rejection stands, and its words.
    code: Pointer | None = None
    reason: Pointer


class Question(Call):
    """A request that changes nothing; it is answered by registrations, or by a sign that there are none."""

    found: Signs
    nothing: Signs | None = None
    #: Where the list stands, or the one registration.
    registrations: Pointer


class Find(Question):
    """After what we may have registered."""

    by: Literal["reference", "vehicle"]


class Places(Form):
    """Where the parts of a registration stand in it. `order` is our reference, given back."""

    number: Pointer
    reference: Pointer
    valid_from: Pointer
    valid_until: Pointer
    registered_at: Pointer
    plate: Pointer | None = None
    order: Pointer | None = None
    authorisation_code: Pointer | None = None
    document: Pointer | None = None


class DocumentAt(Form):
    """The document by a request of its own."""

    path: DocumentPath
    headers: dict[str, Template] = Field(default_factory=dict)


class AuthorityFile(Form):
    """All of it. Without `base_url` it is the address of VIGNETTES_AUTHORITY_URL."""

    countries: Annotated[tuple[Country, ...], Field(min_length=1)]
    base_url: Annotated[str, Field(pattern=r"^https?://[^/?#]+(/[^?#]*)?$")] | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    opening: Opening = Opening()
    limits: Limits = Limits()
    retrying: Pace = Pace(first_seconds=1.0, longest_seconds=20.0, later_seconds=300.0)
    asking: Pace = Pace(first_seconds=0.5, longest_seconds=10.0, later_seconds=60.0)
    breaker: Breaker = Breaker()
    rechecking: Rechecking = Rechecking()
    #: Our products by the names that the authority has for them; others are sent as we call them.
    products: dict[str, str] = Field(default_factory=dict)
    register_: Annotated[Register, Field(alias="register")]
    registration: Places
    find: Find
    cover: Question | None = None
    document: DocumentAt | None = None
    #: The authority's codes for each of ours; one that is not named is `other`.
    codes: dict[RejectionCode, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _tells_what_is_ours(self) -> Self:
        places = self.registration
        if self.cover is not None and (places.plate is None or places.order is None):
            raise ValueError("cover needs registration.plate and registration.order, to tell what is ours")
        if self.find.by == "vehicle" and self.registration.plate is None:
            raise ValueError("find by vehicle needs registration.plate")
        return self

    @property
    def capabilities(self) -> Capabilities:
        """What the service must know of it."""
        return Capabilities(
            finds_by=self.find.by,
            tells_cover=self.cover is not None,
            documents=self.document is not None or self.registration.document is not None,
            opening=self.opening,
            limits=self.limits,
            retrying=self.retrying,
            asking=self.asking,
            breaker=self.breaker,
            rechecking=self.rechecking,
        )

    def code_for(self, theirs: object) -> RejectionCode:
        """Return our code for one of the authority's."""
        ours = [ours for ours, known in self.codes.items() if str(theirs) in known]
        return ours[0] if ours else "other"

    def headers_with_secrets(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the headers of every request. Raises AuthorityFileError for a secret that is not set."""
        return {name: revealed(value, _secrets(name, environment)) for name, value in self.headers.items()}


def _secrets(header: str, environment: Mapping[str, str]) -> Callable[[str], str]:
    def secret(name: str) -> str:
        if not environment.get(name):
            raise AuthorityFileError(f"headers.{header}: {name} is not set in the environment")
        return environment[name]

    return secret


def bundled() -> AuthorityFile:
    """Return the interface that the sandbox speaks, for every country without a file of its own."""
    name = "sandbox.toml"
    return _parsed(name, files(__package__).joinpath(name).read_text(encoding="utf-8"))


def read(folder: FilePath) -> dict[str, AuthorityFile]:
    """Return the authorities of a folder by country. Raises AuthorityFileError for the first that can't be used."""
    if not folder.is_dir():
        raise AuthorityFileError(f"{folder} is no folder")
    found: dict[str, AuthorityFile] = {}
    for path in sorted(folder.glob("*.toml")):
        authority = _parsed(path.name, _text(path))
        if twice := sorted(found.keys() & set(authority.countries)):
            raise AuthorityFileError(f"{path.name}: countries: {twice[0]} has a file already")
        found |= dict.fromkeys(authority.countries, authority)
    return found


def _text(path: FilePath) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AuthorityFileError(f"{path.name}: can't be read ({type(error).__name__})") from None


def _parsed(name: str, text: str) -> AuthorityFile:
    try:
        # By way of JSON: there lists and times have the forms that strict reading takes.
        return AuthorityFile.model_validate_json(json.dumps(tomllib.loads(text), default=str))
    except tomllib.TOMLDecodeError as error:
        raise AuthorityFileError(f"{name}: {error}") from None
    except ValidationError as error:
        raise AuthorityFileError(f"{name}: {'; '.join(_in_words(error))}") from None


def _in_words(error: ValidationError) -> list[str]:
    return [
        ": ".join(filter(None, [".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, ")]))
        for each in error.errors(include_url=False, include_input=False)
    ]
