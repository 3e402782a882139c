"""Where one order stands, for operators: its money, why registration is due when, and every plan that it had."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from pydantic_core import to_jsonable_python
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vignettes.domain.details import Status
from vignettes.domain.money import Money
from vignettes.domain.schedule import Rule
from vignettes.messages.outages import AskOutages
from vignettes.messages.queries import AskHistory
from vignettes.runtime import asking, explaining
from vignettes.runtime.console import answered
from vignettes.runtime.explaining import Reason
from vignettes.runtime.local_times import both, lasting, minute
from vignettes.runtime.settings import Settings
from vignettes.runtime.viewing import connected

_LEDGER = """
SELECT generation, purpose, due_at, rule, planned_at, fired_at, fired_late, ended_at, outcome, started_late, outage_id
FROM read.deadlines WHERE order_id = %s ORDER BY planned_at, generation, purpose
"""
#: What a customer is asked when an order is held.
_HOLDS = {
    "start_passed": "the start has passed: the customer is asked for another day, or a refund",
    "too_late_for_authority": "the authority's days of notice can't be kept any more: the customer is asked",
    "same_vehicle_and_period": "another order is for the same vehicle and period: `vignettes release` lets both go on",
}
#: What a person is called for.
_CALLS = {
    "outcome_unknown": "it is not known whether the authority has registered it: look into its register",
    "authority_down": "the authority does not answer, and the time gets short",
    "not_registered": "the authority has not registered it, and the time gets short",
    "registered_otherwise": "the authority has registered something else than was ordered",
}
#: What is told of an order that has no plan, and never had one that led to a start.
_UNPLANNED = {
    Status.AWAITING_PAYMENT: "not due before the money is there",
    Status.PARTIALLY_PAID: "not due before all of the money is there",
    Status.ON_HOLD: "not due before the customer has answered",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One row of the ledger of deadlines."""

    generation: int
    purpose: str
    due_at: datetime
    rule: str
    planned_at: datetime
    fired_at: datetime | None
    fired_late: timedelta | None
    ended_at: datetime | None
    outcome: str | None
    started_late: timedelta | None
    outage_id: UUID | None


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is told of one order."""

    row: dict[str, Any]
    as_of_position: int
    consents: Sequence[dict[str, Any]]
    reason: Reason | None
    announced_by: str | None
    start: dict[str, Any] | None
    """Its last RegistrationStarted."""
    call: dict[str, Any] | None
    """Its last PersonCalled."""
    ledger: Sequence[Plan] | None
    """None without a database to look in."""

    @property
    def zone(self) -> str:
        """The authority's zone, in which times are told."""
        return str(self.row["zone"])

    @property
    def why(self) -> str:
        """When registration is, or was, due, and why."""
        if self.reason is None:
            return _UNPLANNED.get(self.row["status"], "nothing is due")
        words = explaining.in_words(self.reason, self.announced_by)
        return f"{_started(self.start, self.reason, self.zone)}{words}" if self.start else f"due {words}"

    @property
    def consent(self) -> str:
        """What the customer expressly agreed to, as auditors read it."""
        return "\n".join(_consent(each, self.zone) for each in self.consents) or "none"

    @property
    def person(self) -> str | None:
        """What a person is called for, if one is."""
        if self.call is None or self.row["person_called_at"] is None:
            return None
        called, act_by = (both(_at(self.row[name]), self.zone) for name in ("person_called_at", "act_by"))
        done = "; issued since" if self.row["status"] == Status.ISSUED else f"; act by {act_by}"
        why = self.call["data"]["why"]
        return f"{_CALLS.get(why, why)}; called {called}{done}"


def look(settings: Settings, reply: dict[str, Any]) -> Standing:
    """Return what is known of an order, whose row the service has just given."""
    return asyncio.run(_look(settings, reply))


async def _look(settings: Settings, reply: dict[str, Any]) -> Standing:
    row = reply["order"]
    history = await _history(settings, row["order_id"])
    start, call = (_last(history, name) for name in ("RegistrationStarted", "PersonCalled"))
    start = None if row["due_at"] else start  # it is planned anew: the start before is past
    planned = history["state"] if row["due_at"] else None
    if start:
        planned = (await _history(settings, row["order_id"], version=start["version"] - 1))["state"]
    reason = explaining.reason(planned) if planned else None
    return Standing(
        row=row,
        as_of_position=reply["as_of_position"],
        consents=history["state"]["consents"],
        reason=reason,
        announced_by=await _announcer(settings, reason),
        start=start,
        call=call,
        ledger=_ledger(settings, row["order_id"]),
    )


async def _history(settings: Settings, order_id: str, **upto: int) -> dict[str, Any]:
    return answered(await _asked(settings, AskHistory.subject, order_id=order_id, **upto))


async def _announcer(settings: Settings, reason: Reason | None) -> str | None:
    outage = reason.deadline.outage if reason else None
    if outage is None:
        return None
    found = answered(await _asked(settings, AskOutages.subject, country=outage.country, all=True))
    return next(
        (each["announced_by"] for each in found["outages"] if each["outage_id"] == str(outage.id)), None
    )


