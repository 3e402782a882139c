"""Telling orders of their returned mails: what can't be told of one order keeps nothing from the others."""

import asyncio
from uuid import uuid4

from structlog.testing import capture_logs

from eventstore_helpers import ask
from service import until
from vignettes.eventstore.connections import conninfo
from vignettes.services.returns.telling import ReturnTelling

RETURNED = """
INSERT INTO effect.mails
    (message_id, order_id, kind, position, called_at, returned_at, return_kind, return_status)
VALUES (%s, %s, 'placed', 1, now(), now(), 'permanent', %s)
"""


class Ordering:
    """Takes each command, as the ordering service does."""

    def __init__(self):
        self.told = []

    async def command(self, command):
        self.told.append(command.order_id)
        return {"ok": True}


async def test_a_return_that_can_not_be_told_stops_no_other(database):
    """It is in the log, and not tried for ever."""
    orders = [uuid4() for _ in range(3)]
    for order_id, status in zip(orders, ("5.1.1", "no status", None), strict=True):
        ask(database, RETURNED, f"<{order_id}@vignettes.example>", order_id, status)
    ordering = Ordering()
    telling = ReturnTelling(conninfo(database, "vignettes_projector"), ordering)
    with capture_logs() as logs:
        task = asyncio.create_task(telling.run())

        async def noted():
            return ask(
                database, "SELECT 1 FROM effect.mails WHERE return_noted_at IS NOT NULL HAVING count(*) = 3"
            )

        await until(noted)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert ordering.told == [orders[0], orders[2]]
    assert [each["order"] for each in logs if each["event"] == "mail.return_untold"] == [str(orders[1])]
