"""The ledger of deadlines: for each order and generation, why it is due when, and how it ended."""

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from vignettes.domain.details import Status
from vignettes.domain.order import Order
from vignettes.domain.schedule import Deadline
from vignettes.eventstore.codec import Recorded
from vignettes.projections.view import Definition, Edition, Row, Table, upsert, write_json

_END = """
UPDATE {deadlines} d SET ended_at = e.ended_at, outcome = e.outcome, position = e.position
FROM jsonb_to_recordset(%s) AS e (
    order_id uuid, purpose text, generation integer, ended_at timestamptz, outcome text, position bigint)
WHERE (d.order_id, d.purpose, d.generation) = (e.order_id, e.purpose, e.generation)
"""

DEFINITION = Definition("deadlines", 2, ("deadlines",), ("deadlines",))

Key = tuple[Any, str, int]


@dataclass(frozen=True, slots=True)
class Noted:
    """The deadlines that were open before an event, by purpose."""

    open: dict[str, int]


class DeadlinesView(Table):
    """Opens a row when an order becomes due for something, and closes it when it no longer is."""

    definition = DEFINITION

    def __init__(self) -> None:
        self._planned: dict[Key, Row] = {}
        self._ended: dict[Key, Row] = {}

    def before(self, order: Order | None) -> Noted:
        return Noted(_open(order) if order else {})

    def see(self, event: Recorded, order: Order, noted: Noted) -> None:
        now_open = _open(order)
        for purpose, generation in noted.open.items():
            if now_open.get(purpose) != generation:
                self._end((order.id, purpose, generation), event, order, superseded=purpose in now_open)
        for purpose, generation in now_open.items():
            if noted.open.get(purpose) != generation:
                self._planned[order.id, purpose, generation] = self._row(purpose, event, order)

    def _end(self, key: Key, event: Recorded, order: Order, *, superseded: bool) -> None:
        ending = {
            "ended_at": event.recorded_at,
            "outcome": "superseded" if superseded else _outcome(order),
            "position": event.position,
        }
        if key in self._planned:  # planned and ended within one batch
            self._planned[key] |= ending
        else:
            self._ended[key] = {"order_id": key[0], "purpose": key[1], "generation": key[2], **ending}

    def _row(self, purpose: str, event: Recorded, order: Order) -> Row:
        deadline = order.deadline
        planned = _registration(deadline) if deadline and purpose == "registration" else _limit(order)
        return {
            "order_id": order.id,
            "purpose": purpose,
            "generation": order.generation,
            "country": order.details.bought.country,
            "money_arrived_at": order.paid_at,
            "planned_at": event.recorded_at,
            **_UNSAID,
            "ended_at": None,
            "outcome": None,
            "position": event.position,
            **planned,
        }

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        key = ("order_id", "purpose", "generation")
        await upsert(connection, edition, "deadlines", list(self._planned.values()), key=key)
        await write_json(connection, edition, _END, list(self._ended.values()))
        self.forget()

    def forget(self) -> None:
        self._planned.clear()
        self._ended.clear()


def _open(order: Order) -> dict[str, int]:
    """Return which deadlines wait for this order, each with its generation."""
    if order.deadline:
        return {"registration": order.generation}
    if order.answer_by:
        return {"answer": order.generation}
    unpaid = order.status in {Status.AWAITING_PAYMENT, Status.PARTIALLY_PAID}
    return {"expiry": order.generation} if unpaid else {}


def _outcome(order: Order) -> str:
    if order.started_at:
        return "started"
    return "expired" if order.expired else "cancelled"


def _limit(order: Order) -> Row:
    """Return until when something must have come: the customer's answer, or the money."""
    at = order.answer_by or order.details.unpaid_until(order.terms)
    rule = "unanswered" if order.answer_by else "unpaid"
    zone = order.details.bought.zone_name
    return {"due_at": at, "rule": rule, "zone": zone, "starts_at": at, "mark_at": at}


#: What only registrations have.
_UNSAID: Row = dict.fromkeys(
    ("opens_at", "lead", "grace", "unmoved_at", "outage_id", "outage_begins_at", "outage_ends_at")
)


def _registration(deadline: Deadline) -> Row:
    outage = deadline.outage
    return {
        "due_at": deadline.due_at,
        "rule": deadline.rule,
        "zone": deadline.zone,
        "starts_at": deadline.starts_at,
        "mark_at": deadline.mark,
        "opens_at": deadline.opens_at,
        "lead": deadline.lead,
        "grace": deadline.grace,
        "unmoved_at": deadline.unmoved_at,
        "outage_id": outage.id if outage else None,
        "outage_begins_at": outage.begins_at if outage else None,
        "outage_ends_at": outage.ends_at if outage else None,
    }
