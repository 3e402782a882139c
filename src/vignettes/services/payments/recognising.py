"""The same money told of twice: by a provider's notice, or another service, and by the bank's line (case 18)."""

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection

#: Ways to pay after which the customer's own transfer appears on our account, with the order's reference.
_TRANSFERS = ["bank_transfer"]
#: How far a line may lie from the notice of a transfer that it does not name.
_DAYS = 14

# A notice and a line of the same amount that name each other, or the same order where the payer was sent to the bank.
# Each line has one notice, and each notice one line.
_BY_PAYMENT: LiteralString = """
SELECT q.payment_id,
       CASE WHEN q.variable_symbol = p.variable_symbol AND q.end_to_end_id IS DISTINCT FROM p.end_to_end_id
            THEN 'same_order_and_transfer' ELSE 'names_the_notice' END AS reason
FROM view.bank_payments p JOIN view.bank_payments q
  ON q.currency = p.currency AND q.amount = p.amount AND q.payment_id <> p.payment_id
 AND (q.source = 'statement') <> (p.source = 'statement')
WHERE p.payment_id = %(payment)s AND q.arrived_at IS NOT NULL AND q.notice IS NULL AND q.reversal IS NULL
  AND (q.end_to_end_id IN (p.end_to_end_id, p.bank_reference) OR q.bank_reference = p.end_to_end_id
       OR (q.variable_symbol = p.variable_symbol AND abs(q.booked_on - p.booked_on) <= %(days)s
           AND CASE WHEN q.source = 'statement' THEN p.method ELSE q.method END = ANY(%(transfers)s)))
  AND NOT EXISTS (SELECT FROM view.bank_payments l WHERE l.notice = q.payment_id)
ORDER BY q.position LIMIT 1
"""
# What other services have told of directly, by its order's number.
_BY_ORDER: LiteralString = """
SELECT o.order_id, CASE WHEN b.entry_id IN (p.end_to_end_id, p.bank_reference)
                        THEN 'names_the_notice' ELSE 'same_order_and_transfer' END AS reason
FROM view.bank_payments p
JOIN view.order_status o ON o.order_number = 'V' || ltrim(p.variable_symbol, '0')
JOIN view.payments b ON b.order_id = o.order_id
WHERE p.payment_id = %(payment)s AND p.source = 'statement' AND b.purpose = 'payment' AND b.state = 'booked'
  AND b.entry_id NOT LIKE 'bank-payment:%%' AND b.currency = p.currency AND b.amount = p.amount
  AND (b.entry_id IN (p.end_to_end_id, p.bank_reference)
       OR (b.method = ANY(%(transfers)s) AND abs(b.received_at::date - p.booked_on) <= %(days)s))
  AND (SELECT count(*) FROM view.bank_payments l WHERE l.notice = o.order_id)
      < (SELECT count(*) FROM view.payments c
         WHERE c.order_id = o.order_id AND c.purpose = 'payment' AND c.state = 'booked' AND c.amount = p.amount
           AND c.entry_id NOT LIKE 'bank-payment:%%')
ORDER BY b.recorded_at LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The payment, or the order that was told directly, that has this money already."""

    payment_id: UUID
    reasons: tuple[str, ...]


async def recognised(connection: AsyncConnection, row: dict[str, Any]) -> Recognised | None:
    """Return what has told of this money before; None when nothing certainly has."""
    values = {"payment": row["payment_id"], "transfers": _TRANSFERS, "days": _DAYS}
    for query in (_BY_PAYMENT, _BY_ORDER):
        found = await (await connection.execute(query, values)).fetchone()
        if found:
            return Recognised(found[0], (found[1],))
    return None
