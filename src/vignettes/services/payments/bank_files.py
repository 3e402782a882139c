"""Bank files as wholes: read twice, first to see that all of it adds up, then to take it down in batches."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import structlog
from psycopg_pool import AsyncConnectionPool

from vignettes.domain.entry import BankEntry
from vignettes.messages.bank_files import Booked, FileForm
from vignettes.services import statements
from vignettes.services.payments.importing import BATCH, Importer
from vignettes.services.statements import BadFile, CsvMap, Format, Statement

log = structlog.get_logger(__name__)

UNKNOWN = "unknown"
_LONGEST_NAME = 200
_PIECE = 1024 * 1024

_BEGIN = """
INSERT INTO effect.bank_files (digest, name, format, imported_by)
VALUES (%(digest)s, %(name)s, %(format)s, %(actor)s) ON CONFLICT (digest) DO NOTHING
"""
# What is on record stays so, should the same file be read again by a wrong map.
_END = """
INSERT INTO effect.bank_files (digest, name, format, imported_by, state, reason, entries, ended_at)
VALUES (%(digest)s, %(name)s, %(format)s, %(actor)s, %(state)s, %(reason)s, %(entries)s, clock.now())
ON CONFLICT (digest) DO UPDATE
SET format = excluded.format, state = excluded.state, reason = excluded.reason, entries = excluded.entries,
    ended_at = excluded.ended_at
WHERE bank_files.state <> 'imported'
"""


@dataclass(frozen=True, slots=True)
class HowToRead:
    """What an operator says of a file; whatever is not said, its first bytes tell."""

    format: Format | None = None
    csv_map: CsvMap | None = None
    encoding: str | None = None

    def batches(self, file: BinaryIO) -> Generator[list[BankEntry]]:
        """Return the entries, some hundreds at a time. Raises BadFile where the file breaks or does not add up."""
        items = statements.read(file, format=self.format, map=self.csv_map, encoding=self.encoding)
        entries = (item for item in items if not isinstance(item, Statement))
        while batch := list(islice(entries, BATCH)):
            yield batch

    def named(self, file: BinaryIO, name: str) -> FileForm:
        """Return by what the file is known: its content, never its name."""
        file.seek(0)
        digest = hashlib.sha256()
        while piece := file.read(_PIECE):
            digest.update(piece)
        return FileForm(digest=digest.hexdigest(), name=one_line(name), format=self._format(file))

    def _format(self, file: BinaryIO) -> str:
        if self.format or self.csv_map:
            return self.format or Format.CSV
        try:
            return statements.sniff(file)
        except BadFile:
            return UNKNOWN


def one_line(text: str, longest: int = _LONGEST_NAME) -> str:
    """Return a file's name, or another text, as messages and tables can carry it."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:longest] or "?"


class FileBook:
    """Keeps what became of each file."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    async def begin(self, file: FileForm, actor: str) -> None:
        """Note that a file is being taken in; one that broke off is gone on with."""
        async with self._pool.connection() as connection:
            await connection.execute(_BEGIN, {**file.model_dump(), "actor": actor})

    async def end(self, file: FileForm, actor: str, *, entries: int = 0, reason: str | None = None) -> None:
        """Note that all of a file is on record, or that it was set aside for a reason."""
        state = "set_aside" if reason else "imported"
        how = {"actor": actor, "state": state, "reason": reason, "entries": entries}
        async with self._pool.connection() as connection:
            await connection.execute(_END, {**file.model_dump(), **how})
        log.info("bank_file.ended", file=file.digest[:12], format=file.format, state=state, entries=entries)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a file; `reason` is why it was set aside."""

    file: FileForm
    entries: int
    reason: str | None = None


class FileImporter:
    """Takes whole files in: all of a file's entries, or none of them."""

    def __init__(self, importer: Importer, book: FileBook) -> None:
        self._importer = importer
        self._book = book

    async def take(
        self, file: BinaryIO, name: str, how: HowToRead, actor: str, note: Callable[[Booked], None]
    ) -> Taken:
        """Take a file in; `note` is told of each batch. Read in a thread: others are answered meanwhile.

        Raises Unavailable when it is not known whether all of it is on record, and OSError where it can't be read.
        """
        named = await asyncio.to_thread(how.named, file, name)
        await self._book.begin(named, actor)
        entries, reason = 0, None
        try:
            entries = await asyncio.to_thread(_counted, how, file)
            await self._take(how, file, actor, note)
        except BadFile as refusal:
            reason = refusal.particulars
        await self._book.end(named, actor, entries=entries, reason=reason)
        return Taken(named, entries, reason)

    async def _take(self, how: HowToRead, file: BinaryIO, actor: str, note: Callable[[Booked], None]) -> None:
        async with aclosing(_read(how.batches(file))) as batches:
            async for batch in batches:
                note(await self._importer.book(batch, actor))


async def _read(batches: Generator[list[BankEntry]]) -> AsyncGenerator[list[BankEntry]]:
    """Return the batches, read in a thread. Always the same one: lxml's parser lives in the thread that made it."""
    executor = ThreadPoolExecutor(1, "bank file")
    try:
        while batch := await asyncio.get_running_loop().run_in_executor(executor, next, batches, None):
            yield batch
    finally:
        executor.submit(batches.close)
        executor.shutdown(wait=False)


def _counted(how: HowToRead, file: BinaryIO) -> int:
    return sum(len(batch) for batch in how.batches(file))
