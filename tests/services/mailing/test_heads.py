"""The heads of our mails: a thread for each order, no robot's answer, and a signature that shows each change."""

import base64
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from eventstore_helpers import DOMAIN, an_order, ask, pay
from mail_helpers import POSTING, RETURNS, a_writing, arrived, sent
from vignettes.services.posting import Posting, Unsendable
from vignettes.services.signing import BadSigningKey, Signer, read_key
from vignettes.services.writing import Sender

CASE_ID = UUID("0190b3f0-0000-7000-8000-00000000c0de")
ONCE = (b"From", b"To", b"Subject", b"Date", b"Message-ID", b"MIME-Version", b"Content-Type")
CASE = {
    "order_id": CASE_ID,
    "kind": "case_opened",
    "message_id": f"<{CASE_ID}.1.case_opened@{DOMAIN}>",
    "language": "en",
    "called_at": datetime(2026, 6, 1, 10, tzinfo=UTC),
    "facts": {"case_number": "S1234567802", "opened_at": "2026-06-01T10:00:00Z", "kind": "question"},
    "contact": {"email": "driver@example.com"},
    "vehicle": None,
    "vehicle_key": None,
    "document": None,
    "recipient": "driver@example.com",
}


def pem(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def dns(key):
    """Answer as the DNS of our domain does."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    zone = {f"vignettes._domainkey.{DOMAIN}.".encode(): b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)}
    return lambda name, timeout=5: zone[name]  # noqa: ARG005  # as the library asks


def written(row=CASE, sender=None, **changes):
    writing = a_writing(sender) if sender else a_writing()
    return writing.message({**row, **changes})


# --- the thread


async def test_the_mails_of_an_order_are_one_thread_from_the_first_on(database, letters, on_record, mailing):
    """All answer the same root, which follows from the order; another order's is another."""
    order = an_order()
    await on_record(order)
    await on_record(pay(order))
    async with mailing():
        await sent(database, 2)
    heads = letters()
    root = f"<{order.id}@{DOMAIN}>"
    for kind in ("placed", "paid"):
        assert heads[kind]["In-Reply-To"] == heads[kind]["References"] == root
    assert heads["placed"]["Message-ID"] != heads["paid"]["Message-ID"]


def test_no_robot_answers_our_mails_and_people_reach_support():
    """Auto-Submitted keeps those out of office quiet; the language is told; nothing claims to be a list."""
    mail = written(language="fr", sender=Sender(f"V <o@{DOMAIN}>", f"Support <help@{DOMAIN}>", None))
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "fr"
    assert mail["Reply-To"] == f"Support <help@{DOMAIN}>"
    assert not [name for name in mail if name.startswith("List-")]
    assert "Reply-To" not in written()


def test_a_mail_of_a_case_carries_its_number_and_no_link_to_an_order_of_others():
    """Who writes to support may be anybody; an order's link is there only where the case may have it."""
    mail = written()
    assert mail["X-Case-Number"] == "S1234567802"
    assert "X-Order-Number" not in mail
    assert mail["In-Reply-To"] == f"<{CASE_ID}@{DOMAIN}>"
    assert "/o/" not in mail.get_body(("plain",)).get_content()
    known = CASE["facts"] | {"order_number": "V1", "order_id": str(CASE_ID), "link_generation": 1}
    assert f"https://{DOMAIN}/o/" in written(facts=known).get_body(("plain",)).get_content()


async def test_each_mail_is_sent_from_an_address_of_its_own(database, inbox, on_record, mailing):
    """Its tag is on record before the mail leaves, and finds it again."""
    await on_record(an_order(), an_order())
    async with mailing():
        mails = await arrived(inbox, 2)
        await sent(database, 2)
    senders = {mail["message_id"]: mail["sender"] for mail in mails}
    tags = dict(ask(database, "SELECT message_id, return_tag FROM effect.mails"))
    assert senders == {message_id: f"returns+{tag}@{DOMAIN}" for message_id, tag in tags.items()}
    assert len(set(tags.values())) == 2
    assert all(RETURNS.tag_in(sender.upper()) in tags.values() for sender in senders.values())


# --- the signature


def test_a_mail_is_signed_and_every_change_shows(key, dns):
    """Relaxed/relaxed over the head that people see and the whole body; a header that it lacks can't be added."""
    posting = Posting(RETURNS, Signer(key, "vignettes", DOMAIN))
    mail = posting.ready(written())
    assert mail.startswith(b"DKIM-Signature: ")
    assert b"c=relaxed/relaxed" in mail
    assert dkim.verify(mail, dnsfunc=dns)
    refolded = mail.replace(b"Subject: ", b"Subject:   ")
    assert dkim.verify(refolded, dnsfunc=dns)
    changes = [
        (b"S1234567802", b"S1234567803"),
        (b"We have received", b"We have Received"),
        (b"\r\nTo: driver@", b"\r\nTo: drivel@"),
        (b"Auto-Submitted: auto-generated", b"Auto-Submitted: no"),
        (b"\r\nTo: ", b"\r\nReply-To: thief@example.com\r\nTo: "),
        (b"\r\nReferences: <", b"\r\nReferences: <x"),
        *((b"\r\nFrom: ", b"\r\n%s: x\r\nFrom: " % name) for name in ONCE),
    ]
    for before, after in changes:
        assert mail.count(before) >= 1, before
        assert not dkim.verify(mail.replace(before, after, 1), dnsfunc=dns), after


async def test_a_signed_mail_arrives_as_it_was_signed(database, key, dns, on_the_wire, on_record, mailing):
    """With a plate, an image and other alphabets in it: nothing on the way writes it anew."""
    await on_record(an_order())
    async with mailing(posting=Posting(RETURNS, Signer(key, "vignettes", DOMAIN))):
        await sent(database, 1)
    assert dkim.verify(on_the_wire[0], dnsfunc=dns)
    assert on_the_wire[0].isascii()


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (lambda: b"not a key", 0o600, "holds no private key in PEM"),
        (lambda: pem(rsa.generate_private_key(65537, 1024)), 0o600, "a key of 1024 bits; 2048 are needed"),
        (lambda: pem(ec.generate_private_key(ec.SECP256R1())), 0o600, "holds no RSA key"),
        (
            lambda: pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"x")),
            0o600,
            "without a password",
        ),
        (lambda: b"", 0o644, "is open to others (mode 0644). Run: chmod 600"),
    ],
)
def test_a_key_that_can_not_sign_is_refused_with_the_way_out(tmp_path, content, mode, told):
    """When the service starts, not when the first mail is to leave."""
    path = tmp_path / "dkim.pem"
    path.write_bytes(content())
    path.chmod(mode)
    with pytest.raises(BadSigningKey) as refused:
        read_key(path)
    assert told in str(refused.value)


