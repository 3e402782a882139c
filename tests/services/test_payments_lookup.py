"""The orders that bank entries name are found in the views, and beside them those that a person could mean."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date

import pytest
from psycopg import AsyncConnection

from eventstore_helpers import INDEX, NOON, an_order, details, erase, fold, issue, pay, record, start
from vignettes.domain.details import Status
from vignettes.domain.entry import BankEntry
from vignettes.domain.matching import Match, Notice, Reason, Wanted, match, wanted
from vignettes.domain.money import Money
from vignettes.domain.references import variable_symbol
from vignettes.eventstore.connections import conninfo
from vignettes.projections.lookup import LookupView
from vignettes.projections.order_status import OrderStatusView
from vignettes.projections.payments import PaymentsView
from vignettes.services.payments.lookup import OrdersInView

IN_VIEW = OrdersInView(INDEX)
PRICE = Money(39_900, "CZK")


def an_entry(**different) -> BankEntry:
    """Return 399 CZK that say nothing, or something else."""
    entry = BankEntry(
        entry_id="entry-1", account="CZ6508000000192000145399", booked_on=NOON.date(), amount=PRICE, credit=True,
        reversal=False, booked=True, variable_symbol=None, creditor_reference=None, remittance=None,
        counterparty=None, counterparty_account=None, end_to_end_id=None, bank_reference=None,
    )  # fmt: skip
    return replace(entry, **different)


@pytest.fixture
async def connection(database) -> AsyncIterator[AsyncConnection]:
    """Connect as the service that matches does."""
    url = conninfo(database, "vignettes_writer")
    async with await AsyncConnection.connect(url, autocommit=True) as connected:
        yield connected


@pytest.fixture
def views(database, orders):
    """Give what takes the log into the views."""

    async def taken_in() -> None:
        await fold(database, orders.vault, OrderStatusView(orders.vault), LookupView(INDEX), PaymentsView())

    return taken_in


async def test_orders_are_found_for_many_entries_at_once(orders, connection, views):
    first, second, third = an_order(), an_order(), an_order()
    record(orders, first, second, third)
    await views()
    asked = [Wanted((first.number,), ()), Wanted((), (second.number,)), Wanted(("V1000000064",), ())]
    found = await IN_VIEW.find(connection, asked)
    assert set(found) == {first.number, second.number}
    one = found[first.number]
    assert (one.order_id, one.status, one.placed_at) == (first.id, Status.AWAITING_PAYMENT, NOON)
    assert (one.outstanding, one.total, one.received) == (PRICE, PRICE, Money(0, "CZK"))
    assert (one.email, one.plate) == (None, None), "what is sealed is not opened for it"


async def test_nothing_is_asked_where_nothing_is_named(connection):
    assert await IN_VIEW.find(connection, [Wanted((), ()), Wanted((), ())]) == {}


async def test_what_is_found_is_enough_to_match(orders, connection, views):
    order = an_order()
    record(orders, order)
    await views()
    entry = an_entry(variable_symbol=variable_symbol(order.number))
    found = await IN_VIEW.find(connection, [wanted(entry)])
    assert isinstance(match(entry, found.values()), Match)


@pytest.mark.parametrize("day", [date.min, date.max])
async def test_no_day_is_too_far_to_look_around_it(connection, day):
    """One line of a broken file keeps no other payment from being matched."""
    assert await IN_VIEW.candidates(connection, an_entry(booked_on=day)) == []


async def test_candidates_are_those_of_the_address_the_plate_and_the_amount(orders, connection, views):
    by_address = an_order(email="Eva@example.com")
    by_plate = an_order(details(plate="5AB 1234", product="CZ-1D"), email="x@example.com")
    by_amount = an_order(details(product="CZ-30D"), email="y@example.com")
    other = an_order(details(product="CZ-1D"), email="z@example.com")
    record(orders, by_address, by_plate, by_amount, other)
    await views()
    entry = an_entry(amount=by_amount.outstanding, remittance="znamka 5AB1234 eva@example.com")
    found = await IN_VIEW.candidates(connection, entry)
    assert {order.order_id for order in found} == {by_address.id, by_plate.id, by_amount.id}
    verdict = match(entry, found)
    assert [suggestion.reasons[0] for suggestion in verdict.suggestions] == [
        Reason.EMAIL_IN_TEXT, Reason.PLATE_IN_TEXT, Reason.AMOUNT_EXACT,
    ]  # fmt: skip


async def test_an_order_that_is_nearly_named_is_a_candidate(orders, connection, views):
    order = an_order(details(product="CZ-1D"))
    record(orders, order)
    await views()
    symbol = variable_symbol(order.number)
    typed = symbol[:4] + str((int(symbol[4]) + 1) % 10) + symbol[5:]
    entry = an_entry(variable_symbol=typed)
    (suggestion,) = match(entry, await IN_VIEW.candidates(connection, entry)).suggestions
    assert (suggestion.order_id, suggestion.reasons[0]) == (order.id, Reason.REFERENCE_NEARLY)


async def test_the_same_amount_says_nothing_of_an_order_that_is_old_later_or_paid(orders, connection, views):
    old, paid = an_order(), pay(an_order())
    record(orders, old, paid)
    await views()
    for day in (NOON.replace(day=16), NOON.replace(month=5, day=1)):
        assert await IN_VIEW.candidates(connection, an_entry(booked_on=day.date())) == []
    (found,) = await IN_VIEW.candidates(connection, an_entry())
    assert found.order_id == old.id


async def test_money_of_which_a_provider_told_is_known(orders, connection, views):
    """Case 18: a person sees at once why the line is not matched."""
    order = pay(an_order())
    record(orders, order)
    await views()
    entry = an_entry(variable_symbol=variable_symbol(order.number))
    (found,) = await IN_VIEW.candidates(connection, entry)
    assert found.paid_by_notices == (Notice(PRICE, NOON),)
    assert match(entry, [found]).reasons[-1] == Reason.PAID_BY_NOTICE


async def test_money_that_came_by_the_bank_was_told_by_no_provider(orders, connection, views):
    order = pay(an_order(), method="bank_transfer")
    record(orders, order)
    await views()
    entry = an_entry(variable_symbol=variable_symbol(order.number))
    (found,) = await IN_VIEW.candidates(connection, entry)
    assert found.paid_by_notices == ()


async def test_an_order_whose_customer_was_forgotten_is_still_named(database, orders, connection, views):
    order = issue(start(pay(an_order())))
    record(orders, order)
    erase(database, orders, order)
    await views()
    (found,) = await IN_VIEW.candidates(connection, an_entry(remittance=order.number))
    assert (found.order_id, found.email, found.plate) == (order.id, None, None)
