"""The staff file as an administrator keeps it: members are added and removed, and their tokens shown once."""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vignettes.runtime.keys import create_key, secret_text
from vignettes.runtime.settings import ConfigurationError, Settings, variable
from vignettes.services.web.staff_file import Entry, StaffFileError, digest_of, read, written
from vignettes.services.web.staff_members import StaffRole

_TOKEN_BYTES: Final = 32
_KEY_BYTES: Final = 32
#: By it people and programs that look for leaked secrets know what they see.
_BEGINS: Final = "vst_"

Entries = dict[str, Entry]


class StaffRefused(Exception):
    """The staff file was left as it was; the text says why."""


def staff_file(settings: Settings) -> Path:
    """Return where the staff file is: as it is set, or where `vignettes run` has it."""
    return settings.staff_file or settings.data_dir / "staff" / "staff.toml"


def members(path: Path) -> Entries:
    """Return who is in a staff file; nobody where there is none yet. Raises StaffRefused for one that can't be read."""
    try:
        return read(path)
    except FileNotFoundError:
        return {}
    except StaffFileError as error:
        raise StaffRefused(str(error)) from None


def add(path: Path, name: str, roles: Sequence[StaffRole], *, replace: bool = False) -> str:
    """Add a member, and return the token that opens for them: nobody can tell it again. Raises StaffRefused.

    With `replace` a member that is there already is given these roles and a new token, and the old one is void.
    """
    token = _BEGINS + secrets.token_urlsafe(_TOKEN_BYTES)
    entry = Entry(roles=frozenset(roles), token_sha256=digest_of(token), added_at=datetime.now(UTC))

    def added(known: Entries) -> Entries:
        if name in known and not replace:
            raise StaffRefused(
                f"{name} is a member already; --replace gives them these roles and a new token."
            )
        return {**known, name: entry}

    _change(path, added)
    return token


def remove(path: Path, name: str) -> None:
    """Remove a member: their token and their sessions open nothing from now on. Raises StaffRefused."""

    def removed(known: Entries) -> Entries:
        if name not in known:
            raise StaffRefused(f"{name} is not a member; `vignettes staff list` shows who is.")
        return {each: entry for each, entry in known.items() if each != name}

    _change(path, removed)


def for_the_sandbox(path: Path) -> None:
    """Make a staff file with one member of each role, their tokens in files beside it; one that is there is left."""
    if path.exists():
        return
    for role in StaffRole:
        token = add(path, role, [role], replace=True)
        _write(path.with_name(f"{role}.token"), f"{token}\n")


def session_key(settings: Settings) -> bytes:
    """Return the key that seals sessions, for all web roles; a local installation that has none is given one."""
    path = settings.staff_key_file
    if not path.exists():
        if settings.environment == "production":
            raise ConfigurationError(
                f"{variable('staff_key_file')}: {path} does not exist. Make it once, and give it to every web role "
                f"(a new one ends all sessions): (umask 077; openssl rand -hex {_KEY_BYTES} > {path})"
            )
        create_key(path)
    try:
        key = bytes.fromhex(secret_text(path, "staff_key_file"))
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(
            f"{variable('staff_key_file')}: {path} does not hold {_KEY_BYTES} bytes as {2 * _KEY_BYTES} hexadecimal "
            "digits. Remove it: a new one ends all sessions, and nothing else."
        )
    return key


def _change(path: Path, changed: Callable[[Entries], Entries]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(path.parent):
            _write(path, written(changed(members(path))))
    except OSError as error:
        raise StaffRefused(f"{path} can't be written: {error.strerror}.") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one administrator after the other change what is in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    """Replace a file whole or not at all, for its owner alone."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            if os.geteuid() == 0:  # else the service, under an account of its own, could not read it
                folder = path.parent.stat()
                os.fchown(file.fileno(), folder.st_uid, folder.st_gid)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
