"""W9, the alternative: amount and name, as the usual tools propose matches when no reference is read.

It takes an order when it is the only open one with this amount and currency whose customer has the payer's name. Our
orders know no names: here it is told each customer's, which no shop asks for. It is told no reference.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from uuid import UUID

from benchmarks import matching_file
from benchmarks.apart import answer
from benchmarks.figures import Point, Window
from benchmarks.matching import peak_memory_mb, tallies
from benchmarks.matching_orders import Open
from vignettes.domain.entry import BankEntry
from vignettes.domain.money import Money
from vignettes.eventstore.orders import order_id_of
from vignettes.services.statements import read

WHAT = "amount and name"


class Known:
    """Open orders by amount and customer; of those that share both only that there are several."""

    def __init__(self, orders: Iterable[Open]) -> None:
        by_both: defaultdict[tuple[Money, str], list[int]] = defaultdict(list)
        self._seed = ""
        for order in orders:
            self._seed = order.seed
            by_both[order.amount, order.name].append(order.n)
        self._only = {both: found[0] for both, found in by_both.items() if len(found) == 1}

    def order_of(self, amount: Money, payer: str | None) -> UUID | None:
        """Return the only order that it can be for."""
        n = self._only.get((amount, payer or ""))
        return None if n is None else order_id_of(Open(self._seed, n).number)


def measure(folder: str, orders: int, seed: str) -> list[Point]:
    """Return how well it does with the same file, and how fast with all orders in memory."""
    known = Known(Open(seed, n) for n in range(orders))
    window = Window(3600, 0)
    began = time.perf_counter()
    decided = [known.order_of(entry.amount, entry.counterparty) for entry in _entries(Path(folder))]
    window.note(began)
    seconds = time.perf_counter() - began
    point = Point.of(("W9", "alternative", WHAT), 1, seconds, window).of_many(len(decided))
    found = tallies(decided, matching_file.meant(Path(folder)))
    told = {kind: asdict(one) for kind, one in found.items()}
    return [replace(point, memory_mb=peak_memory_mb(), tallies=told)]


def _entries(folder: Path) -> Iterator[BankEntry]:
    items = read(folder / matching_file.STATEMENTS)
    return (item for item in items if isinstance(item, BankEntry))


if __name__ == "__main__":
    answer(measure)
