"""Readers of bank files: camt.053 and camt.054, MT940, GPC/ABO, and CSV by a column map.

All of them stream: a file of any size is read in pieces. What is wrong with a file is a `BadFile`, which says where
and what to do. A file that does not add up counts as a whole or not at all: `check` it before anything is recorded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from vignettes.domain.entry import BankEntry
from vignettes.services.statements import abo, camt, csv_lines, mt940, sources
from vignettes.services.statements.csv_map import CsvMap, load_map
from vignettes.services.statements.model import BadFile, Format, Statement

__all__ = [
    "BadFile",
    "CsvMap",
    "File",
    "Format",
    "Statement",
    "Summary",
    "check",
    "load_map",
    "read",
    "sniff",
    "survey",
]

File = Path | str | BinaryIO
"""A file by its path, or open for reading bytes."""


@dataclass(slots=True)
class Summary:
    """What a whole file comes to."""

    entries: int = 0
    statements: list[Statement] = field(default_factory=list)


def read(
    file: File,
    *,
    format: Format | None = None,  # noqa: A002  # as the command's option
    map: CsvMap | None = None,  # noqa: A002  # as the command's option
    encoding: str | None = None,
) -> Iterator[BankEntry | Statement]:
    """Return entries as they are read, and each statement after its last. Raises `BadFile` where it breaks.

    Without `format` it is told by the first bytes, or CSV where a `map` is given.
    """
    for item in survey(file, format=format, map=map, encoding=encoding):
        if isinstance(item, Statement) and item.disagreement is not None:
            raise item.disagreement
        yield item


def survey(
    file: File,
    *,
    format: Format | None = None,  # noqa: A002  # as the command's option
    map: CsvMap | None = None,  # noqa: A002  # as the command's option
    encoding: str | None = None,
) -> Iterator[BankEntry | Statement]:
    """As `read`, but go on after a statement that does not add up: its `disagreement` tells."""
    with sources.opened(file) as source:
        head = source.head()
        found = None if map else sources.format_of(head)
        yield from _reader(source, format or found or Format.CSV, map, encoding)


def check(
    file: File,
    *,
    format: Format | None = None,  # noqa: A002  # as the command's option
    map: CsvMap | None = None,  # noqa: A002  # as the command's option
    encoding: str | None = None,
) -> Summary:
    """Read a whole file, and return what it comes to; raises `BadFile` where it breaks or does not add up."""
    summary = Summary()
    for item in read(file, format=format, map=map, encoding=encoding):
        if isinstance(item, Statement):
            summary.statements.append(item)
        else:
            summary.entries += 1
    return summary


def _reader(
    source: sources.Source, kind: Format, columns: CsvMap | None, encoding: str | None
) -> Iterator[BankEntry | Statement]:
    own = sources.encoding_named(encoding) if encoding else None
    match kind:
        case Format.CAMT:
            if own is not None:
                raise BadFile("A camt file tells its encoding itself.", way_out="Leave the encoding out.")
            return camt.read(source)
        case Format.MT940:
            return mt940.read(source, own or mt940.ENCODING)
        case Format.ABO:
            return abo.read(source, own or abo.ENCODING)
        case Format.CSV:
            if columns is None:
                raise BadFile("A CSV file can't be read without its column map.", way_out="Give it (--map).")
            return csv_lines.read(source, own or columns.encoding, columns)


def sniff(file: File) -> Format:
    """Return the format of a file by its first bytes."""
    with sources.opened(file) as source:
        return sources.format_of(source.head())
