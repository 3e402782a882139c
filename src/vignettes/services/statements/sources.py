"""A bank's file as bytes, read in pieces: what it is by its first bytes, and that it is not too large."""

import codecs
import io
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from vignettes.services.statements.model import BadFile, Format

#: A file that is larger is refused before it is read.
SIZE_LIMIT = 4 * 1024**3
_PIECE = 64 * 1024
_HEAD = 64 * 1024
_LINE_LIMIT = 64 * 1024
_PACKED = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "packed with gzip",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"7z\xbc\xaf": "a 7z archive",
    b"BZh": "packed with bzip2",
}
#: Those marks at the start of a file that tell its encoding.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_MT940_TAG = re.compile(rb"(?m)^(?:\{1:.{0,200}\{4:\s*)?:(?:20|25P?|28C?|60[FM]|61|NS):")


class Source:
    """One file, from its start as often as somebody needs to read it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest: str | None = None

    def head(self) -> bytes:
        """Return the first bytes."""
        self._file.seek(0)
        return self._file.read(_HEAD)

    def pieces(self) -> Iterator[bytes]:
        """Return the bytes in pieces, from the start."""
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            yield piece

    def digest(self) -> str:
        """Return the SHA-256 of all bytes, without disturbing whoever is reading."""
        if self._digest is None:
            place = self._file.tell()
            self._file.seek(0)
            digest = sha256()
            while piece := self._file.read(_PIECE):
                digest.update(piece)
            self._digest = digest.hexdigest()
            self._file.seek(place)
        return self._digest

    def texts(self, encoding: str, *, way_out: str) -> Iterator[str]:
        """Return the text in pieces. Bytes that this encoding does not have are refused with their offset."""
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        offset = 0
        for piece in self.pieces():
            kept = len(decoder.getstate()[0])
            try:
                yield decoder.decode(piece)
            except UnicodeDecodeError as error:
                raise _undecodable(offset - kept + error.start, encoding, way_out) from None
            offset += len(piece)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise _undecodable(offset, encoding, way_out) from None

    def lines(self, encoding: str) -> Iterator[str]:
        """Return the lines without their ends, whichever kind these are."""
        way_out = "Tell the encoding that the bank uses (--encoding), or get the file again."
        newlines = io.IncrementalNewlineDecoder(None, translate=True)
        rest = ""
        for text in self.texts(encoding, way_out=way_out):
            *whole, rest = (rest + newlines.decode(text)).split("\n")
            if len(rest) > _LINE_LIMIT or "\0" in rest or any("\0" in line for line in whole):
                raise BadFile("This is no text: it has NUL characters or a line of over 64 kB.")
            yield from whole
        yield rest + newlines.decode("", final=True)


@contextmanager
def opened(file: Path | str | BinaryIO, size_limit: int = SIZE_LIMIT) -> Iterator[Source]:
    """Open a file, or take one that is open; what can't be read twice, as a pipe, is copied to a temporary file."""
    if isinstance(file, (str, os.PathLike)):
        with Path(file).open("rb") as own:
            yield from _checked(own, size_limit)
    elif file.seekable():
        yield from _checked(file, size_limit)
    else:
        with tempfile.TemporaryFile() as copy:
            _copy(file, copy, size_limit)
            yield from _checked(copy, size_limit)


def format_of(head: bytes) -> Format:
    """Return the format by a file's first bytes; refuse what can be none."""
    for mark, what in _PACKED.items():
        if head.startswith(mark):
            raise BadFile(f"It is {what}.", way_out="Unpack it, or ask the bank for camt.053, MT940 or ABO.")
    text = head
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = head.decode("utf-16", "replace").encode()
    text = text.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text:
        raise BadFile("The file is empty.", way_out="Get it from the bank again.")
    if text.startswith((b"<", b"\0<")):
        return Format.CAMT
    if text.startswith((b"074", b"075")):
        return Format.ABO
    if _MT940_TAG.search(text):
        return Format.MT940
    raise BadFile(
        "It is neither camt.053 or camt.054, nor MT940, nor ABO.",
        way_out="For a CSV file give its column map (--map); else ask the bank for one of these.",
    )


def encoding_named(name: str) -> str:
    """Return Python's name of an encoding that a file or an operator names; refuse what is not for texts."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    if not re.fullmatch(
        r"utf-(8|8-sig|16|16-le|16-be)|ascii|iso8859-\d+|cp(125\d|437|85[02])|koi8-[ru]|mac-latin2", found
    ):
        raise BadFile(
            f"The encoding {name[:30]!r} is not known.", way_out="Say UTF-8, windows-1250, ISO-8859-2, ..."
        )
    return found


def _checked(file: BinaryIO, size_limit: int) -> Iterator[Source]:
    if file.seek(0, os.SEEK_END) > size_limit:
        raise _too_large(size_limit)
    yield Source(file)


def _copy(file: BinaryIO, copy: BinaryIO, size_limit: int) -> None:
    while piece := file.read(_PIECE):
        copy.write(piece)
        if copy.tell() > size_limit:
            raise _too_large(size_limit)


def _too_large(size_limit: int) -> BadFile:
    return BadFile(
        f"The file is larger than {size_limit} bytes.",
        way_out="Ask the bank for statements of shorter periods.",
    )


def _undecodable(offset: int, encoding: str, way_out: str) -> BadFile:
    return BadFile(
        f"The bytes there are not {encoding}, which they should be.", where=f"byte {offset}", way_out=way_out
    )
