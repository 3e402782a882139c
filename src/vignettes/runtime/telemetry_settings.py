"""Settings of what is told about the service's own work: traces."""

from pydantic import Field

from vignettes.runtime.installation import Installation
from vignettes.runtime.setting_types import WebUrl


class TelemetrySettings(Installation):
    """Where traces go."""

    otlp_url: WebUrl | None = Field(
        None,
        description="the http(s):// address of an OpenTelemetry collector, such as http://127.0.0.1:4318, or nothing",
    )
    trace_share: float = Field(
        1.0, ge=0, le=1, description="of how many orders traces are sent: 0 for none to 1 for all"
    )
