"""Order pages as browsers see them: served, read, and their forms filled in and sent."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import lxml.html
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from eventstore_helpers import MASTER, fold, record
from forms import BROWSER
from vignettes.domain.order import Order
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.orders import Orders
from vignettes.eventstore.personal import Vault
from vignettes.projections.deadlines import DeadlinesView
from vignettes.projections.emails import EmailsView
from vignettes.projections.order_pages import OrderPagesView
from vignettes.projections.order_status import OrderStatusView
from vignettes.runtime.settings import EXAMPLE_IBAN
from vignettes.services.asyncapi import document
from vignettes.services.calling import NoAnswer
from vignettes.services.contact import Contact
from vignettes.services.deciding import Payee
from vignettes.services.links import Links
from vignettes.services.web.app import create_app
from vignettes.services.web.asking import Ask, Asked
from vignettes.services.web.customers import Customers
from vignettes.services.web.following import Following
from vignettes.services.web.linked import LinkedOrders
from vignettes.services.web.serving import serving
from vignettes.services.web.throttling import Throttle
from vignettes.services.web.visits import Visits

LINKS = Links("", MASTER)
PAYEE = Payee("Vignettes", EXAMPLE_IBAN)
CONTACT = Contact("help@vignettes.example", "+420 600 000 000")
ORIGIN = "http://vignettes.example"
#: The pages below an order's link.
BELOW = ("", "/correct", "/email", "/start", "/withdraw", "/document", "/events", "/support")


def link(order: Order) -> str:
    """Return the path of an order's page."""
    return LINKS.manage(order.id, order.link_generation)


async def nobody(message: Asked) -> dict[str, Any]:
    """Answer as the ordering service does when it is not there."""
    raise NoAnswer


def a_pool(database: str) -> AsyncConnectionPool:
    """Return a pool with the rights that the web has."""
    return AsyncConnectionPool(
        conninfo(database, "vignettes_reader"), open=False, min_size=1, kwargs={"autocommit": True}
    )


@contextlib.asynccontextmanager
async def browsing(
    pool: AsyncConnectionPool,
    ask: Ask = nobody,
    patience: float = 10.0,
    following: Following | None = None,
    origin: str = ORIGIN,
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the pages of customers, and yield a browser that looks at them."""
    customers = Customers(PAYEE, CONTACT, Visits(origin, patience), ask, Throttle(), following)
    app = create_app(Client(), (), pool, document, customers=customers)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(pool)
        port = await stack.enter_async_context(serving(app))
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20, headers=BROWSER
        )
        yield await stack.enter_async_context(client)


def following(database: str, pool: AsyncConnectionPool, **different: Any) -> Following:
    """Return what follows orders for their pages."""
    return Following(
        LinkedOrders(pool), conninfo(database, "vignettes_reader", name="following"), **different
    )


async def told(database: str, orders: Orders, vault: Vault, *changed: Order) -> None:
    """Put orders on record, and let the views know."""
    record(orders, *changed)
    views = (OrderStatusView(vault), OrderPagesView(LINKS.token), EmailsView("vignettes.example", vault))
    await fold(database, vault, *views, DeadlinesView())


def filled(page: httpx.Response, **typed: str) -> dict[str, str]:
    """Return the fields of a page's form as they stand there, and what is typed over them."""
    [form] = lxml.html.fromstring(page.text).xpath("//form")
    return {**{name: value or "" for name, value in form.fields.items()}, **typed}


async def sent(http: httpx.AsyncClient, page: httpx.Response, **typed: str) -> httpx.Response:
    """Fill in the only form of a page, and send it."""
    [form] = lxml.html.fromstring(page.text).xpath("//form")
    return await http.post(form.action, data=filled(page, **typed))
