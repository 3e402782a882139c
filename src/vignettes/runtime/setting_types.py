"""What settings are made of: each type refuses what it can't be, in words that complete the variable's name."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Field
from stdnum import iban
from stdnum.exceptions import ValidationError as InvalidNumber

from vignettes.services.authorities import files
from vignettes.services.notices import files as providers
from vignettes.services.payments import limits


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _check_url(value: str, *schemes: str, host: bool = True) -> str:
    parts = urlsplit(value)
    if parts.scheme not in schemes:
        raise ValueError("is not a URL that begins with " + " or ".join(f"{s}://" for s in schemes))
    if host and not parts.hostname:
        raise ValueError("names no host")
    _ = parts.port  # raises ValueError itself for a port that is none
    return value.rstrip("/")


def _web(value: str) -> str:
    return _check_url(value, "http", "https")


def _postgres(value: str) -> str:
    """Take several hosts with commas, too: libpq tries one after the other."""
    parts = urlsplit(value)
    login, at, hosts = parts.netloc.rpartition("@")
    for host in hosts.split(","):
        one = urlunsplit(parts._replace(netloc=login + at + host))
        _check_url(one, "postgresql", "postgres", host=False)
    return value.rstrip("/")


def _smtp(value: str) -> str:
    return _check_url(value, "smtp", "smtps")


def _nats(value: str) -> str:
    return ",".join(_check_url(one.strip(), "nats", "tls", "ws", "wss") for one in value.split(","))


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _account(value: str) -> str:
    try:
        return iban.validate(value)
    except InvalidNumber:
        raise ValueError("is not an IBAN with correct check digits") from None


def _limits(value: str) -> str:
    limits.limits(value)
    return value


def _webhooks(path: Path) -> Path:
    """Refuse what would only come to light with the first notice; secrets are looked for by who needs them."""
    providers.read(path)
    return path


def _authorities(folder: Path) -> Path:
    """Refuse what would only come to light with the first order: the text names file and field."""
    files.read(folder)
    return folder


FilePath = Annotated[Path, AfterValidator(_absolute)]
Port = Annotated[int, Field(ge=1, le=65535)]
PortOrAny = Annotated[int, Field(ge=0, le=65535)]
WebhooksFile = Annotated[Path, AfterValidator(_absolute), AfterValidator(_webhooks)]
AuthoritiesDir = Annotated[Path, AfterValidator(_absolute), AfterValidator(_authorities)]
PostgresUrl = Annotated[str, AfterValidator(_postgres)]
NatsUrls = Annotated[str, AfterValidator(_nats)]
SmtpUrl = Annotated[str, AfterValidator(_smtp)]
WebUrl = Annotated[str, AfterValidator(_web)]
Account = Annotated[str, AfterValidator(_account)]
Limits = Annotated[str, AfterValidator(_limits)]
LowerCase = BeforeValidator(_lower)
