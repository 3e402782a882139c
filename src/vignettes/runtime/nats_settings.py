"""Settings of NATS beyond its address: as whom we come, whom we believe, and how many servers keep what we publish."""

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from vignettes.runtime.installation import Installation
from vignettes.runtime.setting_types import FilePath

_COUNTS = (1, 3, 5)


def _odd(value: int) -> int:
    if value not in _COUNTS:
        raise ValueError("is none of 1, 3 and 5")
    return value


Replicas = Annotated[int, AfterValidator(_odd)]


class NatsSettings(Installation):
    """How we come to NATS on servers of one's own."""

    nats_nkey_file: FilePath | None = Field(
        None,
        description="a file of the NKEY seed by which NATS knows this process, that only its owner can read, "
        "or nothing where NATS knows nobody",
    )
    nats_inbox: str = Field(
        "_INBOX",
        pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
        description="the subject below which answers come, such as _INBOX.ordering where each role has its own",
    )
    nats_ca_file: FilePath | None = Field(
        None,
        description="a file of certificates in PEM by which that of NATS is checked, or nothing for the system's",
    )
    nats_replicas: Replicas = Field(
        1, description="how many servers of a NATS cluster keep each stream: 1, 3 or 5"
    )


def plain_addresses(urls: str) -> list[str]:
    """Return the hosts of NATS that are not of this machine, and would be spoken to in plain text."""
    addresses = [urlsplit(one) for one in urls.split(",")]
    return [
        one.hostname or "" for one in addresses if one.scheme in {"nats", "ws"} and not _is_here(one.hostname)
    ]


def _is_here(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:  # a name
        return host == "localhost"
