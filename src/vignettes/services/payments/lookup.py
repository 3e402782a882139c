"""The orders that bank entries name, many entries at a time; and those that a person could mean, entry by entry."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow, TupleRow, dict_row
from pydantic import TypeAdapter

from vignettes.domain import hints
from vignettes.domain.details import Status
from vignettes.domain.entry import FIRST_DAY, LAST_DAY, BankEntry
from vignettes.domain.errors import InvalidValue
from vignettes.domain.matching import Notice, OrderInView, Wanted, wanted
from vignettes.domain.money import Money
from vignettes.domain.vehicle import Vehicle, warnings
from vignettes.eventstore.personal import BlindIndex

_WAITING = [Status.AWAITING_PAYMENT.value, Status.PARTIALLY_PAID.value]
_BEFORE, _AFTER = timedelta(days=14), timedelta(days=1)
_MOST_OF_A_KIND = 20
_MOST_PLATES = 12
#: Countries whose plates are tried for words that look like one.
_COUNTRIES = ("CZ", "SK", "AT", "DE", "PL", "HU", "SI", "HR", "RO", "BG", "RS", "CH", "IT", "FR")

_FIND = """
SELECT order_id, order_number, status, currency, outstanding, price_total, received, placed_at
FROM view.order_status WHERE order_number = ANY(%s)
"""
# What is sealed is opened for these few orders only. Without the reference the same price is all that there is to go
# by, and few prices differ: the newest orders are the likeliest.
_CANDIDATES = """
WITH candidates AS (
    (SELECT order_id FROM view.order_status WHERE order_number = ANY(%(numbers)s))
    UNION
    (SELECT order_id FROM view.lookup WHERE digest = ANY(%(digests)s) LIMIT %(most)s)
    UNION
    (SELECT order_id FROM view.order_status
     WHERE status IN ('awaiting_payment', 'partially_paid') AND currency = %(currency)s
     AND outstanding = %(amount)s AND placed_at BETWEEN %(from)s AND %(until)s
     ORDER BY placed_at DESC LIMIT %(most)s)
)
SELECT o.order_id, o.order_number, o.status, o.currency, o.outstanding, o.price_total, o.received, o.placed_at,
       o.plate, o.email,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'amount', jsonb_build_object('amount', p.amount, 'currency', p.currency), 'received_at', p.received_at
        )), '[]') FROM view.payments p
        WHERE p.order_id = o.order_id AND p.purpose = 'payment' AND p.state = 'booked'
        AND p.method <> 'bank_transfer' AND NOT o.status = ANY(%(waiting)s)) AS notices
FROM candidates JOIN read.order_status o USING (order_id)
"""

_NOTICES = TypeAdapter(tuple[Notice, ...])


class OrdersInView:
    """Orders as the live views have them."""

    def __init__(self, index: BlindIndex) -> None:
        self._index = index

    async def find(self, connection: AsyncConnection, wanted: Sequence[Wanted]) -> dict[str, OrderInView]:
        """Return the orders of all the numbers, by number; what is sealed in them stays so."""
        numbers = set(chain.from_iterable((*each.numbers, *each.nearby) for each in wanted))
        if not numbers:
            return {}
        cursor = await connection.execute(_FIND, (list(numbers),))
        return {row[1]: _found(row) async for row in cursor}

    async def candidates(self, connection: AsyncConnection, entry: BankEntry) -> list[OrderInView]:
        """Return the orders that are worth suggesting for an entry, with what shows how likely each is.

        Those it names, or nearly names; those of a customer whose address or plate is in its text; and the newest that
        wait for just this amount.
        """
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_CANDIDATES, self._sought(entry))
            return [_candidate(row) async for row in cursor]

    def _sought(self, entry: BankEntry) -> dict[str, Any]:
        named = wanted(entry)
        noon = datetime.combine(min(max(entry.booked_on, FIRST_DAY), LAST_DAY), time(12), UTC)
        return {
            "numbers": [*named.numbers, *named.nearby],
            "digests": list(self._digests(entry.remittance or "")),
            "currency": entry.amount.currency,
            "amount": entry.amount.amount,
            "from": noon - _BEFORE,
            "until": noon + _AFTER,
            "waiting": _WAITING,
            "most": _MOST_OF_A_KIND,
        }

    def _digests(self, text: str) -> Iterator[bytes]:
        for email in hints.emails(text):
            yield self._index.email(email)
        for plate in hints.plates(text)[:_MOST_PLATES]:
            for country in _COUNTRIES:
                if _is_usual(country, plate):
                    yield self._index.plate(country, plate)


def _is_usual(country: str, plate: str) -> bool:
    """Tell whether a word looks like a plate of that country."""
    try:
        told = warnings(Vehicle.of(country, plate))
    except InvalidValue:
        return False
    return f"unusual_for:{country}" not in told


def _found(row: TupleRow) -> OrderInView:
    order_id, number, status, currency, outstanding, total, received, placed_at = row
    return OrderInView(
        order_id,
        number,
        status,
        Money(outstanding, currency),
        Money(total, currency),
        Money(received, currency),
        placed_at,
    )


def _candidate(row: DictRow) -> OrderInView:
    currency: str = row["currency"]
    order_id: UUID = row["order_id"]
    return OrderInView(
        order_id,
        row["order_number"],
        row["status"],
        outstanding=Money(row["outstanding"], currency),
        total=Money(row["price_total"], currency),
        received=Money(row["received"], currency),
        placed_at=row["placed_at"],
        plate=row["plate"],
        email=row["email"],
        paid_by_notices=_NOTICES.validate_python(row["notices"]),
    )
