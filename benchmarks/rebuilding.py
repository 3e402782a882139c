"""W3: a view is built from zero beside the live one and shown in its place, as `vignettes projections rebuild` does it.

One process; beside live commands it is as nice to the others as that command is. A build's time is from its beginning
(its tables are made) to the commit that shows it; the scan's is from the same instant to the commit of the last order.
What counts are the events that were in the log when it began.
"""

import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks.apart import READY, answer
from benchmarks.figures import Point, Window
from benchmarks.goals import scan_alone
from vignettes.eventstore.connections import conninfo
from vignettes.projections import editions
from vignettes.projections.order_status import DEFINITION, OrderStatusView
from vignettes.projections.rebuild import Progress, Rebuild
from vignettes.runtime import logs
from vignettes.runtime.parts import vault
from vignettes.runtime.settings import Settings, load_settings

_NICE = 10
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.2

_LOG = "SELECT count(*), coalesce(max(notification_id), 0) FROM log.events"
_UNDER_WAY = "SELECT FROM view.editions WHERE view = %s AND state = 'building'"
_LACKING = """
SELECT count(*) FROM log.events e LEFT JOIN view.order_status o ON o.order_id = e.originator_id
WHERE e.originator_version = 1 AND e.notification_id <= %s AND o.order_id IS NULL
"""


class NotBuilt(Exception):
    """The view does not show every order, so a figure would be of something else."""


@dataclass(slots=True)
class Build:
    """One build under way or done; instants are those of perf_counter."""

    began: float
    events: int
    head: int
    batches: list[float] = field(default_factory=list)
    """When each batch of the scan was written."""
    ended: float = 0.0

    def tell(self, progress: Progress) -> None:
        """Hear how far it is."""
        if progress.phase == "orders":
            self.batches.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def scan_seconds(self) -> float:
        return self.batches[-1] - self.began


class Builder:
    """Builds the same view again and again, each time with nothing at hand."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        self._settings = settings
        self._owner = conninfo(database_url, "vignettes_owner")
        self._projector = conninfo(database_url, "vignettes_projector", name="vignettes rebuilding")

    async def build(self) -> Build:
        """Build, show, and drop what was shown before. Raises NotBuilt."""
        for _ in range(_ATTEMPTS):
            with psycopg.connect(self._owner, autocommit=True) as connection:
                events, head = connection.execute(_LOG).fetchone() or (0, 0)
                build = Build(time.perf_counter(), events, head)
                editions.begin(connection, DEFINITION)
                is_ours = await self._built(build)
                build.ended = time.perf_counter()
                if is_ours:
                    _check(connection, build)
                # The service's own builder may have been quicker to take it: let it finish, and begin another one.
                while connection.execute(_UNDER_WAY, (DEFINITION.name,)).rowcount:  # noqa: ASYNC110  # as it says
                    await asyncio.sleep(_PAUSE_SECONDS)
                editions.drop_retired(connection, DEFINITION.name)
                if is_ours:
                    return build
        raise NotBuilt("Another process builds the view each time.")

    async def _built(self, build: Build) -> bool:
        keys = vault(self._settings)
        return await Rebuild(self._projector, OrderStatusView(keys), keys, build.tell).run() is not None


def _check(connection: psycopg.Connection, build: Build) -> None:
    """Raise NotBuilt unless every order of those events is shown."""
    row = connection.execute(_LACKING, (build.head,)).fetchone()
    if row != (0,) or not build.batches:
        raise NotBuilt(f"{NotBuilt.__doc__} Missing: {row}.")


def points(builds: list[Build], what: str) -> list[Point]:
    """Return the whole, whose latencies are those of builds, and the scan, whose latencies are those of batches."""
    events = sum(build.events for build in builds)
    whole, scan = Window(0, 0), Window(0, 0)
    for build in builds:
        whole.latencies[""].append(build.seconds)
        begins = [build.began, *build.batches[:-1]]
        scan.latencies[""] += [end - begin for begin, end in zip(begins, build.batches, strict=True)]
    found = {
        what: (whole, [b.seconds for b in builds]),
        scan_alone(what): (scan, [b.scan_seconds for b in builds]),
    }
    return [
        Point.of(("W3", "ours", title), 1, sum(seconds), window).of_many(events)
        for title, (window, seconds) in found.items()
    ]


def measure(
    data_dir: str, database_url: str, what: str, seconds: float | None = None, warm_up: float = 0.0
) -> list[Point]:
    """Return how fast the view is built: at least once, and for so many seconds; None: until told to terminate.

    A warm-up is one build, however long it is.
    """
    if seconds is None:
        os.nice(_NICE)
    settings = load_settings(data_dir=Path(data_dir), database_url=database_url)
    return points(asyncio.run(_builds(Builder(settings, database_url), seconds, warm_up)), what)


async def _builds(builder: Builder, seconds: float | None, warm_up: float) -> list[Build]:
    told = asyncio.Event()
    if seconds is None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
    else:
        if warm_up:
            await builder.build()
        asyncio.get_running_loop().call_later(seconds, told.set)
    builds = [await builder.build()]
    while not told.is_set():
        builds.append(await builder.build())
    return builds


if __name__ == "__main__":
    logs.configure("auto", "error", "benchmarks")
    answer(measure)
