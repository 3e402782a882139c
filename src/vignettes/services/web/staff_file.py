"""The staff file: who may sign in with a token, and as what. It holds no token, only the SHA-256 of each."""

import hashlib
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from vignettes.services.web.staff_members import NAME, StaffRole

_DIGEST: Final = r"^[0-9a-f]{64}$"
_WRITABLE_BY_OTHERS: Final = 0o022


class StaffFileError(Exception):
    """The staff file can't be used; the text says why."""


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
    """Return the members of a staff file. Raises StaffFileError, and FileNotFoundError where there is none."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read().decode()
        return _read(text, mode)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise StaffFileError(f"{path} can't be used: {_why(error)}.") from None


def _read(text: str, mode: int) -> dict[str, Entry]:
    if mode & _WRITABLE_BY_OTHERS:
        raise ValueError(f"others may write to it (mode {mode:04o})")
    members = _File.model_validate(tomllib.loads(text)).members
    if strange := next((name for name in members if not NAME.fullmatch(name)), None):
        raise ValueError(f"{strange!r} can't be a member's name")
    return members


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return (error.strerror or "") if isinstance(error, OSError) else str(error)


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
