"""When an authority has announced that it will not be there: registration comes before it, where it still can."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

MARGIN = timedelta(hours=1)
"""How long before an outage registration is due: time to try again while the authority still answers."""


@dataclass(frozen=True, slots=True)
class Outage:
    """An announced outage of one country's authority, from `begins_at` until before `ends_at`."""

    id: UUID
    country: str
    begins_at: datetime
    ends_at: datetime


def last_first(outages: Iterable[Outage]) -> Iterable[Outage]:
    """Return them from the last to the first: what moves before one may come to lie in the one before."""
    return sorted(outages, key=lambda each: each.begins_at, reverse=True)


def ahead_of(
    outages: Iterable[Outage], due_at: datetime, *, soonest: datetime, margin: timedelta = MARGIN
) -> tuple[datetime, Outage | None]:
    """Return when registration is due in view of outages, and the one that decided it (case 15).

    It is moved where an outage covers the due time, or begins within `margin` of it; never before `soonest`. One
    that can't be forestalled any more moves nothing: the authority is asked until it answers again.
    """
    decisive = None
    for outage in last_first(outages):
        before = max(outage.begins_at - MARGIN, soonest)
        if outage.begins_at - margin <= due_at < outage.ends_at and before < min(due_at, outage.begins_at):
            due_at, decisive = before, outage
    return due_at, decisive
