"""What every fault test has: a seed to repeat it by, a way to say what it found, and its line in the table of all."""

import fcntl
import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import structlog
from tools.fault_table import ROOT, Result

#: Where long forms leave what they found; the next run adds to it.
RESULTS = ROOT / ".faults" / "results.jsonl"


@pytest.fixture
def seed() -> int:
    """Give what all chance of a test is drawn from; FAULTS_SEED repeats a run."""
    return int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10**6))


@pytest.fixture
def tell(request: pytest.FixtureRequest, seed: int) -> Iterator[Callable[..., None]]:
    """Give what prints figures: a long test's always, a short one's when it fails. The seed comes first."""
    capsys = request.getfixturevalue("capsys")

    def say(**figures: Any) -> None:
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
        line = f"{request.node.name}: {told}"
        if is_long(request.node):
            with capsys.disabled():
                print(f"\n{line}")  # noqa: T201
        else:
            print(line)  # noqa: T201

    say(seed=seed)
    return say


@pytest.fixture
def record(request: pytest.FixtureRequest, seed: int, tell: Callable[..., None]) -> Callable[..., None]:
    """Give what tells a fault test's result, and keeps that of a long one: `record(test=2, faults=500, what="...")`.

    To be called when everything is known and before it is asserted, so that what was found wrong is on record too.
    """
    began = time.monotonic()

    def keep(
        *,
        test: int,
        faults: int,
        what: str,
        lost: int = 0,
        doubled: int = 0,
        same_id: int = 0,
        broken: int = 0,
        worst_recovery_s: float | None = None,
        **settings: Any,
    ) -> None:
        numbers = [number for mark in request.node.iter_markers("fault") for number in mark.args]
        assert test in numbers, f"it is not marked as fault test {test}"
        result = Result(
            test=test,
            name=f"{request.node.path.stem}::{request.node.name}",
            what=what,
            faults=faults,
            lost=lost,
            doubled=doubled,
            same_id=same_id,
            broken=broken,
            worst_recovery_s=None if worst_recovery_s is None else round(worst_recovery_s, 2),
            seed=seed,
            seconds=round(time.monotonic() - began, 1),
            settings=settings,
        )
        tell(**vars(result))
        if is_long(request.node):
            append(RESULTS, result)

    return keep


def is_long(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(each) for each in ("faults", "scale"))


def append(results: Path, result: Result) -> None:
    """Add a line to a file that others may add to at the same time."""
    results.parent.mkdir(exist_ok=True)
    with results.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{result.line()}\n")


@pytest.fixture
def quiet() -> None:
    """Lose no time with what is logged of each fault: with a traceback it takes longer than all the rest."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not below pytest's own folder: as root PostgreSQL runs as nobody, who may not enter there."""
    with TemporaryDirectory(prefix="vignettes-faults-") as folder:
        yield Path(folder)
