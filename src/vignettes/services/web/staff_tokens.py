"""Signing in with a token of the staff file, which is looked at again as soon as it changes."""

import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from vignettes.services.web.staff_file import Entry, StaffFileError, StaffFileUnread, digest_of, read
from vignettes.services.web.staff_members import Member

log = structlog.get_logger(__name__)

_MARK_LETTERS: Final = 16
Seen = tuple[int, int, int]


class Tokens:
    """Knows members by their tokens, and by what their sessions say of these; without a file nobody."""

    name: Final = "token"
    #: How long a session lasts that began with a token: a working day.
    seconds: Final = 12 * 3600

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: Seen | None = None
        self._entries: Mapping[str, Entry] = {}

    def said_of(self, token: str) -> dict[str, Any] | None:
        """Return what a session is to say of the member with this token; None for an unknown or wrong one.

        Every entry is compared, and in constant time, so that the time tells nothing of how near a guess was.
        """
        digest = digest_of(token)
        same = [
            name for name, entry in self._current().items() if hmac.compare_digest(entry.token_sha256, digest)
        ]
        return {"name": same[0], "mark": digest[:_MARK_LETTERS]} if same else None

    def member(self, said: Mapping[str, Any]) -> Member | None:
        """Return the member of a session with the roles of this moment; None once removed, or given another token."""
        entry = self._current().get(str(said.get("name")))
        if entry is None or entry.token_sha256[:_MARK_LETTERS] != said.get("mark"):
            return None
        return Member(str(said["name"]), entry.roles)

    def has(self, name: str) -> bool:
        """Tell whether the file has a member of this name."""
        return name in self._current()

    def _current(self) -> Mapping[str, Entry]:
        """Return the members as the file has them now; of a file that can't be used, nobody."""
        if self._path is None:
            return {}
        seen = _look(self._path)
        if seen != self._seen:
            self._entries, self._seen = _read(self._path, seen)
        return self._entries


def _look(path: Path) -> Seen | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _read(path: Path, seen: Seen | None) -> tuple[Mapping[str, Entry], Seen | None]:
    """Return the members, and what the file looked like to be so; None where it is to be read again at once."""
    try:
        return read(path), seen
    except FileNotFoundError:
        log.warning("staff.nobody", file=str(path))
    except StaffFileError as error:
        log.error("staff.unusable", reason=str(error))  # noqa: TRY400  # it says all there is to say
        # A disk that failed for a moment must not keep everybody out until somebody writes the file anew.
        return {}, None if isinstance(error, StaffFileUnread) else seen
    return {}, seen
