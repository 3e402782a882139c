"""Searches every byte of every file for a text, in whatever form it may have been written."""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path


def plain(text: str) -> list[bytes]:
    """Return a text as UTF-8, as it is and in small and large letters."""
    return sorted({each.encode() for each in (text, text.lower(), text.upper())})


def every_form(text: str) -> list[bytes]:
    """Return a text as UTF-8, UTF-16, hexadecimal and base64, wherever in a longer text it begins."""
    return sorted({form for written in plain(text) for form in _forms(written.decode())})


def _forms(text: str) -> Iterator[bytes]:
    raw = text.encode()
    yield from (raw, text.encode("utf-16-le"), text.encode("utf-16-be"))
    yield from (raw.hex().encode(), raw.hex().upper().encode())
    for before, first in ((0, 0), (1, 2), (2, 3)):  # the characters that hold bytes of the text and no others
        yield b64encode(bytes(before) + raw)[first : (before + len(raw)) * 8 // 6]


def files_with(folder: Path, forms: Iterable[bytes]) -> dict[str, list[str]]:
    """Return the files below a folder that hold any of these bytes, and which."""
    wanted = list(forms)
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # whoever runs meanwhile has let go of it
        if held := [form.decode("latin-1") for form in wanted if form in content]:
            found[str(path.relative_to(folder))] = held
    return found
