"""Finds orders by what an auditor has in hand."""

import re
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.domain.references import parse_number

#: Whatever a country prints on a vignette, it has a digit, and nothing that only addresses and sentences have.
_OF_VIGNETTE = re.compile(r"(?=[^0-9]*[0-9])[A-Z0-9][A-Z0-9 ./_#-]{2,39}", re.ASCII | re.IGNORECASE)
_SHORTEST_PREFIX, _DIGITS_OF_NUMBER = 4, 10
_PREFIX = re.compile(rf"V?([0-9]{{{_SHORTEST_PREFIX},{_DIGITS_OF_NUMBER}}})", re.ASCII)

_SELECT: LiteralString = """
SELECT order_id, order_number, product, status, placed_at FROM read.order_status
"""
_LAST_FIRST: LiteralString = " ORDER BY placed_at DESC, order_id LIMIT 20"
_NUMBERED: LiteralString = _SELECT + "WHERE order_number = %(text)s"
# A range and not a pattern: found by the index of the numbers, whatever the collation.
_BEGINNING: LiteralString = (
    _SELECT
    + "WHERE order_number >= %(text)s AND order_number < %(end)s AND starts_with(order_number, %(text)s)"
    + _LAST_FIRST
)
_OF_COMMAND: LiteralString = "(SELECT order_id FROM log.commands WHERE command_id = %(id)s)"
_BY_ID: LiteralString = _SELECT + "WHERE order_id = %(id)s OR order_id = " + _OF_COMMAND + _LAST_FIRST
_ISSUED: LiteralString = _SELECT + "WHERE vignette_number = %(text)s" + _LAST_FIRST


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody typed, as it was understood."""

    #: `id`, `number`, `prefix`, `vignette` or `nothing`.
    kind: str
    #: None where nothing can be found by it: not every text is worth a look at all orders.
    query: LiteralString | None
    values: dict[str, Any]
    #: What of it may be kept. Not what could be anything: people type names, addresses and telephone numbers as well.
    kept: str | None


def understood(typed: str) -> Wanted:
    """Return what is to be looked for."""
    text = "".join(typed.split())
    try:
        wanted = UUID(text)
    except ValueError:
        pass
    else:
        return Wanted("id", _BY_ID, {"id": wanted}, str(wanted))
    if number := parse_number(text):
        return Wanted("number", _NUMBERED, {"text": number}, number)
    if found := _PREFIX.fullmatch(text.upper()):
        begin = f"V{found[1]}"
        end = begin[:-1] + chr(ord(begin[-1]) + 1)
        return Wanted("prefix", _BEGINNING, {"text": begin, "end": end}, f"{len(found[1])} digits")
    if _OF_VIGNETTE.fullmatch(typed.strip()):
        return Wanted("vignette", _ISSUED, {"text": typed.strip()}, None)
    return Wanted("nothing", None, {}, None)


async def orders(connection: AsyncConnection, wanted: Wanted) -> list[dict[str, Any]]:
    """Return the orders that it stands for. Digits that are no number's beginning may be a vignette's."""
    if wanted.query is None:
        return []
    found = await _rows(connection, wanted.query, wanted.values)
    if not found and wanted.kind in {"prefix", "number"}:
        found = await _rows(connection, _ISSUED, {"text": wanted.values["text"].removeprefix("V")})
    return found


async def _rows(
    connection: AsyncConnection, query: LiteralString, values: dict[str, Any]
) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        # Not prepared: the columns of the view change with its edition.
        await cursor.execute(query, values, prepare=False)
        return await cursor.fetchall()
