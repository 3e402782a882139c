"""DKIM (RFC 6376): who receives a mail of ours can tell that it is ours, and that nobody changed it on the way."""

from pathlib import Path
from typing import Final

import dkim
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

#: RFC 8301: receivers may refuse less.
LEAST_BITS: Final = 2048
#: A header that a mail lacks is signed as missing: nobody can add one.
SIGNED: Final = (
    "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Reply-To", "MIME-Version",
    "Content-Type", "Auto-Submitted",
)  # fmt: skip
#: Signed once more than they are there: programs show the first of two, and only the last would have been signed.
_ONCE: Final = ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type")
_RELAXED: Final = (b"relaxed", b"relaxed")


class BadSigningKey(Exception):
    """The key can't be used to sign mails; the text says why, and the way out."""


class Signer:
    """Signs mails of one domain. `<selector>._domainkey.<domain>` in the DNS holds the public key."""

    def __init__(self, key: RSAPrivateKey, selector: str, domain: str) -> None:
        self._pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        self._selector = selector.encode()
        self._domain = domain.encode()

    def signed(self, content: bytes) -> bytes:
        """Return a mail with its signature before it."""
        signature: bytes = dkim.sign(
            content,
            self._selector,
            self._domain,
            self._pem,
            canonicalize=_RELAXED,
            include_headers=[name.encode() for name in (*SIGNED, *_ONCE)],
        )
        return signature + content


def read_key(path: Path) -> RSAPrivateKey:
    """Return the key in a PEM file. Raises BadSigningKey."""
    try:
        content = path.read_bytes()
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise BadSigningKey(f"{path} can't be read: {error.strerror}") from None
    if mode & 0o077:
        raise BadSigningKey(f"{path} is open to others (mode {mode:04o}). Run: chmod 600 {path}")
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        raise BadSigningKey(f"{path} holds no private key in PEM without a password. {_WAY_OUT}") from None
    if not isinstance(key, RSAPrivateKey):
        raise BadSigningKey(f"{path} holds no RSA key, which every receiver can check. {_WAY_OUT}")
    if key.key_size < LEAST_BITS:
        raise BadSigningKey(f"{path} holds a key of {key.key_size} bits; {LEAST_BITS} are needed. {_WAY_OUT}")
    return key


_WAY_OUT: Final = f"Make one: (umask 077; openssl genrsa -out dkim.pem {LEAST_BITS})"
