"""Bank files and their entries, by request/reply."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from vignettes.domain.entry import FIRST_DAY, LARGEST_AMOUNT, LAST_DAY
from vignettes.messages.answers import Answer, absent
from vignettes.messages.forms import AccountNumber, Line, Message, Text

#: What fits into one message of NATS beside the rest of the request, as base64.
LARGEST_CONTENT = 900_000
_LONGEST_NAME = 80


def _base_name(name: str) -> str:
    """Return a file's name without its folders, whose names may be people's, and not longer than people read."""
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2][:_LONGEST_NAME] or "?"


class EntryForm(Message):
    """A movement of money on an account of ours, as `vignettes payments parse` prints it, and its references."""

    entry_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    account: AccountNumber
    booked_on: Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
    amount: Annotated[int, Field(gt=0, le=LARGEST_AMOUNT)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    credit: bool
    reversal: bool
    booked: bool
    variable_symbol: Line | None = None
    creditor_reference: Line | None = None
    remittance: Text | None = None
    counterparty: Text | None = None
    counterparty_account: AccountNumber | None = None
    end_to_end_id: Line | None = None
    bank_reference: Line | None = None


class FileForm(Message):
    """A bank file: the SHA-256 of its bytes, whatever it is called. Of its name the folders are left out."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    name: Annotated[Line, AfterValidator(_base_name)]
    format: Line


class ImportFile(Message):
    """Take a bank file in: every entry of it, or none when it does not add up. The same file again changes nothing.

    `content` is its bytes in base64; larger ones go through `vignettes payments import` or the watched folder.
    """

    subject: ClassVar[str] = "payments.v1.import"

    command_id: UUID
    actor: Line
    file_name: Line
    content: Annotated[
        str, Field(min_length=1, max_length=LARGEST_CONTENT, pattern=r"^[A-Za-z0-9+/]+={0,2}$")
    ]
    format: Literal["camt", "mt940", "abo", "csv"] | None = None
    encoding: Line | None = None
    csv_map: Annotated[str, Field(max_length=20_000)] | None = None


class BookEntries(Message):
    """Take entries of a file down that was checked as a whole (who imports it)."""

    subject: ClassVar[str] = "payments.v1.book"

    actor: Line
    file: FileForm
    entries: Annotated[tuple[EntryForm, ...], Field(min_length=1, max_length=500)]


class NoteFile(Message):
    """Keep what became of a file as a whole (who imports it)."""

    subject: ClassVar[str] = "payments.v1.note_file"

    actor: Line
    file: FileForm
    state: Literal["imported", "set_aside"]
    reason: Text | None = None
    entries: Annotated[int, Field(ge=0)] = 0


class AskStandings(Message):
    """How far payments are: matched, in review, or not decided upon yet (who imports a file)."""

    subject: ClassVar[str] = "payments.v1.standings"

    payment_ids: Annotated[tuple[UUID, ...], Field(max_length=10_000)]


# ------------------------------------------------------------------ answers


class Booked(Answer):
    """What the entries were: new, known before, taking others back, confirming our payouts, or not our business."""

    ok: Literal[True] = True
    new: int
    known: int
    reversals: int
    payouts: int
    ignored: int
    payment_ids: list[UUID]


class FileTaken(Answer):
    """What became of a file; `reason` is why it was set aside. Counts as far as they are known by now."""

    ok: Literal[True] = True
    file_id: str
    file_name: str
    state: Literal["imported", "set_aside"]
    reason: str | None = Field(default=None, exclude_if=absent)
    entries: int = 0
    new: int = 0
    known: int = 0
    matched: int = 0
    in_review: int = 0
    reversals: int = 0
    payouts: int = 0
    ignored: int = 0


class FileNoted(Answer):
    """It is kept what became of the file."""

    ok: Literal[True] = True
    file_id: str


class Standings(Answer):
    """How many of the payments are matched or wait for a person, and those that are not decided upon yet."""

    ok: Literal[True] = True
    matched: int
    in_review: int
    undecided: list[UUID]
