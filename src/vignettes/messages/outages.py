"""Announced outages of toll authorities, by request/reply: recorded facts with an actor."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from vignettes.messages.forms import Line, Message, Span


class AnnounceOutage(Span):
    """An authority has told that it will not be there: what falls due meanwhile is brought forward.

    The outage goes by the id of the command that announced it.
    """

    subject: ClassVar[str] = "outages.v1.announce"

    command_id: UUID
    actor: Line
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    note: Line | None = None


class WithdrawOutage(Message):
    """An announced outage will not take place, or was announced wrongly."""

    subject: ClassVar[str] = "outages.v1.withdraw"

    command_id: UUID
    actor: Line
    outage_id: UUID


class AskOutages(Message):
    """Announced outages that have not ended and were not withdrawn; `all` for every one there was."""

    subject: ClassVar[str] = "outages.v1.list"

    actor: Line | None = None
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    all: bool = False
