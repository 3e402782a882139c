"""Finding orders by what a customer knows of them: the form of the query, and what it is answered."""

import json

import pytest
from psycopg_pool import AsyncConnectionPool
from pydantic import ValidationError

from eventstore_helpers import DAY, INDEX, NOON, a_vault, an_order, details, fold, pay, record
from vignettes.domain.errors import InvalidValue
from vignettes.eventstore.connections import conninfo
from vignettes.messages.queries import FindOrders
from vignettes.projections.lookup import LookupView
from vignettes.projections.order_status import OrderStatusView
from vignettes.services.reading import Reading


@pytest.fixture
async def reading(database):
    """Answer as the ordering service does, by its own rights."""
    async with AsyncConnectionPool(conninfo(database, "vignettes_writer"), min_size=1, open=False) as pool:
        yield Reading(pool, None, None, INDEX)


@pytest.fixture
async def on_record(database, orders):
    """Put orders on record, and let the views know."""
    vault = a_vault()

    async def recorded(*changed):
        record(orders, *changed)
        await fold(database, vault, OrderStatusView(vault), LookupView(INDEX))

    return recorded


async def test_an_answer_tells_what_is_needed_to_go_on(reading, on_record):
    """Which order, where it stands, when it was placed; and nothing of whose it is."""
    older, newer = an_order(), pay(an_order(at=NOON + DAY))
    await on_record(older, newer, an_order(details(plate="9Z9 9999"), email="other@example.com"))
    answer = await reading.find("CZ", "2A2-2345", "Driver@Example.com")
    assert json.loads(answer.model_dump_json()) == {
        "ok": True,
        "orders": [
            {
                "order_id": str(newer.id),
                "order_number": newer.number,
                "status": "scheduled",
                "placed_at": "2026-06-02T10:00:00Z",
            },
            {
                "order_id": str(older.id),
                "order_number": older.number,
                "status": "awaiting_payment",
                "placed_at": "2026-06-01T10:00:00Z",
            },
        ],
    }


async def test_nobody_is_found_who_is_not_there(reading):
    """It is an answer, not an error."""
    assert (await reading.find("D", "M-AB 123", None)).orders == []
    assert (await reading.find(None, None, "nobody@example.com")).orders == []


@pytest.mark.parametrize(
    ("country", "plate", "field"), [("XX", "2A2 2345", "country"), ("CZ", "2A2 Ж345", "plate")]
)
async def test_what_can_be_no_vehicle_is_refused_by_the_querys_own_field(reading, country, plate, field):
    """As placing an order would refuse it."""
    with pytest.raises(InvalidValue) as refused:
        await reading.find(country, plate, None)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "plate"),
        ({"plate": "2A2 2345"}, "country"),
        ({"country": "CZ"}, "plate"),
        ({"email": "driver@example.com", "country": "CZ"}, "plate"),
    ],
)
def test_a_query_that_names_too_little_is_refused(body, field):
    """A plate goes with its country; nothing finds nobody."""
    with pytest.raises(ValidationError) as refused:
        FindOrders.model_validate_json(json.dumps(body))
    [error] = refused.value.errors()
    assert error["ctx"]["field"] == field


@pytest.mark.parametrize(
    "body",
    [
        {"email": "d@example.com"},
        {"plate": "2A2 2345", "country": "CZ"},
        {"plate": "2A2 2345", "country": "CZ", "email": "d@example.com", "actor": "support"},
    ],
)
def test_a_query_names_an_address_a_vehicle_or_both(body):
    """That is enough."""
    assert FindOrders.model_validate_json(json.dumps(body)).model_dump(exclude_unset=True) == body
