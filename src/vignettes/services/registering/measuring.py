"""How the calls of this process fared, counted until the other processes are told."""

import time
from collections.abc import Awaitable, Iterator
from dataclasses import asdict, dataclass
from typing import TypeVar

from vignettes.services.authorities import NotSent, Unknown

T = TypeVar("T")


@dataclass(slots=True)
class Seen:
    """Of one country. `trailing` failed since one was answered; `extra` are calls beyond one for each attempt."""

    calls: int = 0
    failed: int = 0
    seconds: float = 0.0
    extra: int = 0
    answered: bool = False
    trailing: int = 0
    error: str | None = None

    def note(self, seconds: float, error: str | None) -> None:
        """Count one call."""
        self.calls += 1
        self.extra += 1
        self.seconds += seconds
        if error is None:
            self.answered, self.trailing = True, 0
        else:
            self.failed += 1
            self.trailing += 1
            self.error = error


class Measures:
    """Counts by country."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}

    async def of(self, country: str, call: Awaitable[T]) -> T:
        """Make a call, count it, and return its answer."""
        began = time.monotonic()
        answer = await call
        self._of(country).note(time.monotonic() - began, _error(answer))
        return answer

    def attempt_ended(self, country: str) -> None:
        """Take off the one call that was paid for when the attempt was taken up."""
        self._of(country).extra -= 1

    def drained(self) -> Iterator[tuple[str, dict[str, object]]]:
        """Give what was counted, once."""
        while self._seen:
            country, seen = self._seen.popitem()
            yield country, asdict(seen)

    def _of(self, country: str) -> Seen:
        return self._seen.setdefault(country, Seen())


def _error(answer: object) -> str | None:
    """Return how a call failed; a rejection is no failure, and neither is that we came too late."""
    if isinstance(answer, Unknown) or (isinstance(answer, NotSent) and answer.failed):
        return answer.why
    return None
