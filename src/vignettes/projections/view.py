"""What a read model is: its tables, how events change their rows, and how the rows are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Formatter
from typing import Any, LiteralString, Protocol

from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from vignettes.domain.events import OrderEvents
from vignettes.eventstore.codec import Kept, Recorded
from vignettes.projections.folding import folded

Row = dict[str, Any]

#: Where the tables of all editions are.
SCHEMA = "edition"

_JSON: TypeAdapter[Any] = TypeAdapter(Any)


class Interrupted(Exception):
    """The outside did not answer. That is no event's fault: the same events come again."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a view keeps in the database, and as what it is read.

    `version` is raised when its tables or the meaning of its rows change: the next deployment builds it anew.
    """

    name: str
    version: int
    #: The first is the one that `read.<name>` shows row by row.
    tables: tuple[str, ...] = ()
    #: What it shows in the schema `read`; of the view's own name first.
    shown: tuple[str, ...] = ()
    #: Calls, at a switch, for the effects of what edition $2, at position $1, has not taken in: later events, and
    #: those that wait in it.
    handover: str = ""
    #: The events that it is told of; the column of its tables that holds whose they are.
    about: tuple[type, ...] = (OrderEvents.Event,)
    id_column: str = "order_id"

    def creating(self, number: int) -> str:
        """Return the SQL that makes the tables of one edition: <name>.tables.sql beside the view."""
        return statement(_text(f"{self.name}.tables.sql"), number).decode() if self.tables else ""

    def reading(self) -> str:
        """Return the SQL that shows them to other programs: <name>.read.sql beside the view."""
        return _text(f"{self.name}.read.sql") if self.shown else ""


@dataclass(frozen=True, slots=True)
class Edition:
    """One build of a view, as its writer knows it: what is not live calls for no effects."""

    number: int
    live: bool = True
    #: Where its tables are; the checker has some of its own.
    schema: str = SCHEMA

    def sql(self, template: LiteralString) -> bytes:
        """Return a statement whose `{table}` are those of this edition."""
        return statement(template, self.number, self.schema)


class View(Protocol):
    """One reader of the log. It is told every event that it is about, in order, and then writes what follows."""

    definition: Definition

    def before(self, order: Any) -> Any:
        """Note what is needed of the order, or bank payment, before the event changes it; None when there is none."""

    def see(self, event: Recorded, order: Any, noted: Any) -> None:
        """Take in one event, and the order, or bank payment, as it is after it."""

    async def settle(self) -> None:
        """Do what must be done before the rows are written. Raises Interrupted when it can't be done now."""

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        """Write what was seen since the last time, and forget it; within the transaction that moves the position."""

    def forget(self) -> None:
        """Drop what was seen: its transaction failed, and the same events will come again."""


class Table:
    """What the views that keep tables have in common: nothing outside has to be done before their rows are written."""

    async def settle(self) -> None:
        """Need nothing: rows are all there is."""


def show(view: View, event: Recorded, order: Kept | None) -> Kept:
    """Show one event to a view that is about such; return the order, or bank payment, as it is after it."""
    if not isinstance(event.event, view.definition.about):
        return folded(order, event)
    noted = view.before(order)
    after = folded(order, event)
    view.see(event, after, noted)
    return after


@cache
def statement(template: LiteralString, number: int, schema: str = SCHEMA) -> bytes:
    """Return SQL with each `{table}` replaced by that of one edition."""
    names = {field for _, field, _, _ in Formatter().parse(template) if field}
    tables = {name: Identifier(schema, f"{name}_{number}") for name in names}
    return SQL(template).format(**tables).as_bytes(None)


@cache
def upserting(table: str, columns: tuple[str, ...], key: tuple[str, ...]) -> LiteralString:
    """Return the template that writes whole rows of a table, new ones and those that are there."""
    named = ", ".join(columns)
    changed = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in key)
    return (
        f"INSERT INTO {{{table}}} ({named}) "  # noqa: S608  # names of columns that this package wrote down
        f"SELECT {named} FROM jsonb_populate_recordset(NULL::{{{table}}}, %s) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"
    )


async def upsert(
    connection: AsyncConnection,
    edition: Edition,
    table: str,
    rows: Sequence[Row],
    *,
    key: tuple[str, ...] = ("order_id",),
) -> None:
    """Write rows that all have the same columns; one that is there, by its key, is replaced."""
    if rows:
        await write_json(connection, edition, upserting(table, tuple(rows[0]), key), rows)


async def write_json(
    connection: AsyncConnection, edition: Edition, template: LiteralString, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write many rows by one statement that takes them as a JSON array."""
    if rows:
        await connection.execute(edition.sql(template), (Jsonb(rows, dumps=_JSON.dump_json),))


def _text(name: str) -> LiteralString:
    # A file of this package, never input.
    return resources.files("vignettes.projections").joinpath(name).read_text(encoding="utf-8")
