"""The process that keeps the views is killed again and again under load: nothing is lost, nothing is there twice."""

import asyncio
import random
import time

import pytest

from faults.nodes import (
    Node,
    Origin,
    an_eye,
    at_the_head,
    every_view_is_the_fold_of_the_log,
    moved_on,
    positions,
    told,
)

PER_SECOND = 150
SHORT = 2
#: So many of the kills meet a process that has not come far since the one before.
EARLY = 0.2
#: Every so many times the next process loads its code, too; else it is forked from one that has.
AFRESH = 10
_WITHIN = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'follower' AND xact_start IS NOT NULL"
)


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(SHORT, id="short", marks=pytest.mark.thorough),
        pytest.param(100, id="long", marks=[pytest.mark.faults, pytest.mark.timeout(900)]),
    ],
)
async def test_a_follower_killed_at_any_moment_loses_nothing(database, kills, seed, tell, tmp_path):
    """Killed at random moments, started again each time: every view is the fold of the log (I6, I12)."""
    chance, seconds, afresh, within = random.Random(seed), [], [], 0
    with (
        told(database, seed, PER_SECOND) as telling,
        Origin(tmp_path) as origin,
        an_eye(database) as eye,
    ):
        node = Node(origin, database)
        node.start()
        await moved_on(eye, node, positions(eye))
        for number in range(kills):
            is_early = chance.random() < EARLY and number < kills - 1
            await asyncio.sleep(chance.uniform(0, 0.3))
            within += eye.execute(_WITHIN).fetchone()[0]
            killed = time.monotonic()
            node.kill()
            before = positions(eye)
            is_afresh = number % AFRESH == AFRESH - 1
            (node.start_afresh if is_afresh else node.start)()
            if is_early and not is_afresh:
                await asyncio.sleep(chance.uniform(0, 1.0))
                continue
            await moved_on(eye, node, before)
            (afresh if is_afresh else seconds).append(time.monotonic() - killed)
        recorded = telling.end()
        await at_the_head(eye)
    proved = await every_view_is_the_fold_of_the_log(database)
    tell(
        kills=kills,
        within_a_transaction=within,
        events=recorded["events"],
        per_second=recorded["per_second"],
        moves_again_after_s=f"{sorted(seconds)[len(seconds) // 2]:.2f} median {max(seconds):.2f} worst",
        loading_the_code_s=f"{max(afresh, default=0):.2f} worst",
        **proved,
    )
    assert max(seconds) < 15
    assert max(afresh, default=0) < 30
