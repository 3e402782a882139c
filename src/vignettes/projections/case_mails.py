"""The mails that a case of support calls for: that it was opened, and each answer."""

from collections.abc import Iterator
from typing import Any

from vignettes.domain.support_case import SupportCase
from vignettes.domain.support_events import SupportEvents
from vignettes.eventstore.codec import Recorded


def calls(event: Recorded) -> Iterator[tuple[str, str | None]]:
    """Return kind and recipient of the mail that an event calls for."""
    said = event.event
    if isinstance(said, SupportEvents.CaseOpened) and said.acknowledged:
        yield "case_opened", said.particulars.email
    elif isinstance(said, SupportEvents.CaseAnswered):
        yield "case_answered", said.email


def facts(event: Recorded, case: SupportCase) -> dict[str, Any]:
    """Return what a mail says of a case, less what is personal.

    Of the order only to whom it belongs: whoever else names its number must not learn whether there is one.
    """
    known, generation = case.particulars, _link_generation(event, case)
    is_theirs = generation is not None
    return {
        "case_number": case.number,
        "kind": case.topic,
        "opened_at": case.created_on,
        "order_id": known.order_id if is_theirs else None,
        "order_number": known.order_number if is_theirs else None,
        "link_generation": generation,
    }


def contact_facts(event: Recorded, recipient: str | None) -> dict[str, Any]:
    """Return what it says of the person, and to him."""
    return {"email": recipient, "answer": getattr(event.event, "text", None)}


def _link_generation(event: Recorded, case: SupportCase) -> int | None:
    if isinstance(event.event, SupportEvents.CaseAnswered):
        return event.event.link_generation
    return case.particulars.link_generation
