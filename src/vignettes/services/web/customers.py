"""The pages of customers, put together."""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI
from psycopg_pool import AsyncConnectionPool

from vignettes.services.contact import Contact
from vignettes.services.deciding import Payee
from vignettes.services.web.asking import Ask
from vignettes.services.web.changing import Changing
from vignettes.services.web.correcting import Correcting
from vignettes.services.web.finding import Finding
from vignettes.services.web.following import Following
from vignettes.services.web.linked import LinkedOrders
from vignettes.services.web.order_facts import Facts
from vignettes.services.web.order_forms import OrderForms
from vignettes.services.web.order_page import OrderPages
from vignettes.services.web.readdressing import Readdressing
from vignettes.services.web.rendering import not_taken
from vignettes.services.web.support_page import SupportPages
from vignettes.services.web.throttling import Throttle, Throttled, throttled
from vignettes.services.web.visits import NotTaken, Visits


@dataclass(frozen=True, slots=True)
class Customers:
    """What the pages of customers need besides the database. Without `following` no page follows its order."""

    payee: Payee
    contact: Contact
    visits: Visits
    ask: Ask
    throttle: Throttle
    following: Following | None = None

    def join(self, app: FastAPI, database: AsyncConnectionPool) -> None:
        """Let an application show them. `database` connects as the reader."""
        for router in self._routers(database):
            app.include_router(router)
        app.add_exception_handler(NotTaken, not_taken)
        app.add_exception_handler(Throttled, throttled)

    def _routers(self, database: AsyncConnectionPool) -> Iterator[APIRouter]:
        orders = LinkedOrders(database)
        yield Finding(self.visits, self.ask, self.throttle).router
        yield SupportPages(orders, self.visits, self.ask, self.throttle, self.contact).router
        facts = Facts(self.payee, self.contact)
        forms = OrderForms(orders, self.visits, self.ask, facts)
        yield OrderPages(forms, facts, self.ask).router
        yield Correcting(forms).router
        yield Readdressing(forms).router
        yield Changing(forms).router
        if self.following is not None:
            yield self.following.router
