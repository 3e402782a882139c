"""What the tests of the mailer share: orders on record, an inbox to send to, and a mailer that runs."""

from email import message_from_bytes, policy
from functools import partial

import pytest

from eventstore_helpers import DAY, NOON, an_order, ask, pay, start
from mail_helpers import now, recording, sending
from vignettes.domain import details as of_order
from vignettes.sandbox.inbox import Inbox
from vignettes.services.authorities import Document
from vignettes.services.authorities.documents import sealed

PDF = Document("application/pdf", b"%PDF-1.7\n\xe2\xe3\xcf\xd3 one page\n%%EOF\n")


@pytest.fixture
async def inbox(tmp_path):
    async with Inbox(tmp_path / "inbox.sqlite", now=now) as inbox:
        yield inbox


@pytest.fixture
def on_record(database, orders):
    """Put what is new in orders on record, and call for their mails."""
    return recording(database, orders)


@pytest.fixture
def mailing(database, inbox):
    """Run the mailer until the block ends."""
    return partial(sending, database, inbox.port)


@pytest.fixture
def on_the_wire(inbox, monkeypatch):
    """Give the mails as they came over the wire, in order."""
    keep, arrived_so_far = inbox.handle_DATA, []

    async def copy_too(server, session, envelope):
        arrived_so_far.append(envelope.original_content)
        return await keep(server, session, envelope)

    monkeypatch.setattr(inbox, "handle_DATA", copy_too)
    return arrived_so_far


@pytest.fixture
def letters(on_the_wire):
    """Give what reads the mails that arrived, by their kind; of several of a kind the last one."""

    def read():
        letters = [message_from_bytes(content, policy=policy.default) for content in on_the_wire]
        return {letter["X-Mail-Kind"]: letter for letter in letters}

    return read


@pytest.fixture
def pdf():
    """Give the authority's document."""
    return PDF


@pytest.fixture
def issued_with_document(database, on_record):
    """Put an order on record whose vignette came with the authority's document, kept as the service keeps it."""

    async def placed_to_issued():
        order = an_order()
        await on_record(order)
        [key] = ask(database, "SELECT vehicle_view FROM personal.keys WHERE order_id = %s", order.id)
        kept = sealed(PDF, bytes(key))
        row = (order.id, kept.digest, kept.media_type, kept.size, kept.sealed)
        ask(
            database,
            "INSERT INTO effect.documents (order_id, digest, media_type, size, sealed) VALUES (%s, %s, %s, %s, %s)",
            *row,
        )
        document = of_order.Document(kept.media_type, kept.size, kept.digest)
        vignette = of_order.Vignette("CZ/0001", "ref-1", NOON, NOON + 10 * DAY, "K7P4", document)
        start(pay(order)).record_issue(vignette, order.generation, NOON)
        return order

    return placed_to_issued
