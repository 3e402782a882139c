"""Everything that may differ between two installations, read once from the environment and `.env`.

A wrong value never becomes a stack trace: it is answered with the name of the variable, what is wrong with
it, and what it takes instead, because whoever reads that is usually in the middle of a deployment.
"""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from dotenv import dotenv_values
from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from vignettes.runtime.audit_settings import AuditSettings
from vignettes.runtime.installation import PREFIX
from vignettes.runtime.mail_addresses import Mailbox, PlainAddress, returns_at
from vignettes.runtime.nats_settings import NatsSettings, plain_addresses
from vignettes.runtime.proxies import Proxies
from vignettes.runtime.setting_types import (
    Account,
    AuthoritiesDir,
    FilePath,
    Limits,
    LowerCase,
    NatsUrls,
    Port,
    PortOrAny,
    PostgresUrl,
    SmtpUrl,
    WebhooksFile,
    WebUrl,
)
from vignettes.runtime.staff_settings import StaffSettings
from vignettes.runtime.telemetry_settings import TelemetrySettings

EXAMPLE_IBAN: Final = "CZ6508000000192000145399"
#: Set by the supervisor for its children, not by people.
SPOKEN_BETWEEN_PROCESSES: Final = frozenset({"RESTARTS"})
#: Five minutes after payment is the promise for same-day orders; the rest is ours.
MAX_GRACE_SECONDS: Final = 240

Origin = Literal["default", "environment", ".env", "command line"]


class ConfigurationError(Exception):
    """The settings can't be used; the text says which, why, and the way out."""


