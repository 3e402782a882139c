"""Signed notices: `t=<unix seconds>,v1=<hex>`, where v1 is the HMAC-SHA256 of `<t>.<body>` under a shared secret."""

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from vignettes.services.notices import Refused

UNAUTHORISED: Final = 401
_LONGEST = 1_000
_PART: Final = r"[a-z][a-z0-9]{0,9}=[0-9A-Za-z+/=_-]{1,128}"
_FORM: Final = re.compile(rf"{_PART}(, ?{_PART})*", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Signature:
    """The header: when it was signed, and the signatures by this scheme. Those by other schemes are passed over."""

    signed_at: int
    values: tuple[str, ...]

    @classmethod
    def read(cls, header: str | None) -> Self:
        """Read the header. Raises Refused for one that is missing, or names no time, or several."""
        if not header:
            raise Refused(UNAUTHORISED, "signature_missing", "The notice is not signed.")
        if len(header) > _LONGEST or not _FORM.fullmatch(header):
            raise _unreadable()
        parts = [part.strip().split("=", 1) for part in header.split(",")]
        times = [value for name, value in parts if name == "t"]
        values = tuple(value for name, value in parts if name == "v1")
        if len(times) != 1 or not _TIME.fullmatch(times[0]) or not values:
            raise _unreadable()
        return cls(int(times[0]), values)

    def check(self, body: bytes, secrets: Sequence[bytes]) -> None:
        """Raise Refused unless one of the signatures is made with one of the secrets: there may be an old and a new."""
        signed = b"%d.%b" % (self.signed_at, body)
        expected = [hmac.digest(secret, signed, "sha256").hex() for secret in secrets]
        if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in self.values):
            raise wrong()

    def check_age(self, now: float, tolerance: int) -> None:
        """Raise Refused when it was signed too long ago, or is to be signed in future."""
        if abs(now - self.signed_at) > tolerance:
            message = f"The signature's time is more than {tolerance} s from ours: sign anew, and look at the clock."
            raise Refused(UNAUTHORISED, "signature_out_of_time", message)


def wrong() -> Refused:
    """Return the refusal of a notice that is not from whom it should be."""
    return Refused(
        UNAUTHORISED, "signature_wrong", "No signature of this notice is made with a secret that we share."
    )


def _unreadable() -> Refused:
    form = "The signature is not of the form t=<unix seconds>,v1=<64 hexadecimal digits>."
    return Refused(UNAUTHORISED, "signature_unreadable", form)
