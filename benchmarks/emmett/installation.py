"""Where npm's packages of the alternative are: installed once, below the virtual environment, and then found there."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "0.42.0"
#: What else these two want (their driver among it), npm takes in by itself.
PACKAGES = ("@event-driven-io/emmett", "@event-driven-io/emmett-postgresql")
_PATIENCE_SECONDS = 180
_QUIETLY = (
    "--no-save",
    "--no-package-lock",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
    "--loglevel=error",
)


class NotInstalled(Exception):
    """The alternative can't be measured here; the text says why."""


def installed(below: Path | None = None) -> Path:
    """Return the folder that holds node_modules; the first time npm fills it. Raises NotInstalled."""
    if shutil.which("node") is None:
        raise NotInstalled("node is not on the path")
    folder = (below or Path(sys.prefix)) / f"emmett-{VERSION}"
    if not folder.exists():
        _install(folder)
    return folder


def _install(folder: Path) -> None:
    """Fill a folder aside and rename it, so that one that was cut short leaves nothing half made."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled("npm is not on the path")
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as aside:
            _run([npm, "install", *_QUIETLY, "--prefix", aside, *(f"{name}@{VERSION}" for name in PACKAGES)])
            folder.mkdir()
            (Path(aside) / "node_modules").rename(folder / "node_modules")
    except OSError as error:
        raise NotInstalled(f"{folder.parent} can't be written to ({error.strerror})") from error


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603  # npm, and names of ours
            command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"npm did not end within {_PATIENCE_SECONDS} s") from None
    if done.returncode:
        complaints = done.stderr.strip().splitlines() or ["npm failed"]
        raise NotInstalled(f"npm could not install it ({complaints[0]})")
