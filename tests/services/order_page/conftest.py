"""Order pages served with the rights that the web has, and the browser that looks at them."""

import pytest

from eventstore_helpers import HOUR, NOON, a_vault
from order_page_helpers import a_pool, browsing, link, told
from service import set_clock


@pytest.fixture
def vault():
    return a_vault()


@pytest.fixture
async def http(database):
    """It is one in the afternoon in Prague; nobody answers commands."""
    set_clock(database, NOON + HOUR)
    async with browsing(a_pool(database)) as http:
        yield http


@pytest.fixture
async def shown(database, orders, http, vault):
    """Put an order on record, let the views know, and get its page, or one below it."""

    async def get(order, below="", method="GET"):
        await told(database, orders, vault, order)
        return await http.request(method, link(order) + below)

    return get
