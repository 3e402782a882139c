"""The neighbours forget: over a real stream, and down to the bytes of their files."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from uuid import uuid4

import aiosmtplib
import nats
import pytest
from faststream.nats import NatsBroker
from structlog.testing import capture_logs

from service import until
from vignettes.messages import events
from vignettes.runtime.embedded import free_port
from vignettes.sandbox.authority import AuthorityRegister, Submission
from vignettes.sandbox.clock import MovableClock
from vignettes.sandbox.files import StillWritten
from vignettes.sandbox.inbox import Inbox
from vignettes.sandbox.world import World
from vignettes.services import pulling, streams
from vignettes.services.edge import Endpoints

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


async def noon():
    return NOON


@pytest.fixture
async def inbox(tmp_path):
    async with Inbox(tmp_path / "inbox.sqlite", now=noon) as inbox:
        yield inbox


@pytest.fixture
def register(tmp_path):
    register = AuthorityRegister(tmp_path / "authority.sqlite")
    yield register
    register.close()


def mail(number, secret="secret", at=NOON) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "orders@vignettes.example"
    message["To"] = f"{secret}@example.org"
    message["Subject"] = f"Order {number}"
    message["Date"] = format_datetime(at)
    message["X-Order-Number"] = number
    message.set_content(f"Dear {secret}! " * 60)
    return message


async def deliver(inbox, *messages):
    for message in messages:
        await aiosmtplib.send(message, hostname="127.0.0.1", port=inbox.port)


def submission(reference, plate):
    return Submission(
        reference=str(reference),
        country="CZ",
        plate=plate,
        product="CZ-10D",
        valid_from="2026-12-01",
        valid_until="2026-12-10",
    )


def bytes_in(folder):
    """Return every byte that lies in a folder's files."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


# --- the files


async def test_a_forgotten_order_leaves_no_byte_in_the_inbox(inbox, tmp_path):
    """Neither in the file nor in its journal; the mails of others stay as they are."""
    await deliver(inbox, *(mail(f"V{n % 40}", f"secret{n % 40}") for n in range(120)))
    assert b"secret7@example.org" in bytes_in(tmp_path)
    for n in range(39):
        inbox.forget(f"V{n}", until=NOON)
    assert {found["to"] for found in inbox.messages()} == {"secret39@example.org"}
    left = bytes_in(tmp_path)
    assert b"secret39@" in left
    assert not [n for n in range(39) if f"secret{n}".encode() in left.replace(b"secret39", b"")]


async def test_a_mail_that_was_under_way_is_not_kept_any_more(inbox, tmp_path):
    """Written before the erasure, delivered after it, once more perhaps. What is written later is kept."""
    inbox.forget("V1", until=NOON)
    await deliver(inbox, mail("V1", at=NOON - SECOND), mail("V2"), mail("V1", "later", at=NOON + SECOND))
    assert [found["to"] for found in inbox.messages()] == ["secret@example.org", "later@example.org"]
    inbox.forget("V1", until=NOON - SECOND)
    await deliver(inbox, mail("V1", at=NOON))
    assert inbox.messages(order_number="V1") == []


def test_a_forgotten_plate_leaves_no_byte_at_the_authority(register, tmp_path):
    """The registration stays, with its number; only what it was for is gone."""
    orders = [uuid4() for _ in range(300)]
    for number, order_id in enumerate(orders):
        register.register(submission(order_id, f"{number % 7}SECRET{number}"), NOON)
    before = register.registrations()
    assert before == []  # nobody has counted a request
    for order_id in orders[:-1]:
        register.forget(str(order_id))
    [blank] = register.find(reference=str(orders[0]))
    assert (blank["plate"], blank["number"]) == ("", "CZ1000000001")
    [kept] = register.find(plate=f"{299 % 7}SECRET299")
    left = bytes_in(tmp_path).replace(kept["plate"].encode(), b"")
    assert b"SECRET" not in left


@pytest.mark.thorough
async def test_what_somebody_reads_yet_is_not_said_to_be_gone(inbox, tmp_path):
    """A reader holds the journal: the order is forgotten again later, and only then is it done."""
    await deliver(inbox, mail("V1"))
    reader = sqlite3.connect(tmp_path / "inbox.sqlite", isolation_level=None)
    reader.execute("begin")
    reader.execute("select count(*) from messages").fetchone()
    with pytest.raises(StillWritten):
        inbox.forget("V1", until=NOON)
    reader.close()
    inbox.forget("V1", until=NOON)
    assert b"secret" not in bytes_in(tmp_path)


# --- the stream


