"""W8: clients who ask through NATS where orders stand, or which orders somebody has; one question at a time each.

Orders are drawn evenly from all that were copied. Lookups are by an address, by a plate, and by both, in turn. After
the questions the database is asked how it goes about one of them: with the statement that the service sends.
"""

import asyncio
import itertools
import json
import random
from collections.abc import Callable

from pydantic_core import from_json

from benchmarks.apart import answer
from benchmarks.crowd import Crowd
from benchmarks.dialogue import Dialogue, Refused, Request
from benchmarks.figures import Point, Window
from benchmarks.plans import plan
from benchmarks.stocking import COUNTRY, Copy, copied, digests_of
from vignettes.projections.lookup import FIND, MOST_FOUND
from vignettes.services.reading import STATUS

#: What is known of an order, by what a lookup is called.
_KNOWN: dict[str, Callable[[Copy], dict[str, str]]] = {
    "by address": lambda copy: {"email": copy.email},
    "by plate": lambda copy: {"country": COUNTRY, "plate": copy.plate},
    "by both": lambda copy: {"email": copy.email, "country": COUNTRY, "plate": copy.plate},
}

Ask = Callable[[Callable[[], Copy], Callable[[], bool]], Dialogue]


def statuses(draw: Callable[[], Copy], again: Callable[[], bool]) -> Dialogue:
    """Ask where an order stands, as long as `again`. Raises Refused."""
    while again():
        wanted = str(draw().order_id)
        body = yield Request("orders.v1.status", json.dumps({"order_id": wanted}).encode())
        reply = from_json(body)
        if reply.get("order", {}).get("order_id") != wanted or not reply["order"]["email"]:
            raise Refused(f"That is not the order that was asked for: {body.decode()}")


def lookups(draw: Callable[[], Copy], again: Callable[[], bool]) -> Dialogue:
    """Ask for the orders of somebody, as long as `again`. Raises Refused."""
    kinds = itertools.cycle(_KNOWN.items())
    while again():
        copy, (kind, knowing) = draw(), next(kinds)
        body = yield Request("orders.v1.find", json.dumps(knowing(copy)).encode(), kind)
        found = {order["order_id"] for order in from_json(body).get("orders", ())}
        if str(copy.order_id) not in found:
            raise Refused(f"The order is not among those that were found: {body.decode()}")


_ASK: dict[str, Ask] = {"status": statuses, "lookup": lookups}


def planned(data_dir: str, database_url: str, question: str, copy: Copy) -> list[str]:
    """Return how the database answers a question, as it says itself, line by line."""
    if question == "status":
        return plan(database_url, "vignettes_writer", STATUS, {"order_id": copy.order_id})
    email, plate, _ = digests_of(data_dir, database_url).of(copy)
    return plan(database_url, "vignettes_writer", FIND, {"digests": [email, plate], "most": MOST_FOUND})


def measure(  # noqa: PLR0913  # what is said to a process of its own
    *,
    nats_url: str,
    data_dir: str,
    database_url: str,
    of: tuple[str, str],
    in_flight: int,
    orders: tuple[int, str],
    seed: str,
    seconds: float,
    warm_up: float,
) -> list[Point]:
    """Return how fast so many clients are answered.

    `of` are the question and what it is, `orders` how many there are and their seed.
    """
    (question, what), (number, stocked) = of, orders
    window, rng = Window(seconds, warm_up), random.Random(seed)  # noqa: S311  # repeatable

    def draw() -> Copy:
        return Copy(stocked, rng.randrange(copied(number)))

    clients = [_ASK[question](draw, lambda: window.open) for _ in range(in_flight)]
    asyncio.run(Crowd(clients, window).ask(nats_url))
    point = Point.of(("W8", "ours", what), in_flight, seconds, window)
    return [point.planned(planned(data_dir, database_url, question, draw()))]


if __name__ == "__main__":
    answer(measure)
