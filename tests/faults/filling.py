"""A small disk that can be filled to the last byte, and emptied again."""

import os
import subprocess
from contextlib import contextmanager

import pytest

_BLOCK = 1 << 20


class SmallDisk:
    """A file system in memory."""

    def __init__(self, folder):
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self):
        """Leave no byte free."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (_BLOCK, 1):
                _write_all(filler, bytes(size))

    def make_room(self):
        """Take away what fills it."""
        self._filler.unlink()

    @property
    def is_full(self):
        return os.statvfs(self.folder).f_bavail == 0


def _write_all(filler, block):
    try:
        while True:
            if filler.write(block) < len(block):
                return
    except OSError:
        return


@contextmanager
def small_disk(folder, megabytes):
    """Mount one of so many megabytes here; skip the test where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"a file system can be mounted by root only: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        # Whoever has a file open there is ended by now, or will be soon.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
