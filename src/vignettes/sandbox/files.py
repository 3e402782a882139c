"""The sandbox's registers: SQLite files that outlive a killed process, and that can really forget."""

import sqlite3
from pathlib import Path


class StillWritten(Exception):
    """What was deleted stands in the file's journal yet, because somebody reads it: try again."""


def opened(path: Path, schema: str) -> sqlite3.Connection:
    """Open one file, with its tables. Each statement is durable when it returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = sqlite3.connect(path, isolation_level=None)
    file.row_factory = sqlite3.Row
    file.execute("pragma journal_mode = wal")
    file.execute("pragma synchronous = normal")  # in WAL mode this outlives a killed process
    file.execute("pragma secure_delete = on")  # what is deleted is overwritten, not left in a free page
    file.executescript(schema)
    return file


def with_column(file: sqlite3.Connection, table: str, column: str, definition: str) -> None:
    """Add a column to a table that an earlier release has made without it."""
    known = {row["name"] for row in file.execute("select name from pragma_table_info(?)", (table,))}
    if column not in known:
        file.execute(f"alter table {table} add column {column} {definition}")


def wiped(file: sqlite3.Connection) -> None:
    """Let no byte of what was deleted be left: the journal is brought into the file, and emptied."""
    busy, *_ = file.execute("pragma wal_checkpoint(truncate)").fetchone()
    if busy:
        raise StillWritten(StillWritten.__doc__)
