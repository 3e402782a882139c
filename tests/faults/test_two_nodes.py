"""Two processes keep the same views: whatever becomes of the one that writes, the other goes on within seconds."""

import asyncio
import random
import time
from contextlib import AsyncExitStack

import pytest

from faults import audit
from faults.line import Line
from faults.nodes import Node, Origin, an_eye, at_the_head, every_view_is_the_fold_of_the_log, told
from faults.proxy import through
from service import until

PER_SECOND = 100
TIMES = {"short": 1, "long": 20}
PAUSE_SECONDS = {"short": 3.5, "long": 5.0}
#: What is promised, and what a machine may take that runs other tests meanwhile.
#: The promise is the long form's to hold; the short one runs beside the rest of the suite, on cores that are full.
LIMIT_SECONDS = {"long": 3.0, "short": 8.0}
_SESSIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = %s AND query_start > to_timestamp(%s) AND backend_start > to_timestamp(%s)
"""


class Pair:
    """Two nodes, each behind a line of its own; what happens, happens to the one that writes."""

    def __init__(self, nodes, lines, eye, pause):
        self._nodes = nodes
        self._lines = lines
        self._eye = eye
        self._pause = pause

    async def begin(self):
        """Let one of them write every view, and then the other begin: together they would share them."""
        for node in self._nodes:
            node.start()
            await self.leader()

    async def leader(self):
        """Return which of them writes every view, once one does and the other stands by."""

        async def look():
            return next((node for node in self._nodes if node.writes(self._eye)), None)

        leader = await until(look)
        for node in self._nodes:
            if node.pid:
                await self.stands_by(node, time.time())
        return leader

    async def stands_by(self, node, since, connected_since=0.0):
        """Wait until a node has looked at the database."""

        async def look():
            assert node.is_alive, node.said()
            values = (node.name, since, connected_since)
            return self._eye.execute(_SESSIONS, values).fetchone()[0]

        await until(look)

    async def taken_over(self, node, since):
        """Return how many seconds after that every view was moved on, and not over the node's old connection."""
        sessions = audit.sessions_of(self._eye, node.name)

        async def look():
            return audit.moved_by_others(self._eye, since, sessions)

        return await until(look) - since

    async def killed(self, node):
        """SIGKILL; another process starts in its place when it was missed."""
        at = time.time()
        node.kill()
        seconds = await self.taken_over(node, at)
        node.start()
        return seconds

    async def paused(self, node):
        """SIGSTOP at any moment, SIGCONT when another writes."""
        at = time.time()
        node.pause()
        return await self._wakes_up_too_late(node, at)

    async def paused_within_a_transaction(self, node):
        """SIGSTOP when rows are written and the position is not moved yet."""
        await node.pause_within_a_transaction()
        return await self._wakes_up_too_late(node, time.time())

    async def _wakes_up_too_late(self, node, at):
        try:
            seconds = await self.taken_over(node, at)
            await asyncio.sleep(at + self._pause - time.time())
        finally:
            node.go_on()
        await self.stands_by(node, time.time())
        await self._wrote_nothing(node, at + seconds)
        return seconds

    async def cut(self, node):
        """Its connection is cut; it may come back at once, or be the second, or share the views with the other."""
        at = time.time()
        self._line(node).cut()
        seconds = await self.taken_over(node, at)
        await self.stands_by(node, at, connected_since=at)
        if not any(each.writes(self._eye) for each in self._nodes):
            await self.shut_out(
                node
            )  # both looked at one moment, and share the views: from here on one has them all
        return seconds

    async def shut_out(self, node):
        """Its connection is cut, and it gets no other until it was missed."""
        return await self._mended(node, self._line(node).shut)

    async def swallowed(self, node):
        """Nothing that it says arrives any more, and nothing that is said to it."""
        return await self._mended(node, self._line(node).swallow)

    async def _mended(self, node, break_):
        at = time.time()
        break_()
        try:
            seconds = await self.taken_over(node, at)
        finally:
            mended = time.time()
            self._line(node).mend()
        await self.stands_by(node, mended, connected_since=mended)
        await self._wrote_nothing(node, at + seconds)
        return seconds

    async def _wrote_nothing(self, node, since):
        assert node.name not in {entry.name for entry in audit.entries(self._eye, since)}

    def _line(self, node):
        return self._lines[self._nodes.index(node)]


OF_LINES = (Pair.cut, Pair.shut_out, Pair.swallowed)


FAULTS = (Pair.killed, Pair.paused, Pair.paused_within_a_transaction, *OF_LINES)
#: Shortly only the two that are hardest to notice: nobody hangs up.
_SHORT = [
    pytest.param(Pair.paused_within_a_transaction, "short", id="paused_within_a_transaction-short"),
    pytest.param(Pair.swallowed, "short", id="swallowed-short", marks=pytest.mark.thorough),
]
_LONG = [
    pytest.param(
        fault, "long", id=f"{fault.__name__}-long", marks=[pytest.mark.faults, pytest.mark.timeout(900)]
    )
    for fault in FAULTS
]


@pytest.mark.parametrize(("fault", "form"), [*_SHORT, *_LONG])
async def test_the_other_goes_on_and_never_do_both_write(database, fault, form, seed, tell, tmp_path):
    """The lease moves within three seconds; terms and positions only grow, and no older holder writes (I6, I12)."""
    chance, seconds, times = random.Random(seed), [], TIMES[form]
    audit.watch(database)
    async with AsyncExitStack() as stack:
        telling = stack.enter_context(told(database, seed, PER_SECOND))
        eye = stack.enter_context(an_eye(database))
        lines = [Line(database), Line(database)]
        for line in lines:
            await stack.enter_async_context(line.proxy)
        origin = stack.enter_context(Origin(tmp_path))
        ways = [through(line.proxy, database) for line in lines] if fault in OF_LINES else [database] * 2
        nodes = [Node(origin, way, name) for way, name in zip(ways, ("one", "other"), strict=True)]
        pair = Pair(nodes, lines, eye, PAUSE_SECONDS[form])
        await pair.begin()
        for _ in range(times):
            leader = await pair.leader()
            await asyncio.sleep(chance.uniform(0, 0.2))
            seconds.append(await fault(pair, leader))
        recorded = telling.end()
        await at_the_head(eye)
        taken, moved = audit.one_writer_at_a_time(eye)
    proved = await every_view_is_the_fold_of_the_log(database)
    tell(
        times=times,
        events=recorded["events"],
        per_second=recorded["per_second"],
        goes_on_after_s=f"{sorted(seconds)[len(seconds) // 2]:.2f} median {max(seconds):.2f} worst",
        editions_taken=taken,
        positions_moved=moved,
        **proved,
    )
    assert max(seconds) < LIMIT_SECONDS[form]
