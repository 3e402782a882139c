"""What all other settings of an installation build upon: where it is, and whether it is in earnest."""

from pathlib import Path
from typing import Final, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from vignettes.runtime.setting_types import FilePath

PREFIX: Final = "VIGNETTES_"


class Installation(BaseSettings):
    """The settings that the defaults of others follow from."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    environment: Literal["local", "production"] = Field("local", description="local or production")
    sandbox: bool = Field(default=False, description="true (stand-ins for authority, mail, clock) or false")
    clock: Literal["system", "movable"] = Field("system", description="system, or movable in the sandbox")
    data_dir: FilePath = Field(
        Path(".data"), validate_default=True, description="a directory we may write to"
    )
