"""Reversals find the payment that they took back: by its name, or as the only one that it can have been."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.eventstore.deciding import Reply
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.payments.booking import STATEMENT, Ask, PaymentWriter, on
from vignettes.services.payments.payout_lines import payout_named
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
ACTOR = "placing"
#: How far back a payment may lie that a bank takes back.
REACH = timedelta(days=120)
_BATCH = 500
#: Likeness costs more to look for than a name: one that found nothing is looked for again after so long.
_AGAIN_SECONDS = 60.0
_MOST_ALIKE = 20_000

_UNPLACED: LiteralString = """
SELECT payment_id, account, currency, amount, booked_on, variable_symbol, end_to_end_id, bank_reference, remittance,
       counterparty_account, position
FROM read.bank_payments WHERE status = 'unplaced' AND source = %(source)s AND position > %(after)s
ORDER BY position LIMIT %(limit)s
"""
# Payments that it can have taken back. Where we stopped in between, one is reversed by this very entry already.
_NAMED: LiteralString = """
SELECT q.payment_id, coalesce(q.bank_reference = %(bank_reference)s, false) AS by_bank
FROM view.bank_payments q
WHERE (q.bank_reference = %(bank_reference)s OR q.end_to_end_id = %(end_to_end_id)s)
  AND q.source = %(source)s AND q.account = %(account)s AND q.currency = %(currency)s AND q.amount = %(amount)s
  AND q.booked_on BETWEEN %(since)s AND %(booked_on)s AND q.arrived_at IS NOT NULL AND q.notice IS NULL
  AND (q.reversal IS NULL OR q.reversal = %(payment_id)s::text)
ORDER BY by_bank DESC LIMIT %(most)s
"""
_ALIKE: LiteralString = """
SELECT q.payment_id FROM (
    SELECT * FROM view.bank_payments
    WHERE source = %(source)s AND account = %(account)s AND currency = %(currency)s AND amount = %(amount)s
      AND booked_on BETWEEN %(since)s AND %(booked_on)s AND arrived_at IS NOT NULL AND notice IS NULL
      AND (reversal IS NULL OR reversal = %(payment_id)s::text)
    ORDER BY booked_on DESC LIMIT %(most)s
) q LEFT JOIN personal.keys k ON k.order_id = q.payment_id
WHERE q.variable_symbol = %(variable_symbol)s
   OR personal.opened(q.counterparty_account, k.contact_view) = %(counterparty_account)s LIMIT 2
"""

Row = dict[str, Any]


class Placing:
    """Takes back what banks have taken back. Whichever of the two came first, it ends alike; safe to repeat."""

    name = "placing"

    def __init__(self, conninfo: str, writer: PaymentWriter) -> None:
        self._writer = writer
        self._alike_at: dict[UUID, float] = {}
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Place until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        after = 0
        while rows := await _unplaced(connection, after):
            for row in rows:
                if payout_named(row["end_to_end_id"], row["remittance"]) is None:
                    await self._place(connection, row)
            after = rows[-1]["position"]
        return POLL_SECONDS

    async def _place(self, connection: AsyncConnection, row: Row) -> None:
        found, reason = await _named(connection, row), "reversal_names_payment"
        if found is None and self._may_look(row):
            found, reason = await _alike(connection, row), "reversal_like_payment"
        if found is None:
            return
        # The payment first: should we end in between, the reversal still waits, and finds the same payment again.
        for ask in (_reversed(row, found), _placed(row, found, reason)):
            [outcome] = await self._writer.execute_all([ask])
            if not isinstance(outcome, Reply):
                why = type(outcome).__name__
                log.warning("reversal.not_placed", payment=str(row["payment_id"]), error=why)
                return

    def _may_look(self, row: Row) -> bool:
        """Tell whether it is time to look for what is alike, and there is something to tell it by."""
        now = time.monotonic()
        self._alike_at = {each: at for each, at in self._alike_at.items() if now - at < _AGAIN_SECONDS}
        if row["payment_id"] in self._alike_at or not (row["variable_symbol"] or row["counterparty_account"]):
            return False
        self._alike_at[row["payment_id"]] = now
        return True


def _reversed(row: Row, original: UUID) -> Ask:
    reversal, day = str(row["payment_id"]), row["booked_on"]
    command_id = uuid5(row["payment_id"], f"reverse:{original}")
    return on(original, command_id, lambda payment, at: payment.reverse(reversal, day, at), ACTOR)


def _placed(row: Row, original: UUID, reason: str) -> Ask:
    command_id = uuid5(row["payment_id"], f"place:{original}")
    return on(
        row["payment_id"], command_id, lambda payment, at: payment.recognise(original, (reason,), at), ACTOR
    )


async def _named(connection: AsyncConnection, row: Row) -> UUID | None:
    """Return the one payment that it names, by the bank's reference before the payer's; None for several."""
    found = await (await connection.execute(_NAMED, _sought(row, 10))).fetchall()
    by_bank = [each for each, is_by_bank in found if is_by_bank]
    return _only(by_bank or [each for each, _ in found])


async def _alike(connection: AsyncConnection, row: Row) -> UUID | None:
    """Return the one payment of the same account of the payer, or the same symbol."""
    found = await (await connection.execute(_ALIKE, _sought(row, _MOST_ALIKE))).fetchall()
    return _only([each for (each,) in found])


def _sought(row: Row, most: int) -> Row:
    return {**row, "source": STATEMENT, "since": row["booked_on"] - REACH, "most": most}


def _only(found: Sequence[UUID]) -> UUID | None:
    return found[0] if len(found) == 1 else None


async def _unplaced(connection: AsyncConnection, after: int) -> Sequence[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_UNPLACED, {"source": STATEMENT, "after": after, "limit": _BATCH})
        return await cursor.fetchall()
