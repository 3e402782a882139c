"""Fault 2: SMTP is cut after the final dot: every mail arrives, and a double can be told as one."""

import random
from collections import Counter

import pytest

from eventstore_helpers import an_order, ask
from faults.proxy import From, Pass, before_smtp
from faults.sizes import sizes
from mail_helpers import now, recording, sending
from service import until
from vignettes.sandbox.inbox import Inbox

#: Time passes: whoever waits to be tried again is tried at the next look.
AT_ONCE = "UPDATE effect.mails SET retry_at = NULL WHERE retry_at IS NOT NULL"


class Cutter:
    """Cuts after the final dot, or before the server's yes to it, until it has done so often enough."""

    def __init__(self, cuts, chance):
        self._left = cuts
        self._chance = chance
        self.met = Counter()

    def judge(self):
        """Return who decides on one connection."""
        return _Connection(self).decide

    @property
    def is_done(self):
        return self._left == 0

    def cut(self, moment):
        self._left -= 1
        self.met[moment] += 1

    def moment(self):
        return self._chance.choice([From.CLIENT, From.SERVER])


class _Connection:
    """Knows whether the lines of one connection are those of a mail, and cuts it where it is told to."""

    def __init__(self, cutter):
        self._cutter = cutter
        self._in_mail = False
        self._ended = False

    def decide(self, sender, line):
        if sender is From.SERVER:
            return self._on_reply(line)
        if line == b"DATA\r\n":
            self._in_mail = True
        elif line == b".\r\n" and self._in_mail:
            self._in_mail = False
            return self._on_dot()
        return Pass.ON

    def _on_dot(self):
        if self._cutter.is_done:
            return Pass.ON
        moment = self._cutter.moment()
        self._cutter.cut(moment)
        self._ended = moment is From.SERVER
        return Pass.ON if self._ended else Pass.AND_CUT

    def _on_reply(self, line):
        return Pass.CUT_BEFORE if self._ended and line.startswith(b"250") else Pass.ON


@pytest.fixture
async def inbox(tmp_path):
    async with Inbox(tmp_path / "inbox.sqlite", now=now) as inbox:
        yield inbox


@sizes(6, 500)
@pytest.mark.fault(2)
async def test_a_mail_whose_reply_is_lost_arrives(database, orders, inbox, cuts, seed, record):
    """At least once; what arrives twice is the same to the last header, so that programs show it once (I7)."""
    cutter = Cutter(cuts, random.Random(seed))
    mails = cuts // 2
    await recording(database, orders)(*(an_order() for _ in range(mails)))

    async def all_sent():
        ask(database, AT_ONCE)
        waiting = "SELECT count(*) FROM effect.mails WHERE sent_at IS NULL"
        return ask(database, waiting) == [0]

    async with before_smtp(inbox.port, cutter.judge) as proxy, sending(database, proxy.port):
        await until(all_sent, seconds=30.0 + cuts)
    arrived = inbox.messages()
    copies = Counter(mail["message_id"] for mail in arrived)
    called_for = ask(database, "SELECT message_id FROM effect.mails")
    same = all(_are_copies(arrived, message_id) for message_id in copies)
    record(
        test=2,
        what="SMTP cut after the final dot, in place of the server's yes",
        faults=proxy.cuts,
        lost=len(set(called_for) - set(copies)),
        doubled=len(set(copies) - set(called_for)),
        same_id=len(arrived) - len(copies),
        mails=mails,
        **_named(cutter.met),
    )
    assert proxy.cuts == cuts
    assert sorted(copies) == sorted(called_for)
    assert len(arrived) - mails <= proxy.cuts
    assert cutter.met[From.SERVER] <= len(arrived) - mails, "the server had said yes to these"
    assert same


def _are_copies(arrived, message_id):
    """Tell whether all that came under this id are the same but for when they came."""
    one, *others = [{**mail, "received_at": None} for mail in arrived if mail["message_id"] == message_id]
    return all(each == one for each in others)


def _named(met):
    return {f"cut_by_{moment.name.lower()}": count for moment, count in met.items()}
