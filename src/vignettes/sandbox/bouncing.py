"""What the mail servers of recipients send back: written as they write it, into the Maildir of returned mails."""

import mailbox
from datetime import datetime
from email.message import EmailMessage, Message
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, make_msgid
from enum import StrEnum
from pathlib import Path
from typing import Any

from vignettes.services.returns.watching import make_maildir

_SERVER = "mail.recipient.example"


class Bounce(StrEnum):
    """How a mail comes back."""

    #: Nobody of that name.
    HARD = "hard"
    #: A mailbox that is full, and was for days.
    SOFT = "soft"
    #: Whoever got it has called it spam.
    COMPLAINT = "complaint"


_STATUS = {
    Bounce.HARD: ("5.1.1", "smtp; 550 5.1.1 No such user here"),
    Bounce.SOFT: ("4.2.2", "smtp; 452 4.2.2 The mailbox is full"),
}


class Bouncing:
    """Delivers reports to one Maildir."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def deliver(self, kind: Bounce, mail: dict[str, Any], at: datetime) -> None:
        """Write what comes back of a mail of the inbox."""
        report = _complaint(mail) if kind is Bounce.COMPLAINT else _delivery_status(mail, *_STATUS[kind])
        report["From"] = f"Mail Delivery System <mailer-daemon@{_SERVER}>"
        report["To"] = mail["sender"]
        report["Date"] = format_datetime(at)
        report["Message-ID"] = make_msgid(domain=_SERVER)
        report["Auto-Submitted"] = "auto-replied"
        make_maildir(self._folder)
        mailbox.Maildir(self._folder).add(report)


def _delivery_status(mail: dict[str, Any], status: str, diagnostic: str) -> MIMEMultipart:
    """Return a delivery status notification (RFC 3464)."""
    server, recipient = Message(), Message()
    server["Reporting-MTA"] = f"dns; {_SERVER}"
    recipient["Final-Recipient"] = f"rfc822; {mail['to']}"
    recipient["Action"] = "failed"
    recipient["Status"] = status
    recipient["Diagnostic-Code"] = diagnostic
    said = f"I am sorry, but your message to <{mail['to']}> could not be delivered.\n"
    return _report("delivery-status", said, [server, recipient], mail)


def _complaint(mail: dict[str, Any]) -> MIMEMultipart:
    """Return an abuse report (RFC 5965)."""
    feedback = Message()
    feedback["Feedback-Type"] = "abuse"
    feedback["User-Agent"] = "sandbox/1"
    feedback["Version"] = "1"
    feedback["Original-Mail-From"] = f"<{mail['sender']}>"
    return _report("feedback-report", "This is an abuse report for an e-mail.\n", [feedback], mail)


def _report(kind: str, said: str, blocks: list[Message | str], mail: dict[str, Any]) -> MIMEMultipart:
    report = MIMEMultipart("report", report_type=kind)
    report["Subject"] = "Undelivered mail returned to sender"
    report.attach(MIMEText(said, _charset="utf-8"))
    told = Message()
    told["Content-Type"] = f"message/{kind}"
    told.set_payload(blocks)
    report.attach(told)
    report.attach(MIMEMessage(_quoted(mail)))
    return report


def _quoted(mail: dict[str, Any]) -> EmailMessage:
    """Return the head of the mail, which is all that most servers send back."""
    quoted = EmailMessage()
    for name in ("From", "To", "Subject", "Date", "Message-ID"):
        quoted[name] = mail["headers"].get(name, "")
    quoted.set_content("")
    return quoted
