"""Customers in a house: they shop while a block runs, and in the end the checker looks at all there is."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

from eventstore_helpers import ask
from faults.casefile import check, collect
from faults.clients import Clients
from faults.unanswered import lost_replies, put_on_record
from faults.year.world import Eye
from service import until

#: By the real clock, for each instant at which something is due: a trigger that led to nothing is sent again after 130.
_RESTS_WITHIN_SECONDS = 180
_AHEAD = "SELECT extract(epoch FROM clock.now() - clock_timestamp())"
_DUE = "SELECT min(due_at) AS at FROM view.deadlines WHERE purpose = 'registration' AND ended_at IS NULL"
#: Everything that was due has happened, everybody knows of it, and all of it has left.
_UNDER_WAY = """
SELECT (SELECT count(*) FROM read.projection_lag WHERE events_behind > 0) AS views_behind,
       (SELECT count(*) FROM read.ledger_lag WHERE events_behind > 0) AS ledgers_behind,
       (SELECT count(*) FROM read.emails WHERE state IN ('waiting', 'retrying')) AS mails_to_send,
       (SELECT count(*) FROM view.order_status WHERE status = 'registering') AS registrations,
       (SELECT count(*) FROM view.deadlines WHERE ended_at IS NULL AND due_at <= clock.now()) AS due
"""


class Life:
    """Customers of a house, and what became of it."""

    def __init__(self, house, seed, per_second, folder):
        self._house = house
        self._folder = folder
        self.clients = Clients(house.settings.nats_url, seed, folder / "journal.jsonl", per_second)
        self.report = None
        #: How far the service's clock was ahead of the real one while they shopped.
        self.ahead = timedelta(0)
        self._second_copies = 0

    @asynccontextmanager
    async def shopping(self):
        """Let them shop until the block ends, and then until each of them knows."""
        folder, over = self._folder, asyncio.Event()
        folder.mkdir(parents=True, exist_ok=True)
        running = asyncio.create_task(self.clients.run(over))
        try:
            yield self.clients
        finally:
            over.set()
            await running
            [seconds] = ask(self._house.settings.database_url, _AHEAD)
            self.ahead = timedelta(seconds=float(seconds))
        assert self.clients.unsettled == set(), "somebody was never told what became of a command"

    async def judged(self, *, moved_on=True, **more):
        """Let everything come to its end, also what is due later on, and return what the checker says of it."""
        if moved_on:
            await passed(self._house.settings.database_url)
        folder = await collect(self._house, self.clients, self._folder, **more)
        self._name_lost_replies(folder)
        self.report = await asyncio.to_thread(check, folder)
        return self.report

    def _name_lost_replies(self, folder):
        messages = json.loads((folder / "inbox.json").read_text())["messages"]
        lost = lost_replies(messages, self._house.strikes, self.ahead, put_on_record(self._house.log))
        self._second_copies = sum(each["message_id"] in lost for each in messages) - len(lost)
        (folder / "smtp.json").write_text(json.dumps(sorted(lost)))

    def figures(self):
        """Return what a record says of it."""
        report = self.report
        return {
            "lost": report.lost,
            "doubled": report.doubled,
            "same_id": self._second_copies,
            "broken": report.broken,
            "commands": self.clients.settled,
            "looked_at": report.counts,
        }


async def passed(database):
    """Move the clock from one due start to the next until none is left, and wait each time for all that follows."""
    eye = Eye(database)
    try:
        await _rests(eye)
        while (due := await eye.one(_DUE)).at is not None:
            await eye.move_clock(due.at)
            await _rests(eye)
    finally:
        await eye.close()


async def _rests(eye):
    seen = None

    async def look():
        nonlocal seen
        seen = await eye.one(_UNDER_WAY)
        return not any(seen)

    try:
        await until(look, _RESTS_WITHIN_SECONDS)
    except AssertionError:
        raise AssertionError(f"no rest within {_RESTS_WITHIN_SECONDS} s: {seen}") from None
