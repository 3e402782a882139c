"""Cases of support: what each is about, whose turn it is, and what was written both ways."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.domain.personal import DataClass
from vignettes.domain.support_case import SupportCase
from vignettes.domain.support_events import SupportEvents
from vignettes.eventstore.codec import Recorded
from vignettes.eventstore.personal import Vault
from vignettes.projections.view import Definition, Edition, Row, Table, upsert

DEFINITION = Definition(
    "support_cases",
    2,
    ("support_cases", "support_messages"),
    ("support_cases", "support_messages"),
    about=(SupportEvents.Event,),
    id_column="case_id",
)

#: What the table keeps sealed, and by which key.
_SEALED = {
    "typed_number": DataClass.CONTACT,
    "email": DataClass.CONTACT,
    "plate": DataClass.VEHICLE,
    "message": DataClass.CONTACT,
}


class SupportCasesView(Table):
    """Each case's row is its state after its last event; what was written has a row for each time."""

    definition = DEFINITION

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._changed: dict[UUID, tuple[SupportCase, int]] = {}

    def before(self, case: SupportCase | None) -> None:
        """Need nothing: the rows say how things stand, not how they changed."""

    def see(self, event: Recorded, case: SupportCase, noted: Any) -> None:  # noqa: ARG002  # the protocol's
        self._changed[case.id] = (case, event.position)

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        cases = [self._sealed(case, position) for case, position in self._changed.values()]
        written = [each for case, _ in self._changed.values() for each in self._written(case)]
        await upsert(connection, edition, "support_cases", cases, key=("case_id",))
        await upsert(connection, edition, "support_messages", written, key=("case_id", "number"))
        self.forget()

    def _sealed(self, case: SupportCase, position: int) -> Row:
        told = row(case, position)
        for name, kept_by in _SEALED.items():
            told[name] = self._vault.shown(case.id, kept_by, told[name])
        return told

    def _written(self, case: SupportCase) -> list[Row]:
        return [
            {
                "case_id": case.id,
                "number": number,
                "channel": said.channel,
                "text": self._vault.shown(case.id, DataClass.CONTACT, said.text),
                "written_at": said.at,
            }
            for number, said in enumerate(case.thread, 1)
        ]

    def forget(self) -> None:
        self._changed.clear()


def row(case: SupportCase, position: int) -> Row:
    """Return the row of one case, as `read.support_cases` shows it."""
    known = case.particulars
    return {
        "case_id": case.id,
        "case_number": case.number,
        "state": case.status,
        "topic": case.topic,
        "channel": case.channel,
        "order_id": known.order_id,
        "order_number": known.order_number,
        "typed_number": known.typed_number,
        "email": known.email,
        "country": known.country,
        "plate": known.plate,
        "ordered_on": known.ordered_on,
        "language": case.language,
        "message": case.thread[0].text,
        "messages": len(case.thread) - case.answers,
        "answers": case.answers,
        "opened_at": case.created_on,
        "open_since": case.open_since,
        "closed_at": case.closed_at,
        "erased": sorted(case.erased),
        "updated_at": case.modified_on,
        "version": case.version,
        "position": position,
        "returned": case.returned,
    }
