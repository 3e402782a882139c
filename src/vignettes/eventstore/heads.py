"""Signed heads of the ledger: checkpoints in the form of C2SP tlog-checkpoint, signed as C2SP signed notes.

    vignettes/log                                     the log's name
    1234                                              how many leaves
    n5FK...=                                          the tree's root, base64
    position 1301                                     of the last leaf in the log
    time 2026-11-23T09:00:00+00:00                    when it was signed, by the service's clock

    — vignettes/log Bf1z...=                          key id (4 bytes) and Ed25519 signature, base64

Any program that reads such notes can check ours.
"""

import base64
import binascii
import hashlib
import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from vignettes.eventstore.merkle import HASH_BYTES

_ED25519 = b"\x01"
_KEY_ID_BYTES = 4
_DASH = "\N{EM DASH} "


class ForgedHead(Exception):
    """This is no head that the holder of the key has signed."""


class WrongLedgerKey(Exception):
    """The key of the ledger can't be used."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the log was at one moment: its first `size` events, the last of them at `position`, hash to `root`."""

    origin: str
    size: int
    root: bytes
    position: int
    at: datetime

    @property
    def text(self) -> str:
        """What is signed."""
        root = base64.b64encode(self.root).decode()
        at = self.at.isoformat()
        return f"{self.origin}\n{self.size}\n{root}\nposition {self.position}\ntime {at}\n"


def sign(head: Head, key: Ed25519PrivateKey) -> str:
    """Return the head as a signed note."""
    signature = _key_id(head.origin, key.public_key()) + key.sign(head.text.encode())
    return f"{head.text}\n{_line(head.origin, signature)}\n"


def opened(note: str, key: Ed25519PublicKey) -> Head:
    """Return the head that a note tells of. Raises ForgedHead unless the key signed exactly these bytes."""
    text, blank, lines = note.rpartition("\n\n")
    text += "\n"
    try:
        head = _read(text)
        key_id = _key_id(head.origin, key)
        [signed] = (each for each in map(_signature, lines.splitlines()) if each.startswith(key_id))
        if _line(head.origin, signed) not in lines.splitlines():
            raise ForgedHead(ForgedHead.__doc__)
        key.verify(signed.removeprefix(key_id), text.encode())
    except (ValueError, binascii.Error, InvalidSignature):
        raise ForgedHead(ForgedHead.__doc__) from None
    if not blank or head.text != text:
        raise ForgedHead(ForgedHead.__doc__)
    return head


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return what a public key is called by: SHA-256 of its DER, in hexadecimal."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def public_pem(key: Ed25519PublicKey) -> str:
    """Return a public key as text."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_public(pem: str) -> Ed25519PublicKey:
    """Return the public key of a text in PEM. Raises WrongLedgerKey."""
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        raise WrongLedgerKey("This is no public key in PEM.") from None
    if not isinstance(key, Ed25519PublicKey):
        raise WrongLedgerKey("This is no Ed25519 key.")
    return key


def read_private(path: Path) -> Ed25519PrivateKey:
    """Return the key of a file that nobody else can read. Raises WrongLedgerKey with the way out."""
    try:
        with path.open("rb") as file:
            mode, pem = stat.S_IMODE(os.fstat(file.fileno()).st_mode), file.read(10_000)
    except OSError as error:
        raise WrongLedgerKey(f"{path} can't be read: {error.strerror}.") from None
    if mode & 0o077:
        raise WrongLedgerKey(f"{path} is open to others (mode {mode:04o}). Run: chmod 600 {path}")
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        raise WrongLedgerKey(f"{path} holds no private key in PEM without a password.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise WrongLedgerKey(f"{path} holds no Ed25519 key.")
    return key


def new_private_pem() -> bytes:
    """Return a new key, as its file holds it."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _key_id(origin: str, key: Ed25519PublicKey) -> bytes:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(origin.encode() + b"\n" + _ED25519 + raw).digest()[:_KEY_ID_BYTES]


def _line(origin: str, signature: bytes) -> str:
    return f"{_DASH}{origin} {base64.b64encode(signature).decode()}"


def _signature(line: str) -> bytes:
    if not line.startswith(_DASH):
        raise ValueError("A line of a signature begins with a dash.")
    return base64.b64decode(line.rpartition(" ")[2], validate=True)


def _read(text: str) -> Head:
    origin, size, root, position, at, end = text.split("\n")
    hashed = base64.b64decode(root, validate=True)
    if end or len(hashed) != HASH_BYTES:
        raise ValueError("A head has five lines, the third of them a hash.")
    return Head(
        origin,
        int(size),
        hashed,
        int(position.removeprefix("position ")),
        datetime.fromisoformat(at.removeprefix("time ")),
    )
