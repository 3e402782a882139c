"""What a message to the return address says: a delivery status (RFC 3464), a complaint (RFC 5965), or nothing to us."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from enum import StrEnum

from flufl.bounce import all_failures

from vignettes.services.returns.path import ReturnPath

_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
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
    """One message that was understood; `tag` tells the mail, `status` as in RFC 3463 where it was given."""

    meaning: Meaning
    tag: str | None = None
    status: str | None = None


class NotUnderstood(Exception):
    """It is neither a delivery status nor a complaint, nor written by a machine."""


def read(content: bytes, path: ReturnPath) -> Report:
    """Return what a message says. Raises NotUnderstood, or whatever the parser stumbles over."""
    message = message_from_bytes(content)
    meaning, status = _meaning(message)
    if meaning is Meaning.IGNORED:
        return Report(meaning)
    return Report(meaning, _tag(message, path), status)


def _meaning(message: Message) -> tuple[Meaning, str | None]:
    if feedback := _parts(message, "message/feedback-report"):
        return _complaint(feedback[0]), None
    if statuses := _parts(message, "message/delivery-status"):
        return _delivery([block for part in statuses for block in _blocks(part)])
    if _has_failed_in_words(message):
        return Meaning.PERMANENT, None
    if _is_of_a_machine(message):
        return Meaning.IGNORED, None
    raise NotUnderstood(NotUnderstood.__doc__)


def _has_failed_in_words(message: Message) -> bool:
    """Tell whether a server says in words of its own that it has given up; some say it to no machine."""
    if "From" not in message:
        return False  # and one of the detectors would break
    _, failed = all_failures(message)
    return bool(failed)


def _complaint(feedback: Message) -> Meaning:
    said = [_field(block, "Feedback-Type").strip().lower() for block in _blocks(feedback)]
    return Meaning.COMPLAINT if "abuse" in said else Meaning.IGNORED


def _delivery(blocks: list[Message]) -> tuple[Meaning, str | None]:
    """Judge by what each block says of a recipient: only what has failed for good is an end."""
    failed = [
        block for block in blocks if _field(block, "Action").strip().lower().startswith(("fail", "error"))
    ]
    if not failed:
        return Meaning.IGNORED, None
    status = next((found for block in failed if (found := _status(block))), None)
    return Meaning.SOFT if status and status.startswith("4") else Meaning.PERMANENT, status


def _status(block: Message) -> str | None:
    """Return the status of a block; some servers give it in the diagnostic code only."""
    found = _STATUS.search(_field(block, "Status")) or _STATUS.search(_field(block, "Diagnostic-Code"))
    return found[1] if found else None


def _is_of_a_machine(message: Message) -> bool:
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
    return [message_from_bytes(decoded)] if isinstance(decoded, bytes) else []


def _field(message: Message, name: str) -> str:
    """Return a field as text; the parser gives what is not ASCII as an object of its own."""
    return str(message.get(name, ""))
