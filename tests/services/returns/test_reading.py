"""What comes to the return address, as mail servers of the world write it: what each message means to us."""

import logging
import time

import pytest
from flufl.bounce._detectors.exim import Exim

from mail_helpers import RETURNS
from vignettes.services.returns.reading import Meaning, NotUnderstood, Report, read

TAG = RETURNS.tag("<an-order.1.placed@vignettes.example>")
HERE = RETURNS.address(TAG)

POSTFIX = """\
Return-Path: <>
Delivered-To: {here}
Date: Mon, 1 Jun 2026 12:00:00 +0200
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {here}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="9B095B5ADSN=_01"

--9B095B5ADSN=_01
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.net.

--9B095B5ADSN=_01
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
X-Postfix-Queue-ID: 9B095B5A
Arrival-Date: Mon, 1 Jun 2026 11:00:00 +0200

Final-Recipient: rfc822; driver@example.com
Original-Recipient: rfc822;driver@example.com
Action: {action}
Status: {status}
Remote-MTA: dns; mail.example.com
Diagnostic-Code: smtp; {diagnostic}

--9B095B5ADSN=_01
Content-Type: text/rfc822-headers

From: Vignettes <orders@vignettes.example>
To: driver@example.com
Subject: Order V1234567802

--9B095B5ADSN=_01--
"""
EXIM = """\
Return-path: <>
Envelope-to: {here}
X-Failed-Recipients: driver@example.com
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@mx.example.net>
To: {here}
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  driver@example.com
    Unrouteable address

------ This is a copy of the message, including all the headers. ------
"""
QMAIL = """\
Return-Path: <>
Delivered-To: {here}
From: MAILER-DAEMON@mx.example.net
To: {here}
Subject: failure notice

Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<driver@example.com>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.
"""
OUT_OF_OFFICE = """\
From: A. Driver <driver@example.com>
To: {here}
Subject: Absence
{header}

Je suis absente jusqu'au 15 juin.
"""
ARF = """\
From: <abusedesk@provider.example>
To: <fbl@vignettes.example>
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="part"

--part
Content-Type: text/plain

This is an email abuse report.

--part
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{sender}>

--part
Content-Type: message/rfc822

Return-Path: <{quoted}>
From: Vignettes <orders@vignettes.example>
To: redacted@example.com
Subject: Order

Hello
--part--
"""


def dsn(action="failed", status="5.1.1", diagnostic="550 5.1.1 no such user", here=HERE):
    return POSTFIX.format(here=here, action=action, status=status, diagnostic=diagnostic)


def arf(kind="abuse", sender=HERE, quoted="x@example.net"):
    return ARF.format(kind=kind, sender=sender, quoted=quoted)


def meant(text):
    return read(text.encode(), RETURNS)


@pytest.mark.parametrize(
    ("text", "meaning", "status"),
    [
        (dsn(), Meaning.PERMANENT, "5.1.1"),
        (dsn(status="5.2.2 (mailbox full)"), Meaning.SOFT, "5.2.2"),
        (
            dsn().replace("mx.example.net.", "mx." + "\nx" * 2000) + "y" * 2_000_000,
            Meaning.PERMANENT,
            "5.1.1",
        ),
        (dsn(status="4.2.2", diagnostic="452 4.2.2 full"), Meaning.SOFT, "4.2.2"),
        (dsn(status="4.4.7", diagnostic="x"), Meaning.SOFT, "4.4.7"),
        (dsn(action="Failed (permanently)"), Meaning.PERMANENT, "5.1.1"),
        (dsn(action="error"), Meaning.PERMANENT, "5.1.1"),
        (dsn(status="", diagnostic="452 4.3.1 no space"), Meaning.SOFT, "4.3.1"),
        (dsn(status="", diagnostic="550 who is that"), Meaning.PERMANENT, None),
    ],
)
def test_a_bounce_says_which_mail_and_whether_for_good(text, meaning, status):
    """By its own status, which stands before the mail that it quotes, however large that is."""
    assert meant(text) == Report(meaning, TAG, status)


@pytest.mark.parametrize("text", [EXIM, QMAIL])
def test_a_bounce_in_words_says_who_gets_nothing(text):
    """Some servers give no status; the first of them marks its bounces as automatic, like any reply of a machine."""
    named = frozenset({"driver@example.com"})
    assert meant(text.format(here=HERE)) == Report(Meaning.PERMANENT, TAG, failed=named)


