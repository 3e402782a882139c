"""Listeners who hear nothing and whose connections are killed; and after how long each of them knew all the same."""

import asyncio
import struct
import threading
import time
from collections import Counter, deque
from contextlib import contextmanager

import psycopg

from faults.proxy import From, Pass, Statements, before_postgres, through

_LOOK_AGAIN_SECONDS = 0.03
_ALL_AT_ONCE = 0.1
_SEEN = """
SELECT 'head', (SELECT max(notification_id) FROM log.events)
UNION ALL SELECT view, position FROM view.editions WHERE state = 'live'
UNION ALL SELECT 'auditing', (SELECT max(positions[cardinality(positions)]) FROM ledger.tiles WHERE level = 0)
UNION ALL SELECT 'mailing', coalesce((SELECT min(position) - 1 FROM effect.mails WHERE sent_at IS NULL),
    (SELECT position FROM view.editions WHERE state = 'live' AND view = 'emails'))
"""


class Deaf:
    """A way to PostgreSQL by which no notification comes through; and who would be listening."""

    def __init__(self, database):
        self._database = database
        self._proxy = before_postgres(database, self._session)
        self.swallowed = 0
        #: Sessions that have asked to be notified, by the number of their server process.
        self.listening = set()

    @contextmanager
    def way(self):
        """Open it while the block runs, and give its URL. In a thread of its own: who connects may block."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        def do(work):
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        try:
            do(self._proxy.__aenter__())
            yield through(self._proxy, self._database)
            do(self._proxy.__aexit__())
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _session(self):
        """Return who decides on one connection."""
        statements, pid = Statements(), None

        def judge(sender, message):
            nonlocal pid
            if sender is From.SERVER and message[:1] == b"K":
                [pid] = struct.unpack("!i", message[5:9])
            if sender is From.SERVER and message[:1] == b"A":
                self.swallowed += 1
                return Pass.NOT
            if sender is From.CLIENT and statements.begun_by(message).startswith(b"LISTEN"):
                self.listening.add(pid)
            return Pass.ON

        return judge


class Kills:
    """Ends connections of listeners, one or all of them."""

    def __init__(self, database, deaf, chance):
        self._database = database
        self._deaf = deaf
        self._chance = chance
        self.ended = 0

    async def run(self, times, every):
        """Strike so often, so many seconds apart on average."""
        with psycopg.connect(self._database, autocommit=True) as connection:
            for _ in range(times):
                await asyncio.sleep(self._chance.uniform(0, 2 * every))
                self._strike(connection)

    def _strike(self, connection):
        query = "SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s) ORDER BY pid"
        pids = [pid for (pid,) in connection.execute(query, (list(self._deaf.listening),))]
        hit = pids if self._chance.random() < _ALL_AT_ONCE else self._chance.sample(pids, min(len(pids), 1))
        for pid in hit:
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        self.ended += len(hit)


class Watch:
    """Sees when an event is in the log, and when each follower has it."""

    def __init__(self, database):
        self._database = database
        self._head = 0
        self._waiting = {}
        self.events = 0
        self.worst = Counter()

    async def run(self, over):
        """Look until it is over and everybody knows all there is."""
        with psycopg.connect(self._database, autocommit=True) as connection:
            while not over.is_set() or any(self._waiting.values()):
                self._look(dict(connection.execute(_SEEN).fetchall()), time.monotonic())
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def _look(self, seen, now):
        head = seen.pop("head") or 0
        if head > self._head:
            self.events += head - self._head
            self._head = head
            for follower in seen:
                self._waiting.setdefault(follower, deque()).append((head, now))
        for follower, waiting in self._waiting.items():
            while waiting and (seen.get(follower) or 0) >= waiting[0][0]:
                _, since = waiting.popleft()
                self.worst[follower] = max(self.worst[follower], now - since)
