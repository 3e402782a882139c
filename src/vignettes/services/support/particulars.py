"""What a request says of its order, held against the orders that there are."""

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from vignettes.domain import references
from vignettes.domain.errors import CaseNotFound, InvalidValue, Unavailable
from vignettes.domain.support_events import Channel, Particulars
from vignettes.domain.vehicle import country_from_sign
from vignettes.eventstore.orders import order_id_of
from vignettes.messages.support import OpenCase

_ORDER: LiteralString = """
SELECT order_id, order_number, email, link_generation FROM read.order_status WHERE order_id = %s
"""
_CASE: LiteralString = "SELECT order_id, channel, email FROM read.support_cases WHERE case_id = %s"

_KNOWN: LiteralString = "SELECT 1 FROM log.events WHERE originator_id = %s AND topic LIKE 'support-case.%%'"


@dataclass(frozen=True, slots=True)
class OrderKnown:
    """An order, with its address and which link this has."""

    order_id: UUID
    number: str
    email: str | None
    link_generation: int

    def generation_for(self, email: str | None) -> int | None:
        """Return which link may be told to an address: none where the address is not the order's own."""
        if email is None or self.email is None or email.casefold() != self.email.casefold():
            return None
        return self.link_generation


class Finding:
    """Finds orders in the live view; one that was placed this very moment may not be there yet."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    async def order(self, order_id: UUID | None, order_number: str | None) -> OrderKnown | None:
        """Return the order that is named by id, or by a number that checks; None where there is no such order."""
        number = references.parse_number(order_number or "")
        wanted = order_id or (order_id_of(number) if number else None)
        row = await self._row(_ORDER, wanted) if wanted else None
        if row is None:
            return None
        return OrderKnown(row["order_id"], row["order_number"], row["email"], row["link_generation"])

    async def address(self, case_id: UUID) -> tuple[str | None, int | None]:
        """Return where a case is answered, and which link of its order may be told there.

        At the address that the customer gave; who gave none, or did not ask, is found by the order as it is now: the
        address of a case that we opened is the one that failed. Raises CaseNotFound, or Unavailable
        for a case that was opened this very moment.
        """
        case = await self._row(_CASE, case_id)
        if case is None:
            raise Unavailable if await self._row(_KNOWN, case_id) else CaseNotFound(field="case_id")
        order = await self.order(case["order_id"], None)
        given = None if case["channel"] == Channel.SERVICE else case["email"]
        email = given or (order.email if order else None)
        return email, order.generation_for(email) if order else None

    async def _row(self, query: LiteralString, key: UUID) -> dict[str, Any] | None:
        async with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, (key,))
            return await cursor.fetchone()


def particulars(asked: OpenCase, order: OrderKnown | None) -> Particulars:
    """Return what is kept of a request. What is given as a number and is none of ours may be anything: it is sealed."""
    typed = asked.order_number or (str(asked.order_id) if asked.order_id else None)
    return Particulars(
        order_id=order.order_id if order else None,
        order_number=order.number if order else None,
        typed_number=None if order else typed,
        email=asked.email,
        link_generation=order.generation_for(asked.email) if order else None,
        country=_country(asked.country) if asked.country else None,
        plate=asked.plate,
        ordered_on=asked.ordered_on,
    )


def _country(text: str) -> str | None:
    """Return the ISO code of a country. What is none may be anything, and is not sealed: it is not kept."""
    try:
        return country_from_sign(text)
    except InvalidValue:
        return None
