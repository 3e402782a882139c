"""`vignettes payments import`: files are checked and read here, however large, and sent to the service in batches."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import typer
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, DownloadColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from vignettes.domain.entry import BankEntry
from vignettes.messages.bank_files import AskStandings, BookEntries, EntryForm, FileForm, NoteFile
from vignettes.messages.forms import Message
from vignettes.runtime.asking import service
from vignettes.runtime.console import answered, err
from vignettes.runtime.payments_parse import chosen_format
from vignettes.runtime.settings import ConfigurationError, Settings
from vignettes.services.payments.bank_files import HowToRead, one_line
from vignettes.services.payments.forms import form_of
from vignettes.services.statements import BadFile, Format, load_map
from vignettes.services.statements.sources import encoding_named

#: What of a message is for entries, in bytes: a server takes 1 MB.
_LARGEST_BATCH = 800_000
_TIMEOUT = 30.0
_ATTEMPTS = 8
_PAUSE = 0.25
#: How long the service may take to decide upon the last payments, and how many are asked about at a time.
_PATIENCE_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 0.25
_MOST_ASKED = 5_000
_LONGEST_REASON = 2_000


@dataclass(slots=True)
class Result:
    """What became of one file. `undecided` are those of the new payments that are still to be matched.

    `announced` are entries for us that the bank has not booked yet: they are matched when it has.
    """

    file_name: str
    file_id: str = ""
    state: str = "imported"
    reason: str | None = None
    entries: int = 0
    new: int = 0
    matched: int = 0
    in_review: int = 0
    undecided: int = 0
    announced: int = 0
    known: int = 0
    reversals: int = 0
    payouts: int = 0
    ignored: int = 0


def how_to_read(form: str | None, column_map: Path | None, encoding: str | None) -> HowToRead:
    """Return what an operator says of the files. What can't be is a misuse that names the option."""
    chosen = chosen_format(form)
    if chosen is Format.CSV and column_map is None:
        raise typer.BadParameter("A CSV file needs its column map.", param_hint="--map")
    option = "--map"
    try:
        columns = load_map(column_map) if column_map else None
        option = "--encoding"
        return HowToRead(chosen, columns, encoding_named(encoding) if encoding else None)
    except BadFile as refusal:
        raise typer.BadParameter(refusal.particulars, param_hint=option) from None


async def import_files(settings: Settings, files: Sequence[Path], how: HowToRead, actor: str) -> list[Result]:
    """Take files in, one after the other, and return what became of each. One that is bad leaves the others alone."""
    async with service(settings) as client:
        with _progress() as progress:
            return [await _Import(client, path, how, actor, progress).run() for path in files]


