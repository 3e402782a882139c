"""The address that each mail is sent from: one of its own, so that whatever comes back tells which mail it was."""

import base64
import hmac
import re

#: 80 bits: short enough for any mail server, and more than anybody can guess.
_TAG_BYTES = 10


class ReturnPath:
    """Return addresses with a tag: `returns+<tag>@domain`. Only the key's holder can make the tag of a mail."""

    def __init__(self, address: str, key: bytes) -> None:
        self._local, _, self._domain = address.rpartition("@")
        self._key = key
        # Mail servers may change capitals on the way.
        self._tagged = re.compile(
            rf"{re.escape(self._local)}\+([a-z2-7]{{16}})@{re.escape(self._domain)}", re.IGNORECASE
        )

    def tag(self, message_id: str) -> str:
        """Return what tells a mail: 16 letters and digits."""
        digest = hmac.digest(self._key, message_id.encode(), "sha256")
        return base64.b32encode(digest[:_TAG_BYTES]).decode().lower()

    def address(self, tag: str) -> str:
        """Return the address that the mail with this tag is sent from."""
        return f"{self._local}+{tag}@{self._domain}"

    def tag_in(self, text: str) -> str | None:
        """Return the tag of the first of our return addresses in a text."""
        found = self._tagged.search(text)
        return found[1].lower() if found else None
