"""The books, by day and currency: money in = matched + in review + returned."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from vignettes.messages import payments, replies
from vignettes.services.edge import Endpoints

QUEUE = "payments"

# One statement: the rows are those of the position.
_BOOKS: LiteralString = """
SELECT e.position, b.day, b.currency, b.money_in::bigint, b.matched::bigint, b.in_review::bigint, b.returned::bigint
FROM view.editions e
LEFT JOIN read.books b ON b.day >= coalesce(%s, b.day) AND b.day <= coalesce(%s, b.day)
WHERE e.view = 'books' AND e.state = 'live' ORDER BY b.day, b.currency
"""
_COLUMNS = ("money_in", "matched", "in_review", "returned")

Row = dict[str, Any]


class BalanceDesk:
    """Answers how the money stands."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    def register(self, endpoints: Endpoints) -> None:
        """Answer the one subject."""
        request = payments.AskBalance
        endpoints.answer(request.subject, QUEUE, request, replies.REPLY_OF[request], self._balance)

    async def _balance(self, asked: payments.AskBalance, _: UUID | None) -> BaseModel:
        async with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            rows = await (await cursor.execute(_BOOKS, (asked.since, asked.until))).fetchall()
        position = rows[0]["position"] if rows else 0
        days = [_booked(row) for row in rows if row["day"]]
        equal = all(each.money_in == each.matched + each.in_review + each.returned for each in days)
        return payments.Balance(days=days, totals=_totals(days), equal=equal, as_of_position=position)


def _booked(row: Row) -> payments.BookedDay:
    told: dict[str, Any] = {name: value for name, value in row.items() if name != "position"}
    return payments.BookedDay(**told)


def _totals(days: Iterable[payments.BookedDay]) -> list[payments.BookedDay]:
    """Return the sums of each currency, under the last of its days."""
    by_currency: dict[str, list[payments.BookedDay]] = defaultdict(list)
    for each in days:
        by_currency[each.currency].append(each)
    return [_summed(currency, each) for currency, each in sorted(by_currency.items())]


def _summed(currency: str, days: Sequence[payments.BookedDay]) -> payments.BookedDay:
    last: date = max(each.day for each in days)
    sums = {name: sum(getattr(each, name) for each in days) for name in _COLUMNS}
    return payments.BookedDay(day=last, currency=currency, **sums)
