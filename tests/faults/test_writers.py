"""Fault 5: sixteen writers and readers that follow them: nobody skips an event, and no order has a gap."""

import json
import threading
import time

import psycopg
import pytest

from eventstore_helpers import ask
from faults.apart import side_by_side
from faults.orders import Shop
from faults.writer import MEETING, THREADS
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.recorder import CHANNEL
from vignettes.projections.folding import _AFTER

PROCESSES = 4
#: Events for each order that all writers share.
EVENTS_TO_SHARE = 200
#: How many events each reader takes at a time, and how many seconds it waits to be woken when there are none.
READERS = ((25, 0.1), (1000, 0.1), (1000, 0))
WRITTEN_WITHIN_SECONDS = 600


class Reader(threading.Thread):
    """Follows the log as the views do, and remembers every position that it saw."""

    def __init__(self, database, limit, wait):
        super().__init__(daemon=True)
        self._url = conninfo(database, "vignettes_projector")
        self._limit = limit
        self._wait = wait
        self._written = threading.Event()
        self.positions = []
        self.batches = 0

    def run(self):
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f'LISTEN "{CHANNEL}"')
            while True:
                last_look = self._written.is_set()
                if not self._look(connection):
                    if last_look:
                        return
                    for _ in connection.notifies(timeout=self._wait, stop_after=1):
                        pass

    def _look(self, connection):
        last = self.positions[-1] if self.positions else 0
        seen = [row[0] for row in connection.execute(_AFTER, (last, self._limit))]
        self.positions += seen
        self.batches += bool(seen)
        return seen

    def finish(self):
        """Let it come to the end of what is written by now."""
        self._written.set()
        self.join(timeout=60)
        assert not self.is_alive()


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(2_000, id="short"),
        pytest.param(100_000, id="long", marks=[pytest.mark.faults, pytest.mark.timeout(900)]),
    ],
)
@pytest.mark.fault(5)
def test_no_reader_skips_an_event_of_sixteen_writers(database, events, seed, record):
    """Four processes of four writers, on orders of their own and on shared ones; three readers follow (I1, I2)."""
    shop, shared = Shop(database), MEETING + events // EVENTS_TO_SHARE
    placed = shop.appender.execute_all([shop.placing() for _ in range(shared)])
    shop.appender.close()
    readers = [Reader(database, *how) for how in READERS]
    for reader in readers:
        reader.start()
    wanted = {
        "database": database,
        "shared": [str(reply.order_id) for reply in placed],
        "events": events // PROCESSES,
    }
    each = [{**wanted, "seed": f"{seed}/{number}"} for number in range(PROCESSES)]
    with side_by_side("faults.writer", each) as processes:
        began = time.monotonic()
        found = [json.loads(process.communicate(timeout=WRITTEN_WITHIN_SECONDS)[0]) for process in processes]
        seconds = time.monotonic() - began
    for reader in readers:
        reader.finish()
    conflicts, given_up = (sum(each[name] for each in found) for name in ("conflicts", "given_up"))
    positions = ask(database, "SELECT notification_id FROM log.events ORDER BY notification_id")
    skipped, seen_twice = _compared(readers, positions)
    record(
        test=5,
        what="sixteen writers in four processes, three readers that follow them: events",
        faults=len(positions),
        lost=skipped,
        doubled=seen_twice,
        writers=PROCESSES * THREADS,
        per_second=round(events / seconds),
        conflicts=conflicts,
        given_up=given_up,
        batches=[reader.batches for reader in readers],
    )
    assert len(positions) == events + shared == sum(each["recorded"] for each in found) + shared
    for reader in readers:
        assert reader.positions == positions
        assert reader.batches > 10, "it read when all was written"
    assert _orders_with_gaps(database) == []
    assert _events_and_commands(database) == [(events + shared,) * 3]
    assert conflicts > 0, "no two writers ever met"


def _compared(readers, positions):
    """Return how many positions a reader has skipped, and how many it has seen twice, of all readers together."""
    skipped = sum(len(set(positions) - set(reader.positions)) for reader in readers)
    return skipped, sum(len(reader.positions) - len(set(reader.positions)) for reader in readers)


def _orders_with_gaps(database):
    return ask(
        database,
        "SELECT originator_id FROM log.events GROUP BY originator_id"
        " HAVING min(originator_version) <> 1 OR max(originator_version) <> count(*)",
    )


def _events_and_commands(database):
    """Return how many events there are, of how many commands, and how many commands were answered."""
    return ask(
        database,
        "SELECT count(*), count(DISTINCT convert_from(state, 'UTF8')::json ->> 'cmd'),"
        " (SELECT count(*) FROM log.commands) FROM log.events",
    )
