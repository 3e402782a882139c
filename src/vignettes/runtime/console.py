"""What all commands share: where they print, whom they act for, and how they come by their settings."""

import getpass
from datetime import datetime
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console

from vignettes.runtime import logs
from vignettes.runtime.settings import Settings, load_settings, unknown_variables

log = structlog.get_logger(__name__)

out = Console()
err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as containers have
        return "operator"


Actor = Annotated[
    str,
    typer.Option(
        default_factory=_login, show_default="your login", help="Who decided it; kept in the history."
    ),
]


def instant(text: str) -> datetime:
    """Read a time as RFC 3339 writes it; without an offset it is this machine's."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise typer.BadParameter(f"{text} is no time such as 2026-12-01T12:00:00+01:00.") from None


def served(text: str) -> str:
    """Return a country that we serve, by its ISO 3166 code. Any other is a misuse."""
    from vignettes.domain.catalogue import ZONES  # noqa: PLC0415  # --help needs no catalogue

    if text.upper() not in ZONES:
        raise typer.BadParameter(f"{text}: there are {', '.join(ZONES)}.")
    return text.upper()


OneCountry = Annotated[
    str | None,
    typer.Option("--country", parser=served, metavar="COUNTRY", help="Only of this one, such as RO."),
]


def answered(reply: dict[str, Any]) -> dict[str, Any]:
    """Return what the service has answered; end with exit code 1 where it refused, in its words."""
    if not reply["ok"]:
        error = reply["error"]
        named = f" {error['field']}:" if error.get("field") else ""
        err.print(f"[red]{error['code']}[/]:{named} {error['message']}", highlight=False)
        raise typer.Exit(1)
    return reply


def settings_for(role: str, **overrides: Any) -> Settings:
    """Return the settings of this process, with its logs set up and mistyped variables named."""
    settings = load_settings(**overrides)
    logs.configure(settings.log_format, settings.log_level, role)
    for warning in unknown_variables():
        log.warning("settings.unknown", warning=warning)
    return settings
