"""Links for customers who lost theirs: who is mailed what, and what a stranger gets to hear."""

import asyncio
import json
from uuid import uuid4

import pytest
from psycopg_pool import AsyncConnectionPool

from eventstore_helpers import DAY, INDEX, NOON, a_vault, an_order, details, erase, fold, record
from service import until
from vignettes.domain.errors import OrderNotFound, Unavailable
from vignettes.domain.personal import DataClass
from vignettes.domain.references import creditor_reference, variable_symbol
from vignettes.eventstore.connections import conninfo
from vignettes.messages.links import LinkRequestTaken, OpenPage, RequestLink
from vignettes.projections.lookup import LookupView
from vignettes.projections.order_status import OrderStatusView
from vignettes.services import linking
from vignettes.services.linking import LinkDesk
from vignettes.services.links import Links

LINKS = Links("https://vignettes.example", bytes(32))
VEHICLE = {"country": "CZ", "plate": "2A2-2345"}
ADDRESS = "Driver@Example.com"
DAY_OF_ORDER = "2026-06-01"


class Ordering:
    """Takes commands, and remembers them."""

    def __init__(self):
        self.taken = []
        self.ok = True

    async def command(self, command):
        self.taken.append(command)
        return {"ok": self.ok}

    @property
    def told(self):
        """Return for each mail the order that it goes to, and the others that it tells of."""
        return [(each.order_id, [other.order_id for other in each.others]) for each in self.taken]


@pytest.fixture
def ordering():
    return Ordering()


@pytest.fixture
async def desk(database, ordering):
    """Answer by the rights of the ordering service."""
    async with AsyncConnectionPool(conninfo(database, "vignettes_writer"), min_size=1, open=False) as pool:
        yield LinkDesk(pool, INDEX, LINKS, ordering)


@pytest.fixture
async def on_record(database, orders):
    """Put orders on record, and let the views know."""
    vault = a_vault()

    async def recorded(*changed):
        record(orders, *changed)
        await fold(database, vault, OrderStatusView(vault), LookupView(INDEX))

    return recorded


@pytest.fixture
def looked_up(desk):
    """Ask as the web does, and have it looked up."""

    async def asked(**known):
        request = RequestLink.model_validate_json(_json(known))
        assert await desk._request(request, None) == LinkRequestTaken()
        await desk._send(desk._waiting.get_nowait())

    return asked


def _json(known):
    return json.dumps(known)


async def test_an_address_is_mailed_the_link_of_its_order(looked_up, on_record, ordering):
    """With the plate in any way of writing it."""
    order = an_order()
    await on_record(order, an_order(details(plate="9Z9 9999")), an_order(email="other@example.com"))
    await looked_up(**VEHICLE, email=ADDRESS)
    assert ordering.told == [(order.id, [])]


@pytest.mark.case(31)
async def test_a_mistyped_address_is_not_needed_to_find_the_order(looked_up, on_record, ordering):
    """Case 31: country, plate and the day of the order; one day more or less is as people remember it."""
    order, much_later = an_order(email="drvier@example.com"), an_order(at=NOON + 3 * DAY)
    await on_record(order, much_later)
    for day in ("2026-05-31", DAY_OF_ORDER, "2026-06-02"):
        await looked_up(**VEHICLE, ordered_on=day)
    assert ordering.told == [(order.id, [])] * 3


@pytest.mark.case(32)
async def test_several_orders_of_one_address_are_one_mail(looked_up, on_record, ordering):
    """Case 32: the newest order's, with the others in it; what somebody else ordered for the vehicle is told apart."""
    first, second, third = an_order(), an_order(at=NOON + DAY / 4), an_order(email="other@example.com")
    await on_record(first, second, third)
    await looked_up(**VEHICLE, email=ADDRESS)
    assert ordering.told == [(second.id, [first.id])]
    await looked_up(**VEHICLE, ordered_on=DAY_OF_ORDER)
    assert sorted(ordering.told[1:]) == sorted([(second.id, [first.id]), (third.id, [])])


