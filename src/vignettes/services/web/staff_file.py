"""The staff file: who may sign in with a token, and as what. It holds no token, only the SHA-256 of each."""

import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from vignettes.services.web.staff_members import NAME, StaffRole

_DIGEST: Final = r"^[0-9a-f]{64}$"
_WRITABLE_BY_OTHERS: Final = 0o022
#: How tomllib ends what it says; before that it may repeat a name.
_WHERE: Final = re.compile(r" \(at [a-z0-9, ]+\)$")


class StaffFileError(Exception):
    """The staff file can't be used; the text says why."""


class StaffFileUnread(StaffFileError):
    """The staff file could not be read this time; whether it can be used, nobody knows."""


class Entry(BaseModel):
    """One member as the file tells of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    roles: frozenset[StaffRole] = Field(min_length=1)
    token_sha256: str = Field(pattern=_DIGEST)
    added_at: AwareDatetime


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    members: dict[str, Entry] = {}


def digest_of(token: str) -> str:
    """Return what the file keeps of a token. It has 256 bits of chance: no slower hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def read(path: Path) -> dict[str, Entry]:
    """Return the members of a staff file. Raises StaffFileError; FileNotFoundError where there is none."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read().decode()
        return _read(text, mode)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StaffFileUnread(f"{path} can't be read: {error.strerror or 'no reason is given'}.") from None
    except ValueError as error:
        raise StaffFileError(f"{path} can't be used: {error}.") from None


def _read(text: str, mode: int) -> dict[str, Entry]:
    """Return the members of a text. What is said of one that can't be used is logged too: it names nobody."""
    if mode & _WRITABLE_BY_OTHERS:
        raise ValueError(f"others may write to it (mode {mode:04o})")
    found = _parsed(text)
    try:
        members = _File.model_validate(found).members
    except ValidationError as error:
        raise ValueError(_misfit(found, error)) from None
    if strange := next((place for place, name in enumerate(members, 1) if not NAME.fullmatch(name)), None):
        raise ValueError(f"members.{strange}: what it is called can't be a member's name")
    return members


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = _WHERE.search(str(error))
        raise ValueError(f"it is no TOML{where[0] if where else ''}") from None


def _misfit(found: Mapping[str, Any], error: ValidationError) -> str:
    """Return what is wrong with which of the members, by their number."""
    first = error.errors(include_url=False, include_input=False)[0]
    part, *place = first["loc"]
    if part not in _File.model_fields:
        return "there is more in it than members"
    if place:
        place[0] = list(found["members"]).index(place[0]) + 1
    return f"{'.'.join(map(str, [part, *place]))}: {first['msg']}"


def written(members: Mapping[str, Entry]) -> str:
    """Return the text of a staff file."""
    head = "# Kept by `vignettes staff`. No token stands here, only the SHA-256 of each.\n"
    return head + "".join(_section(name, entry) for name, entry in sorted(members.items()))


def _section(name: str, entry: Entry) -> str:
    roles = ", ".join(f'"{role}"' for role in sorted(entry.roles))
    return (
        f'\n[members."{name}"]\nroles = [{roles}]\ntoken_sha256 = "{entry.token_sha256}"\n'
        f"added_at = {entry.added_at.isoformat(timespec='seconds')}\n"
    )
