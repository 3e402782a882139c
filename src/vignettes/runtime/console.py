"""What all commands share: where they print, and how they come by their settings."""

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


def settings_for(role: str, **overrides: Any) -> Settings:
    """Return the settings of this process, with its logs set up and mistyped variables named."""
    settings = load_settings(**overrides)
    logs.configure(settings.log_format, settings.log_level, role)
    for warning in unknown_variables():
        log.warning("settings.unknown", warning=warning)
    return settings
