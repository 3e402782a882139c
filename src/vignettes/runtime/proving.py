"""Comparing views with the log from the command line."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import AsyncConnection
from rich.console import Console, Group, RenderableType
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from vignettes.eventstore.connections import conninfo
from vignettes.projections.checking import WHOLE_ROW, Checked, Checker, Drift
from vignettes.runtime import parts
from vignettes.runtime.keys import root_of
from vignettes.runtime.link import needed
from vignettes.runtime.settings import Settings, variable
from vignettes.runtime.viewing import Refused, defined

#: How many orders with drift are told one by one.
_SHOWN = 50


class NothingToCompare(Refused):
    """It keeps no rows that could be compared with the log."""


@dataclass(slots=True)
class Proof:
    """What a comparison has found."""

    views: list[str]
    """Those that were to be compared."""
    orders: int = 0
    drift: list[Drift] = field(default_factory=list)
    compared: set[str] = field(default_factory=set)

    @property
    def not_compared(self) -> list[str]:
        """Views whose live edition is of another version than this code."""
        return [each for each in self.views if each not in self.compared]

    @property
    def holds(self) -> bool:
        """Tell whether everything was compared, and nothing differs."""
        return not self.drift and not self.not_compared


def check(
    settings: Settings, name: str | None, order: UUID | None, sample: int | None, progress_on: Console
) -> Proof:
    """Compare one view or all with the log: every order, one, or some picked by chance.

    Raises UnknownView.
    """
    url = conninfo(
        needed(settings.database_url, variable("database_url")),
        "vignettes_projector",
        name="vignettes checking",
    )
    keys = parts.vault(settings)
    views = parts.views(settings, keys, root_of(settings, url))
    if name is not None:
        if not defined(name).tables:
            raise NothingToCompare(f"{name} can't be checked. {NothingToCompare.__doc__}")
        views = [view for view in views if view.definition.name == name]
    proof = Proof([view.definition.name for view in views])

    async def compare() -> None:
        async with await AsyncConnection.connect(url, autocommit=True) as connection:
            checker = Checker(connection, views, keys)
            with Progress(console=progress_on, transient=True) as progress:
                task = progress.add_task("comparing with the log", total=1.0)
                async for each in _looks(checker, order, sample):
                    proof.orders += each.orders
                    proof.drift += each.drift
                    proof.compared |= set(each.views)
                    progress.update(
                        task, completed=each.done, description=f"{proof.orders:,} orders compared"
                    )

    asyncio.run(compare())
    return proof


async def _looks(checker: Checker, order: UUID | None, sample: int | None) -> AsyncIterator[Checked]:
    if order is not None:
        yield await checker.order(order)
    elif sample is not None:
        yield await checker.sample(sample, random.SystemRandom())
    else:
        async for each in checker.everything():
            yield each


def shown(proof: Proof) -> RenderableType:
    """Show what was found to people."""
    compared = f"{proof.orders:,} orders compared in {', '.join(sorted(proof.compared)) or 'no view'}"
    if proof.not_compared:
        missing = ", ".join(proof.not_compared)
        compared += f" (not in {missing}: live in another version than this code's, build it first)"
    if not proof.drift:
        return Text(f"{compared}: every row is what the log says.")
    table = Table("View", "Order", "What differs", box=None)
    for each in proof.drift[:_SHOWN]:
        what = "a row is missing, or one too many" if WHOLE_ROW in each.columns else ", ".join(each.columns)
        table.add_row(each.view, str(each.order_id), what)
    wrong = len({each.order_id for each in proof.drift})
    views = " ".join(sorted({each.view for each in proof.drift}))
    more = f"... and {len(proof.drift) - _SHOWN:,} more" if len(proof.drift) > _SHOWN else ""
    way_out = f"Build them anew: vignettes projections rebuild NAME, for {views}."
    return Group(
        Text(f"{compared}: {wrong:,} of them differ.", style="red"), table, *([more] if more else []), way_out
    )
