"""The alternative: the eventsourcing library as its manual shows it, with the same four commands an order."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict

from benchmarks import wishes
from benchmarks.apart import answer
from benchmarks.figures import Point, Window


class Order(Aggregate):
    """One order, from placing to issue."""

    @event("Placed")
    def __init__(self, product: str, plate: str, valid_from: str, email: str) -> None:
        self.product = product
        self.plate = plate
        self.valid_from = valid_from
        self.email = email
        self.paid = 0
        self.status = "awaiting_payment"

    @event("PaymentReceived")
    def receive_payment(self, payment_id: str, amount: int, currency: str, received_at: datetime) -> None:
        self.payment = (payment_id, currency, received_at)
        self.paid += amount
        self.status = "scheduled"

    @event("RegistrationStarted")
    def start_registration(self, rule: str, consent: str, given_at: datetime) -> None:
        self.started = (rule, consent, given_at)
        self.status = "registering"

    @event("VignetteIssued")
    def record_issue(self, number: str, reference: str, valid_from: str, valid_until: str) -> None:
        self.vignette = (number, reference, valid_from, valid_until)
        self.status = "issued"


class Shop(Application[UUID]):
    """Takes commands: load, decide, save."""

    def place(self, product: str, plate: str, valid_from: str, email: str) -> UUID:
        """Take down an order."""
        order = Order(product, plate, valid_from, email)
        self.save(order)
        return order.id

    def receive_payment(self, order_id: UUID, *payment: Any) -> None:
        """Count money that arrived."""
        order: Order = self.repository.get(order_id)
        order.receive_payment(*payment)
        self.save(order)

    def start_registration(self, order_id: UUID, *start: Any) -> None:
        """Start at once."""
        order: Order = self.repository.get(order_id)
        order.start_registration(*start)
        self.save(order)

    def record_issue(self, order_id: UUID, *vignette: Any) -> None:
        """Keep the authority's confirmation."""
        order: Order = self.repository.get(order_id)
        order.record_issue(*vignette)
        self.save(order)


@dataclass(frozen=True, slots=True)
class Customer:
    """One thread that orders, one command at a time."""

    shop: Shop
    rng: random.Random
    window: Window

    def order_while_open(self) -> None:
        """Order again and again."""
        while self.window.open:
            self._order()

    def _order(self) -> None:
        wish, now = wishes.of(self.rng), datetime.now(UTC)
        order_id = self._timed(
            "place", self.shop.place, wish.product, wish.plate, wish.valid_from, wish.email
        )
        self._timed("receive_payment", self.shop.receive_payment, order_id, wish.payment_id, 1250, "CZK", now)
        self._timed("start_registration", self.shop.start_registration, order_id, "at_once", "2026-01", now)
        self._timed(
            "record_issue", self.shop.record_issue,
            order_id, wish.number, wish.reference, wish.valid_from, wish.valid_until,
        )  # fmt: skip

    def _timed(self, command: str, act: Callable[..., Any], *arguments: Any) -> Any:
        began = time.perf_counter()
        result = act(*arguments)
        self.window.note(began, command)
        return result


def settings(database_url: str) -> dict[str, str]:
    """Return how an application of the library finds its database."""
    where = conninfo_to_dict(database_url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(where["dbname"]),
        "POSTGRES_HOST": str(where["host"]),
        "POSTGRES_PORT": str(where["port"]),
        "POSTGRES_USER": str(where["user"]),
        "POSTGRES_PASSWORD": str(where.get("password", "")),
    }


def measure(database_url: str, threads: int, seed: str, seconds: float, warm_up: float) -> list[Point]:
    """Return how many commands so many threads get done on one application."""
    shop = Shop(settings(database_url))
    window = Window(seconds, warm_up)
    customers = [Customer(shop, random.Random(f"{seed}/{n}"), window) for n in range(threads)]  # noqa: S311  # repeatable
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(customer.order_while_open) for customer in customers]:
            done.result()
    shop.close()
    return [Point.of(("W1", "alternative", "eventsourcing commands"), threads, seconds, window)]


if __name__ == "__main__":
    answer(measure)
