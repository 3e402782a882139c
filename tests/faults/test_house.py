"""The whole service at work while its processes and servers are killed, or stopped: the checker finds it whole."""

import random
import re
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from faults.house import FEW, MANY, house
from faults.killing import Kills
from faults.pausing import Pauses, absent
from faults.shopped import Life
from faults.unanswered import lost_replies, put_on_record

KILLED = "kill -9 of any role, PostgreSQL or NATS, under load"
STOPPED = "SIGSTOP of any role, many at once, under load"
PER_SECOND = 2
#: What a house may need until an order goes all the way again.
LIMIT_SECONDS = 60.0
KILLS, EVERY_SECONDS = 200, 0.5  # a recovery takes longer: six of them are waited for at a time, no more
PAUSES, LONGEST_SECONDS, PAUSED_WITHIN_SECONDS = 300, 120.0, 560.0


#: A sentence of `vignettes` without its address; or the class of an exception that nobody caught.
_LAST_WORDS = re.compile(r"vignettes: (.*?)(?: at \S+.*)?$|([\w.]*(?:Error|Exception)\w*)(?::|$)")
STRUCK_AT = datetime(2026, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=400)


def copies(*seconds):
    """Return what the inbox tells of one mail whose copies came so long after the strike; and of another mail."""
    times = [(STRUCK_AT + AHEAD + timedelta(seconds=each)).isoformat() for each in seconds]
    ids = ["<a.1.placed@b>"] * len(times) + ["<a.2.placed@b>"]
    return [{"message_id": id_, "received_at": at} for id_, at in zip(ids, [*times, times[0]], strict=True)]


@pytest.mark.parametrize(
    ("struck", "came", "recorded", "is_lost"),
    [
        ("mailing", (-0.1, 9.0), 2, True),
        ("postgres", (0.1, 9.0), 2, True),  # stamped when the database was there again
        ("sandbox", (-0.1, 9.0), 2, True),
        ("payments", (-0.1, 9.0), 2, False),
        ("mailing", (-0.1, 9.0), 3, False),  # both were put on record: nobody's reply was lost
        ("mailing", (-6.0, 9.0), 2, False),  # long after the first copy
        ("mailing", (6.0, 9.0), 2, False),  # long before it
        ("mailing", (-0.2, -0.1), 2, False),  # the second was there already
        ("mailing", (-0.1, 9.0, 20.0), 2, False),  # the second has no strike of its own
    ],
)
def test_a_second_copy_needs_a_strike_that_takes_the_reply(struck, came, recorded, is_lost):
    said = Counter({("a", "placed"): recorded})
    found = lost_replies(copies(*came), [(STRUCK_AT, ("web", struck))], AHEAD, said)
    assert found == ({"<a.1.placed@b>"} if is_lost else set())


def test_what_the_mailer_puts_on_record_is_counted(tmp_path):
    log = tmp_path / "log"
    sent = '{"event": "mail.sent", "order_id": "a", "kind": "placed"}\n'
    log.write_text(sent + '{"event": "roles.started"}\nTraceback\n' + sent)
    assert put_on_record(log) == {("a", "placed"): 2}


def test_a_start_is_late_with_reason_when_all_who_have_a_role_stand_still():
    times = [STRUCK_AT + timedelta(seconds=each) for each in range(10)]
    roles = [("ordering", "web"), ("ordering",), ("deadlines",), ("mailing",)]
    still = [
        (0, times[0], times[4]),
        (1, times[2], times[6]),
        (3, times[0], times[9]),
        (2, times[7], times[8]),
    ]
    assert absent(roles, still) == [(times[2], times[4]), (times[7], times[8])]
    assert absent(roles, still[1:3]) == []


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
        with_the_words=_last_words(running.log),
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
        absences = pauses.absences(life.ahead)
        report = await life.judged(outages=absences)
    record(
        test=3,
        faults=PAUSES,
        what=STOPPED,
        **_recovery(pauses.seconds),
        **life.figures(),
        seconds_stopped=f"{sum(pauses.lengths):.0f} in all, {max(pauses.lengths):.0f} at most",
        most_at_once=pauses.most_at_once,
        nobody_there_to_start=len(absences),
        ended_by_themselves=_times(running.ended),
        with_the_words=_last_words(running.log),
    )
    assert report.whole, report.text
    assert max(pauses.seconds) < LIMIT_SECONDS


def _times(ended):
    return dict(Counter(" ".join(roles) for roles in ended))


def _last_words(log):
    """Count the sentences with which processes ended, but for addresses, and uncaught exceptions by their class."""
    lines = log.read_text(errors="replace").splitlines()
    told = (_LAST_WORDS.match(line) for line in lines)
    return dict(Counter(" ".join(filter(None, found.groups())) for found in told if found))
