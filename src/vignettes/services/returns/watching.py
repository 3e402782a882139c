"""A Maildir to which a mail server delivers what comes to the return address: each message is read once, and deleted.

It may hold a plate and an address, which nobody must find here once they were erased. What is not understood is put
into the subfolder `.aside`, with the reason beside it, for a person to look at within two weeks: then it is deleted.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import structlog
from psycopg import AsyncConnection

from vignettes.services.returns import recording
from vignettes.services.returns.path import ReturnPath
from vignettes.services.returns.reading import MOST_BYTES, Meaning, NotUnderstood, Report, read
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS = 1.0
#: At a folder that is not to be had.
_LONGEST_PAUSE_SECONDS = 30.0
#: Who sends us more that we do not understand has the oldest of it deleted.
MOST_ASIDE = 1000
#: How long a person has to look at it.
ASIDE_DAYS = 14
_SET_ASIDE = "set_aside"
_REASON = ".reason.txt"


class SetAside(Exception):
    """Not to be made use of: the text says why, without a word from the message."""


class ReturnWatching:
    """Reads what comes back. Any number of processes may: the same message read twice changes nothing."""

    def __init__(self, conninfo: str, folder: Path, path: ReturnPath) -> None:
        self._folder = folder
        self._path = path
        self._worker = Worker("returns", conninfo, (), self._work)

    async def run(self) -> None:
        """Look each second until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        try:
            await self._look(connection)
        except OSError as error:
            log.warning("returns.unreadable", error=error.strerror, again_in_seconds=_LONGEST_PAUSE_SECONDS)
            return _LONGEST_PAUSE_SECONDS
        return LOOK_EVERY_SECONDS

    async def _look(self, connection: AsyncConnection) -> None:
        make_maildir(self._folder)
        self._aside.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):  # another process was quicker
            self._let_go()
        for file in self._found():
            with suppress(FileNotFoundError):
                await self._take(connection, file)

    @property
    def _aside(self) -> Path:
        return self._folder / ".aside"

    def _found(self) -> Iterator[Path]:
        """Give what has come, and what somebody has looked at with a mail program, oldest names first."""
        for part in ("new", "cur"):
            with os.scandir(self._folder / part) as entries:
                names = [each.name for each in entries if each.is_file(follow_symlinks=False)]
            yield from (self._folder / part / name for name in sorted(names) if not name.startswith("."))

    async def _take(self, connection: AsyncConnection, file: Path) -> None:
        """Act on one message; whatever is the matter with it, the next ones are read."""
        try:
            report = await asyncio.to_thread(self._read, file)
            await self._record(connection, report)
        except SetAside as reason:
            self._set_aside(file, str(reason))
            await recording.count(connection, _SET_ASIDE)
            log.warning("mail.report_set_aside", reason=str(reason))
        else:
            _delete(file)

    def _read(self, file: Path) -> Report:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES)
        try:
            return read(content, self._path)
        except NotUnderstood as error:
            raise SetAside(str(error)) from None
        except Exception as error:  # noqa: BLE001  # the parser was written for friendlier mail
            raise SetAside(f"It can't be read: {type(error).__name__}.") from None

    async def _record(self, connection: AsyncConnection, report: Report) -> None:
        async with connection.transaction():
            await recording.count(connection, report.meaning)
            if report.meaning is Meaning.IGNORED:
                return
            if report.tag is None:
                raise SetAside("It tells of a mail that was not sent from an address of ours.")
            mail = await recording.tagged(connection, report.tag)
            if mail is None:
                raise SetAside("It tells of a mail that is not known here.")
            if report.failed and mail.recipient and mail.recipient.lower() not in report.failed:
                raise SetAside("It names other addresses than that of its mail.")
            await recording.note(connection, mail, report.meaning, report.status)
        log.info("mail.returned", mail=mail.message_id, meaning=report.meaning, status=report.status)

    def _set_aside(self, file: Path, reason: str) -> None:
        aside = self._aside / file.name.partition(":")[0]
        # First: by its time the message is let go, also where we are killed in between.
        aside.with_name(aside.name + _REASON).write_text(f"{reason}\n", encoding="utf-8")
        file.rename(aside)

    def _let_go(self) -> None:
        """Delete what was set aside long ago, and the oldest of it where it is too much."""
        long_ago = time.time() - ASIDE_DAYS * 86_400
        kept = sorted((each.stat().st_mtime, each) for each in self._aside.glob(f"*{_REASON}"))
        for number, (set_aside_at, reason) in enumerate(kept):
            if set_aside_at < long_ago or number < len(kept) - MOST_ASIDE:
                reason.with_name(reason.name.removesuffix(_REASON)).unlink(missing_ok=True)
                reason.unlink(missing_ok=True)


def make_maildir(folder: Path) -> None:
    """Make what is missing of a Maildir; whoever else does at this moment is not in the way."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(mode=0o700, exist_ok=True)


def _delete(file: Path) -> None:
    file.unlink(missing_ok=True)
