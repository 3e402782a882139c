"""Bank files over NATS: small ones whole; those of `vignettes payments import` checked there, and sent in batches."""

import asyncio
import io
import time
from base64 import b64decode
from binascii import Error as NotBase64
from dataclasses import dataclass, field, fields
from uuid import UUID

from pydantic import BaseModel

from vignettes.domain.errors import InvalidValue
from vignettes.messages import bank_files, replies
from vignettes.messages.bank_files import Booked
from vignettes.services.edge import Endpoints
from vignettes.services.payments.bank_files import FileBook, FileImporter, HowToRead, Taken
from vignettes.services.payments.forms import entry_of
from vignettes.services.payments.importing import Importer
from vignettes.services.payments.review import QUEUE
from vignettes.services.statements import BadFile, Format
from vignettes.services.statements.csv_map import read_map
from vignettes.services.statements.sources import encoding_named

#: How long an answer waits for its payments to be decided upon.
_PATIENCE_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.05
#: Files that are read at a time in one process.
_READERS = 2


class ImportDesk:
    """Takes files and entries, and answers what became of them."""

    def __init__(self, importer: Importer, files: FileImporter, book: FileBook) -> None:
        self._importer = importer
        self._files = files
        self._book = book
        self._reading = asyncio.Semaphore(_READERS)

    def register(self, endpoints: Endpoints) -> None:
        """Answer the four subjects."""
        for request, handle in (
            (bank_files.ImportFile, self._import),
            (bank_files.BookEntries, self._take),
            (bank_files.NoteFile, self._note),
            (bank_files.AskStandings, self._standings),
        ):
            endpoints.answer(request.subject, QUEUE, request, replies.REPLY_OF[request], handle)

    async def _import(self, asked: bank_files.ImportFile, _: UUID | None) -> BaseModel:
        content, how = _content(asked), _how(asked)
        tally = _Tally()
        async with self._reading:
            taken = await self._files.take(io.BytesIO(content), asked.file_name, how, asked.actor, tally.add)
        return _told(taken, tally, await self._settled(tally))

    async def _settled(self, tally: "_Tally") -> bank_files.Standings:
        """Wait until the new payments are decided upon, some seconds at most."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            standings = await self._importer.standings(tally.payment_ids)
            if not standings.undecided or time.monotonic() > end:
                return standings
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _take(self, asked: bank_files.BookEntries, _: UUID | None) -> BaseModel:
        await self._book.begin(asked.file, asked.actor)
        return await self._importer.book([entry_of(form) for form in asked.entries], asked.actor)

    async def _note(self, asked: bank_files.NoteFile, _: UUID | None) -> BaseModel:
        if (asked.reason is None) is (asked.state == "set_aside"):
            raise InvalidValue("It tells why a file was set aside, and that only.", field="reason")
        await self._book.end(asked.file, asked.actor, entries=asked.entries, reason=asked.reason)
        return bank_files.FileNoted(file_id=asked.file.digest)

    async def _standings(self, asked: bank_files.AskStandings, _: UUID | None) -> BaseModel:
        return await self._importer.standings(asked.payment_ids)


@dataclass(slots=True)
class _Tally:
    """What the batches of one file were."""

    new: int = 0
    known: int = 0
    reversals: int = 0
    payouts: int = 0
    ignored: int = 0
    payment_ids: list[UUID] = field(default_factory=list)

    def add(self, booked: Booked) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(booked, each.name))


def _content(asked: bank_files.ImportFile) -> bytes:
    try:
        return b64decode(asked.content, validate=True)
    except NotBase64:
        raise InvalidValue("It is no base64.", field="content") from None


def _how(asked: bank_files.ImportFile) -> HowToRead:
    """Return how to read the file; what is wrong with that is the asker's, not the file's."""
    field = "csv_map"
    try:
        csv_map = read_map(asked.csv_map, field) if asked.csv_map else None
        field = "encoding"
        encoding = encoding_named(asked.encoding) if asked.encoding else None
    except BadFile as refusal:
        raise InvalidValue(refusal.particulars, field=field) from None
    return HowToRead(Format(asked.format) if asked.format else None, csv_map, encoding)


def _told(taken: Taken, tally: _Tally, standings: bank_files.Standings) -> bank_files.FileTaken:
    return bank_files.FileTaken(
        file_id=taken.file.digest,
        file_name=taken.file.name,
        state="set_aside" if taken.reason else "imported",
        reason=taken.reason,
        entries=taken.entries,
        matched=standings.matched,
        in_review=standings.in_review,
        new=tally.new,
        known=tally.known,
        reversals=tally.reversals,
        payouts=tally.payouts,
        ignored=tally.ignored,
    )
