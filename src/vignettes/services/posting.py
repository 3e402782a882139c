"""A mail as it goes over the wire: its bytes, always the same for the same mail, signed, and from where it is sent."""

import re
from email.message import EmailMessage
from email.policy import EmailPolicy
from hashlib import sha256
from typing import Any, Final

from vignettes.services.returns.path import ReturnPath
from vignettes.services.signing import Signer

_UNFOLDED: Final = frozenset({"Message-ID", "In-Reply-To", "References"})


class _WholeIds(EmailPolicy):
    """Leaves the ids of mails on the line of their name: some programs look for them nowhere else."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name in _UNFOLDED:
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


#: Plain ASCII, so that no server on the way has a reason to write it anew and break the signature.
POLICY = _WholeIds(linesep="\r\n", cte_type="7bit")
_FIELD = re.compile(rb"([!-9;-~]+):")
_CONTROLS = re.compile(rb"[^\t\r\n -~]")


class Unsendable(ValueError):
    """This mail can never be sent as it is: a header would hold what only an attacker puts there."""


class Posting:
    """Makes mails ready to be sent; `signer` is None where no key was given."""

    def __init__(self, returns: ReturnPath, signer: Signer | None) -> None:
        self.returns = returns
        self._signer = signer

    def ready(self, message: EmailMessage) -> bytes:
        """Return the bytes of a mail. Raises Unsendable."""
        _name_boundaries(message)
        content = message.as_bytes(policy=POLICY)
        _check_head(content, message.keys())
        return self._signer.signed(content) if self._signer else content


def _name_boundaries(message: EmailMessage) -> None:
    """Let a mail that is sent again be the same to the byte: usually its parts are parted by chance."""
    digest = sha256(str(message["Message-ID"]).encode()).hexdigest()[:24]
    for number, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_{digest}_{number}")


def _check_head(content: bytes, names: list[str]) -> None:
    """Refuse a head that is not what we wrote, name by name (CVE-2026-1299 writes another one)."""
    head = content.partition(b"\r\n\r\n")[0]
    if _CONTROLS.search(head) or b"\r" in head.replace(b"\r\n", b"") or b"\n" in head.replace(b"\r\n", b""):
        raise Unsendable("A header holds a control character, or is not plain ASCII.")
    lines = [line for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    written = [found[1].decode() for line in lines if (found := _FIELD.match(line))]
    if len(written) != len(lines) or written != names:
        raise Unsendable("The head holds other fields than were written.")