class Settings(AuditSettings, NatsSettings, StaffSettings, TelemetrySettings):
    """One installation. Each description completes the sentence "takes ..." in messages and help."""

    master_key_file: FilePath = Field(
        default_factory=lambda data: data.get("data_dir", Path(".data")) / "master.key",
        description="a file of 64 hexadecimal digits that only its owner can read",
    )
    previous_master_key_file: FilePath | None = Field(
        None, description="the file of the master key before this one, until `vignettes keys rotate` is done"
    )

    database_url: PostgresUrl | None = Field(
        None,
        repr=False,
        description="postgresql://user:password@host:port/name (several hosts with commas), or nothing for the "
        "embedded server",
    )
    nats_url: NatsUrls | None = Field(
        None,
        repr=False,
        description="nats://host:port (several with commas), or nothing for the embedded server",
    )
    nats_port: PortOrAny = Field(
        4222, description="the port of the NATS server that we start, 1 to 65535, or 0 for any free one"
    )
    http_port: Port = Field(8000, description="the port of the web pages, 1 to 65535")
    public_url: WebUrl = Field(
        default_factory=lambda data: f"http://127.0.0.1:{data.get('http_port', 8000)}",
        description="the http:// or https:// address under which drivers reach the web pages",
    )
    trusted_proxies: Proxies = Field(
        "",
        description="addresses and networks such as 127.0.0.1, 10.0.0.0/8 of the proxies before the web pages, "
        "or nothing; without them everybody behind a proxy counts as one visitor",
    )
    smtp_url: SmtpUrl | None = Field(
        None,
        repr=False,
        description="smtp://user:password@host:port or smtps://..., or nothing for the sandbox's inbox",
    )
    authority_url: WebUrl | None = Field(
        None,
        repr=False,
        description="the http(s):// address of the toll authority's interface, or nothing for the sandbox's",
    )
    authorities_dir: AuthoritiesDir | None = Field(
        None,
        description="a folder of *.toml files, one for each authority or partner, or nothing for one authority",
    )
    webhooks_file: WebhooksFile | None = Field(
        None,
        description="a *.toml file of the payment providers whose notices are taken, or nothing for none",
    )
    bank_folder: FilePath | None = Field(
        None,
        description="a folder in whose in/ bank files are dropped to be imported, or nothing to watch none",
    )
    sandbox_authority_port: PortOrAny = Field(0, description="a port, or 0 for any free one")
    sandbox_smtp_port: PortOrAny = Field(0, description="a port, or 0 for any free one")

    mail_from: Mailbox = Field(
        "Vignettes <orders@vignettes.example>", description="the sender of our mails, one mail address"
    )
    return_address: PlainAddress = Field(
        default_factory=returns_at,
        description="the mail address to which undelivered mails come back, each with a +tag of its own",
    )
    returns_folder: FilePath | None = Field(
        None,
        description="the Maildir to which the mail server delivers what comes back, or nothing to read none",
    )
    dkim_key_file: FilePath | None = Field(
        None,
        description="a file of an RSA key in PEM that only its owner can read, or nothing to sign no mails",
    )
    dkim_selector: str = Field(
        "vignettes",
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="the name under which the DNS holds the public key: small letters, digits and hyphens",
    )
    support_email: Mailbox | None = Field(None, description="the mail address of support, or nothing")
    support_whatsapp: str | None = Field(
        None,
        pattern=r"^\+[1-9][0-9 ]{5,20}$",
        description="a telephone number such as +420 600 000 000, or nothing",
    )
    payee_name: str = Field(
        "Vignettes Example",
        min_length=1,
        max_length=70,
        description="the account's owner, at most 70 letters",
    )
    payee_iban: Account = Field(EXAMPLE_IBAN, description="the IBAN of the account that drivers pay to")
    refunds_approved_up_to: Limits = Field(
        "",
        description="amounts such as EUR 50, CZK 1200, or nothing for a person to approve each refund",
    )

    lead_hours: int = Field(
        12, gt=0, description="how many hours before its start a vignette is registered, over 0"
    )
    same_day_grace_seconds: int = Field(
        60,
        ge=0,
        le=MAX_GRACE_SECONDS,
        description=f"seconds to correct a same-day order, 0 to {MAX_GRACE_SECONDS}",
    )
    consent_needed: bool = Field(
        False,
        description="refuse a start at once within 14 days of the order without the customer's express request",
    )
    unpaid_expiry_days: int = Field(
        14, gt=0, description="after how many days an unpaid order expires, over 0"
    )
    support_kept_days: int = Field(
        730,
        gt=0,
        description="after how many days whoever asked about no order of ours is forgotten, over 0",
    )
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto, json or console")
    log_level: Annotated[Literal["debug", "info", "warning", "error"], LowerCase] = Field(
        "info", description="debug, info, warning or error"
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        problems = [*self._sandbox_problems(), *self._production_problems()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _sandbox_problems(self) -> list[str]:
        if self.clock == "movable" and not self.sandbox:
            way_out = "set VIGNETTES_SANDBOX=true as well, or VIGNETTES_CLOCK=system."
            return [f"VIGNETTES_CLOCK=movable is for the sandbox only: {way_out}"]
        return []

    def _production_problems(self) -> list[str]:
        """Refuse what stands in for the outside on a laptop: in earnest it would lose orders or money."""
        if self.environment != "production":
            return []
        problems = []
        if self.sandbox:
            problems.append(
                "VIGNETTES_SANDBOX=true is refused with VIGNETTES_ENVIRONMENT=production, because the "
                "sandbox sells vignettes that no authority knows: remove one of the two."
            )
        if self.nats_ca_file is None and (plain := plain_addresses(self.nats_url or "")):
            problems.append(
                f"VIGNETTES_NATS_URL names {', '.join(plain)} without TLS, which is refused with "
                "VIGNETTES_ENVIRONMENT=production: what customers write would be read on the way. Use tls://..., and "
                "VIGNETTES_NATS_CA_FILE where the authority of its certificate is your own."
            )
        given = {
            "database_url",
            "nats_url",
            "smtp_url",
            "authority_url",
            "public_url",
            "payee_name",
            "payee_iban",
        }
        problems.extend(
            f"{variable(name)} must be set with VIGNETTES_ENVIRONMENT=production: its default is for local "
            f"runs. It takes {Settings.model_fields[name].description}."
            for name in sorted(given - self.model_fields_set)
        )
        return problems


def variable(field: str) -> str:
    """Give the environment variable of a field of Settings."""
    return PREFIX + field.upper()


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; an override (from the command line) wins, and one of None means "not given".

    Raises ConfigurationError with one line for each setting that can't be used.
    """
    _refuse_unsafe_library_mode()
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as refused:
        raise ConfigurationError("\n".join(_in_words(error, given) for error in _real(refused))) from None


def _real(refused: ValidationError) -> list[ErrorDetails]:
    return [e for e in refused.errors(include_url=False) if e["type"] != "default_factory_not_called"]


def _in_words(error: ErrorDetails, given: dict[str, Any]) -> str:
    field = str(error["loc"][0]).lower().removeprefix(PREFIX.lower()) if error["loc"] else ""
    reason = error["msg"].removeprefix("Value error, ")
    if field not in Settings.model_fields:
        return reason
    reason = reason[0].lower() + reason[1:]
    return (
        f"{variable(field)}: {hide_secrets(str(error['input']))!r} ({_origin_of(field, given)}) is refused: "
        f"{reason}. It takes {Settings.model_fields[field].description}."
    )


def _refuse_unsafe_library_mode() -> None:
    """Guard the order of the log: this switch of the event library inserts without the append lock."""
    value = os.environ.get("POSTGRES_ENABLE_DB_FUNCTIONS", "")
    if value.strip().lower() in {"y", "yes", "t", "true", "on", "1"}:
        raise ConfigurationError(
            f"POSTGRES_ENABLE_DB_FUNCTIONS={value} is refused: events would be inserted without the append "
            "lock, and a reader that follows the log could skip some for ever. Unset it."
        )


def _environment() -> dict[str, str]:
    return {name.upper(): value for name, value in os.environ.items() if value}


def _dotenv() -> dict[str, str]:
    return {name.upper(): value for name, value in dotenv_values(".env").items() if value}


def unknown_variables() -> list[str]:
    """Warn of variables with our prefix that mean nothing: a misspelt setting would stay at its default."""
    known = {variable(field) for field in (*Settings.model_fields, *SPOKEN_BETWEEN_PROCESSES)}
    found = {name for name in (_environment() | _dotenv()) if name.startswith(PREFIX)}
    return [_misspelt(name, known) for name in sorted(found - known)]


def _misspelt(name: str, known: set[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    hint = f"did you mean {close[0]}?" if close else "see `vignettes settings` for those that exist."
    return f"{name} is not a setting and has no effect: {hint}"


def origins(settings: Settings, **overrides: Any) -> list[tuple[str, str, Origin]]:
    """Show each setting as (variable, value without secrets, origin); overrides as given to load_settings."""
    given = {name: value for name, value in overrides.items() if value is not None}
    return [
        (variable(field), _shown(getattr(settings, field)), _origin_of(field, given))
        for field in Settings.model_fields
    ]


def is_set(field: str) -> bool:
    """Tell whether the environment or `.env` says something about a setting."""
    return _origin_of(field, {}) != "default"


def _origin_of(field: str, given: dict[str, Any]) -> Origin:
    if field in given:
        return "command line"
    if variable(field) in _environment():
        return "environment"
    return ".env" if variable(field) in _dotenv() else "default"


def _shown(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else hide_secrets(str(value))


def hide_secrets(text: str) -> str:
    """Replace what lets somebody in: passwords and tokens inside (a comma list of) URLs."""
    if "://" not in text:
        return text
    return ",".join(_hide_in_url(one) for one in text.split(","))


def _hide_in_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(hidden)"
    if "@" not in parts.netloc and not parts.query:
        return url
    login, at, host = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    login = f"{user}:***" if colon else "***" if login and parts.scheme in {"nats", "tls"} else login
    return urlunsplit(parts._replace(netloc=f"{login}{at}{host}", query=_hide_in_query(parts.query)))


def _hide_in_query(query: str) -> str:
    secret = ("pass", "token", "secret", "key")
    pairs = parse_qsl(query, keep_blank_values=True)
    hidden = [(name, "***" if any(s in name.lower() for s in secret) else value) for name, value in pairs]
    return urlencode(hidden, safe="*/:")
