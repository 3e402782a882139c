"""Installing alternatives when they are first wanted: below the virtual environment, and found there ever after."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_PATIENCE_SECONDS = 180


class NotInstalled(Exception):
    """The alternative can't be measured here; the text says why."""


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """Give a folder to fill beside the one that is wanted; one that was cut short leaves nothing half made."""
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as draft:
            yield Path(draft)
    except OSError as error:
        raise NotInstalled(f"{folder.parent} can't be written to ({error.strerror})") from error


def run(program: str, command: Sequence[str]) -> None:
    """Let a program install something. Raises NotInstalled with the first of what it complains of."""
    try:
        done = subprocess.run(  # noqa: S603  # installers, and names of ours
            command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{program} did not end within {_PATIENCE_SECONDS} s") from None
    if done.returncode:
        complaints = done.stderr.strip().splitlines() or [f"{program} failed"]
        raise NotInstalled(f"{program} could not install it ({complaints[0]})")
