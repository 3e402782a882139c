"""One process that keeps all views, as the role projecting does; told by SIGUSR1, it stops amid a transaction."""

import asyncio
import json
import os
import signal
import sys

import structlog

from eventstore_helpers import a_vault, all_views
from faults.apart import READY
from faults.forms import readable
from vignettes.eventstore.connections import conninfo
from vignettes.projections.follower import Follower
from vignettes.runtime.children import end_with_parent


class Stopping:
    """A view that stops its process when it has written its rows, and the position is not moved yet."""

    def __init__(self, view):
        self._view = view
        self.is_to_stop = False

    def __getattr__(self, name):
        return getattr(self._view, name)

    async def write(self, connection, edition):
        await self._view.write(connection, edition)
        if self.is_to_stop:
            self.is_to_stop = False
            os.kill(os.getpid(), signal.SIGSTOP)

    def stop(self):
        """Stop within the next transaction."""
        self.is_to_stop = True


async def main(database, name, reads_later_forms):
    """Follow until killed."""
    if reads_later_forms:
        readable()
    vault = a_vault()
    first, *others = all_views(vault)
    stopping = Stopping(first)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, stopping.stop)
    url = conninfo(database, "vignettes_projector", name=name)
    await Follower(url, [stopping, *others], vault).run()


def fork():
    """Fork a process for each line that comes in, and tell its number."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    die = end_with_parent(signal.SIGKILL)
    print(READY, end="", flush=True)  # noqa: T201  # to whom it was started by
    for line in sys.stdin:
        if pid := os.fork():
            print(pid, flush=True)  # noqa: T201  # as above
            continue
        if die:
            die()
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        asyncio.run(main(**json.loads(line)))


if __name__ == "__main__":
    fork()
