"""How much is tried, and by which chance: a little, always the same, in the suite; what is wanted by `make fuzz`."""

import os
import random
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import hypothesis
import pytest
import structlog
from hypothesis import HealthCheck, Phase, given
from hypothesis.strategies import SearchStrategy

from hostile.bodies import SECRET

#: Examples for each group of targets together; 0: the few of the suite.
EXAMPLES = int(os.environ.get("EXAMPLES") or 0)
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
_TOLD_EVERY = 5.0

Try = Callable[[Any], None]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fuzz: what `make fuzz` does beyond the suite")


def pytest_report_header() -> str | None:
    return f"fuzzing with EXAMPLES={EXAMPLES} SEED={SEED}" if EXAMPLES else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for `make fuzz` only."""
    if EXAMPLES:
        return
    left_out = [item for item in items if item.get_closest_marker("fuzz")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def tries(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Give what tries a property on many examples: `tries(strategy, property, few=50, share=1)`.

    `few` in the suite, and always the same; by `make fuzz` that `share` of EXAMPLES, drawn from SEED.
    """

    def run(strategy: SearchStrategy[Any], holds: Try, *, few: int, share: float = 1.0) -> None:
        many = max(int(EXAMPLES * share), few)
        progress = _Progress(request.node.name, many)

        @hypothesis.settings(
            max_examples=many,
            deadline=None,
            database=None,
            derandomize=not EXAMPLES,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink) if EXAMPLES else (Phase.generate,),
        )
        @given(strategy)
        def each(example: Any) -> None:
            progress.count()
            holds(example)

        (hypothesis.seed(SEED)(each) if EXAMPLES else each)()
        progress.end()

    return run


class _Progress:
    """Shows how far `make fuzz` has come."""

    def __init__(self, name: str, wanted: int) -> None:
        self._name, self._wanted = name, wanted
        self._began = self._told = time.monotonic()
        self._tried = 0

    def count(self) -> None:
        self._tried += 1
        if EXAMPLES and time.monotonic() - self._told > _TOLD_EVERY:
            self._told = time.monotonic()
            self._tell("...")

    def end(self) -> None:
        if EXAMPLES:
            self._tell("nothing found")

    def _tell(self, word: str) -> None:
        seconds = time.monotonic() - self._began
        told = f"{self._tried:,} of {self._wanted:,} in {seconds:.0f} s, seed {SEED}: {word}"
        print(f"{self._name}: {told}", file=sys.__stderr__, flush=True)


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """Give the lines of the log that tell of a failure; in none of any kind may stand what was sent."""
    failures: list[MutableMapping[str, Any]] = []

    def look(_: Any, level: str, event: MutableMapping[str, Any]) -> Any:
        told = {name: value for name, value in event.items() if name != "exc_info"}
        assert SECRET not in repr(told), told
        if level in {"error", "critical"}:
            failures.append(event)
        raise structlog.DropEvent

    structlog.configure(processors=[look])
    yield failures
    structlog.reset_defaults()
