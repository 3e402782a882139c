"""As whom we come to NATS: by a key of our own, over TLS, with answers that nobody else gets to see."""

import os
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from vignettes.runtime.settings import ConfigurationError, Settings

_USER = "U"
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class NatsAccess:
    """What a connection needs beside its address. Without a key or certificates: what NATS asks of nobody."""

    #: Answers come below this subject: where it is this user's alone, no other may listen to them.
    inbox: str
    seed_file: Path | None = None
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings say. Raises ConfigurationError with the way out."""
        if settings.nats_nkey_file:
            public_key(settings.nats_nkey_file)
        return cls(settings.nats_inbox, settings.nats_nkey_file, _tls(settings))

    def options(self) -> dict[str, Any]:
        """Return what nats-py is told.

        Left to itself it speaks plain text to whoever says that TLS is not asked for here, whatever its address and
        certificates are. So it begins with TLS, before the server has said anything.
        """
        known: dict[str, Any] = {"inbox_prefix": self.inbox}
        if self.seed_file:
            known["nkeys_seed"] = str(self.seed_file)
        return {**known, "tls": self.tls, "tls_handshake_first": True} if self.tls else known

    def broker_options(self) -> dict[str, Any]:
        """Return the same as FastStream is told it."""
        from faststream.nats.security import NatsNKey, NatsSecurity  # noqa: PLC0415  # commands do without FastStream

        first = self.tls is not None
        if self.seed_file:
            security: NatsSecurity = NatsNKey(self.seed_file, ssl_context=self.tls, tls_handshake_first=first)
        elif self.tls:
            security = NatsSecurity(ssl_context=self.tls, tls_handshake_first=first)
        else:
            return {"inbox_prefix": self.inbox}
        return {"inbox_prefix": self.inbox, "security": security}


def public_key(seed_file: Path) -> str:
    """Return the public key to a seed, as NATS' configuration names its user."""
    import nkeys  # noqa: PLC0415  # most commands come without a key

    try:
        with seed_file.open("rb") as file:
            mode, seed = stat.S_IMODE(os.fstat(file.fileno()).st_mode), bytearray(file.read(1_000).strip())
    except OSError as error:
        raise ConfigurationError(
            f"VIGNETTES_NATS_NKEY_FILE: {seed_file} can't be read: {error.strerror}."
        ) from None
    if mode & 0o077:
        raise ConfigurationError(
            f"VIGNETTES_NATS_NKEY_FILE: {seed_file} is open to others (mode {mode:04o}). "
            f"Run: chmod 600 {seed_file}"
        )
    try:
        found: str = nkeys.from_seed(seed).public_key.decode()
    except Exception:  # noqa: BLE001  # whatever it trips over in bytes that are no seed; they are not told on
        found = ""
    if not found.startswith(_USER):
        raise ConfigurationError(f"VIGNETTES_NATS_NKEY_FILE: {seed_file} holds no seed of a user's NKEY.")
    return found


def make_seed(file: Path) -> None:
    """Write the seed of a new user into a file that only its owner can read. Refuses one that is there."""
    import nkeys  # noqa: PLC0415

    seed: bytes = nkeys.encode_seed(os.urandom(_SEED_BYTES), nkeys.PREFIX_BYTE_USER)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(f"{file} can't be made: {error.strerror}.") from None
    with os.fdopen(descriptor, "wb") as made:
        made.write(seed + b"\n")


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """Return how NATS' certificate and name are checked: by authorities of one's own, or by the system's."""
    authorities = settings.nats_ca_file
    if authorities is None and "tls://" not in (settings.nats_url or ""):
        return None
    try:
        return ssl.create_default_context(cafile=authorities)
    except OSError as error:  # ssl.SSLError is one of them
        reason = error.strerror or "it holds no certificate in PEM"
        raise ConfigurationError(f"VIGNETTES_NATS_CA_FILE: {authorities} can't be used: {reason}.") from None
