"""The ledger of deadlines: for each order and generation, why it is due when, and how it ended."""

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from vignettes.domain.details import Status
from vignettes.domain.order import Order
from vignettes.domain.schedule import Deadline, Terms
from vignettes.eventstore.codec import Recorded
from vignettes.projections.view import Definition, Edition, Row, Table, upsert, write_json

_END = """
UPDATE {deadlines} d SET ended_at = e.ended_at, outcome = e.outcome, position = e.position
FROM jsonb_to_recordset(%s) AS e (
    order_id uuid, purpose text, generation integer, ended_at timestamptz, outcome text, position bigint)
WHERE (d.order_id, d.purpose, d.generation) = (e.order_id, e.purpose, e.generation)
"""

DEFINITION = Definition("deadlines", 1, ("deadlines",), ("deadlines",))

Key = tuple[Any, str, int]


@dataclass(frozen=True, slots=True)
class Noted:
    """The deadlines that were open before an event, by purpose."""

    open: dict[str, int]


class DeadlinesView(Table):
    """Opens a row when an order becomes due for something, and closes it when it no longer is."""

    definition = DEFINITION

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._planned: dict[Key, Row] = {}
        self._ended: dict[Key, Row] = {}

    def before(self, order: Order | None) -> Noted:
        return Noted(_open(order, self._terms) if order else {})

    def see(self, event: Recorded, order: Order, noted: Noted) -> None:
        now_open = _open(order, self._terms)
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
        deadline = order.deadline(self._terms)
        planned = _registration(deadline) if deadline and purpose == "registration" else self._expiry(order)
        return {
            "order_id": order.id,
            "purpose": purpose,
            "generation": order.generation,
            "country": order.details.bought.country,
            "money_arrived_at": order.paid_at,
            "planned_at": event.recorded_at,
            "opens_at": None,
            "ended_at": None,
            "outcome": None,
            "position": event.position,
            **planned,
        }

    def _expiry(self, order: Order) -> Row:
        expires_at = order.details.unpaid_until(self._terms)
        zone = order.details.bought.zone_name
        return {
            "due_at": expires_at,
            "rule": "unpaid",
            "zone": zone,
            "starts_at": expires_at,
            "mark_at": expires_at,
        }

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        key = ("order_id", "purpose", "generation")
        await upsert(connection, edition, "deadlines", list(self._planned.values()), key=key)
        await write_json(connection, edition, _END, list(self._ended.values()))
        self.forget()

    def forget(self) -> None:
        self._planned.clear()
        self._ended.clear()


def _open(order: Order, terms: Terms) -> dict[str, int]:
    """Return which deadlines wait for this order, each with its generation."""
    if order.deadline(terms):
        return {"registration": order.generation}
    unpaid = order.status in {Status.AWAITING_PAYMENT, Status.PARTIALLY_PAID}
    return {"expiry": order.generation} if unpaid else {}


def _outcome(order: Order) -> str:
    if order.started_at:
        return "started"
    return "expired" if order.expired else "cancelled"


def _registration(deadline: Deadline) -> Row:
    return {
        "due_at": deadline.due_at,
        "rule": deadline.rule,
        "zone": deadline.zone,
        "starts_at": deadline.starts_at,
        "mark_at": deadline.mark,
        "opens_at": deadline.opens_at,
    }
