"""How long after an event is recorded every view knows it."""

import bisect
import threading
import time

import psycopg

from vignettes.projections.digesting import CHANNEL


class Pace(threading.Thread):
    """Hears from the views how far they are, and remembers when it did."""

    def __init__(self, database):
        super().__init__(daemon=True)
        self._database = database
        self._is_over = threading.Event()
        #: By view: positions reached, and when.
        self._reached = {}

    def __enter__(self):
        with psycopg.connect(self._database) as connection:
            live = "SELECT view, position FROM view.editions WHERE state = 'live' AND tables <> '{}'"
            self._reached = {view: [(position, 0.0)] for view, position in connection.execute(live)}
        self.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self.join()

    def run(self):
        with psycopg.connect(self._database, autocommit=True) as connection:
            connection.execute(f'LISTEN "{CHANNEL}"')
            while not self._is_over.is_set():
                for told in connection.notifies(timeout=0.2, stop_after=1):
                    now, (position, *views) = time.time(), told.payload.split()
                    for view in views:
                        self._reached[view].append((int(position), now))

    def lags(self, recorded, place):
        """Return median, p99 and worst lag in ms of the events before a position, and of those after it."""
        return tuple(
            _told([lag for position, at in recorded if chosen(position) and (lag := self._lag(position, at))])
            for chosen in (lambda position: position < place, lambda position: position > place)
        )

    def _lag(self, position, at):
        known = [
            reached[place][1]
            for reached in self._reached.values()
            if (place := bisect.bisect_left(reached, (position,))) < len(reached)
        ]
        return max(known) - at if len(known) == len(self._reached) and min(known) else None


def _told(lags):
    ordered = sorted(lags)
    picked = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
    return "p50 {:.0f} p99 {:.0f} worst {:.0f}".format(*(lag * 1000 for lag in picked))
