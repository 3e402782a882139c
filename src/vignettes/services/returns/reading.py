"""What a message to the return address says: a delivery status (RFC 3464), a complaint (RFC 5965), or nothing to us."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import Message
from email.parser import BytesHeaderParser
from enum import StrEnum

from flufl.bounce import all_failures

from vignettes.services.returns.path import ReturnPath

# It logs exceptions, and these quote the message: an address may be in it, and logs hold none.
logging.getLogger("flufl.bounce").addHandler(logging.NullHandler())
logging.getLogger("flufl.bounce").propagate = False

#: Anybody may write to the return address. A report says what it says at its beginning; the rest is our own mail.
MOST_BYTES = 128_000
#: What the parser needs minutes for, though it is short: no mail server writes so many.
_MOST_LINES, _MOST_SEPARATORS, _MOST_TYPES, _LONGEST_TYPE = 5000, 200, 50, 2000
#: What is searched for words: some of the searches take the square of a line's length, for dozens of phrases.
_MOST_BYTES_OF_WORDS, _LONGEST_LINE = 32_000, 200
_LINE_END = re.compile(rb"\r\n?")
_SEPARATOR = re.compile(rb"^--", re.MULTILINE)
_TYPE = re.compile(rb"^content-type:[^\n]*(?:\n[ \t][^\n]*)*", re.MULTILINE | re.IGNORECASE)

_STATUS = re.compile(r"\b([245]\.[0-9]{1,3}\.[0-9]{1,3})\b")
#: A full mailbox (RFC 3463, X.2.2) may be emptied, whatever the server thinks of its owner.
_FULL = "5.2.2"
#: A field of one kind of server, which marks what it sends as automatic like any reply of a machine.
_FAILED = "X-Failed-Recipients"
#: Where mail servers say whom a message was delivered to; the return address itself comes last.
_RECIPIENTS = ("Delivered-To", "X-Original-To", "Envelope-To", "To")
#: Where a report quotes whom the mail was from.
_SENDERS = ("Return-Path", "Original-Mail-From")
_QUOTED = frozenset({"message/rfc822", "text/rfc822-headers", "message/feedback-report"})
_OF_A_MACHINE = ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress")


class Meaning(StrEnum):
    """What is to be made of a message to the return address."""

    #: The mail did not arrive, and will not.
    PERMANENT = "permanent"
    #: It was given up for now: a full mailbox, a server that is away.
    SOFT = "soft"
    #: Whoever got it calls it spam.
    COMPLAINT = "complaint"
    #: It is on its way yet, has arrived, or somebody is out of office.
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Report:
    """One message that was understood; `tag` tells the mail, `status` as in RFC 3463 where it was given.

    `failed` are the addresses that it names in words, in small letters: the mail's own must be among them.
    """

    meaning: Meaning
    tag: str | None = None
    status: str | None = None
    failed: frozenset[str] = frozenset()


class NotUnderstood(Exception):
    """It is neither a delivery status nor a complaint, nor written by a machine."""


class TooMuch(NotUnderstood):
    """It has more lines or parts than any report."""


def read(content: bytes, path: ReturnPath) -> Report:
    """Return what a message says. Raises NotUnderstood, TooMuch, or whatever the parser stumbles over."""
    content = _LINE_END.sub(b"\n", content[:MOST_BYTES])
    _check_size(content)
    message = message_from_bytes(content)
    report = _meaning(message, content)
    return report if report.meaning is Meaning.IGNORED else replace(report, tag=_tag(message, path))


def _check_size(content: bytes) -> None:
    """Refuse what is not worth the parser's time. Parts lie within parts only by types."""
    types = [len(found) for found in _TYPE.findall(content)]
    if (
        content.count(b"\n") > _MOST_LINES
        or len(_SEPARATOR.findall(content)) > _MOST_SEPARATORS
        or len(types) > _MOST_TYPES
        or max(types, default=0) > _LONGEST_TYPE
    ):
        raise TooMuch(TooMuch.__doc__)


