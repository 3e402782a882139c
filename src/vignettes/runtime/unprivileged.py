"""What root must arrange so that a server can run under an account that may do nothing else."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from vignettes.runtime.children import EmbeddedServerError

log = structlog.stdlib.get_logger(__name__)

PASS_THROUGH: Final = stat.S_IXOTH
READ: Final = stat.S_IROTH


def account() -> pwd.struct_passwd | None:
    """Give `nobody`, which every system has, when we are root; otherwise None: servers run as we do."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def private_directory(path: Path, user: pwd.struct_passwd | None) -> None:
    """Make a directory that only its user can enter; one that somebody else made in its place is refused."""
    owner = user.pw_uid if user else os.geteuid()
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()}:
            raise EmbeddedServerError(
                f"{path} belongs to another account. Run as that one again, "
                "or name another directory with VIGNETTES_DATA_DIR."
            ) from None
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    path.chmod(0o700)


def open_the_way_to(path: Path) -> None:
    """Let others pass through (never list) the directories above path, changing only those that don't."""
    for directory in path.resolve().parents:
        if _grant(directory, PASS_THROUGH):
            log.warning("directory.opened", path=str(directory), added="o+x")


def make_readable(tree: Path) -> None:
    """Let others read a tree, as a usual umask would have: files, and the x of what is executable."""
    changed = sum(_grant(path, _wanted(path)) for path in _everything_in(tree))
    if changed:
        log.warning("files.opened", path=str(tree), files=changed, added="o+rX")


def _everything_in(tree: Path) -> Iterator[Path]:
    yield tree
    yield from (path for path in tree.rglob("*") if not path.is_symlink())


def _wanted(path: Path) -> int:
    return READ | PASS_THROUGH if path.stat().st_mode & stat.S_IXUSR else READ


def _grant(path: Path, bits: int) -> bool:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & bits == bits:
        return False
    try:
        path.chmod(mode | bits)
    except OSError as error:
        raise EmbeddedServerError(
            f"As root we run PostgreSQL as the account nobody, which can't reach {path} ({error.strerror}). "
            "Run as an ordinary user, or set VIGNETTES_DATABASE_URL."
        ) from error
    return True