def test_a_key_that_is_missing_is_told_by_its_path(tmp_path):
    """A typing error in the settings is the usual reason."""
    with pytest.raises(BadSigningKey, match=r"dkim\.pem can't be read: No such file"):
        read_key(tmp_path / "dkim.pem")


def test_a_key_is_read_in_either_of_the_usual_forms(tmp_path, key):
    """As openssl of today and of ten years ago writes it."""
    path = tmp_path / "dkim.pem"
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        path.write_bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))
        path.chmod(0o600)
        assert read_key(path).key_size == 2048


# --- what nobody may smuggle in


def test_a_mail_that_is_sent_again_is_the_same_to_the_byte():
    """Message-ID, Date, and even what parts its parts: whoever gets it twice can tell."""
    assert POSTING.ready(written()) == POSTING.ready(written())
    assert message_from_bytes(POSTING.ready(written()), policy=policy.default)["Date"] == (
        "Mon, 01 Jun 2026 10:00:00 +0000"
    )


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com, b@example.com",
        "a@example.com b@example.com",
        "a@example.com;b@example.com",
        "A <a@example.com>",
        "<a@example.com>",
        "a@example.com\r\nBcc: b@example.com",
        "a@example.com\nRCPT TO:<b@example.com>",
        "a@example.com\x00",
        "a\u2028@example.com",
        "a@",
        "a@[",
        "@example.com",
        "",
        f"{'a' * 10_000}@example.com",
        "a@example.com>",
        "a b@example.com",
    ],
)
def test_what_is_not_one_address_gets_no_mail(address):
    """Two addresses, a name, a line break, ten thousand letters: none is ever handed to the server."""
    with pytest.raises(Unsendable):
        written(recipient=address)


@pytest.mark.parametrize("field", ["Subject", "X-Kind", "To"])
def test_a_head_with_a_line_break_in_it_never_leaves(field):
    """However it came in: the library's own guard and ours stand one behind the other (CVE-2026-1299)."""
    message = EmailMessage()
    message["Message-ID"] = "<1@vignettes.example>"
    message.set_content("x")
    message._headers.append((field, "a\r\nBcc: b@example.com"))
    with pytest.raises(ValueError, match=r"header|head"):
        POSTING.ready(message)


async def test_an_address_that_was_never_one_ends_and_the_next_mail_leaves(
    database, inbox, on_record, mailing
):
    """It can't be mended by trying again: shown as returned, and its order is told."""
    await on_record(an_order(email="a@example.com, b@example.com"), an_order())
    async with mailing():
        [mail] = await arrived(inbox, 1)
        await sent(database, 1)
    assert mail["to"] == "driver@example.com"
    states = ask(database, "SELECT state, return_kind, return_status FROM read.emails ORDER BY state")
    assert states == [("returned", "permanent", "5.1.3"), ("sent", None, None)]
