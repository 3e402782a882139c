"""Cuts a connection to PostgreSQL around a commit: before it, while it is on its way, or in its answer."""

import re
from enum import StrEnum

from faults.proxy import From, Judge, Pass, Statements

_WRITES = re.compile(rb"INSERT INTO log\.|\blog\.append\(")
_BEGINS, _ENDS = re.compile(rb"\s*BEGIN\b"), re.compile(rb"\s*COMMIT\b")


class Moment(StrEnum):
    """When the connection is cut."""

    #: The server has done everything, and is never told to commit: nothing is recorded.
    BEFORE = "before"
    #: It is told to commit, and nobody waits for what becomes of it.
    UNDER_WAY = "under way"
    #: All is recorded, and nothing of the answer arrives.
    ANSWER_LOST = "answer lost"
    #: All is recorded, and the answer arrives without its end, which alone says so.
    END_LOST = "end lost"


class Cutter:
    """Cuts once, at the next such moment of any connection that appends to the log, after it was armed."""

    def __init__(self) -> None:
        self.armed: Moment | None = None

    def judge(self) -> Judge:
        """Return what watches one connection."""
        return _Watch(self)

    def fire(self, *moments: Moment) -> bool:
        """Tell whether the connection is to be cut, if this is one of these moments."""
        if self.armed not in moments:
            return False
        self.armed = None
        return True


class _Watch:
    """Follows one connection's transactions: those that BEGIN and COMMIT, and single statements, which need neither."""

    def __init__(self, cutter: Cutter) -> None:
        self._cutter = cutter
        self._statements = Statements()
        self._begun = self._wrote = self._committing = self._waiting = False

    def __call__(self, sender: From, message: bytes) -> Pass:
        return self._from_client(message) if sender is From.CLIENT else self._from_server(message)

    def _from_client(self, message: bytes) -> Pass:
        statement = self._statements.begun_by(message)
        if _BEGINS.match(statement):
            self._begun, self._wrote = True, False
        elif _ENDS.match(statement):
            self._begun, self._committing = False, self._wrote
            if self._wrote and self._cutter.fire(Moment.BEFORE):
                return Pass.CUT_BEFORE  # executed as soon as it arrives
        elif _WRITES.search(statement):
            self._wrote, self._committing = True, not self._begun
        if self._committing and message[:1] in b"QS":  # with this the server goes to work
            self._committing = self._wrote = False
            if self._cutter.fire(Moment.BEFORE):
                return Pass.CUT_BEFORE
            if self._cutter.fire(Moment.UNDER_WAY):
                return Pass.AND_CUT
            self._waiting = True
        return Pass.ON

    def _from_server(self, message: bytes) -> Pass:
        if not self._waiting:
            return Pass.ON
        if message[:1] == b"Z" and message[5:] == b"I":  # ready, in no transaction: it is committed
            self._waiting = False
            lost = self._cutter.fire(Moment.ANSWER_LOST, Moment.END_LOST)
            return Pass.CUT_BEFORE if lost else Pass.ON
        return Pass.NOT if self._cutter.armed is Moment.ANSWER_LOST else Pass.ON
