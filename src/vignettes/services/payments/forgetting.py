"""Who has paid for an order is forgotten with it: payments let go of persons whose orders were erased."""

from typing import LiteralString
from uuid import uuid5

import structlog
from psycopg import AsyncConnection

from vignettes.domain.personal import DataClass
from vignettes.eventstore.deciding import Reply
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.payments.booking import PaymentWriter, on
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 5.0
ACTOR = "privacy"

# Payments of erased orders that still tell who paid, unless another order that shares in one is not erased.
_TO_FORGET: LiteralString = """
SELECT DISTINCT b.payment_id
FROM view.order_status o
JOIN view.payments p ON p.order_id = o.order_id AND p.entry_id LIKE 'bank-payment:%'
JOIN view.bank_payments b ON b.payment_id = split_part(p.entry_id, ':', 2)::uuid
WHERE o.email IS NULL AND b.work IS NULL AND b.status IN ('matched', 'returned', 'reversed')
  AND num_nonnulls(b.remittance, b.counterparty, b.counterparty_account, b.payout_account) > 0
  AND NOT EXISTS (
      SELECT FROM jsonb_array_elements(b.shares) AS share
      JOIN view.order_status other ON other.order_id = (share ->> 'order_id')::uuid
      WHERE share ->> 'state' <> 'gone' AND other.email IS NOT NULL)
LIMIT 500
"""


class Forgetting:
    """Erases payments after their orders. Safe to repeat: what is erased is not found again."""

    name = "forgetting"

    def __init__(self, conninfo: str, writer: PaymentWriter) -> None:
        self._writer = writer
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Forget until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        rows = await (await connection.execute(_TO_FORGET.encode())).fetchall()
        asks = [
            on(
                payment_id,
                uuid5(payment_id, "forget"),
                lambda payment, at: payment.erase([DataClass.CONTACT], at),
                ACTOR,
                erases=True,
            )
            for (payment_id,) in rows
        ]
        outcomes = await self._writer.execute_all(asks)
        forgotten = sum(isinstance(outcome, Reply) for outcome in outcomes)
        if outcomes:
            log.info("payments.forgotten", payments=forgotten, left=len(outcomes) - forgotten)
        return POLL_SECONDS
