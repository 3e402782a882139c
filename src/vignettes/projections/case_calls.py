"""The cases that the log calls for without anybody having asked: mails that came back, money that is owed."""

from typing import NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.domain.corresponding import COMPLAINT, TO_OLD_ADDRESS
from vignettes.domain.order import Order
from vignettes.domain.support_case import call_id, case_id_of
from vignettes.domain.support_events import Topic
from vignettes.eventstore.codec import Recorded
from vignettes.projections.view import Definition, Edition, Row, Table, upsert

DEFINITION = Definition("case_calls", 1, ("case_calls",))

#: An order is in debt once, however often money of it is taken back.
_ONCE = 1


class Before(NamedTuple):
    """What was known of an order already."""

    email_fails: bool
    owes: bool


class CaseCallsView(Table):
    """A row for each order and topic: of returned mails, for the address that it has now."""

    definition = DEFINITION

    def __init__(self) -> None:
        self._called: dict[tuple[UUID, Topic], Row] = {}

    def before(self, order: Order | None) -> Before:
        """Note what has called for a case before."""
        return Before(order.email_fails, bool(order.owed)) if order else Before(email_fails=False, owes=False)

    def see(self, event: Recorded, order: Order, noted: Before) -> None:
        if order.email_fails and not noted.email_fails:
            self._call(Topic.MAIL_RETURNED, order.email_since, event, order)
        if _is_complaint(event, order):
            self._call(Topic.COMPLAINT, order.email_since, event, order)
        if order.owed and not noted.owes:
            self._call(Topic.DEBT, _ONCE, event, order)

    def _call(self, topic: Topic, occasion: int, event: Recorded, order: Order) -> None:
        command_id = call_id(order.id, topic, occasion)
        self._called[order.id, topic] = {
            "order_id": order.id,
            "topic": topic,
            "command_id": command_id,
            "case_id": case_id_of(command_id),
            "position": event.position,
        }

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        await upsert(
            connection, edition, "case_calls", list(self._called.values()), key=("order_id", "topic")
        )
        self.forget()

    def forget(self) -> None:
        self._called.clear()


def _is_complaint(event: Recorded, order: Order) -> bool:
    """Tell whether somebody at the order's address calls our mails spam; what an earlier one says is past."""
    said = event.event
    return (
        isinstance(said, Order.MailReturned)
        and said.why == COMPLAINT
        and said.mail_version >= order.email_since
        and said.mail_kind != TO_OLD_ADDRESS
    )
