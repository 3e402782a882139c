"""What is derived from the service's root secret: order links, and hashes of what people wrote."""

import base64
import hmac
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Links:
    """Management links: 256-bit tokens that only the key's holder can make, so that none needs to be stored.

    A renewed link is the next generation; the log keeps the generation, never the token.
    """

    def __init__(self, public_url: str, root: bytes) -> None:
        self._base = public_url.rstrip("/")
        self._key = derived(root, b"management links")

    def token(self, order_id: UUID, generation: int) -> str:
        """Return the token of one generation of an order's link."""
        digest = hmac.digest(self._key, order_id.bytes + generation.to_bytes(4, "big"), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def manage(self, order_id: UUID, generation: int) -> str:
        """Return the address of the order page."""
        return f"{self._base}/o/{self.token(order_id, generation)}"

    def start(self, order_id: UUID, generation: int) -> str:
        """Return the address of the page whose button starts the registration at once."""
        return f"{self.manage(order_id, generation)}/start"


class BodyHash:
    """Tells whether two commands have the same body, without keeping anything a reader could guess from."""

    def __init__(self, root: bytes) -> None:
        self._key = derived(root, b"command bodies")

    def of(self, canonical: bytes) -> bytes:
        """Return the keyed SHA-256 of a canonical body."""
        return hmac.digest(self._key, canonical, "sha256")


def derived(root: bytes, purpose: bytes) -> bytes:
    """Return a key for one purpose, from which neither the root nor a key for another purpose can be told."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"vignettes " + purpose).derive(root)