@pytest.mark.parametrize("write", [str, variable_symbol, creditor_reference])
async def test_a_number_is_enough_in_any_form(looked_up, on_record, ordering, write):
    order = an_order()
    await on_record(order)
    await looked_up(order_number=write(order.number))
    assert ordering.told == [(order.id, [])]


@pytest.mark.parametrize(
    "known",
    [
        {**VEHICLE, "email": "other@example.com"},
        {"country": "SK", "plate": "2A2 2345", "email": ADDRESS},
        {**VEHICLE, "ordered_on": "2026-06-03"},
        {"order_number": "V1000000064"},
        {"order_number": "V1000000065"},
    ],
)
async def test_who_knows_something_else_is_answered_alike_and_nobody_is_mailed(
    looked_up, on_record, ordering, known
):
    await on_record(an_order())
    await looked_up(**known)
    assert ordering.told == []


async def test_nobody_is_mailed_whose_address_was_erased(database, orders, looked_up, ordering):
    order = an_order()
    order.expire(NOON + 40 * DAY)
    record(orders, order)
    erase(database, orders, order, DataClass.CONTACT)
    vault = a_vault()
    await fold(database, vault, OrderStatusView(vault), LookupView(INDEX))
    await looked_up(**VEHICLE, ordered_on=DAY_OF_ORDER)
    assert ordering.told == []


@pytest.mark.case(31)
async def test_the_reference_of_the_payment_opens_the_page_and_the_address_hears_of_it(
    desk, on_record, ordering
):
    """Case 31: where the address is wrong, no mail would ever arrive."""
    order = an_order(email="drvier@example.com")
    await on_record(order)
    opened = await desk._open(_opening(variable_symbol(order.number)), None)
    assert opened.manage_url == LINKS.manage(order.id, 1)
    assert [(each.order_id, each.by_reference) for each in ordering.taken] == [(order.id, True)]


@pytest.mark.parametrize(
    "different",
    [
        {"reference": "1000000064"},
        {"reference": "not a number"},
        {"plate": "2A2 2346"},
        {"plate": "\u0410\u0412 1234"},
        {"country": "SK"},
        {"ordered_on": "2026-06-03"},
    ],
)
async def test_one_wrong_particular_opens_nothing(desk, on_record, ordering, different):
    """And is not told which it was."""
    order = an_order()
    await on_record(order)
    with pytest.raises(OrderNotFound) as refused:
        await desk._open(_opening(**{"reference": variable_symbol(order.number), **different}), None)
    assert str(refused.value) == OrderNotFound.__doc__
    assert ordering.taken == []


async def test_what_can_not_be_told_to_the_address_is_not_opened(desk, on_record, ordering):
    order = an_order()
    await on_record(order)
    ordering.ok = False
    with pytest.raises(OrderNotFound):
        await desk._open(_opening(variable_symbol(order.number)), None)


def _opening(reference, **different):
    known = {**VEHICLE, "ordered_on": DAY_OF_ORDER, "reference": reference}
    return OpenPage.model_validate_json(_json(known | different))


async def test_more_than_can_be_looked_up_is_refused(desk, monkeypatch):
    """The customer is asked to come again, and the service does not grow."""
    request = RequestLink(order_number="V1000000064")
    for _ in range(linking.MOST_WAITING):
        await desk._request(request, None)
    with pytest.raises(Unavailable):
        await desk._request(request, None)


async def test_one_request_that_fails_does_not_end_the_others(desk, on_record, ordering):
    """A plate of another alphabet is nobody's, and an ordering service that is gone comes back."""
    order = an_order()
    await on_record(order)

    looking = asyncio.create_task(desk.run())
    for known in ({"country": "CZ", "plate": "\u0410\u0412 1234"}, VEHICLE):
        await desk._request(RequestLink(**known, email=ADDRESS), None)

    async def told():
        return ordering.told

    assert await until(told) == [(order.id, [])]
    looking.cancel()


async def test_there_is_no_document_of_an_order_without_one(desk, on_record):
    order = an_order()
    await on_record(order)
    for order_id in (order.id, uuid4()):
        with pytest.raises(OrderNotFound):
            await desk._document(linking.links.AskDocument(order_id=order_id), None)
