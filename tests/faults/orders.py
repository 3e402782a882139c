"""Orders placed as the service places them: numbered by the log."""

from datetime import datetime
from typing import Any

from eventstore_helpers import Writer, a_vault, details, placing
from vignettes.domain.order import Order
from vignettes.eventstore.append import Numbers
from vignettes.eventstore.deciding import Command
from vignettes.eventstore.journal import Journal
from vignettes.eventstore.orders import order_id_of


class Shop:
    """One ordering process's writer, and the numbers that it gives to new orders."""

    def __init__(self, database: str) -> None:
        self._numbers = Numbers()
        self.appender = Writer(Journal(database), a_vault(), self._numbers)

    def placing(self, plate: str = "2A2 2345", **different: Any) -> Command:
        """Return a command that places an order a week ahead, under the next number."""

        def place(_: Order | None, at: datetime) -> Order:
            number, wanted = self._numbers.next(), details(plate=plate, at=at)
            what = {"number": number, "details": wanted, "email": "driver@example.com", "language": "en"}
            return Order.place(order_id_of(number), at=at, **what)

        return placing(**{"order_id": None, "decide": place, **different})
