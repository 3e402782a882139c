"""Four threads that write to one log, each as an ordering process does; prints as JSON how that went."""

import json
import random
import sys
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import structlog

from eventstore_helpers import writing_to
from faults.apart import wait_for_the_start
from faults.orders import Shop
from vignettes.domain.errors import Conflict
from vignettes.eventstore.deciding import Command, Reply

THREADS = 4
LARGEST_GROUP = 8
#: How many of its own orders a writer goes on changing; older ones are left as they are.
OWN_ORDERS = 20
PLACE, SHARED = 0.15, 0.15
#: How many of the shared orders all writers change at a time.
MEETING = 8

_said: Counter[str] = Counter()


class Writer:
    """One thread's: places orders, changes them, and changes those that all writers share."""

    def __init__(self, database: str, shared: list[UUID], seed: str) -> None:
        self._shop = Shop(database)
        self._random = random.Random(seed)
        self._name = seed.replace("/", "-")
        self._shared = shared
        self._own: deque[UUID] = deque(maxlen=OWN_ORDERS)
        self._wishes = 0
        self._wanted = 0
        self.recorded = 0
        self.given_up = 0

    def write(self, events: int) -> None:
        """Append, group by group, until so many events are on record: one for each command answered."""
        self._wanted = events
        while self.recorded < events:
            size = min(self._random.randint(1, LARGEST_GROUP), events - self.recorded)
            for outcome in self._shop.appender.execute_all([self._wish() for _ in range(size)]):
                self._count(outcome)
        self._shop.appender.close()

    def _wish(self) -> Command:
        self._wishes += 1
        chance = self._random.random()
        if chance < PLACE or not self._own:
            return self._shop.placing()
        order_id = self._random.choice(self._met() if chance < PLACE + SHARED else self._own)
        return writing_to(order_id, f"{self._name}-{self._wishes}@example.com")

    def _met(self) -> list[UUID]:
        """Return the shared orders that it is time for: so none gets too long a history."""
        last = len(self._shared) - MEETING
        first = last * self.recorded // self._wanted
        return self._shared[first : first + MEETING]

    def _count(self, outcome: Reply | Exception) -> None:
        if isinstance(outcome, Conflict):
            self.given_up += 1
            return
        if isinstance(outcome, Exception):
            raise outcome
        assert outcome.refusal is None, outcome
        self.recorded += 1
        if outcome.order_id not in self._shared and outcome.body["version"] == 1:
            self._own.append(outcome.order_id)


def _counted(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    _said[event["event"]] += 1
    raise structlog.DropEvent


def main(database: str, shared: list[str], events: int, seed: str) -> None:
    """Write `events` events with all threads together, when everybody is ready."""
    structlog.configure(processors=[_counted])
    orders = [UUID(each) for each in shared]
    writers = [Writer(database, orders, f"{seed}/{number}") for number in range(THREADS)]
    wait_for_the_start()
    with ThreadPoolExecutor(THREADS) as threads:
        done = [threads.submit(writer.write, events // THREADS) for writer in writers]
    for each in done:
        each.result()
    found = {
        "recorded": sum(writer.recorded for writer in writers),
        "given_up": sum(writer.given_up for writer in writers),
        "conflicts": _said["command.conflict"],
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
