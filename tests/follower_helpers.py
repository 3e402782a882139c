"""Followers of the log, run and watched: where views stand, who writes them, and each position that was written."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from eventstore_helpers import DOMAIN, all_views, ask, empty_views, fold, tables
from service import until
from vignettes.domain.order import Order
from vignettes.eventstore.codec import Recorded
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.personal import Vault
from vignettes.projections.emails import EmailsView
from vignettes.projections.follower import Follower, Following
from vignettes.projections.view import Edition, View

#: Under this name the followers of tests are connected.
NAME = "vignettes projecting"


@asynccontextmanager
async def following(database: str, vault: Vault, *views: View) -> "AsyncIterator[asyncio.Task[None]]":
    """Run views as the role does, until the block ends."""
    follower = Follower(conninfo(database, "vignettes_projector", name=NAME), views, vault)
    task = asyncio.create_task(follower.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def take_in(follower: Following) -> None:
    """Bring the views that it leads to the end of the log."""
    while (await follower.advance()).more:
        pass


def head(database: str) -> int:
    """Return the position of the last event."""
    return ask(database, "SELECT coalesce(max(notification_id), 0) FROM log.events")[0]


def live(database: str, view: str, what: str = "id") -> Any:
    """Return the number of the live edition of a view, or another column of it."""
    query = f"SELECT {what} FROM view.editions WHERE view = %s AND state = 'live'"
    return next(iter(ask(database, query, view)), None)


def position(database: str, view: str) -> int:
    """Return how far the live edition of a view is."""
    return live(database, view, "position")


def a_view(name: str, vault: Vault) -> View:
    """Return one view by its name, new and empty."""
    return next(view for view in all_views(vault) if view.definition.name == name)


def names(vault: Vault) -> list[str]:
    """Return the names of all views."""
    return [view.definition.name for view in all_views(vault)]


async def caught_up(database: str, *views: str, seconds: float = 15.0) -> None:
    """Wait until some views know the whole log."""

    async def look() -> bool:
        return all(position(database, view) == head(database) for view in views or ("order_status",))

    await until(look, seconds)


async def refolded(database: str, vault: Vault) -> dict[str, list[dict[str, Any]]]:
    """Throw all views away, and return what a fold from zero makes of the log."""
    empty_views(database)
    await fold(database, vault, *all_views(vault))
    return tables(database)


def without(order: Order, rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return what views tell of all orders but one."""
    return {view: [row for row in told if _whose(row) != str(order.id)] for view, told in rows.items()}


def only(order: Order, rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return what views tell of one order."""
    return {view: [row for row in told if _whose(row) == str(order.id)] for view, told in rows.items()}


def _whose(row: dict[str, Any]) -> str:
    return next(row[name] for name in ("order_id", "source_id", "payment_id") if name in row)


class Counted(EmailsView):
    """Keeps, in the transaction of its rows, the positions whose rows it writes."""

    def __init__(self, vault: Vault) -> None:
        super().__init__(DOMAIN, vault)
        self._seen: list[int] = []

    @staticmethod
    def prepare(database: str) -> None:
        """Make the table that they are kept in."""
        ask(database, "CREATE TABLE public.counted (position bigint, at bigint GENERATED ALWAYS AS IDENTITY)")
        ask(database, "GRANT SELECT, INSERT ON public.counted TO vignettes_projector")

    @staticmethod
    def positions(database: str) -> Sequence[int]:
        """Return every position that was written, in the order in which that was done."""
        return ask(database, "SELECT position FROM public.counted ORDER BY at")

    def see(self, event: Recorded, order: Order, noted: bool) -> None:
        super().see(event, order, noted)
        self._seen.append(event.position)

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        query = "INSERT INTO public.counted (position) SELECT unnest(%s::bigint[])"
        await connection.execute(query, (list(self._seen),))
        await super().write(connection, edition)

    def forget(self) -> None:
        super().forget()
        self._seen.clear()


def spoil(database: str, order_id: UUID, version: int, column: str, value: str | bytes) -> Any:
    """Change a stored event as only a superuser can who switches the log's guards off; return what it was."""
    place = "originator_id = %s AND originator_version = %s"
    [was] = ask(database, f"SELECT {column} FROM log.events WHERE {place}", order_id, version)
    ask(database, "ALTER TABLE log.events DISABLE TRIGGER events_are_for_ever")
    ask(database, f"UPDATE log.events SET {column} = %s WHERE {place}", value, order_id, version)
    ask(database, "ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_are_for_ever")
    return was
