"""Cuts a connection in the place of an answer: what was asked is done, and whoever asked is not told."""

from collections.abc import Callable

from faults.proxy import From, Judge, Pass

Sign = Callable[[From, bytes], bool]
"""Tells the message that is an answer, and of whom."""


class Answers:
    """Cuts in the place of the next answer, once it is armed."""

    def __init__(self) -> None:
        self._is_answer: Sign | None = None
        self._spared = 0
        self.cut = 0
        #: How often a stream said that it knew a message already.
        self.known = 0

    @property
    def is_armed(self) -> bool:
        """Tell whether the cut is still to come."""
        return self._is_answer is not None

    def arm(self, is_answer: Sign, spared: int = 0) -> None:
        """Cut at the next such answer; so many are let through before."""
        self._is_answer, self._spared = is_answer, spared

    def judge(self) -> Judge:
        """Return who decides on one connection: all share what is armed."""
        return self._decide

    def _decide(self, sender: From, message: bytes) -> Pass:
        self.known += b'"duplicate":true' in message.replace(b" ", b"")
        if self._is_answer is None or not self._is_answer(sender, message):
            return Pass.ON
        if self._spared:
            self._spared -= 1
            return Pass.ON
        self._is_answer = None
        self.cut += 1
        return Pass.CUT_BEFORE


class Posts:
    """Cuts POSTs of HTTP after their body has arrived: in the place of the answer, or without waiting for it.

    `moment` is asked at each body: the side that is cut off at that moment, or None for neither.
    """

    def __init__(self, moment: Callable[[], From | None]) -> None:
        self._moment = moment

    def judge(self) -> Judge:
        """Return what follows one connection."""
        return _Post(self._moment).decide


class _Post:
    def __init__(self, moment: Callable[[], From | None]) -> None:
        self._moment = moment
        self._missing = 0
        self._is_doomed = False

    def decide(self, sender: From, data: bytes) -> Pass:
        if sender is From.SERVER:
            return Pass.CUT_BEFORE if self._is_doomed else Pass.ON
        if data.startswith(b"POST "):
            head, _, body = data.partition(b"\r\n\r\n")
            self._missing = _length(head) - len(body)
        elif self._missing:
            self._missing -= len(data)
        else:
            return Pass.ON
        return Pass.ON if self._missing else self._at_the_end()

    def _at_the_end(self) -> Pass:
        moment = self._moment()
        self._is_doomed = moment is From.SERVER
        return Pass.AND_CUT if moment is From.CLIENT else Pass.ON


def _length(head: bytes) -> int:
    [line] = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(line.partition(b":")[2])
