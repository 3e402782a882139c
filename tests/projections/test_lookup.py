"""The blind index: given events, then who finds which orders by what they know."""

import pytest

from eventstore_helpers import (
    DAY,
    HOUR,
    INDEX,
    NOON,
    an_order,
    ask,
    details,
    erase,
    fold,
    projecting,
    record,
)
from vignettes.domain.personal import DataClass
from vignettes.domain.vehicle import Vehicle
from vignettes.projections import lookup
from vignettes.projections.lookup import LookupView
from vignettes.projections.order_status import OrderStatusView


@pytest.fixture
def found(shared_database, shared_orders, vault):
    """Return the orders that are found, once what is new in these is on record."""

    async def after(*orders, email=None, plate=None, country="CZ"):
        record(shared_orders, *orders)
        await fold(shared_database, vault, OrderStatusView(vault), LookupView(INDEX))
        vehicle = Vehicle.of(country, plate) if plate else None
        async with await projecting(shared_database) as connection:
            rows = await lookup.find(connection, INDEX, vehicle=vehicle, email=email)
        return [row.order_id for row in rows]

    return after


def expired(order):
    order.expire(NOON + 30 * DAY)
    return order


async def test_an_order_is_found_by_its_address_however_it_is_written(found):
    """Capitals do not count; another address finds nothing."""
    order = an_order(email="Anna@example.com")
    assert await found(order, email="anna@Example.COM") == [order.id]
    assert await found(email="hanna@example.com") == []


async def test_an_order_is_found_by_country_and_plate_in_any_spelling(found):
    """Spaces and hyphens do not count, the country does (case 31)."""
    order = an_order(details(plate="4A4 4444"))
    assert await found(order, plate="4a4-4444") == [order.id]
    assert await found(plate="4A4 4444", country="SK") == []


async def test_who_gives_both_finds_what_fits_both(found):
    """One car of a family, and not the others."""
    car = an_order(details(plate="5A5 1111"), email="family@example.com")
    van = an_order(details(plate="5A5 2222"), email="family@example.com")
    sold = an_order(details(plate="5A5 1111"), email="buyer@example.com")
    assert set(await found(car, van, sold, email="family@example.com")) == {car.id, van.id}
    assert await found(email="family@example.com", plate="5A5 1111") == [car.id]
    assert await found(email="buyer@example.com", plate="5A5 2222") == []


async def test_a_correction_is_found_and_what_it_replaced_is_not(found):
    """Whoever reads at the old address, or drives the other car, is no customer of this order."""
    order = an_order(details(plate="6A6 1111"), email="before@example.com")
    await found(order)
    order.correct_email("after@example.com", NOON + HOUR)
    order.correct_details(details(plate="6A6 2222"), NOON + HOUR)
    assert await found(order, email="after@example.com", plate="6A6 2222") == [order.id]
    assert await found(email="before@example.com") == []
    assert await found(plate="6A6 1111") == []


async def test_what_was_erased_is_not_found_any_more(found, shared_database, shared_orders):
    """Class by class; in the end no row is left of the order."""
    order = expired(an_order(details(plate="7A7 1111"), email="leaving@example.com"))
    await found(order)
    erase(shared_database, shared_orders, order, DataClass.CONTACT)
    assert await found(email="leaving@example.com") == []
    assert await found(plate="7A7 1111") == [order.id]
    erase(shared_database, shared_orders, order)
    assert await found(plate="7A7 1111") == []
    assert ask(shared_database, "SELECT kind FROM view.lookup WHERE order_id = %s", order.id) == []


async def test_the_newest_come_first_and_never_more_than_twenty(found):
    """A fleet asks with more than its address."""
    fleet = [
        an_order(details(at=NOON + n * HOUR), at=NOON + n * HOUR, email="fleet@example.com")
        for n in range(22)
    ]
    newest = [order.id for order in reversed(fleet)]
    assert await found(*fleet, email="fleet@example.com") == newest[: lookup.MOST_FOUND]
