"""A line to PostgreSQL that can be cut, shut, or left to swallow whatever is said on it."""

from faults.proxy import Pass, before_postgres


class Line:
    """Decides what becomes of every message of one process."""

    def __init__(self, database):
        self.proxy = before_postgres(database, lambda: self._judge)
        self._verdict = Pass.ON

    def cut(self):
        """Cut every connection; new ones are let in."""
        self.proxy.hang_up()

    def shut(self):
        """Cut every connection, and let nobody in."""
        self._verdict = Pass.CUT_BEFORE
        self.proxy.hang_up()

    def swallow(self):
        """Let nothing arrive any more, and close nothing."""
        self._verdict = Pass.NOT

    def mend(self):
        """Let new connections through; those that were there are cut."""
        self._verdict = Pass.ON
        self.proxy.hang_up()

    def _judge(self, *_):
        return self._verdict
