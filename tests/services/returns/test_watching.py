"""The Maildir of what comes back: each message counts once, and nothing that anybody sends there stops the next."""

import asyncio
import os
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from eventstore_helpers import an_order, ask
from mail_helpers import RETURNS, recording
from service import until
from vignettes.eventstore.connections import conninfo
from vignettes.sandbox.bouncing import Bounce, Bouncing
from vignettes.services.returns import watching
from vignettes.services.returns.watching import ReturnWatching

REPORTS = "SELECT outcome, reports FROM read.mail_reports ORDER BY outcome"
KILL_OTHERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()
"""
STANDS = """
SELECT return_kind, return_status, soft_returns, again_at > now() + interval '3 hours', sent_at IS NOT NULL
FROM effect.mails WHERE message_id = %s
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "returns"


@pytest.fixture
def left(database):
    """Put a mail on record that has left, and return what the inbox would show of it."""

    def a_mail():
        message_id = f"<{uuid4()}@vignettes.example>"
        tag = RETURNS.tag(message_id)
        ask(
            database,
            "INSERT INTO effect.mails (message_id, order_id, kind, position, called_at, attempts, sent_at, return_tag)"
            " VALUES (%s, %s, 'placed', 1, now(), 1, now(), %s)",
            *(message_id, uuid4(), tag),
        )
        return {
            "message_id": message_id,
            "to": "d@example.com",
            "sender": RETURNS.address(tag),
            "headers": {},
        }

    return a_mail


@pytest.fixture
def comes_back(folder):
    """Deliver a report as the sandbox does."""

    def deliver(mail, kind):
        Bouncing(folder).deliver(kind, mail, datetime.now(UTC))

    return deliver


def drop(folder, content, name=None):
    """Deliver bytes as a mail server does."""
    watching.make_maildir(folder)
    (folder / "new" / (name or str(uuid4()))).write_bytes(content)


@pytest.fixture
def read(database, folder):
    """Run who reads the folder until the block ends, and until the folder is empty."""

    @asynccontextmanager
    async def running():
        url = conninfo(database, "vignettes_projector")
        task = asyncio.create_task(ReturnWatching(url, folder, RETURNS).run())
        try:
            yield task

            async def emptied():
                return folder.exists() and not [*folder.glob("new/*"), *folder.glob("cur/*")]

            await until(emptied)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return running


def aside(folder):
    """Return the reasons of what was set aside."""
    return sorted(path.read_text().strip() for path in folder.glob(".aside/*.reason.txt"))


async def test_each_report_is_acted_on_and_deleted(database, left, comes_back, read, folder):
    """It quotes an address and may quote a plate: nothing of it stays."""
    hard, soft, complaint = left(), left(), left()
    for mail, kind in ((hard, Bounce.HARD), (soft, Bounce.SOFT), (complaint, Bounce.COMPLAINT)):
        comes_back(mail, kind)
    async with read():
        pass
    assert ask(database, STANDS, hard["message_id"]) == [("permanent", "5.1.1", 0, None, True)]
    assert ask(database, STANDS, soft["message_id"]) == [(None, None, 1, True, True)]
    assert ask(database, STANDS, complaint["message_id"]) == [("complaint", None, 0, None, True)]
    assert ask(database, REPORTS) == [("complaint", 1), ("permanent", 1), ("soft", 1)]
    assert not [path for path in folder.rglob("*") if path.is_file() and path.name != "maildirfolder"]


async def test_the_same_report_twice_counts_once(database, left, comes_back, read):
    """Delivered twice, or read again by whoever comes after a process that was killed."""
    mail = left()
    for _ in range(2):
        comes_back(mail, Bounce.SOFT)
    async with read():
        pass
    assert ask(database, STANDS, mail["message_id"]) == [(None, None, 1, True, True)]


async def test_a_mail_that_comes_back_for_a_while_again_and_again_has_come_back_for_good(
    database, left, comes_back, read
):
    """Three times it is sent once more; a fourth is none."""
    mail = left()
    for _ in range(3):
        comes_back(mail, Bounce.SOFT)
        async with read():
            pass
        ask(database, "UPDATE effect.mails SET again_at = NULL")  # it was sent again
    assert ask(database, STANDS, mail["message_id"]) == [(None, None, 3, None, True)]
    comes_back(mail, Bounce.SOFT)
    async with read():
        pass
    assert ask(database, STANDS, mail["message_id"]) == [("permanent", "4.2.2", 3, None, True)]


async def test_the_first_end_counts(database, left, comes_back, read):
    """What comes later changes nothing of what the order was told."""
    mail = left()
    for kind in (Bounce.HARD, Bounce.COMPLAINT, Bounce.SOFT):
        comes_back(mail, kind)
        async with read():
            pass
    assert ask(database, STANDS, mail["message_id"]) == [("permanent", "5.1.1", 0, None, True)]


async def test_a_forged_report_counts_for_nothing(database, left, comes_back, read, folder):
    """Who knows a Message-ID does not know the tag; a tag that nobody ever sent is no mail's."""
    mail = left()
    comes_back({**mail, "sender": "returns@vignettes.example"}, Bounce.HARD)
    comes_back({**mail, "sender": RETURNS.address("a" * 16)}, Bounce.HARD)
    async with read():
        pass
    assert ask(database, STANDS, mail["message_id"]) == [(None, None, 0, None, True)]
    assert aside(folder) == [
        "It tells of a mail that is not known here.",
        "It tells of a mail that was not sent from an address of ours.",
    ]


