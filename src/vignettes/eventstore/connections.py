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

#: A server that is cut off hangs up on nobody. One that says nothing is asked for a sign of life, and given up after
#: some ten seconds; libpq's own pauses would make that minutes.
_SOON_NOTICED = {
    "connect_timeout": "3",
    "keepalives_idle": "4",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}

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
    return make_conninfo("", **{**_SOON_NOTICED, **known, "options": options, "application_name": name})
