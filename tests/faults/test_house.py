"""The whole service at work while its processes and servers are killed, or stopped: the checker finds it whole."""

import random
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from faults.house import FEW, MANY, house
from faults.killing import Kills
from faults.pausing import Pauses
from faults.shopped import Life
from faults.unanswered import lost_replies

KILLED = "kill -9 of any role, PostgreSQL or NATS, under load"
STOPPED = "SIGSTOP of any role, many at once, under load"
PER_SECOND = 2
#: What a house may need until an order goes all the way again.
LIMIT_SECONDS = 60.0
KILLS, EVERY_SECONDS = 200, 0.5  # a recovery takes longer: six of them are waited for at a time, no more
PAUSES, LONGEST_SECONDS, PAUSED_WITHIN_SECONDS = 300, 120.0, 560.0


STRUCK_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("struck", "before", "between", "is_lost"),
    [
        ("mailing", 0.1, 9.0, True),
        ("postgres", 0.1, 9.0, True),
        ("sandbox", 0.1, 9.0, True),
        ("payments", 0.1, 9.0, False),
        ("mailing", 6.0, 9.0, False),  # long after the first copy: its reply was on record
        ("mailing", 0.1, 0.05, False),  # the second was there before
        ("mailing", -0.1, 9.0, False),  # the first came after it
    ],
)
def test_a_second_copy_needs_a_strike_that_takes_the_reply(struck, before, between, is_lost):
    ahead = timedelta(days=400)
    first = STRUCK_AT + ahead - timedelta(seconds=before)
    copies = [first, first + timedelta(seconds=between)]
    mails = [{"message_id": "<1>", "received_at": each.isoformat()} for each in copies]
    only = {"message_id": "<2>", "received_at": first.isoformat()}
    found = lost_replies([*mails, only], [(STRUCK_AT, ("web", struck))], ahead)
    assert found == ({"<1>"} if is_lost else set())


def test_of_three_copies_each_but_the_last_needs_a_strike_of_its_own():
    times = [STRUCK_AT + timedelta(seconds=each) for each in (0, 10, 20)]
    mails = [{"message_id": "<1>", "received_at": each.isoformat()} for each in times]
    strikes = [(each + timedelta(seconds=1), ("mailing",)) for each in times[:2]]
    assert lost_replies(mails, strikes, timedelta(0)) == {"<1>"}
    assert lost_replies(mails, strikes[:1], timedelta(0)) == set()


def _recovery(seconds):
    return {"recovery_s": f"{statistics.median(seconds):.2f} median", "worst_recovery_s": max(seconds)}


@pytest.mark.fault(1)
@pytest.mark.fault(3)
async def test_few_kills_and_pauses(data_dir, seed, record):
    """Each of them in a few processes, so that many roles die or stop together (I1-I10, I12)."""
    chance = random.Random(seed)
    async with house(data_dir, FEW) as running:
        life = Life(running, seed, PER_SECOND, data_dir / "case")
        async with life.shopping():
            pauses = Pauses(running, chance, longest=1.0, shortest=0.2)
            await pauses.run(3, within=0.5)
            kills = Kills(running, chance)
            await kills.run(2, every=0.1)
        report = await life.judged(moved_on=False)
    for test, faults, seconds, what in ((1, 2, kills.seconds, KILLED), (3, 3, pauses.seconds, STOPPED)):
        record(test=test, faults=faults, what=what, **_recovery(seconds), **life.figures())
    assert report.whole, report.text


@pytest.mark.faults
@pytest.mark.fault(1)
@pytest.mark.timeout(1800)
async def test_two_hundred_kills(data_dir, seed, record):
    """Each role on its own, some of them twice; every twentieth process loads its code itself (I1-I10, I12)."""
    async with house(data_dir, MANY) as running:
        life = Life(running, seed, PER_SECOND, data_dir / "case")
        async with life.shopping():
            kills = Kills(running, random.Random(seed))
            await kills.run(KILLS, EVERY_SECONDS)
        report = await life.judged()
    record(
        test=1,
        faults=KILLS,
        what=KILLED,
        **_recovery(kills.seconds),
        **life.figures(),
        victims=dict(kills.met),
        while_another_was_not_over=kills.overlapping,
        ended_by_themselves=_times(running.ended),
    )
    assert report.whole, report.text
    assert max(kills.seconds) < LIMIT_SECONDS


@pytest.mark.faults
@pytest.mark.fault(3)
@pytest.mark.timeout(1800)
async def test_three_hundred_pauses(data_dir, seed, record):
    """Each role on its own, some of them twice, each stopped for a second up to two minutes (I1-I10, I12)."""
    async with house(data_dir, MANY) as running:
        life = Life(running, seed, PER_SECOND, data_dir / "case")
        async with life.shopping():
            pauses = Pauses(running, random.Random(seed), LONGEST_SECONDS)
            await pauses.run(PAUSES, PAUSED_WITHIN_SECONDS)
        report = await life.judged()
    record(
        test=3,
        faults=PAUSES,
        what=STOPPED,
        **_recovery(pauses.seconds),
        **life.figures(),
        seconds_stopped=f"{sum(pauses.lengths):.0f} in all, {max(pauses.lengths):.0f} at most",
        most_at_once=pauses.most_at_once,
        ended_by_themselves=_times(running.ended),
    )
    assert report.whole, report.text
    assert max(pauses.seconds) < LIMIT_SECONDS


def _times(ended):
    return dict(Counter(" ".join(roles) for roles in ended))
