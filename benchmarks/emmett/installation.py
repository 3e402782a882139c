"""Where npm's packages of the alternative are: installed once, below the virtual environment, and then found there."""

import shutil
import sys
from pathlib import Path

from benchmarks.installing import NotInstalled, aside, run

VERSION = "0.42.0"
#: What else these two want (their driver among it), npm takes in by itself.
PACKAGES = ("@event-driven-io/emmett", "@event-driven-io/emmett-postgresql")
_QUIETLY = (
    "--no-save",
    "--no-package-lock",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--loglevel=error",
)


def installed(below: Path | None = None) -> Path:
    """Return the folder that holds node_modules; the first time npm fills it. Raises NotInstalled."""
    if shutil.which("node") is None:
        raise NotInstalled("node is not on the path")
    folder = (below or Path(sys.prefix)) / f"emmett-{VERSION}"
    if not folder.exists():
        _install(folder)
    return folder


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled("npm is not on the path")
    with aside(folder) as draft:
        packages = [f"{name}@{VERSION}" for name in PACKAGES]
        run("npm", [npm, "install", *_QUIETLY, "--prefix", str(draft), *packages])
        folder.mkdir()
        (draft / "node_modules").rename(folder / "node_modules")