async def test_nothing_that_anybody_sends_there_stops_the_next(database, left, comes_back, read, folder):
    """Set aside with its reason, and counted; whatever can't be opened is left to the next look."""
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000)
    )
    drop(folder, b"")
    drop(folder, b"\x00" * 100_000)
    drop(folder, b"Subject: hello\r\n\r\nI am a person.\r\n")
    drop(folder, b"x" * 2_000_000)
    drop(folder, b"Content-Type: multipart/report; boundary=" + b"a" * 500_000)
    drop(folder, nested)
    drop(
        folder,
        b"Content-Type: text/plain; charset=\xff\xff\r\nAction: failed\r\n\r\n" + bytes(range(256)) * 100,
    )
    drop(folder, b"\r\n" * 300_000, name="1.2.3:2,S")
    (folder / "new" / "a-folder").mkdir()
    (folder / "new" / ".hidden").write_bytes(b"x")
    mail = left()
    comes_back(mail, Bounce.HARD)
    async with read():

        async def noted():
            return ask(database, "SELECT 1 FROM effect.mails WHERE return_kind = 'permanent'")

        await until(noted, seconds=60.0)
        (folder / "new" / "a-folder").rmdir()
        (folder / "new" / ".hidden").unlink()
    reasons = aside(folder)
    assert "It has more lines or parts than any report." in reasons
    counted = dict(ask(database, REPORTS))
    assert counted["permanent"] == 1
    assert counted["set_aside"] == len(reasons) == 8


async def test_what_is_set_aside_does_not_grow_for_ever(database, read, folder, monkeypatch):
    """Whoever floods the address has the oldest of it deleted."""
    monkeypatch.setattr(watching, "MOST_ASIDE", 3)
    for number in range(6):
        drop(folder, b"Subject: hello\r\n\r\nbuy this\r\n", name=f"{number}")
    async with read():

        async def gone():
            # Six is also what there is while only three of them have come.
            is_read = not list((folder / "new").iterdir())
            return is_read and len(list(folder.glob(".aside/*"))) == 6

        await until(gone)
    assert len(aside(folder)) == 3
    assert ask(database, REPORTS) == [("set_aside", 6)]


async def test_what_is_set_aside_is_for_a_person_only_and_for_two_weeks(database, read, folder):
    """An answer to the wrong address may be in it, and what was erased everywhere else."""
    for name in ("old", "young"):
        drop(folder, b"Subject: hello\r\n\r\nI am a person.\r\n", name=name)
    async with read():
        pass
    assert {path.stat().st_mode & 0o777 for path in (folder, folder / ".aside", folder / "new")} == {0o700}
    long_ago = time.time() - 15 * 86_400
    os.utime(folder / ".aside" / "old.reason.txt", (long_ago, long_ago))
    async with read():

        async def gone():
            return len(list(folder.glob(".aside/*"))) == 2

        await until(gone)
    assert sorted(path.name for path in folder.glob(".aside/*")) == ["young", "young.reason.txt"]


WORDS = """\
From: MAILER-DAEMON@mx.example.net
To: {here}

Hi. This is the qmail-send program at mx.example.net.

<{named}>:
Sorry, no mailbox here by that name. (#5.1.1)
"""


@pytest.mark.parametrize(
    ("named", "kind"), [("Driver@example.com", "permanent"), ("somebody-else@example.com", None)]
)
async def test_a_bounce_in_words_counts_for_the_address_that_it_names(
    database, orders, read, folder, named, kind
):
    """Whoever got a mail of ours knows its tag: what does not reach others is nothing about its recipient."""
    await recording(database, orders)(an_order())
    [message_id] = ask(database, "SELECT message_id FROM effect.mails")
    tag = RETURNS.tag(message_id)
    ask(database, "UPDATE effect.mails SET sent_at = now(), return_tag = %s", tag)
    drop(folder, WORDS.format(here=RETURNS.address(tag), named=named).encode())
    async with read():
        pass
    assert ask(database, "SELECT return_kind FROM effect.mails") == [kind]
    assert aside(folder) == ([] if kind else ["It names other addresses than that of its mail."])


async def test_a_report_is_not_lost_with_the_database(database, left, comes_back, read):
    """It stays where it is until it is on record."""
    mail = left()
    async with read() as task:
        ask(database, KILL_OTHERS)
        comes_back(mail, Bounce.HARD)
        assert not task.done()
    assert ask(database, STANDS, mail["message_id"]) == [("permanent", "5.1.1", 0, None, True)]


async def test_a_folder_that_is_not_to_be_had_is_told_and_looked_at_again(database, tmp_path, monkeypatch):
    """A file in its place, a disk that is not mounted: a warning, and the reader lives."""
    monkeypatch.setattr(watching, "_LONGEST_PAUSE_SECONDS", 0.1)
    folder = tmp_path / "not-mounted" / "returns"
    folder.parent.write_text("in the way")
    url = conninfo(database, "vignettes_projector")
    task = asyncio.create_task(ReturnWatching(url, folder, RETURNS).run())
    with capture_logs() as told:

        async def warned():
            return "returns.unreadable" in {each["event"] for each in told}

        await until(warned)
        folder.parent.unlink()

        async def made():
            return (folder / "new").exists()

        await until(made)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_two_readers_of_one_folder_do_not_disturb_each_other(database, left, comes_back, read):
    """Each report counts for its mail once."""
    mails = [left() for _ in range(30)]
    for mail in mails:
        comes_back(mail, Bounce.HARD)
    async with read(), read():
        pass
    assert ask(database, "SELECT count(*) FROM effect.mails WHERE return_kind = 'permanent'") == [30]