async def _asked(settings: Settings, subject: str, **body: Any) -> dict[str, Any]:
    return await asking.ask(settings, subject, json.dumps(body).encode())


def _last(history: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((each for each in reversed(history["events"]) if each["type"] == name), None)


def _ledger(settings: Settings, order_id: str) -> Sequence[Plan] | None:
    if settings.database_url is None:
        return None
    with (
        connected(settings, "vignettes_reader") as connection,
        connection.cursor(row_factory=class_row(Plan)) as cursor,
    ):
        return cursor.execute(_LEDGER, (order_id,)).fetchall()


# --- in words


def _started(start: dict[str, Any], reason: Reason, zone: str) -> str:
    at, due_at = _at(start["recorded_at"]), _at(start["data"]["due_at"])
    started = f"started {both(at, zone)}"
    if start["data"]["rule"] == Rule.AT_ONCE != reason.deadline.rule:
        return f"{started}, as the customer asked for then. It was due "
    return f"{started}, {lasting(at - due_at)} after it was due. It was due "


def _consent(consent: dict[str, Any], zone: str) -> str:
    given = both(_at(consent["given_at"]), zone)
    language = consent["language"] or "of the order"
    return f"{consent['kind']}, text version {consent['text_version']}, language {language}, given {given}"


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# --- what is shown of it


def as_json(found: Standing) -> dict[str, Any]:
    """Return the service's reply, and what was found beside it."""
    reason = explaining.inputs(found.reason) | {"announced_by": found.announced_by} if found.reason else None
    told: dict[str, Any] = to_jsonable_python(
        {
            "ok": True,
            "order": found.row,
            "as_of_position": found.as_of_position,
            "why": found.why,
            "reason": reason,
            "ledger": found.ledger,
            "consents": found.consents,
            "person": found.person,
        }
    )
    return told


def shown(found: Standing) -> RenderableType:
    """Show people where an order stands, the plans that it had, and what there is to do."""
    grid = Table.grid(padding=(0, 2))
    for name, text in _told(found):
        grid.add_row(Text(name, style="dim"), Text(text))
    title = Text.assemble("Order ", (found.row["order_number"], "bold"), f"  {found.row['order_id']}")
    as_of = Text(f"as of position {found.as_of_position} of the log", style="dim")
    return Group(title, grid, _ledger_shown(found), as_of)


def _told(found: Standing) -> Iterator[tuple[str, str]]:
    row, zone = found.row, found.zone
    yield "status", row["status"] + (f": {_HOLDS[row['hold_reason']]}" if row["hold_reason"] else "")
    yield "for", f"{row['product']}, {row['vehicle_country']} {row['plate'] or '(erased)'}"
    yield "validity", f"{both(_at(row['starts_at']), zone)} to\n{both(_at(row['ends_at']), zone)}"
    yield "money", _money(row)
    yield "registration", found.why
    if row["rejection_code"]:
        yield "rejected", f"{row['rejection_code']}: {row['rejection_reason'] or '(erased)'}"
    if row["vignette_number"]:
        yield "vignette", _vignette(row, zone)
    yield "consent", found.consent
    if found.person:
        yield "a person", found.person
    yield "mails to", f"{row['email'] or '(erased)'}, in {row['language']}"


def _money(row: dict[str, Any]) -> str:
    def of(name: str) -> str:
        return str(Money(row[name], row["currency"]))

    price = f"{of('price_total')} = {of('price_official')} official + {of('price_fee')} fee"
    told = [price, f"received {of('received')}"]
    told += [f"{name} {of(name)}" for name in ("outstanding", "surplus", "refund", "owed") if row[name]]
    return "; ".join(told)


def _vignette(row: dict[str, Any], zone: str) -> str:
    since, until = (both(_at(row[f"vignette_valid_{name}"]), zone) for name in ("from", "until"))
    return f"{row['vignette_number']}, reference {row['vignette_reference']},\nvalid {since} to\n{until}"


def _ledger_shown(found: Standing) -> RenderableType:
    if found.ledger is None:
        return Text("Set VIGNETTES_DATABASE_URL to see the ledger of its plans.", style="dim")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Plan", justify="right")
    for name in ("For", "Due", "Rule", "Planned", "Fired", "Outcome"):
        table.add_column(name)
    for plan in found.ledger:
        table.add_row(
            str(plan.generation), plan.purpose, *_plan_cells(plan), style="dim" if plan.ended_at else ""
        )
    return table


def _plan_cells(plan: Plan) -> Iterator[str]:
    yield _utc(plan.due_at)
    yield plan.rule
    yield _utc(plan.planned_at)
    yield f"{lasting(plan.fired_late)} late" if plan.fired_late is not None else ""
    late = f", {lasting(plan.started_late)} late" if plan.started_late else ""
    yield f"{plan.outcome}{late}\n{_utc(plan.ended_at)}" if plan.ended_at else "stands"


def _utc(at: datetime) -> str:
    return f"{minute(at)}Z"
