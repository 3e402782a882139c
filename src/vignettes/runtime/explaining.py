"""Why registration is due when: the rule in words, with everything that it was reckoned from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from vignettes.domain.details import Details
from vignettes.domain.outages import MARGIN, Outage
from vignettes.domain.schedule import Deadline, Rule, Terms, registration_deadline
from vignettes.runtime.local_times import both, lasting


class _State(BaseModel):
    """What of an order's state, as its history tells it, decides when registration is due."""

    details: Details
    terms: Terms
    paid_at: datetime | None
    wished: bool
    started_rule: str | None
    generation_began_at: datetime | None
    outages: dict[UUID, Outage]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why registration is, or was, due when."""

    deadline: Deadline
    by_rule: Deadline
    """Without outages, and whenever that plan was made."""
    planned_at: datetime
    start_day: date
    notice_days: int
    wished: bool
    """Else a start at once follows from a rejection."""


def reason(state: dict[str, Any]) -> Reason | None:
    """Return why registration is due by the state of an order; None while there is no money to start with."""
    known = _State.model_validate(state)
    if known.paid_at is None or known.generation_began_at is None:
        return None
    details, start, paid_at, wished = known.details, known.details.start, known.paid_at, known.wished
    at_once = wished or known.started_rule is not None
    since = known.generation_began_at
    outages = known.outages.values()
    return Reason(
        deadline=details.deadline(paid_at, known.terms, wished=at_once, not_before=since, outages=outages),
        by_rule=registration_deadline(details.bought, start, paid_at, known.terms, wished=at_once),
        planned_at=since,
        start_day=start.day,
        notice_days=details.bought.notice_days,
        wished=wished,
    )


def in_words(reason: Reason, announced_by: str | None = None) -> str:
    """Return the rule as a sentence: when, by which rule, and from what that follows."""
    deadline = reason.deadline
    due = f"{both(deadline.due_at, deadline.zone)}, by rule {deadline.rule}"
    usual = _RULES[reason.by_rule.rule](reason)
    if deadline.outage and deadline.unmoved_at:
        without = f"{both(deadline.unmoved_at, deadline.zone)}, by rule {reason.by_rule.rule}: {usual}"
        return f"{due}: {_outage(deadline, deadline.outage, announced_by)}.\nWithout it: {without}"
    if reason.by_rule.due_at < reason.planned_at:
        made = both(reason.planned_at, deadline.zone)
        return f"{due}: {usual}; that had passed when this plan was made, {made}"
    return f"{due}: {usual}"


def _outage(deadline: Deadline, outage: Outage, announced_by: str | None) -> str:
    how = lasting(MARGIN) if deadline.due_at == outage.begins_at - MARGIN else "as early as it still can be,"
    begins_at, ends_at = (both(at, deadline.zone) for at in (outage.begins_at, outage.ends_at))
    by = f", announced by {announced_by}" if announced_by else ""
    return f"{how} before the outage of {outage.country} from {begins_at} to {ends_at}{by} ({outage.id})"


def _lead(reason: Reason) -> str:
    return f"starts {_starts(reason)} less {lasting(reason.by_rule.lead)}"


def _grace(reason: Reason) -> str:
    found = reason.by_rule
    arrived, mark = both(found.money_arrived_at, found.zone), both(found.mark, found.zone)
    return (
        f"the mark, {mark}, had passed when the money arrived, {arrived}; "
        f"{lasting(found.grace)} of grace after that"
    )


def _at_once(reason: Reason) -> str:
    if not reason.wished:
        return "the authority has rejected it before, and it is tried again as soon as it can be"
    arrived = both(reason.by_rule.money_arrived_at, reason.by_rule.zone)
    return f"the customer wished a start at once, and the money arrived {arrived}"


def _window(reason: Reason) -> str:
    found = reason.by_rule
    opens = both(found.opens_at, found.zone) if found.opens_at else "then"
    return f"starts {_starts(reason)}, and the authority sells it from {opens} on"


def _notice(reason: Reason) -> str:
    last = reason.start_day - timedelta(days=reason.notice_days)
    return (
        f"starts {_starts(reason)}, and the authority wants {reason.notice_days} days of notice: "
        f"{last} is the last day"
    )


def _starts(reason: Reason) -> str:
    return both(reason.by_rule.starts_at, reason.by_rule.zone)


_RULES: dict[Rule, Callable[[Reason], str]] = {
    Rule.LEAD: _lead,
    Rule.GRACE: _grace,
    Rule.AT_ONCE: _at_once,
    Rule.WINDOW: _window,
    Rule.NOTICE: _notice,
}


def inputs(reason: Reason) -> dict[str, Any]:
    """Return what the rule was reckoned from, for programs; lengths of time in seconds, instants in UTC."""
    found, by_rule = reason.deadline, reason.by_rule
    return {
        "due_at": found.due_at,
        "rule": found.rule,
        "zone": found.zone,
        "starts_at": found.starts_at,
        "lead_seconds": found.lead.total_seconds(),
        "grace_seconds": found.grace.total_seconds(),
        "mark_at": found.mark,
        "opens_at": found.opens_at,
        "notice_days": reason.notice_days or None,
        "money_arrived_at": found.money_arrived_at,
        "start_wished": reason.wished,
        "planned_at": reason.planned_at.astimezone(UTC),
        "outage": found.outage,
        "without_outage": {"due_at": found.unmoved_at, "rule": by_rule.rule} if found.outage else None,
    }
