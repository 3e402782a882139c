"""The master key: read from its file, made for a local installation that has none."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from vignettes.runtime.settings import ConfigurationError, Settings, variable

MASTER_KEY_BYTES: Final = 32


def master_key(settings: Settings) -> bytes:
    """Read the key that wraps every order's key; a local installation without one is given one.

    In production a missing key is refused: a new one would make every person's data unreadable at once.
    """
    path = settings.master_key_file
    if not path.exists():
        if settings.environment == "production":
            raise ConfigurationError(
                f"{variable('master_key_file')}: {path} does not exist. Put the installation's key there (64 "
                "hexadecimal digits, mode 0600); only a first installation may make a new one: "
                f"(umask 077; openssl rand -hex {MASTER_KEY_BYTES} > {path})"
            )
        _create_key(path)
    return _read_key(path)


def _create_key(path: Path) -> None:
    """Make the key appear whole or not at all, however many roles start at this moment.

    The first link wins; everybody reads what the first one wrote.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(MASTER_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _read_key(path: Path) -> bytes:
    try:
        with path.open() as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(4096)
    except OSError as error:
        raise ConfigurationError(
            f"{variable('master_key_file')}: {path} can't be read: {error.strerror}. "
            "It must belong to the user that runs this service, with mode 0600."
        ) from None
    if mode & 0o077:
        raise ConfigurationError(
            f"{variable('master_key_file')}: {path} is open to others (mode {mode:04o}). "
            f"Run: chmod 600 {path}"
        )
    return _key_from(text, path)


def _key_from(text: str, path: Path) -> bytes:
    with suppress(ValueError):
        key = bytes.fromhex(text.strip())
        if len(key) == MASTER_KEY_BYTES:
            return key
    raise ConfigurationError(
        f"{variable('master_key_file')}: {path} does not hold a key of {MASTER_KEY_BYTES} bytes as 64 "
        "hexadecimal digits. Restore it from its backup: without it nobody's data can be read."
    )
