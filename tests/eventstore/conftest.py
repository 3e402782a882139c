"""Writers of the log, as each ordering process has one."""

from collections.abc import Callable, Iterator, Sequence

import psycopg
import pytest

from eventstore_helpers import Writer, a_vault, a_writer
from vignettes.eventstore.journal import Entry, Journal, Written


class Counted(Journal):
    """A connection that remembers what it was asked to append."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.appended: list[list[object]] = []

    async def append(self, entries: Sequence[Entry]) -> list[Written]:
        self.appended.append([entry.command_id for entry in entries])
        return await super().append(entries)


@pytest.fixture
def journal(database: str) -> Counted:
    """Give the connection of `appender`, to be watched and broken."""
    return Counted(database)


@pytest.fixture
def appender(journal: Counted) -> Iterator[Writer]:
    """Give the writer of a process."""
    here = Writer(journal, a_vault())
    yield here
    here.close()


@pytest.fixture
def elsewhere(database: str) -> Iterator[Writer]:
    """Give the writer of another process: its own connection, its own memory."""
    there = a_writer(database)
    yield there
    there.close()


@pytest.fixture
def lose_the_next_answer(journal: Counted, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the next append lose its reply: what a connection does that breaks after COMMIT."""

    def losing() -> None:
        append = journal.append

        async def lose(entries: Sequence[Entry]) -> list[Written]:
            await append(entries)
            monkeypatch.setattr(journal, "append", append)
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(journal, "append", lose)

    return losing
