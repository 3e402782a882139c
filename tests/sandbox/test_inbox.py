"""The sandbox's mailbox, over real SMTP: it keeps everything, and refuses smuggled headers."""

from datetime import UTC, datetime
from email.message import EmailMessage

import aiosmtplib
import pytest

from vignettes.sandbox.inbox import Inbox

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


async def noon() -> datetime:
    return NOON


@pytest.fixture
async def inbox(tmp_path):
    async with Inbox(tmp_path / "sandbox" / "inbox.sqlite", now=noon) as inbox:
        yield inbox


def mail(to="driver@example.org", number="V-1", message_id="<1@vignettes.example>") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Vignettes <orders@vignettes.example>"
    message["To"] = to
    message["Subject"] = f"Votre vignette {number} est enregistrée"
    message["Message-ID"] = message_id
    message["X-Order-Number"] = number
    message.set_content("Bonne route à vous.\n")
    message.add_alternative("<p>Bonne route à vous.</p>\n", subtype="html")
    return message


async def send(inbox: Inbox, message: EmailMessage) -> None:
    await aiosmtplib.send(message, hostname="127.0.0.1", port=inbox.port)


async def deliver(inbox: Inbox, content: bytes) -> None:
    """Send bytes as they are; the library would mend a message on the way."""
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=inbox.port) as smtp:
        await smtp.sendmail("orders@vignettes.example", ["driver@example.org"], content)


async def test_a_message_is_kept_decoded(inbox):
    """Subject, headers and both texts are what the driver reads."""
    await send(inbox, mail())
    [message] = inbox.messages()
    assert message["to"] == "driver@example.org"
    assert message["subject"] == "Votre vignette V-1 est enregistrée"
    assert message["message_id"] == "<1@vignettes.example>"
    assert message["headers"]["Subject"] == message["subject"]
    assert message["headers"]["X-Order-Number"] == "V-1"
    assert message["text"] == "Bonne route à vous.\n"
    assert message["html"] == "<p>Bonne route à vous.</p>\n"
    assert message["received_at"] == NOON.isoformat()
    assert message["sender"] == "orders@vignettes.example"
    assert message["attachments"] == []
    assert set(message) == {
        "to", "sender", "subject", "message_id", "headers", "text", "html", "attachments", "received_at",
    }  # fmt: skip


async def test_messages_are_found_by_recipient_and_by_order(inbox):
    """The order is known by its header, or by its number in the text."""
    await send(inbox, mail())
    await send(inbox, mail(to="Other@example.org", number="V-2"))
    quoting = mail(to="other@example.org", number="V-3")
    quoting.replace_header("X-Order-Number", "none")
    quoting.get_body(("plain",)).set_content("About V-1: all is well.")
    await send(inbox, quoting)

    assert [found["to"] for found in inbox.messages(to="other@example.org")] == [
        "Other@example.org",
        "other@example.org",
    ]
    assert [found["to"] for found in inbox.messages(order_number="V-1")] == [
        "driver@example.org",
        "other@example.org",
    ]
    assert len(inbox.messages(to="other@example.org", order_number="V-1")) == 1
    assert inbox.messages(to="r@example.org") == []


async def test_a_second_copy_is_kept_as_a_second_message(inbox):
    """Same Message-ID, two deliveries: a double is there to be seen."""
    await send(inbox, mail())
    await send(inbox, mail())
    assert [found["message_id"] for found in inbox.messages()] == ["<1@vignettes.example>"] * 2


async def test_messages_survive_a_restart(tmp_path):
    """The mailbox is a file."""
    async with Inbox(tmp_path / "inbox.sqlite", now=noon) as before:
        await send(before, mail())
        kept = before.messages()
    async with Inbox(tmp_path / "inbox.sqlite", now=noon) as after:
        assert after.messages() == kept


async def test_an_address_beyond_ascii_is_taken(inbox):
    """SMTPUTF8 is on: a driver's address may be written in any letters."""
    await send(inbox, mail(to="řidič@example.org"))
    assert inbox.messages(to="řidič@example.org")[0]["to"] == "řidič@example.org"


@pytest.mark.parametrize(
    "head",
    [
        b"Subject: a\x00b",
        b"Subject: a\x0bb",
        b"Subject: a\x7fb",
        b"Subject: =?utf-8?q?a=0D=0ABcc:_thief@example.org?=",
        b"Subject: =?utf-8?q?a=1Bb?=",
        b"Subject: one\r\nSubject: two",
        b"Subject: one\r\nsomething else",
    ],
)
async def test_a_smuggled_header_is_refused(inbox, head):
    """For good, and nothing is kept."""
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await deliver(inbox, head + b"\r\nTo: driver@example.org\r\n\r\nHello\r\n")
    assert refused.value.code == 550
    assert inbox.messages() == []


async def test_a_folded_header_is_a_good_header(inbox):
    """Long subjects are folded by every library; the reader sees one line."""
    await deliver(inbox, b"Subject: one\r\n two\r\n\tthree\r\n\r\nHello\x07\r\n")
    assert inbox.messages()[0]["subject"] in ("one two\tthree", "one two three")


async def test_a_message_beyond_one_megabyte_is_refused(inbox):
    """Ours are a hundredth of it; something is wrong then."""
    with pytest.raises(aiosmtplib.SMTPResponseException) as refused:
        await deliver(inbox, b"Subject: big\r\n\r\n" + (b"y" * 78 + b"\r\n") * 13_000)
    assert refused.value.code == 552
    assert inbox.messages() == []


async def test_stopping_hangs_up_on_whoever_is_connected(tmp_path):
    """And does not wait for them."""
    async with Inbox(tmp_path / "inbox.sqlite", now=noon) as inbox:
        smtp = aiosmtplib.SMTP(hostname="127.0.0.1", port=inbox.port)
        await smtp.connect()
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await smtp.noop()
    smtp.close()