class _Import:
    """One file on its way."""

    def __init__(self, client: Client, path: Path, how: HowToRead, actor: str, progress: Progress) -> None:
        self._client = client
        self._path = path
        self._how = how
        self._actor = actor
        self._progress = progress
        self._result = Result(one_line(path.name))
        self._undecided: list[str] = []

    async def run(self) -> Result:
        """Check the file, send its entries, and wait a little for what they come to."""
        task = self._progress.add_task(self._result.file_name, total=None, doing="reading")
        try:
            with self._path.open("rb") as file:
                await self._take(file, task)
        except OSError as error:
            self._result.state, self._result.reason = "unreadable", error.strerror or type(error).__name__
        finally:
            self._progress.remove_task(task)
        await self._settle()
        return self._result

    async def _take(self, file: BinaryIO, task: TaskID) -> None:
        named = self._how.named(file, self._path.name)
        self._result.file_id = named.digest
        # Each entry is read twice: a file that does not add up is not to be known half.
        size = file.seek(0, os.SEEK_END)
        try:
            self._progress.reset(task, total=size, doing="checking")
            async for batch in self._batches(file, task):
                self._result.entries += len(batch)
                self._result.announced += sum(_is_announced(form) for form in batch)
            self._progress.reset(task, total=size, doing="sending")
            async for batch in self._batches(file, task):
                await self._book(named, batch)
        except BadFile as refusal:
            self._result.state, self._result.reason = "set_aside", refusal.particulars
        await self._note(named)

    async def _batches(self, file: BinaryIO, task: TaskID) -> AsyncIterator[list[EntryForm]]:
        for batch in self._how.batches(file):
            self._progress.update(task, completed=file.tell())
            yield [_form(entry) for entry in batch]
            await asyncio.sleep(0)  # the connection is to be kept alive, however long the file is

    async def _book(self, named: FileForm, batch: list[EntryForm]) -> None:
        for part in _parts(batch):
            booked = await self._ask(BookEntries(actor=self._actor, file=named, entries=tuple(part)))
            for name in ("new", "known", "reversals", "payouts", "ignored"):
                setattr(self._result, name, getattr(self._result, name) + booked[name])
            self._undecided += booked["payment_ids"]
        if len(self._undecided) >= _MOST_ASKED:
            await self._look()

    async def _note(self, named: FileForm) -> None:
        result = self._result
        await self._ask(
            NoteFile(
                actor=self._actor,
                file=named,
                state="set_aside" if result.reason else "imported",
                reason=_cut(result.reason),
                entries=result.entries,
            )
        )

    async def _settle(self) -> None:
        """Wait until the new payments are decided upon, some seconds at most."""
        task = self._progress.add_task(self._result.file_name, total=None, doing="matching")
        for _ in range(int(_PATIENCE_SECONDS / _LOOK_EVERY_SECONDS)):
            await self._look()
            if not self._undecided:
                break
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        self._result.undecided = len(self._undecided)
        self._progress.remove_task(task)

    async def _look(self) -> None:
        """Ask how far the payments are, and forget those that are decided upon: of a large file there are many."""
        asked, self._undecided = self._undecided[:_MOST_ASKED], self._undecided[_MOST_ASKED:]
        if asked:
            found = await self._ask(AskStandings(payment_ids=tuple(map(UUID, asked))))
            self._result.matched += found["matched"]
            self._result.in_review += found["in_review"]
            self._undecided += found["undecided"]

    async def _ask(self, message: Message) -> dict[str, Any]:
        """Return the answer; asked again as long as nobody knows, for the service may be just starting."""
        subject: str = message.subject  # type: ignore[attr-defined]  # each request has one
        body = message.model_dump_json(exclude_unset=True).encode()
        why = "unavailable"
        for attempt in range(_ATTEMPTS):
            try:
                reply: dict[str, Any] = json.loads(
                    (await self._client.request(subject, body, timeout=_TIMEOUT)).data
                )
            except NatsError as error:
                why = type(error).__name__
            else:
                if reply["ok"] or reply["error"]["code"] != "unavailable":
                    return answered(reply)
            await asyncio.sleep(_PAUSE * 2**attempt)
        raise ConfigurationError(
            f"Nobody answers {subject} ({why}). Import the file again when the service runs: nothing counts twice."
        )


def _form(entry: BankEntry) -> EntryForm:
    """Return an entry as it is sent. What no message carries is no bank's: the file is bad."""
    try:
        return form_of(entry)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise BadFile(f"An entry of {entry.booked_on} has a {field} that can't be: {first['msg']}.") from None


def _is_announced(form: EntryForm) -> bool:
    return form.credit and not form.reversal and not form.booked


def _parts(batch: list[EntryForm]) -> Iterator[list[EntryForm]]:
    """Return the entries in as many parts as messages are needed: long texts fill one before it has all of them."""
    part: list[EntryForm] = []
    size = 0
    for form in batch:
        length = len(form.model_dump_json())
        if part and size + length > _LARGEST_BATCH:
            yield part
            part, size = [], 0
        part.append(form)
        size += length
    yield part


def _cut(reason: str | None) -> str | None:
    return one_line(reason, _LONGEST_REASON) if reason else None


class _Bytes(DownloadColumn):
    """How much of the file is read, while it is."""

    def render(self, task: Task) -> Text:
        """Return nothing where no bytes are counted."""
        return Text("") if task.total is None else super().render(task)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        _Bytes(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[doing]}"),
        console=err,
        transient=True,
    )


# --- what is shown of it

_COUNTS = {
    "matched": "matched",
    "in_review": "in review",
    "undecided": "still to be matched (`vignettes payments review` will tell)",
    "announced": "announced, not booked yet",
    "known": "known already",
    "reversals": "taking others back",
    "payouts": "of our payouts",
    "ignored": "not ours",
}


def shown(results: Sequence[Result]) -> RenderableType:
    """Show what became of files, one beneath the other: of one that was set aside nothing counts but the reason."""
    return Group(*(part for result in results for part in _block(result)))


def _block(result: Result) -> Iterator[RenderableType]:
    yield Text(
        result.file_name, style="bold red" if result.reason else "bold", no_wrap=True, overflow="ignore"
    )
    for line in [_refused(result)] if result.reason else _counted(result):
        yield Padding(Text(line), (0, 0, 0, 2), expand=False)


def _refused(result: Result) -> str:
    return f"{result.state.replace('_', ' ')}: {result.reason}"


def _counted(result: Result) -> Iterator[str]:
    """Tell how many entries there are, and of what kind, a line each; what there is none of is left out."""
    yield f"{result.entries:,} {'entry' if result.entries == 1 else 'entries'}"
    counts = {text: getattr(result, name) for name, text in _COUNTS.items()}
    yield from (f"{count:,} {text}" for text, count in counts.items() if count)
