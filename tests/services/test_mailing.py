"""The mailer on real servers: it sends what is sealed in the view in the clear, and keeps nothing in the clear."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from eventstore_helpers import (
    DOMAIN,
    HOUR,
    NOON,
    TERMS,
    a_vault,
    an_order,
    ask,
    details,
    erase,
    fold,
    issue,
    pay,
    record,
    start,
)
from service import until
from vignettes.domain.personal import DataClass
from vignettes.eventstore.connections import conninfo
from vignettes.projections.emails import EmailsView
from vignettes.sandbox.inbox import Inbox
from vignettes.services.deciding import Payee
from vignettes.services.links import Links
from vignettes.services.mailing import Mailing
from vignettes.services.writing import Sender, Writing

SENDER = Sender(f"Vignettes <orders@{DOMAIN}>", None, None)
SUBJECTS = "SELECT subject FROM read.emails WHERE order_id = %s ORDER BY position, kind"


async def now():
    return datetime.now(UTC)


@pytest.fixture
def writing():
    links = Links(f"https://{DOMAIN}", bytes(32))
    return Writing(links, Payee("Vignettes", "CZ6508000000192000145399"), SENDER)


@pytest.fixture
async def inbox(tmp_path):
    async with Inbox(tmp_path / "inbox.sqlite", now=now) as inbox:
        yield inbox


@pytest.fixture
def on_record(database, orders):
    """Put what is new in orders on record, and call for their mails."""
    vault = a_vault()

    async def recorded(*changed):
        record(orders, *changed)
        await fold(database, vault, EmailsView(TERMS, DOMAIN, vault))

    return recorded


@pytest.fixture
def mailing(database, inbox, writing):
    """Run the mailer until the block ends."""

    @asynccontextmanager
    async def running():
        url = conninfo(database, "vignettes_projector")
        task = asyncio.create_task(Mailing(url, f"smtp://127.0.0.1:{inbox.port}", writing).run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return running


async def arrived(inbox, count):
    async def look():
        return len(inbox.messages()) >= count

    await until(look)
    return inbox.messages()


async def sent(database, count):
    """Wait until so many mails are on record as sent."""

    async def look():
        return ask(
            database, "SELECT 1 FROM effect.mails WHERE sent_at IS NOT NULL HAVING count(*) = %s", count
        )

    await until(look)


async def test_a_driver_reads_what_the_tables_keep_sealed(database, inbox, on_record, mailing):
    """Address and plate reach them; in the database neither they nor the subject can be read."""
    order = an_order()
    await on_record(order)
    async with mailing():
        [mail] = await arrived(inbox, 1)
        await sent(database, 1)
    assert mail["to"] == "driver@example.com"
    assert "2A2 2345" in mail["text"]
    assert "driver@example.com" in mail["text"]
    assert ask(database, SUBJECTS, order.id) == [mail["subject"]]
    kept = str(ask(database, "SELECT encode(subject, 'escape') FROM effect.mails"))
    assert order.number not in kept


async def test_a_mail_under_way_comes_on_record_when_the_mailer_is_told_to_stop(
    database, inbox, on_record, mailing, monkeypatch
):
    """The server has it, and its yes is on the way: the next process must not send it again."""
    keep, taken, goes_on = inbox.handle_DATA, asyncio.Event(), asyncio.Event()

    async def slow(*mail):
        answer = await keep(*mail)
        taken.set()
        await goes_on.wait()
        return answer

    monkeypatch.setattr(inbox, "handle_DATA", slow)
    await on_record(an_order())
    async with mailing() as task:
        await taken.wait()
        task.cancel()
        await asyncio.sleep(0)
        goes_on.set()
        await asyncio.gather(task, return_exceptions=True)
    assert ask(database, "SELECT sent_at IS NOT NULL FROM effect.mails") == [True]


async def test_no_file_of_the_database_holds_personal_data(postgres, database, inbox, on_record, mailing):
    """Log, views, mails that left, and the write-ahead log of all of them: sealed wherever it is written (I11)."""
    order = start(pay(an_order(details(plate="7CA N4RY"), email="canary.7f3a@example.com")))
    order.record_rejection("canary.7f3a drives 7CA N4RY", order.generation, NOON + HOUR)
    order.request_refund("says canary.7f3a", NOON + 2 * HOUR)
    await on_record(order)
    async with mailing():
        await sent(database, 5)
    assert "7CA N4RY" in inbox.messages()[-1]["text"]
    ask(database, "CHECKPOINT")
    files = [path for path in postgres._cluster.rglob("*") if path.is_file()]
    assert any("pg_wal" in path.parts for path in files)
    for path in files:
        content = path.read_bytes()
        assert not [told for told in (b"canary.7f3a", b"7CA N4RY", b"7CAN4RY") if told in content], path


async def test_a_mail_whose_address_was_erased_is_never_sent(database, orders, inbox, on_record, mailing):
    """Though the view has not heard of it: the keys are gone. The others' mails leave."""
    gone, other = an_order(email="gone@example.com"), an_order(email="other@example.com")
    gone.expire(TERMS, NOON + 720 * HOUR)
    await on_record(gone, other)
    erase(database, orders, gone)
    async with mailing():
        await sent(database, 1)
        await on_record()
        await on_record(pay(other))
        await sent(database, 2)
    assert {mail["to"] for mail in inbox.messages()} == {"other@example.com"}
    erased = "SELECT state, attempts FROM read.emails WHERE order_id = %s"
    assert ask(database, erased, gone.id) == [("erased", 0)] * 2


async def test_a_mail_leaves_without_the_plate_that_was_erased(database, orders, inbox, on_record, mailing):
    """Its driver may still be told of money; nothing in it says None."""
    order = issue(start(pay(an_order())))
    erase(database, orders, order, DataClass.VEHICLE)
    await on_record(pay(order, 100))
    async with mailing():
        letters = await arrived(inbox, 5)
        await sent(database, 5)
    for mail in letters:
        assert "2A2" not in mail["text"] + mail["html"]
        assert "None" not in mail["text"] + mail["html"]
    assert ask(database, "SELECT count(subject) FROM effect.mails") == [0]
