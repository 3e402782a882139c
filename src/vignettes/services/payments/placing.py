"""Reversals find the payment that they took back: by its name, or as the only one that it can have been."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.eventstore.deciding import Reply
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.commanding import Ask
from vignettes.services.payments.booking import STATEMENT, PaymentWriter, on
from vignettes.services.payments.payout_lines import payout_named
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
ACTOR = "placing"
#: How far back a payment may lie that a bank takes back.
REACH = timedelta(days=120)
_BATCH = 500
#: One that found nothing is looked for again after so long, twice as long each time.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 60.0
_MOST_NAMED = 10
_MOST_ALIKE = 20_000

_UNPLACED: LiteralString = """
SELECT payment_id, account, currency, amount, booked_on, variable_symbol, end_to_end_id, bank_reference, remittance,
       counterparty_account, version, position
FROM read.bank_payments WHERE status = 'unplaced' AND source = %(source)s AND position > %(after)s
ORDER BY position LIMIT %(limit)s
"""
# Lines that it can have taken back, and the payment that counts for each: of what a notice has told of before, the
# notice's. No payment where an order was told directly, or where something else has taken it back. Where we stopped in
# between, one is reversed by this very entry already.
_NAMED: LiteralString = """
SELECT CASE WHEN c.reversal IS NULL OR c.reversal = %(payment_id)s::text THEN c.payment_id END AS taken_back,
       coalesce(q.bank_reference = %(bank_reference)s, false) AS by_bank
FROM view.bank_payments q LEFT JOIN view.bank_payments c ON c.payment_id = coalesce(q.notice, q.payment_id)
WHERE (q.bank_reference = %(bank_reference)s OR q.end_to_end_id = %(end_to_end_id)s)
  AND q.source = %(source)s AND q.account = %(account)s AND q.currency = %(currency)s AND q.amount = %(amount)s
  AND q.booked_on BETWEEN %(since)s AND %(booked_on)s AND q.arrived_at IS NOT NULL
ORDER BY by_bank DESC LIMIT %(most)s
"""
_ALIKE: LiteralString = """
SELECT c.payment_id FROM (
    SELECT * FROM view.bank_payments
    WHERE source = %(source)s AND account = %(account)s AND currency = %(currency)s AND amount = %(amount)s
      AND booked_on BETWEEN %(since)s AND %(booked_on)s AND arrived_at IS NOT NULL
    ORDER BY booked_on DESC LIMIT %(most)s
) q LEFT JOIN personal.keys k ON k.order_id = q.payment_id
LEFT JOIN view.bank_payments c ON c.payment_id = coalesce(q.notice, q.payment_id)
WHERE (q.variable_symbol = %(variable_symbol)s
       OR personal.opened(q.counterparty_account, k.contact_view) = %(counterparty_account)s)
  AND (c.reversal IS NULL OR c.reversal = %(payment_id)s::text) LIMIT 2
"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Look:
    """When a reversal was looked at in vain, and how long it is left alone since."""

    at: float
    pause: float


class Placing:
    """Takes back what banks have taken back. Whichever of the two came first, it ends alike; safe to repeat."""

    name = "placing"

    def __init__(self, conninfo: str, writer: PaymentWriter) -> None:
        self._writer = writer
        self._looks: dict[tuple[UUID, int], _Look] = {}
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Place until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        after = 0
        while rows := await _unplaced(connection, after):
            for row in rows:
                if self._may_look(row) and payout_named(row["end_to_end_id"], row["remittance"]) is None:
                    await self._place(connection, row)
            after = rows[-1]["position"]
        self._forget()
        return POLL_SECONDS

    async def _place(self, connection: AsyncConnection, row: Row) -> None:
        found, reason = await _found(connection, row)
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
        """Tell whether it is time to look for what a reversal took back; each look costs as much as the first."""
        now, which = time.monotonic(), (row["payment_id"], row["version"])
        last = self._looks.get(which)
        if last and now - last.at < last.pause:
            return False
        pause = min(2 * last.pause, _LONGEST_PAUSE_SECONDS) if last else _FIRST_PAUSE_SECONDS
        self._looks[which] = _Look(now, pause)
        return True

    def _forget(self) -> None:
        """Let go of what waits no more."""
        now = time.monotonic()
        self._looks = {
            which: look for which, look in self._looks.items() if now - look.at < 2 * _LONGEST_PAUSE_SECONDS
        }


def _reversed(row: Row, original: UUID) -> Ask:
    reversal, day = str(row["payment_id"]), row["booked_on"]
    command_id = uuid5(row["payment_id"], f"reverse:{original}")
    return on(original, command_id, lambda payment, at: payment.reverse(reversal, day, at), ACTOR)


def _placed(row: Row, original: UUID, reason: str) -> Ask:
    command_id = uuid5(row["payment_id"], f"place:{original}")
    return on(
        row["payment_id"], command_id, lambda payment, at: payment.recognise(original, (reason,), at), ACTOR
    )


async def _found(connection: AsyncConnection, row: Row) -> tuple[UUID | None, str]:
    """Return the one payment that it took back, None for none or several; and how it was found.

    Whatever it names is not looked for by likeness: where that is not to be had, another that is like it is not meant.
    """
    named = await _named(connection, row)
    if len(named) == 1:
        return named[0], "reversal_names_payment"
    if row["variable_symbol"] or row["counterparty_account"]:
        return await _alike(connection, row), "reversal_like_payment"
    return None, ""


async def _named(connection: AsyncConnection, row: Row) -> Sequence[UUID | None]:
    """Return the payments that it names, by the bank's reference before the payer's; None for those not to be had."""
    found = await (await connection.execute(_NAMED, _sought(row, _MOST_NAMED))).fetchall()
    by_bank = [each for each, is_by_bank in found if is_by_bank]
    named = by_bank or [each for each, _ in found]
    return [each for each in named if each] or named[:1]


async def _alike(connection: AsyncConnection, row: Row) -> UUID | None:
    """Return the one payment of the same account of the payer, or the same symbol."""
    found = await (await connection.execute(_ALIKE, _sought(row, _MOST_ALIKE))).fetchall()
    return found[0][0] if len(found) == 1 else None


def _sought(row: Row, most: int) -> Row:
    since = max(row["booked_on"], date.min + REACH) - REACH
    return {**row, "source": STATEMENT, "since": since, "most": most}


async def _unplaced(connection: AsyncConnection, after: int) -> Sequence[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_UNPLACED, {"source": STATEMENT, "after": after, "limit": _BATCH})
        return await cursor.fetchall()