def _meaning(message: Message, content: bytes) -> Report:
    if feedback := _parts(message, "message/feedback-report"):
        return Report(_complaint(feedback[0]))
    if statuses := _parts(message, "message/delivery-status"):
        return _delivery([block for part in statuses for block in _blocks(part)])
    if _is_of_a_machine(message):
        return Report(Meaning.IGNORED)  # whatever it quotes
    if failed := _failed_in_words(content):
        return Report(Meaning.PERMANENT, failed=failed)
    raise NotUnderstood(NotUnderstood.__doc__)


def _failed_in_words(content: bytes) -> frozenset[str]:
    """Return whom a server names that says in words of its own that it has given up; some say it to no machine."""
    lines = content[:_MOST_BYTES_OF_WORDS].split(b"\n")
    message = message_from_bytes(b"\n".join(line[:_LONGEST_LINE] for line in lines))
    if "From" not in message:
        return frozenset()  # and one of the detectors would break
    _, failed = all_failures(message)
    return frozenset(address.decode(errors="replace").lower() for address in failed if address)


def _complaint(feedback: Message) -> Meaning:
    said = [_field(block, "Feedback-Type").strip().lower() for block in _blocks(feedback)]
    return Meaning.COMPLAINT if "abuse" in said else Meaning.IGNORED


def _delivery(blocks: list[Message]) -> Report:
    """Judge by what each block says of a recipient: only what has failed for good is an end."""
    failed = [
        block for block in blocks if _field(block, "Action").strip().lower().startswith(("fail", "error"))
    ]
    if not failed:
        return Report(Meaning.IGNORED)
    status = next((found for block in failed if (found := _status(block))), None)
    may_pass = status is not None and (status.startswith("4") or status == _FULL)
    return Report(Meaning.SOFT if may_pass else Meaning.PERMANENT, status=status)


def _status(block: Message) -> str | None:
    """Return the status of a block; some servers give it in the diagnostic code only."""
    found = _STATUS.search(_field(block, "Status")) or _STATUS.search(_field(block, "Diagnostic-Code"))
    return found[1] if found else None


def _is_of_a_machine(message: Message) -> bool:
    """Tell an automatic reply, such as that of somebody who is out of office, from what a mail server reports."""
    if _FAILED in message:
        return False
    submitted = _field(message, "Auto-Submitted").strip().lower()
    if submitted and submitted != "no":
        return True
    precedence = _field(message, "Precedence").strip().lower()
    return precedence in {"auto_reply", "bulk", "junk"} or any(name in message for name in _OF_A_MACHINE)


def _tag(message: Message, path: ReturnPath) -> str | None:
    """Return the tag of the mail: by whom the report was delivered to, else by what it quotes."""
    return next((tag for text in _addresses(message) if (tag := path.tag_in(text))), None)


def _addresses(message: Message) -> Iterator[str]:
    for name in _RECIPIENTS:
        yield from (str(value) for value in message.get_all(name, []))
    for part in message.walk():
        if part.get_content_type() in _QUOTED:
            for block in _blocks(part):
                yield from (_field(block, name) for name in _SENDERS)


def _parts(message: Message, kind: str) -> list[Message]:
    return [part for part in message.walk() if part.get_content_type() == kind]


def _blocks(part: Message) -> list[Message]:
    """Return the groups of fields in a part, however its sender has wrapped them."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return [each for each in payload if isinstance(each, Message)]
    decoded = part.get_payload(decode=True)
    # No more than fields: what is wrapped has not been measured.
    return [BytesHeaderParser().parsebytes(decoded)] if isinstance(decoded, bytes) else []


def _field(message: Message, name: str) -> str:
    """Return a field as text; the parser gives what is not ASCII as an object of its own."""
    return str(message.get(name, ""))
