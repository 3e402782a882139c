"""What is looked at: what came since the last time, and every hour all of it, with what was refused before."""

import time
from collections.abc import Sequence

from vignettes.domain.errors import Conflict, Unavailable
from vignettes.eventstore.deciding import Outcome, Reply

_ALL_SECONDS = 3600.0
#: What may come to another end a moment later.
_PASSING = (Unavailable, Conflict)


class Looking:
    """From which position on rows are looked at, and which of them are left out: those that were refused.

    A row that always fails would stand in the way of those behind it.
    """

    def __init__(self) -> None:
        self.after = 0
        self.refused: list[str] = []
        self._all_at = 0.0

    def begin(self) -> None:
        """Look at all of it when an hour has passed."""
        if time.monotonic() > self._all_at:
            self.after, self._all_at = 0, time.monotonic() + _ALL_SECONDS
            self.refused.clear()

    def took(self, keys: Sequence[str], outcomes: Sequence[Outcome]) -> bool:
        """Keep which rows were refused; tell whether nothing of these has to be asked again at once."""
        left = [(key, outcome) for key, outcome in zip(keys, outcomes, strict=True) if not is_done(outcome)]
        refused = [key for key, outcome in left if not isinstance(outcome, _PASSING)]
        self.refused += refused
        return len(refused) == len(left)


def is_done(outcome: Outcome) -> bool:
    """Tell whether a command was granted, now or before."""
    return isinstance(outcome, Reply)
