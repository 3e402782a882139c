"""The master keys: read from their files; a local installation that has none is given one."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import dict_row

from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.masterkeys import LocalMasterKeys, root_secret
from vignettes.eventstore.personal import give_keys
from vignettes.runtime.settings import ConfigurationError, Settings, variable

MASTER_KEY_BYTES: Final = 32


def master_keys(settings: Settings) -> LocalMasterKeys:
    """Return the key that wraps every order's keys, and the one before it while these are wrapped anew.

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
        create_key(path)
    previous = settings.previous_master_key_file
    return LocalMasterKeys(
        [_read_key(path, "master_key_file")]
        + ([_read_key(previous, "previous_master_key_file")] if previous else [])
    )


def root_of(settings: Settings, database: str) -> bytes:
    """Return the secret that links, hashes and the blind index are derived from; it outlives master keys.

    `database` is how this process connects. Raises WrongMasterKey.
    """
    with psycopg.connect(database, autocommit=True, row_factory=dict_row) as connection:
        return root_secret(connection, master_keys(settings))


def give_keys_to_first_orders(settings: Settings, database_url: str) -> int:
    """Give keys to orders from before there were any; how many they were."""
    url = conninfo(database_url, "vignettes_owner")
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        return give_keys(connection, master_keys(settings))


def create_key(path: Path) -> None:
    """Make a key that encrypts, in its file."""
    create_file(path, f"{secrets.token_hex(MASTER_KEY_BYTES)}\n".encode())


def create_file(path: Path, secret: bytes) -> None:
    """Make a secret appear whole or not at all, however many roles start at this moment.

    The first link wins; everybody reads what the first one wrote.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _read_key(path: Path, setting: str) -> bytes:
    return _key_from(secret_text(path, setting), path, setting)


def secret_text(path: Path, setting: str) -> str:
    """Return what a file of a secret holds. Raises ConfigurationError for one that others can read."""
    try:
        with path.open() as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(4096)
    except OSError as error:
        raise ConfigurationError(
            f"{variable(setting)}: {path} can't be read: {error.strerror}. "
            "It must belong to the user that runs this service, with mode 0600."
        ) from None
    if mode & 0o077:
        raise ConfigurationError(
            f"{variable(setting)}: {path} is open to others (mode {mode:04o}). Run: chmod 600 {path}"
        )
    return text


def _key_from(text: str, path: Path, setting: str) -> bytes:
    with suppress(ValueError):
        key = bytes.fromhex(text.strip())
        if len(key) == MASTER_KEY_BYTES:
            return key
    raise ConfigurationError(
        f"{variable(setting)}: {path} does not hold a key of {MASTER_KEY_BYTES} bytes as 64 "
        "hexadecimal digits. Restore it from its backup: without it nobody's data can be read."
    )
