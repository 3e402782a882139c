"""The providers whose notices we take, as a small TOML file. Secrets stand elsewhere: it names where."""

import json
import stat
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

_SHORTEST_SECRET = 16
_LONGEST_FILE = 4096


class ProviderFileError(ValueError):
    """The providers' file, or a secret of it, can't be used; the text names the provider and what is wrong."""


class Form(BaseModel):
    """Strict, and silent on what stands in the file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Secret(Form):
    """Where a secret is: in a variable of the environment, or in a file, seen from the folder of this one."""

    env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("takes either env or file")
        return self

    def revealed(self, folder: Path, environment: Mapping[str, str]) -> str:
        """Return the secret. Raises ProviderFileError, which never quotes it."""
        text = environment.get(self.env, "") if self.env else _kept(folder / (self.file or ""))
        if not text:
            raise ProviderFileError(f"{self.env or self.file} holds no secret")
        if len(text) < _SHORTEST_SECRET or not text.isprintable():
            raise ProviderFileError(
                f"the secret of {self.env or self.file} is not a line of {_SHORTEST_SECRET} characters or more"
            )
        return text


def _kept(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            mode = path.stat().st_mode
            text = file.read(_LONGEST_FILE)
    except (OSError, UnicodeDecodeError) as error:
        raise ProviderFileError(f"{path} can't be read ({type(error).__name__})") from None
    if mode & (stat.S_IWGRP | stat.S_IRWXO):
        raise ProviderFileError(f"{path} is open to others. Run: chmod 600 {path}")
    return text.strip()


def _only_to_them(url: str) -> str:
    """Refuse to send the secret where others may read it on the way."""
    parts = urlsplit(url)
    _ = parts.port  # raises ValueError itself for a port that is none
    if parts.scheme == "https" and parts.hostname and parts.username is None:
        return url
    if parts.scheme == "http" and parts.hostname and _is_loopback(parts.hostname):
        return url
    raise ValueError("is no https:// address (http:// is for this machine only)")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ProviderForm(Form):
    """What every provider has. `test`: its notices never stand for money, whatever they say."""

    test: bool = False


class SigningForm(ProviderForm):
    """One that signs. Several secrets while a new one takes the place of the old; seconds of age either way."""

    scheme: Literal["signed-json", "stripe"]
    secrets: Annotated[tuple[Secret, ...], Field(min_length=1, max_length=4)]
    tolerance_seconds: Annotated[int, Field(ge=1, le=3600)] = 300


class AskedForm(ProviderForm):
    """One that is asked after each notice. It `settles` singly where each payment is a line of the bank statement."""

    scheme: Literal["comgate"]
    merchant: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
    secret: Secret
    url: Annotated[str, AfterValidator(_only_to_them)] = "https://payments.comgate.cz/v1.0/status"
    settles: Literal["singly", "together"] = "together"


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
AnyForm = Annotated[SigningForm | AskedForm, Field(discriminator="scheme")]
_FILE: TypeAdapter[dict[Name, AnyForm]] = TypeAdapter(dict[Name, AnyForm])


def read(path: Path) -> dict[str, SigningForm | AskedForm]:
    """Return the providers by the name in their address. Raises ProviderFileError."""
    try:
        # By way of JSON: there lists have the form that strict reading takes.
        return _FILE.validate_json(json.dumps(tomllib.loads(path.read_text(encoding="utf-8")), default=str))
    except (OSError, UnicodeDecodeError) as error:
        raise ProviderFileError(f"can't be read ({type(error).__name__})") from None
    except tomllib.TOMLDecodeError as error:
        raise ProviderFileError(str(error)) from None
    except ValidationError as error:
        raise ProviderFileError("; ".join(_in_words(error))) from None


def _in_words(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}"
        for each in error.errors(include_url=False, include_input=False)
    ]
