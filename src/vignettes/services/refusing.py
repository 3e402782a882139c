"""When a mail that could not be sent is tried again, and when it has ended."""

import random
import re

import aiosmtplib

from vignettes.services.posting import Unsendable

_FIRST_PAUSE, _LONGEST_AT_FIRST, _LONGEST = 1.0, 300.0, 3600.0
#: For so long a mail is tried every few minutes: the confirmation of a payment is to leave within the hour.
_OFTEN_SECONDS = 4 * 3600.0
#: After so long nobody is left who would read it in time (RFC 5321, 4.5.4.1, asks for four to five days at most).
_PATIENCE_SECONDS = 3 * 86_400.0

#: What a server says of the recipient or of the mail; anything else is about us, or about the way there.
_REFUSALS = (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPDataError)
#: RFC 3463: bad address syntax; delivery time expired; other undefined status.
_BAD_SYNTAX, _EXPIRED, _UNDEFINED = "5.1.3", "4.4.7", "5.0.0"
_STATUS = re.compile(r"\s*(5\.[0-9]{1,3}\.[0-9]{1,3})\b")
_PERMANENT = range(500, 600)
#: RFC 4954: a login is asked for, or too weak; the server means us, also where it says so to the recipient.
_OF_OUR_LOGIN = frozenset({530, 534, 535, 538})
#: RFC 3463: a full mailbox may be emptied (X.2.2), and a policy that keeps us out be mended (X.7).
_MAY_PASS = ("5.2.2", "5.7.")


def told(error: Exception) -> str:
    """Return what went wrong without the server's own words: they like to quote the address."""
    code = getattr(_refused(error) or error, "code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def pause(attempts: int, failing_seconds: float) -> float:
    """Return after how many seconds to try again: seconds at first, then minutes, and hours after some hours."""
    longest = _LONGEST_AT_FIRST if failing_seconds < _OFTEN_SECONDS else _LONGEST
    return min(_FIRST_PAUSE * 2.0 ** min(attempts, 20), longest) * random.uniform(0.5, 1.0)  # noqa: S311  # jitter


def for_good(error: Exception, failing_seconds: float) -> str | None:
    """Return the status of an end (RFC 3463), or None where trying again may help.

    Only what a server says of the recipient or of the mail itself ends it: a relay that is away, our own login or
    sender refused is ours to mend, and the mail leaves then.
    """
    if isinstance(error, Unsendable):
        return _BAD_SYNTAX
    refused = _refused(error)
    if refused is None:
        return None
    return _of_its_own(refused) or (_EXPIRED if failing_seconds >= _PATIENCE_SECONDS else None)


def begins_anew(error: Exception, before: str | None) -> bool:
    """Tell whether patience with a recipient begins only now: what failed `before` was no fault of theirs."""
    names = tuple(each.__name__ for each in _REFUSALS)
    return isinstance(error, _REFUSALS) and before is not None and not before.startswith(names)


def _of_its_own(refused: aiosmtplib.SMTPResponseException) -> str | None:
    """Return the status of a refusal that no second try will change."""
    if refused.code not in _PERMANENT or refused.code in _OF_OUR_LOGIN:
        return None
    found = _STATUS.match(refused.message)
    status = found[1] if found else _UNDEFINED
    return None if status.startswith(_MAY_PASS) else status


def _refused(error: Exception) -> aiosmtplib.SMTPResponseException | None:
    """Return the server's word on recipient or mail."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return error.recipients[0]
    return error if isinstance(error, aiosmtplib.SMTPDataError) else None
