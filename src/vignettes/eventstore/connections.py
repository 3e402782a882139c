"""How this service connects to PostgreSQL: as which role, with which limits."""

from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Role = Literal[
    "vignettes_owner",
    "vignettes_writer",
    "vignettes_projector",
    "vignettes_reader",
    "vignettes_auditor",
    "vignettes_ledger",
]

#: For a connection that changes nothing, whatever its role may.
READ_ONLY = "-c default_transaction_read_only=on"


def conninfo(url: str, role: Role, *, name: str = "vignettes", options: str = "") -> str:
    """Return `url` as a connection that acts as `role`, with time limits on everything that could wait for ever."""
    known = {key: value for key, value in conninfo_to_dict(url).items() if value is not None}
    options = " ".join(
        [
            options,
            str(known.get("options", "")),
            f"-c role={role}",
            "-c timezone=UTC",
            "-c statement_timeout=30s",
            "-c lock_timeout=10s",
            "-c idle_in_transaction_session_timeout=30s",
        ]
    ).strip()
    limits = {"connect_timeout": "5", "tcp_user_timeout": "10000", "keepalives_idle": "10"}
    return make_conninfo("", **{**limits, **known, "options": options, "application_name": name})
