"""W9: a bank's file read, the orders that it names looked up in batches, and each entry matched; then what was wrong.

One process, as an import does it: nothing is recorded, and orders that a person could mean are not searched for.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from uuid import UUID

from psycopg import AsyncConnection

from benchmarks import matching_file
from benchmarks.apart import answer
from benchmarks.figures import Point, Window
from vignettes.domain.entry import BankEntry
from vignettes.domain.matching import Match, OrderInView, Wanted, match, wanted
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.orders import order_id_of
from vignettes.eventstore.personal import BlindIndex
from vignettes.services.payments.lookup import OrdersInView
from vignettes.services.statements import read

_ENTRIES_A_BATCH = 1_000
_KB_A_MB = 1024


@dataclass(frozen=True, slots=True)
class Tally:
    """How entries of one kind went. Wrong is a match with an order that its payer did not mean."""

    entries: int
    matched: int
    wrong: int

    @property
    def review(self) -> int:
        return self.entries - self.matched


def measure(database_url: str, folder: str, what: str) -> list[Point]:
    """Return how fast the file is matched with the orders in the view, in how much memory, and how well."""
    window, stages = Window(3600, 0), defaultdict[str, float](float)
    began = time.perf_counter()
    decided = asyncio.run(_decided(database_url, Path(folder) / matching_file.STATEMENTS, window, stages))
    seconds = time.perf_counter() - began
    memory = peak_memory_mb()
    point = Point.of(("W9", "ours", what), 1, seconds, window).of_many(len(decided)).using(dict(stages))
    found = tallies(decided, matching_file.meant(Path(folder)))
    return [replace(point, memory_mb=memory, tallies={kind: asdict(one) for kind, one in found.items()})]


async def _decided(
    database_url: str, file: Path, window: Window, stages: defaultdict[str, float]
) -> list[UUID | None]:
    orders, decided = OrdersInView(BlindIndex(b"")), list[UUID | None]()
    entries = (item for item in read(file) if isinstance(item, BankEntry))
    url = conninfo(database_url, "vignettes_writer")
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        while True:
            began = time.perf_counter()
            with _counted(stages, "reading"):
                batch = list(islice(entries, _ENTRIES_A_BATCH))
            if not batch:
                return decided
            with _counted(stages, "finding references"):
                asked = [wanted(entry) for entry in batch]
            with _counted(stages, "looking up"):
                found = await orders.find(connection, asked)
            with _counted(stages, "matching"):
                decided += _matched(batch, asked, found)
            window.note(began)


@contextmanager
def _counted(stages: defaultdict[str, float], stage: str) -> Iterator[None]:
    """Count the seconds of CPU that this process uses meanwhile."""
    used = time.process_time()
    yield
    stages[stage] += time.process_time() - used


def _matched(
    batch: Sequence[BankEntry], asked: Sequence[Wanted], found: Mapping[str, OrderInView]
) -> list[UUID | None]:
    return [
        order_of(entry, (found[n] for n in (*each.numbers, *each.nearby) if n in found))
        for entry, each in zip(batch, asked, strict=True)
    ]


def order_of(entry: BankEntry, orders: Iterable[OrderInView]) -> UUID | None:
    """Return the order that the entry is matched with; None: a person decides."""
    verdict = match(entry, orders)
    return verdict.order_id if isinstance(verdict, Match) else None


def tallies(
    decided: Sequence[UUID | None], meant: Iterable[tuple[str, tuple[str, ...], str]]
) -> dict[str, Tally]:
    """Return by kind how many were matched, and how many of these with what was not meant."""
    counted: Counter[tuple[str, str]] = Counter()
    for order_id, (kind, numbers, _) in zip(decided, meant, strict=True):
        counted[kind, "entries"] += 1
        counted[kind, "matched"] += order_id is not None
        counted[kind, "wrong"] += order_id is not None and order_id not in _ids(numbers)
    kinds = {kind for kind, _ in counted}
    return {
        kind: Tally(*(counted[kind, what] for what in ("entries", "matched", "wrong")))
        for kind in sorted(kinds)
    }


def _ids(numbers: Iterable[str]) -> Iterator[UUID]:
    return map(order_id_of, numbers)


def peak_memory_mb() -> float:
    """Return the most that this process has had in memory; rusage would count what its parent had, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kept = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kept.split()[1]) / _KB_A_MB


if __name__ == "__main__":
    answer(measure)