@pytest.fixture
async def stream(nats_server):
    """Publish erasures as the service does."""
    client = await nats.connect(nats_server.url)
    await streams.ensure(client)

    async def publish(order_id, number, *classes):
        body = events.PersonalDataErased(
            order_id=order_id,
            order_number=number,
            version=5,
            status="issued",
            country="CZ",
            product="CZ-10D",
            classes=list(classes),
        )
        subject = events.subject("personal-data-erased", order_id)
        headers = {"ce-time": (NOON + SECOND).isoformat()}
        await publish.raw(subject, body.model_dump_json().encode(), headers)

    async def raw(subject, body, headers=None):
        await client.jetstream().publish(subject, body, stream=events.STREAM, headers=headers)

    publish.raw, publish.jetstream = raw, client.jetstream()
    yield publish
    await client.close()


@pytest.fixture
def sandbox(nats_server, tmp_path, monkeypatch):
    """Run the sandbox's process, without the rest of the service."""
    monkeypatch.setattr(pulling, "AGAIN_AFTER_SECONDS", 0.05)
    clock = MovableClock("", movable=False)
    clock.now = noon

    class Running:
        async def __aenter__(self):
            self.world = World(tmp_path / "sandbox", clock, authority_port=free_port(), smtp_port=free_port())
            self.broker = NatsBroker(nats_server.url, logger=None)
            self.world.register(Endpoints(self.broker))
            await self.broker.start()
            self.task = asyncio.create_task(self.world.run())
            self.inbox, self.register = self.world._inbox, self.world._register
            await until(self._listens)
            return self

        async def _listens(self):
            return self.inbox._server is not None

        async def __aexit__(self, *_):
            await self.broker.stop()
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    return Running


async def acknowledged(stream, count):
    async def look():
        consumer = await stream.jetstream.consumer_info(events.STREAM, "sandbox-erasure")
        return consumer.ack_floor.stream_seq >= count and consumer.num_ack_pending == 0

    await until(look)


@pytest.mark.parametrize(
    ("classes", "plate"), [(["contact"], "SECRET1"), (["vehicle"], ""), (["contact", "vehicle"], "")]
)
async def test_an_erased_order_is_forgotten_outside_too(stream, sandbox, tmp_path, classes, plate):
    """Mails hold who and what, so they go with either; the plate at the authority with the vehicle."""
    order_id, other_id = uuid4(), uuid4()
    async with sandbox() as world:
        await deliver(world.inbox, mail("V1"), mail("V2", "other"))
        for each, secret in ((order_id, "SECRET1"), (other_id, "SECRET2")):
            world.register.count_request(str(each), "CZ")
            world.register.register(submission(each, secret), NOON)
        await stream(order_id, "V1", *classes)
        await acknowledged(stream, 1)
        assert [found["to"] for found in world.inbox.messages()] == ["other@example.org"]
        assert [row["plate"] for row in world.register.registrations()] == [plate, "SECRET2"]
        assert b"secret@" not in bytes_in(tmp_path / "sandbox")


async def test_an_erasure_is_acknowledged_only_when_it_is_done(stream, sandbox, monkeypatch):
    """It comes again until it is, and done twice it changes nothing. Others need not wait for it."""
    failures = iter([StillWritten(), OSError()])
    forget = Inbox.forget

    def failing(inbox, number, **when):
        if number == "V1" and (failure := next(failures, None)):
            raise failure
        forget(inbox, number, **when)

    monkeypatch.setattr(Inbox, "forget", failing)
    with capture_logs() as logs:
        async with sandbox() as world:
            await deliver(world.inbox, mail("V1"), mail("V2"))
            await stream(uuid4(), "V1", "contact")
            await stream(uuid4(), "V2", "contact")
            await acknowledged(stream, 2)
            assert world.inbox.messages() == []
    assert [line["event"] for line in logs if "erasure" in line["event"]].count("erasure.failed") == 2


async def test_an_erasure_is_heard_by_who_was_not_there(stream, sandbox):
    """The sandbox was down while it was published; what it held in its files goes when it is back."""
    async with sandbox() as world:
        await deliver(world.inbox, mail("V1"))
    await stream(uuid4(), "V1", "contact")
    async with sandbox() as world:
        await acknowledged(stream, 1)
        assert world.inbox.messages() == []


async def test_what_can_not_be_read_holds_up_no_other(stream, sandbox):
    """It is told in the log, and let go: nobody will ever read it."""
    with capture_logs() as logs:
        async with sandbox() as world:
            await deliver(world.inbox, mail("V1"))
            await stream.raw(events.subject("personal-data-erased", uuid4()), b"{}")
            await stream(uuid4(), "V1", "contact")
            await acknowledged(stream, 2)
            assert world.inbox.messages() == []
    assert "erasure.unreadable" in [line["event"] for line in logs]
