"""Master keys: they wrap all other keys, and never leave where they are kept. A file here; a KMS fits the same port."""

import hashlib
import os
from collections.abc import Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection
from psycopg.rows import DictRow

_NONCE_BYTES = 12
_SECRET_BYTES = 32
#: What links, hashes of bodies and the blind index are derived from; it stays when the master key is replaced.
_ROOT = "root"

_KEEP = "INSERT INTO personal.secrets (name, master, wrapped) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_ALL = "SELECT * FROM personal.secrets FOR UPDATE"
_WRAP = "UPDATE personal.secrets SET master = %s, wrapped = %s WHERE name = %s"
_FIND = "SELECT master, wrapped FROM personal.secrets WHERE name = %s"


class WrongMasterKey(Exception):
    """The master key at hand does not open what another one closed: restore it, or name it as the previous one."""


class MasterKeys(Protocol):
    """Whoever wraps keys: `current` names the key that wraps what is new, `context` says what a key is for.

    `unwrap` raises WrongMasterKey for a key that it does not have, or that does not fit.
    """

    current: str

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """Return `plain`, closed by the current key for this context only."""

    def unwrap(self, master: str, wrapped: bytes, context: bytes) -> bytes:
        """Return what `master` closed."""


class LocalMasterKeys:
    """Keys that are at hand as bytes, the current one first: AES-256-GCM, the context as associated data."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_name_of(key): AESGCM(key) for key in reversed(keys)}
        self.current = _name_of(keys[0])

    def wrap(self, plain: bytes, context: bytes) -> bytes:
        """Return nonce, ciphertext and tag."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[self.current].encrypt(nonce, plain, context)

    def unwrap(self, master: str, wrapped: bytes, context: bytes) -> bytes:
        """Return what `master` closed; WrongMasterKey when it is not here, or does not fit."""
        try:
            cipher = self._ciphers[master]
            return cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)
        except (KeyError, InvalidTag):
            raise WrongMasterKey(f"{WrongMasterKey.__doc__} It was {master}.") from None


def wrap_secrets_anew(connection: Connection[DictRow], masters: MasterKeys) -> None:
    """Wrap the service's own secrets by the current master key."""
    with connection.transaction():
        for row in connection.execute(_ALL).fetchall():
            context = row["name"].encode()
            secret = masters.unwrap(row["master"], bytes(row["wrapped"]), context)
            connection.execute(_WRAP, (masters.current, masters.wrap(secret, context), row["name"]))


def _name_of(key: bytes) -> str:
    """Return a name that tells keys apart and nothing of them."""
    return hashlib.sha256(b"vignettes master key " + key).hexdigest()[:16]


def root_secret(connection: Connection[DictRow], masters: MasterKeys) -> bytes:
    """Return the service's own secret; the first who asks makes it."""
    found = connection.execute(_FIND, (_ROOT,)).fetchone()
    if found is None:
        drawn = masters.wrap(os.urandom(_SECRET_BYTES), _ROOT.encode())
        connection.execute(_KEEP, (_ROOT, masters.current, drawn))
        found = connection.execute(_FIND, (_ROOT,)).fetchone()
    assert found is not None  # noqa: S101  # it was inserted, if not by us then by another; for the type only
    return masters.unwrap(found["master"], bytes(found["wrapped"]), _ROOT.encode())
