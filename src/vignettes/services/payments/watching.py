"""A folder in which bank files are dropped: each is taken in once it has come whole, and put away.

`in/` is looked at; `work/` holds what somebody has claimed by a rename, which only one process wins; `done/` and
`aside/` what has ended, the latter with the reason beside it. What a killed process leaves in `work/` is taken up
again.
"""

import asyncio
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO

import psycopg
import structlog

from vignettes.domain.errors import DomainError
from vignettes.services.payments.bank_files import FileImporter, HowToRead
from vignettes.services.statements import BadFile, load_map, sniff

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS = 1.0
ACTOR = "folder"
CSV_MAP = "csv.toml"
_REASON = ".reason.txt"
_UNFINISHED = (".part", ".tmp")
#: A file that could not be taken in is tried again after so long, twice as long each time.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 5.0, 300.0

Seen = tuple[int, int]
"""Size and time of the last change of a file."""


@dataclass(frozen=True, slots=True)
class _Later:
    """When to try a file again, and how long to wait after that."""

    at: float
    pause: float


class Watching:
    """Takes in what appears in a folder, one file at a time; any number of processes may watch the same one."""

    name = "watching"

    def __init__(self, folder: Path, files: FileImporter) -> None:
        self._in, self._work, self._done, self._aside = (
            folder / each for each in ("in", "work", "done", "aside")
        )
        self._map = folder / CSV_MAP
        self._files = files
        self._seen: dict[Path, Seen] = {}
        self._later: dict[str, _Later] = {}

    async def run(self) -> None:
        """Look each second until cancelled; less often at a folder that is not to be had."""
        pause = LOOK_EVERY_SECONDS
        while True:
            try:
                await self.look()
                pause = LOOK_EVERY_SECONDS
            except OSError as error:
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                log.warning("folder.unreadable", error=_why(error), again_in_seconds=pause)
            await asyncio.sleep(pause)

    async def look(self) -> None:
        """Take in what has come, and what others have left half way."""
        for path in self._found():
            await self._attempt(path)

    def _found(self) -> list[Path]:
        """Return all of `work/`; and what is in `in/` as when we last looked: whoever writes it has ended."""
        for folder in (self._in, self._work, self._done, self._aside):
            folder.mkdir(parents=True, exist_ok=True)
        before, self._seen = self._seen, dict(_files_in(self._in))
        left = [path for path, _ in _files_in(self._work)]
        return sorted(left) + sorted(path for path, seen in self._seen.items() if before.get(path) == seen)

    async def _attempt(self, path: Path) -> None:
        """Take a file in; whatever is the matter with it, the others are not kept waiting."""
        later = self._later.get(path.name)
        if later and time.monotonic() < later.at:
            return
        try:
            await self._take(path)
        except (OSError, DomainError, psycopg.Error) as error:
            self._put_off(path, later)
            log.warning("folder.file_left", error=_why(error))
        except Exception:
            self._put_off(path, later)
            log.exception("folder.file_failed")
        else:
            self._later.pop(path.name, None)

    def _put_off(self, path: Path, later: _Later | None) -> None:
        pause = later.pause if later else _FIRST_PAUSE_SECONDS
        longer = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        self._later[path.name] = _Later(time.monotonic() + pause, longer)

    async def _take(self, path: Path) -> None:
        """Claim a file and take it in; nothing where another process was quicker, or is at it."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return
        with file:
            if not _locked(file):
                return
            claimed = self._claimed(path, file)
            if claimed:
                await self._take_in(claimed, file)

    def _claimed(self, path: Path, file: BinaryIO) -> Path | None:
        """Return where the file is claimed; None where it is not the one any more that we have opened."""
        if not _is_still(path, file):
            return None
        if path.parent == self._work:
            return path
        return _moved(path, self._work)

    async def _take_in(self, path: Path, file: BinaryIO) -> None:
        how = await asyncio.to_thread(self._how, file)
        taken = await self._files.take(file, path.name, how, ACTOR, lambda _: None)
        if taken.reason is None:
            _moved(path, self._done)
            return
        aside = _moved(path, self._aside)
        aside.with_name(aside.name + _REASON).write_text(f"{taken.reason}\n", encoding="utf-8")

    def _how(self, file: BinaryIO) -> HowToRead:
        """Return how to read a file: what is none of the known formats is CSV, where there is a map for it."""
        try:
            sniff(file)
        except BadFile:
            if self._map.exists():
                return HowToRead(csv_map=load_map(self._map))
        return HowToRead()


def _files_in(folder: Path) -> Iterator[tuple[Path, Seen]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            unfinished = entry.name.startswith(".") or entry.name.endswith(_UNFINISHED)
            if not unfinished and entry.is_file(follow_symlinks=False):
                stat = entry.stat()
                yield Path(entry.path), (stat.st_size, stat.st_mtime_ns)


def _locked(file: BinaryIO) -> bool:
    """Lock a file for as long as we have it open, and live; False where another process has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise
    return True


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Tell whether a path is still that of an open file: between opening and locking it may have been moved."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _moved(path: Path, folder: Path) -> Path:
    """Move a file, under another name where there is one of its name already, and return where it is."""
    names = (f"{path.stem}-{number}{path.suffix}" for number in count(1))
    free = (folder / name for name in chain([path.name], names) if not (folder / name).exists())
    return path.rename(next(free))


def _why(error: Exception) -> str:
    """Return what went wrong without the file's name, which may be a person's."""
    strerror = getattr(error, "strerror", None)
    return strerror or type(error).__name__
