"""Where the money of an order came from: known with certainty, or a person must name an account."""

from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.domain.account import Purpose
from vignettes.domain.errors import InvalidValue, Unavailable
from vignettes.services.payments.accounts import payable

# A payment that was taken away again is no source of anything; what is surplus may be another's since then.
_SOURCES: LiteralString = """
SELECT p.currency, p.amount, p.surplus_set_aside,
       CASE WHEN b.source = 'statement' THEN b.counterparty_account END AS account,
       EXISTS (SELECT FROM view.payments s WHERE s.order_id = p.order_id AND s.purpose <> 'payment'
               AND s.surplus_set_aside <> 0) AS is_mixed
FROM view.payments p
LEFT JOIN read.bank_payments b
  ON b.payment_id = substring(p.entry_id FROM '^bank-payment:([0-9a-f-]{36}):')::uuid
WHERE p.order_id = %s AND p.purpose = 'payment' AND p.state = 'booked'
  AND NOT EXISTS (SELECT FROM view.payments g
                  WHERE (g.order_id, g.entry_id, g.state) = (p.order_id, p.entry_id, 'reversed'))
"""
# Whoever knows that money is to go back must know all the money that came.
_IS_BEHIND = """
SELECT EXISTS (SELECT FROM view.editions WHERE view IN ('payments', 'bank_payments') AND state = 'live'
               AND position < (SELECT max(position) FROM view.payouts WHERE source_id = %s))
"""


class UnknownPayer(InvalidValue):
    """It is not certain which account the money came from: name the one that it shall go to."""


async def payer_account(connection: AsyncConnection, order_id: UUID, purpose: Purpose) -> str:
    """Return the IBAN that the money of an order's refund or surplus came from, all of it.

    Raises UnknownPayer where there are several, or none that a bank has told; Unavailable while views are behind.
    """
    if await _is_behind(connection, order_id):
        raise Unavailable
    async with connection.cursor(row_factory=dict_row) as cursor:
        rows = await (await cursor.execute(_SOURCES, (order_id,))).fetchall()
    sources = [row for row in rows if row["is_mixed"] or _holds(row, purpose)]
    accounts = {row["account"] for row in sources}
    if None in accounts or not accounts:
        raise UnknownPayer("It was not paid by a transfer whose payer the bank has told.", field="account")
    if len(accounts) > 1:
        raise UnknownPayer(f"It came from {len(accounts)} accounts.", field="account")
    return payable(accounts.pop(), sources[0]["currency"])


def _holds(row: dict[str, Any], purpose: Purpose) -> bool:
    """Tell whether money of this payment is what goes back."""
    surplus: int = row["surplus_set_aside"]
    return surplus > 0 if purpose is Purpose.SURPLUS else bool(row["amount"] > surplus)


async def _is_behind(connection: AsyncConnection, order_id: UUID) -> bool:
    row = await (await connection.execute(_IS_BEHIND, (order_id,))).fetchone()
    return bool(row and row[0])
