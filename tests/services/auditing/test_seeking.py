"""What an auditor has in hand is understood, and found; what could be anybody's name or address is not kept."""

from uuid import UUID

import pytest
from psycopg import AsyncConnection

from eventstore_helpers import a_vault, an_order, fold, issue, pay, record, start
from vignettes.domain.details import Vignette
from vignettes.domain.references import creditor_reference, variable_symbol
from vignettes.eventstore.connections import conninfo
from vignettes.projections.order_status import OrderStatusView
from vignettes.services.auditing import seeking

SOME_ID = str(UUID("2598d3c7-2b4e-437d-a700-6bdcafe83a39"))
NUMBER = "V6562305984"


@pytest.mark.parametrize(
    ("typed", "kind", "kept"),
    [
        (SOME_ID, "id", SOME_ID),
        (SOME_ID.upper(), "id", SOME_ID),
        (NUMBER, "number", NUMBER),
        (f" {NUMBER.lower()} ", "number", NUMBER),
        (variable_symbol(NUMBER), "number", NUMBER),
        (creditor_reference(NUMBER), "number", NUMBER),
        ("6562", "prefix", "4 digits"),
        ("v65623", "prefix", "5 digits"),
        ("602 123 456", "prefix", "9 digits"),
        ("656", "vignette", None),
        ("CZ26-0048817", "vignette", None),
        ("CZ/0001", "vignette", None),
        ("driver7@example.com", "nothing", None),
        ("Their Name", "nothing", None),
        ("No digit", "nothing", None),
        ("7" * 41, "nothing", None),
    ],
)
def test_what_is_typed_is_understood(typed, kind, kept):
    found = seeking.understood(typed)
    assert (found.kind, found.kept) == (kind, kept)


async def sought(database, typed):
    url = conninfo(database, "vignettes_auditor")
    async with await AsyncConnection.connect(url) as connection:
        return [each["order_id"] for each in await seeking.orders(connection, seeking.understood(typed))]


async def test_what_can_be_nothing_of_ours_is_not_looked_for():
    """Every order would have to be looked at."""
    assert await seeking.orders(None, seeking.understood("driver7@example.com")) == []


async def test_an_order_is_found_by_its_vignette(database, orders):
    """Also where the authority's numbers look like ours."""
    lettered, numbered, waiting = start(pay(an_order())), start(pay(an_order())), an_order()
    at = lettered.modified_on
    issue(lettered)
    numbered.record_issue(Vignette("48817", "ref-2", at, at), numbered.generation, at)
    record(orders, lettered, numbered, waiting)
    await fold(database, vault := a_vault(), OrderStatusView(vault))
    assert await sought(database, "CZ-0001") == [lettered.id]
    assert await sought(database, "48817") == [numbered.id]
    assert await sought(database, waiting.number[:9]) == [waiting.id]
