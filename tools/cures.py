"""Take each cure of a trap out of a copy of the code, once, and see its tests go red (`make cures`).

What is listed in cures.toml: the trap, where its cure stands, what would stand there without it, and which tests tell.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

ROOT: Final = Path(__file__).parent.parent
LIST: Final = Path(__file__).with_suffix(".toml")
_COPIED: Final = (
    "src",
    "tests",
    "benchmarks",
    "tools",
    "examples",
    "docs",
    "deploy",
    "pyproject.toml",
    "README.md",
)
_GREEN, _RED = 0, 1  # of pytest: all passed, some failed; all else is a mistake of ours
_NO_END: Final = -1  # whoever waits for ever has noticed nothing: it says so of a busy machine as well
_AT_MOST_SECONDS: Final = 300


@dataclass(frozen=True)
class Cure:
    """One cure: `with_` stands once in `file`, and `without` in its place must turn each of `red` red."""

    trap: str
    file: str
    with_: str
    without: str
    red: tuple[str, ...]
    also: tuple[tuple[str, str], ...] = field(default=())

    @property
    def changes(self) -> tuple[tuple[str, str], ...]:
        """All that is replaced when it is taken out."""
        return ((self.with_, self.without), *self.also)


@dataclass(frozen=True)
class Seen:
    """What one run of tests ended in."""

    cure: Cure
    tests: str
    code: int
    seconds: float
    last: str


def cures() -> list[Cure]:
    """Read the list. Raises what tomllib raises, and TypeError for a field it does not know."""
    with LIST.open("rb") as file:
        return [_cure(each) for each in tomllib.load(file)["cure"]]


def _cure(told: dict[str, Any]) -> Cure:
    also = tuple((before, after) for before, after in told.pop("also", []))
    return Cure(with_=told.pop("with"), red=tuple(told.pop("red")), also=also, **told)


def taken_out(cure: Cure, text: str) -> str:
    """Return the text of its file without the cure. Raises ValueError when it is not as listed."""
    for with_, without in cure.changes:
        if text.count(with_) != 1:
            raise ValueError(f"{cure.file} has {text.count(with_)} times what cures {cure.trap!r}: {with_!r}")
        text = text.replace(with_, without)
    return text


class Copy:
    """The code in a folder of its own, where a cure may be missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in _COPIED:
            put = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            put(ROOT / name, folder / name)

    def without(self, cure: Cure) -> list[Seen]:
        """Take it out, run its tests, and put it back."""
        file = self._folder / cure.file
        whole = file.read_text()
        file.write_text(taken_out(cure, whole))
        try:
            return [self.run(cure, tests) for tests in cure.red]
        finally:
            file.write_text(whole)

    def run(self, cure: Cure, tests: str) -> Seen:
        """Run some tests of the copy."""
        began = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-m",
            _MARKS,
            *tests.split(),
        ]
        ours = os.environ | {"PYTHONPATH": str(self._folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(  # noqa: S603  # what the list in this folder says
                command,
                cwd=self._folder,
                env=ours,
                capture_output=True,
                text=True,
                timeout=_AT_MOST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Seen(cure, tests, _NO_END, time.monotonic() - began, f"no end within {_AT_MOST_SECONDS} s")
        last = next(
            (line for line in reversed(done.stdout.splitlines()) if line.strip()), done.stderr.strip()
        )
        return Seen(cure, tests, done.returncode, time.monotonic() - began, last)


_MARKS: Final = "not faults and not scale"


def main() -> int:
    """Take out the cures that are asked for; 0 when every one is missed by each of its tests, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.cures", description=__doc__)
    parser.add_argument("--only", default="", metavar="WORDS", help="those whose trap holds these words")
    wanted = [each for each in cures() if parser.parse_args().only.lower() in each.trap.lower()]
    console = Console(width=150)
    if not wanted:
        console.print("No trap holds these words.")
        return 2
    seen = _all(wanted, console)
    console.print(_table(seen))
    missed = [each for each in seen if each.code != _RED]
    console.print(f"{len(wanted)} cures taken out, {len(missed)} runs of tests did not notice.")
    return 1 if missed else 0


def _all(wanted: list[Cure], console: Console) -> list[Seen]:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    seen: list[Seen] = []
    with (
        tempfile.TemporaryDirectory(prefix="vignettes-cures-") as folder,
        Progress(*columns, console=console) as bar,
    ):
        copy, task = Copy(Path(folder)), bar.add_task("", total=len(wanted))
        for cure in wanted:
            bar.update(task, description=cure.trap)
            seen += copy.without(cure)
            bar.advance(task)
    return seen


def _table(seen: list[Seen]) -> Table:
    table = Table("trap", "tests", "without its cure", "s")
    for each in seen:
        word = {_RED: f"red: {each.last}", _GREEN: "[bold]GREEN[/]"}.get(
            each.code, f"[bold]{each.code}: {each.last}[/]"
        )
        table.add_row(each.cure.trap, each.tests, word, f"{each.seconds:.0f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
