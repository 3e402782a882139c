"""What is locked for each alternative in `requirements`, installed once, below our own virtual environment."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installing import aside, run

_LOCKS = Path(__file__).parents[2] / "requirements"


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of them: how many jobs it bears, with how many at once it is tried, and how fast it surely takes jobs in."""

    name: str
    title: str
    kind: str
    jobs: int
    at_once: tuple[int, ...]
    prepared_per_second: float

    @property
    def version(self) -> str:
        """The locked one."""
        found = re.search(rf"^{self.name}==(\S+)", self.lock.read_text(), re.MULTILINE)
        return found[1] if found else "unknown"

    @property
    def lock(self) -> Path:
        return _LOCKS / f"{self.name}.txt"

    @property
    def script(self) -> Path:
        return Path(__file__).with_name(f"{self.name}_noon.py")

    def what(self) -> str:
        """Return how it is called where it is measured."""
        return f"{self.title} {self.version}, {self.jobs:,} {self.kind}"


PROCRASTINATE = Alternative("procrastinate", "Procrastinate", "scheduled jobs", 3_000, (10, 50), 500)
DBOS = Alternative("dbos", "DBOS", "durable sleeps", 1_000, (20,), 60)


def installed(alternative: Alternative, below: Path | None = None) -> Path:
    """Return the Python that has it; the first time it is installed, hashes checked. Raises NotInstalled."""
    folder = (below or Path(sys.prefix)) / f"{alternative.name}-{alternative.version}"
    if not folder.exists():
        _install(alternative, folder)
    return folder / "bin" / "python"


def _install(alternative: Alternative, folder: Path) -> None:
    uv = [sys.executable, "-m", "uv"]
    with aside(folder) as draft:
        run(
            "uv", [*uv, "venv", "--quiet", "--relocatable", "--clear", "--python", sys.executable, str(draft)]
        )
        python = str(draft / "bin" / "python")
        what = ["--require-hashes", "--requirement", str(alternative.lock)]
        run("uv", [*uv, "pip", "install", "--quiet", "--python", python, *what])
        draft.rename(folder)
