"""Processes that keep views, what they write under load, and the proof that nothing of it went wrong."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import contextmanager

import psutil
import psycopg

from eventstore_helpers import a_vault, all_views, ask, empty_views, fold, projecting, tables
from faults import apart
from service import until
from vignettes.projections.checking import Checker

_HEAD = "SELECT coalesce(max(notification_id), 0) FROM log.events"
_LIVE = (
    "SELECT view, position, coalesce(holder, '') FROM view.editions WHERE state = 'live' AND tables <> '{}'"
)


class Origin:
    """A process with its imports behind it, from which others are forked. They end with it."""

    def __init__(self, folder):
        self.log = folder / "nodes.log"
        self._process = None

    def __enter__(self):
        with self.log.open("a") as log:
            pipe = subprocess.PIPE
            self._process = apart.start(["faults.following"], stdin=pipe, stdout=pipe, stderr=log)
        assert self._process.stdout.readline() == apart.READY
        return self

    def __exit__(self, *_):
        apart.kill(self._process)
        self._process.stdin.close()
        self._process.stdout.close()

    def fork(self, told):
        """Return the number of a new process."""
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


class Node:
    """A process that keeps all views of a database, and those that come after it when it is killed."""

    def __init__(self, origin, database, name="follower", *, reads_later_forms=False):
        self.name = name
        self._origin = origin
        self._told = {"database": database, "name": name, "reads_later_forms": reads_later_forms}
        self.pid = 0

    @property
    def is_alive(self):
        return psutil.pid_exists(self.pid)

    def said(self):
        """Return the end of what was logged."""
        return self._origin.log.read_text()[-3000:]

    def start(self):
        self.pid = self._origin.fork(self._told)

    def start_afresh(self):
        """Start it as it starts on its own: the code is loaded, too."""
        self._origin.__exit__()
        self._origin.__enter__()
        self.start()

    def kill(self):
        """End it as a power cut would."""
        assert self.is_alive, f"it ended by itself: {self.said()}"
        os.kill(self.pid, signal.SIGKILL)
        while self.is_alive:
            time.sleep(0.001)

    def pause(self):
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    async def pause_within_a_transaction(self):
        """Let it stop itself within its next transaction, and wait until it did."""
        process = psutil.Process(self.pid)
        os.kill(self.pid, signal.SIGUSR1)

        async def look():
            return process.status() == psutil.STATUS_STOPPED

        await until(look)

    def writes(self, eye):
        """Tell whether it holds every view."""
        return all(f"/{self.pid}/" in holder for _, _, holder in eye.execute(_LIVE))


@contextmanager
def told(database, seed, per_second, **different):
    """Let stories be told to the log while the block runs; at its end what it gave knows what was recorded."""
    arguments = {"database": database, "seed": seed, "per_second": per_second, **different}
    with apart.side_by_side("faults.telling", [arguments]) as [process]:
        yield Telling(process)


class Telling:
    """A process that appends events."""

    def __init__(self, process):
        self._process = process

    @property
    def has_ended(self):
        return self._process.poll() is not None

    def end(self):
        """Let it end, and return what it recorded."""
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self, seconds=600):
        """Return what it recorded, once it has told all."""
        return json.loads(self._process.communicate(timeout=seconds)[0])


@contextmanager
def an_eye(database):
    """Give a connection that looks at the views as often as one likes."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def positions(eye):
    """Return where each live view stands."""
    return {view: position for view, position, _ in eye.execute(_LIVE)}


async def at_the_head(eye, seconds=60):
    """Wait until every live view knows the whole log."""

    async def look():
        return {(each,) for each in positions(eye).values()} == set(eye.execute(_HEAD))

    await until(look, seconds)


async def moved_on(eye, node, after, seconds=15):
    """Wait until a node has moved every view on from where it stood."""

    async def look():
        assert node.is_alive, f"it ended by itself: {node.said()}"
        now = positions(eye)
        return node.writes(eye) and all(now[view] > after[view] for view in after)

    await until(look, seconds)


#: What these proofs have none of: no bank pays, nothing is asked back, and nobody needs help.
MAY_BE_EMPTY = {"bank_payments", "payouts", "support_cases", "support_messages", "case_calls"}


async def every_view_is_the_fold_of_the_log(database):
    """Let the checker compare every order, and compare every row with those of views that are built anew."""
    checked, drift = await _checked(database)
    assert drift == []
    assert checked == ask(database, "SELECT count(DISTINCT originator_id) FROM log.events")[0]
    assert ask(database, "SELECT count(*) FROM view.parked") == [0]
    held = tables(database)
    for name, rows in held.items():
        times = Counter(json.dumps(row, sort_keys=True) for row in rows).values()
        assert max(times, default=1) == 1, f"{name} has a row twice"
    assert {name for name, rows in held.items() if not rows} <= MAY_BE_EMPTY, "a view of orders is empty"
    mails = ask(database, "SELECT message_id, order_id, kind, position FROM effect.mails ORDER BY 1")
    called = ask(database, "SELECT message_id, order_id, kind, position FROM view.emails ORDER BY 1")
    assert mails == called, "a mail was called for twice, or not at all"
    assert len({each[0] for each in mails}) == len(mails)
    empty_views(database)
    vault = a_vault()
    await fold(database, vault, *all_views(vault))
    anew = tables(database)
    assert {name for name in held if held[name] != anew[name]} == set()
    return {"orders": checked, "rows": sum(len(rows) for rows in held.values())}


async def _checked(database):
    """Compare every order of every view with the log."""
    vault, orders, drift = a_vault(), 0, []
    async with await projecting(database) as connection:
        async for checked in Checker(connection, all_views(vault), vault).everything():
            orders += checked.orders
            drift += checked.drift
    return orders, drift
