"""Official documents: what we take for one, and how it is kept."""

import hashlib
import re
from dataclasses import dataclass

import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vignettes.services.authorities import Document

log = structlog.get_logger(__name__)

LONGEST_DOCUMENT = 500_000
PDF = "application/pdf"
_NONCE_BYTES = 12
#: What a file name is spared, whatever an authority's number holds.
_NOT_IN_FILE_NAMES = re.compile(r"[^0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class SealedDocument:
    """A document as it lies in the database."""

    media_type: str
    size: int
    sealed: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the sealed bytes, in hexadecimal digits."""
        return hashlib.sha256(self.sealed).hexdigest()


def checked(content: bytes, media_type: str = PDF) -> Document | None:
    """Return what is a PDF of bearable size; None for anything else, which nobody should be sent."""
    if media_type == PDF and content.startswith(b"%PDF") and len(content) <= LONGEST_DOCUMENT:
        return Document(PDF, content)
    log.warning("document.refused", media_type=media_type, size=len(content))
    return None


def sealed(document: Document, key: bytes) -> SealedDocument:
    """Seal a document under the key that its order's vehicle has in the views; gone with that key.

    The same document comes out the same: who fetched it a second time tells the same digest.
    """
    own = _own_key(key)
    nonce = hashlib.blake2b(document.content, key=own, digest_size=_NONCE_BYTES).digest()
    content = nonce + AESGCM(own).encrypt(nonce, document.content, document.media_type.encode())
    return SealedDocument(document.media_type, len(document.content), content)


def opened(kept: SealedDocument, key: bytes) -> Document:
    """Return a document that was sealed; raises InvalidTag for one that was changed, or sealed by another key."""
    nonce, content = kept.sealed[:_NONCE_BYTES], kept.sealed[_NONCE_BYTES:]
    plain = AESGCM(_own_key(key)).decrypt(nonce, content, kept.media_type.encode())
    return Document(kept.media_type, plain)


def document_name(number: str, document: Document) -> str:
    """Return how a document is called where it is saved, by the number of its vignette."""
    subtype = document.media_type.rpartition("/")[2]
    return f"vignette-{_NOT_IN_FILE_NAMES.sub('-', number)}.{subtype}"


def _own_key(key: bytes) -> bytes:
    """Return a key of documents' own: the views seal texts by another cipher under the one it comes from."""
    return hashlib.blake2b(b"document", key=key, digest_size=32).digest()
