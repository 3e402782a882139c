"""What every fault test has: a seed to repeat it by, and a way to say what it found."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest


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
        if request.node.get_closest_marker("faults"):
            with capsys.disabled():
                print(f"\n{line}")  # noqa: T201
        else:
            print(line)  # noqa: T201

    say(seed=seed)
    return say


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not below pytest's own folder: as root PostgreSQL runs as nobody, who may not enter there."""
    with TemporaryDirectory(prefix="vignettes-faults-") as folder:
        yield Path(folder)
