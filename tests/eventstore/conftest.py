"""Writers of the log, as each ordering process has one."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from eventstore_helpers import a_vault, an_appender
from vignettes.eventstore.append import Appender
from vignettes.eventstore.journal import Entry, Journal, Written


class Counted(Journal):
    """A connection that remembers what it was asked to append."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.appended: list[list[object]] = []

    def append(self, entries: list[Entry]) -> list[Written]:
        self.appended.append([entry.command_id for entry in entries])
        return super().append(entries)


@pytest.fixture
def journal(database: str) -> Iterator[Counted]:
    """Give the connection of a writer, to be watched and broken."""
    here = Counted(database)
    yield here
    here.close()


@pytest.fixture
def appender(journal: Counted) -> Appender:
    """Give the writer of a process."""
    return Appender(journal, a_vault())


@pytest.fixture
def elsewhere(database: str) -> Iterator[Appender]:
    """Give the writer of another process: its own connection, its own memory."""
    there = an_appender(database)
    yield there
    there.close()


@pytest.fixture
def lose_the_next_answer(journal: Counted, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the next append lose its reply: what a connection does that breaks after COMMIT."""

    def losing() -> None:
        append = journal.append

        def lose(entries: list[Entry]) -> list[Written]:
            append(entries)
            monkeypatch.setattr(journal, "append", append)
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(journal, "append", lose)

    return losing
