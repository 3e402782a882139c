"""Commands on cases, through the log."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from vignettes.domain import errors
from vignettes.domain.support_case import SupportCase, case_id_of
from vignettes.domain.support_events import Channel, Particulars, Topic
from vignettes.services.commanding import Ask, Commanding
from vignettes.services.grouping import GroupWriter

Act = Callable[[SupportCase, datetime], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What a case begins with."""

    topic: Topic
    channel: Channel
    particulars: Particulars
    language: str
    message: str | None = None


def opening(request: Request, command_id: UUID, actor: str, body: bytes = b"") -> Ask:
    """Return the command that opens a case. The case's id follows from the command's."""
    case_id = case_id_of(command_id)

    def decide(_: Any, at: datetime) -> SupportCase:
        return SupportCase.open(
            case_id,
            topic=request.topic,
            channel=request.channel,
            particulars=request.particulars,
            language=request.language,
            message=request.message,
            at=at,
        )

    return Ask(command_id, case_id, decide, actor, body)


def on(
    case_id: UUID, command_id: UUID, act: Act, actor: str, body: bytes = b"", *, erases: bool = False
) -> Ask:
    """Return a command on a case that must exist."""

    def decide(case: Any, at: datetime) -> SupportCase:
        if not isinstance(case, SupportCase):  # none, or an order's id
            raise errors.CaseNotFound(field="case_id")
        act(case, at)
        return case

    return Ask(command_id, case_id, decide, actor, body, erases)


class CaseWriter(Commanding):
    """Has commands on cases decided and recorded, many at a time."""

    def __init__(self, writer: GroupWriter, digest: Callable[[bytes], bytes]) -> None:
        super().__init__(writer, digest, _answer)


def _answer(case: SupportCase) -> dict[str, Any]:
    return {
        "case_id": str(case.id),
        "case_number": case.number,
        "state": str(case.status),
        "version": case.version,
    }
