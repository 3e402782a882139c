"""Settings of the ledger: who signs its heads, how often, and where they are kept outside the database."""

from pathlib import Path

from pydantic import Field

from vignettes.runtime.installation import Installation
from vignettes.runtime.setting_types import FilePath, WebUrl


class AuditSettings(Installation):
    """What auditors rely on."""

    ledger_origin: str = Field(
        "vignettes/log",
        pattern=r"^[!-*,-~]{1,100}$",
        description="the name of the log within its signed heads, without spaces or +",
    )
    ledger_key_file: FilePath = Field(
        default_factory=lambda data: data.get("data_dir", Path(".data")) / "ledger.key",
        description="a file of an Ed25519 key in PEM that only its owner can read",
    )
    heads_folder: FilePath = Field(
        default_factory=lambda data: data.get("data_dir", Path(".data")) / "heads",
        description="a folder outside the database in which signed heads are kept, best on another machine",
    )
    heads_url: WebUrl | None = Field(
        None, description="an http(s):// address to which each signed head is posted as well, or nothing"
    )
    head_seconds: int = Field(
        10, ge=1, le=60, description="how many seconds after an event a head is signed at the latest, 1 to 60"
    )
    timestamp_url: WebUrl | None = Field(
        None, description="the http(s):// address of an RFC 3161 time stamp authority, or nothing"
    )
    timestamp_minutes: int = Field(
        60, ge=1, description="how many minutes lie between two heads that are time-stamped, over 0"
    )
