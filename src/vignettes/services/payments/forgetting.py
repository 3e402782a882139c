"""Who has paid for an order is forgotten with it: payments let go of persons whose orders were erased."""

import time
from collections.abc import Sequence
from typing import LiteralString
from uuid import uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from vignettes.domain.personal import DataClass
from vignettes.eventstore.deciding import Reply
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.payments.booking import PaymentWriter, on
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 5.0
#: How often all erased orders are looked at, and not only those that were erased since.
_ALL_SECONDS = 3600.0
ACTOR = "privacy"
_BATCH = 500

# Orders that were erased since a position; their payments, by their shares; and what tells of the same money: the lines
# of notices and of orders that were told directly, and reversals. None of which another order still needs.
_TO_FORGET: LiteralString = """
WITH erased AS (
    SELECT order_id FROM view.order_status WHERE email IS NULL AND position > %(after)s
), paid AS (
    SELECT split_part(p.entry_id, ':', 2)::uuid AS payment_id
    FROM erased e JOIN view.payments p ON p.order_id = e.order_id AND p.entry_id LIKE 'bank-payment:%%'
), concerned AS (
    SELECT payment_id FROM paid
    UNION SELECT l.payment_id FROM erased e JOIN view.bank_payments l ON l.notice = e.order_id
    UNION SELECT l.payment_id FROM paid p JOIN view.bank_payments l ON l.notice = p.payment_id
    UNION SELECT b.notice FROM paid p JOIN view.bank_payments b USING (payment_id) WHERE b.notice IS NOT NULL
)
SELECT b.payment_id, b.version FROM concerned c JOIN view.bank_payments b USING (payment_id)
WHERE b.work IS NULL
  AND num_nonnulls(b.remittance, b.counterparty, b.counterparty_account, b.payout_account) > 0
  AND NOT EXISTS (
      SELECT FROM jsonb_array_elements(b.shares) AS share
      JOIN view.order_status other ON other.order_id = (share ->> 'order_id')::uuid
      WHERE share ->> 'state' <> 'gone' AND other.email IS NOT NULL)
LIMIT %(batch)s
"""
_REACHED = "SELECT coalesce(min(position), 0) FROM view.editions WHERE state = 'live' AND view = ANY(%s)"
_VIEWS = ["order_status", "payments", "bank_payments"]


class Forgetting:
    """Erases payments after their orders. Safe to repeat: what is erased is not found again."""

    name = "forgetting"

    def __init__(self, conninfo: str, writer: PaymentWriter) -> None:
        self._writer = writer
        self._after = 0
        self._look_at_all = 0.0
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Forget until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        if time.monotonic() > self._look_at_all:
            self._after, self._look_at_all = 0, time.monotonic() + _ALL_SECONDS
        [reached] = await (await connection.execute(_REACHED, (_VIEWS,))).fetchone() or [0]
        what = {"after": self._after, "batch": _BATCH}
        rows = await (await connection.execute(_TO_FORGET.encode(), what)).fetchall()
        if not rows or await self._forget(rows) == len(rows) < _BATCH:
            self._after = reached
        return POLL_SECONDS

    async def _forget(self, rows: Sequence[TupleRow]) -> int:
        """Return how many payments have let go; the others are asked again, for they are still needed."""
        asks = [
            on(
                payment_id,
                # Refused as it stands, it may be granted when it has changed.
                uuid5(payment_id, f"forget:{version}"),
                lambda payment, at: payment.erase([DataClass.CONTACT], at),
                ACTOR,
                erases=True,
            )
            for payment_id, version in rows
        ]
        outcomes = await self._writer.execute_all(asks)
        forgotten = sum(isinstance(outcome, Reply) for outcome in outcomes)
        log.info("payments.forgotten", payments=forgotten, left=len(outcomes) - forgotten)
        return forgotten