@pytest.mark.parametrize(
    "text",
    [
        dsn(action="delayed", status="4.4.1"),
        dsn(action="delivered", status="2.0.0"),
        dsn(action="relayed", status="2.0.0"),
        dsn(action="", status=""),
        OUT_OF_OFFICE.format(here=HERE, header="Auto-Submitted: auto-replied (vacation)"),
        OUT_OF_OFFICE.format(here=HERE, header="X-Autoreply: yes"),
        OUT_OF_OFFICE.format(here=HERE, header="Precedence: auto_reply"),
        OUT_OF_OFFICE.format(here=HERE, header="Precedence: bulk"),
        OUT_OF_OFFICE.format(here=HERE, header="X-Auto-Response-Suppress: All"),
        QMAIL.format(here=HERE).replace("Subject:", "Auto-Submitted: auto-replied\nSubject:"),
        arf(kind="not-spam"),
        arf(kind="auth-failure"),
    ],
)
def test_what_is_no_end_is_ignored(text):
    """On its way yet, arrived, out of office, or praise: nobody is told that the address fails."""
    assert meant(text) == Report(Meaning.IGNORED)


@pytest.mark.parametrize("text", [arf(), arf(kind="Abuse "), arf(sender="x@example.net", quoted=HERE)])
def test_a_complaint_says_which_mail(text):
    """It goes to an address of its own, and quotes where the mail was from (RFC 5965)."""
    assert meant(text) == Report(Meaning.COMPLAINT, TAG)


def test_capitals_are_no_matter():
    """Some servers write them anew."""
    assert meant(dsn(here=HERE.upper())).tag == TAG
    assert meant(dsn(here=f'"{HERE}"')).tag == TAG


@pytest.mark.parametrize(
    "here",
    ["returns@vignettes.example", "returns+short@vignettes.example", f"returns+{TAG}@evil.example", "", TAG],
)
def test_a_report_without_our_own_address_tells_of_no_mail(here):
    """Whatever Message-ID it quotes: anybody can write that down, but not the tag of a mail."""
    forged = dsn(here=here).replace(
        "Subject: Order V1234567802", "Message-ID: <an-order.1.placed@vignettes.example>"
    )
    assert meant(forged).tag is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        f"To: {HERE}\nSubject: Re: Order\n\nIch habe eine Frage.\n",
        f"To: {HERE}\nAuto-Submitted: no\n\nhello\n",
        "\x00" * 1000,
        "From\n" * 1000,
    ],
)
def test_what_is_no_report_is_not_understood(text):
    """A person may have answered to the wrong address: somebody is to look at it."""
    with pytest.raises(NotUnderstood):
        meant(text)


def test_bytes_of_no_alphabet_are_read_over():
    """Old servers put raw Latin letters into heads and bodies."""
    spoilt = dsn().replace("This is the mail system", "Désolé").encode("latin-1")
    assert read(spoilt.replace(b"Subject:", b"Subject: \xe9\xff"), RETURNS).tag == TAG


def test_a_report_that_went_to_another_address_is_known_by_what_it_quotes():
    """Some servers answer to the sender that they see, and quote the one that the mail came from."""
    quoted = dsn(here="orders@vignettes.example").replace(
        "From: Vignettes <orders", f"Return-Path: <{HERE}>\nFrom: Vignettes <orders"
    )
    assert meant(quoted) == Report(Meaning.PERMANENT, TAG, "5.1.1")


MIXED = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n"
HOSTILE = {
    "short lines": b"\n" + b"a\n" * 1_000_000,
    "line ends of old machines": b"\n" + b"\r" * 1_000_000,
    "empty parts": MIXED % (1, 1) + b"--b1\n" * 100_000,
    "nests": b"".join(MIXED % (number, number) for number in range(5000)),
    "a type without an end": b'Content-Type: multipart/mixed; a="' + b";" * 1_000_000,
    "a folded type": b'Content-Type: multipart/mixed; a="' + (b";" * 900 + b"\n ") * 1000,
    "just not too many parts": b"".join(MIXED % (number, number) for number in range(49)) + b"x\n" * 4700,
    "a long line of words": b"\nthe following addresses had\nYour message could not be delivered to\n"
    + b"a" * 500_000,
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_what_is_made_to_keep_us_busy_is_soon_set_aside(hostile):
    """By the processor's time; the parser and the searches would take minutes over each."""
    before = time.process_time()
    with pytest.raises(NotUnderstood):
        read(b"From: a@example.com\n" + hostile, RETURNS)
    assert time.process_time() - before < 5.0


def test_what_the_detectors_log_is_kept_from_the_logs(monkeypatch):
    """Their exceptions quote the message."""

    def broken(*_):
        raise ValueError("driver@example.com")

    told = []
    root = logging.getLogger()
    handler = logging.Handler()
    handler.emit = told.append
    root.addHandler(handler)
    monkeypatch.setattr(Exim, "process", broken)
    with pytest.raises(ValueError, match="driver"):
        meant(QMAIL.format(here=HERE))
    root.removeHandler(handler)
    assert told == []
