"""Tells the stories of many orders to one log, their events mixed, at a steady pace; prints when what was recorded."""

import itertools
import json
import random
import signal
import sys
import time
from collections import deque
from uuid import uuid4

import eventstore_helpers
from eventstore_helpers import a_vault, an_order, pay, stories
from faults.apart import wait_for_the_start
from vignettes.eventstore.codec import Envelope
from vignettes.eventstore.orders import Orders
from vignettes.runtime import parts
from vignettes.runtime.settings import load_settings

#: Of how many orders events come by turns.
_AT_A_TIME = 40
_LARGEST_GROUP = 4
#: Where its numbers begin: no other process of a test is there.
_SERIALS = 1_000_000
#: Every so often the stories with all there is; else orders that are placed and paid.
_WHOLE_STORIES = 5

_stopped = False


def _stop(*_):
    global _stopped  # noqa: PLW0603  # what a signal can reach
    _stopped = True


def _past(wanted):
    """Return the events of one order after the other, so many orders at most."""
    told = 0
    for turn in itertools.count():
        for order in stories() if turn % _WHOLE_STORIES == 0 else [pay(an_order()) for _ in range(7)]:
            if told == wanted:
                return
            told += 1
            yield deque(order.collect_events())


def _groups(chance, wanted):
    """Return events in groups that are appended together: one of an order, in its order."""
    past = _past(wanted)
    under_way = list(itertools.islice(past, _AT_A_TIME))
    while under_way:
        chosen = chance.sample(under_way, min(len(under_way), chance.randint(1, _LARGEST_GROUP)))
        yield [events.popleft() for events in chosen]
        ended = [events for events in under_way if not events]
        under_way = [events for events in under_way if events] + list(itertools.islice(past, len(ended)))


def main(database, seed, per_second, orders=None, keys_of_the_service=False):
    """Append events until told to end, or until so many orders are told."""
    signal.signal(signal.SIGTERM, _stop)
    eventstore_helpers._serials = itertools.count(_SERIALS)
    vault = parts.vault(load_settings()) if keys_of_the_service else a_vault()
    log, chance = Orders(database, vault), random.Random(seed)
    wait_for_the_start()
    began, events, recorded = time.monotonic(), 0, []
    for group in _groups(chance, orders):
        if _stopped:
            break
        stored = [log.codec.to_stored_event(event, Envelope("test", uuid4())) for event in group]
        positions = log.log_recorder.insert_events(stored)
        recorded.append((positions[-1], time.time()))
        events += len(group)
        time.sleep(max(0.0, began + events / per_second - time.monotonic()))
    seconds = time.monotonic() - began
    log.close()
    json.dump({"events": events, "per_second": round(events / seconds), "recorded": recorded}, sys.stdout)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
