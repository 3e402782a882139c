"""Building a view anew from the command line, beside the live one; and watching who builds it already."""

import asyncio
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TextIO

import psycopg
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from vignettes.eventstore.connections import conninfo
from vignettes.projections import editions
from vignettes.projections.ending import end_if_cancelled
from vignettes.projections.lease import LeaseLost, holder
from vignettes.projections.rebuild import Progress, Rebuild, Switched
from vignettes.runtime import parts
from vignettes.runtime.keys import root_of
from vignettes.runtime.link import needed
from vignettes.runtime.settings import Settings, variable
from vignettes.runtime.viewing import Refused, Standing, connected, defined, standing

_LOOK_EVERY_SECONDS = 0.5
#: A database that can't be reached, or a build that comes to nothing, is tried again for so long.
_PATIENCE_SECONDS = 30.0
_CUT_OFF = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout)
#: Where there is no terminal for a bar, a line is printed so often.
_LINE_EVERY_SECONDS = 15.0

#: This process, as others see it where they look for who builds.
_US = holder().rpartition("/")[0]

#: Of a bar.
_WHOLE = 100_000
_PHASES = {
    "orders": "order by order",
    "events": "catching up",
    "waiting": "waiting for readers",
    "shown": "shown",
}


class NothingToBuild(Refused):
    """It keeps no tables that could be built anew: what was published is not published again."""


class Stopped(Refused):
    """What was built stays: the same command goes on where it was."""


class EditionGone(Refused):
    """Another process dropped what was being built, and begins another version: let the same code run everywhere."""


class NotShown(Refused):
    """It is built, but can't be shown yet."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A view that was built anew, and how that went."""

    view: str
    edition: int
    version: int
    orders: int
    """Built in all."""
    orders_now: int
    """Built since the command was given: fewer when it went on with what had been begun."""
    seconds: float
    switch_ms: float | None
    """None when another process built it, or its answer was lost."""
    completed_by: str | None
    """The other process that took over and built it to its end."""
    orders_parked: int
    retired: list[int]
    """Editions that were live before, and stay until they are dropped."""


def rebuild(settings: Settings, name: str, progress_on: Console) -> Rebuilt:
    """Build a view anew, or go on with a build that has begun, and show it in place of the live one.

    Raises UnknownView, and what is Refused.
    """
    definition = defined(name)
    if not definition.tables:
        raise NothingToBuild(f"{name} can't be rebuilt. {NothingToBuild.__doc__}")
    with connected(settings, "vignettes_owner") as owner:
        edition = editions.begin(owner, definition)
    look = _Look(settings, edition)
    with _bar(progress_on) as bars:
        try:
            bar = _Bar(bars, name, look.once())
            return asyncio.run(_until_live(_rebuild(settings, name, bar), look, bar))
        except KeyboardInterrupt:
            raise Stopped(f"Stopped. {Stopped.__doc__}") from None
        except psycopg.errors.UndefinedTable:
            raise EditionGone(EditionGone.__doc__) from None
        except psycopg.errors.DependentObjectsStillExist as error:
            why = f"{error.diag.message_primary}.\n{error.diag.message_detail}"
            raise NotShown(f"{NotShown.__doc__} {why}\nDrop that, and give the same command again.") from None
        except _CUT_OFF as error:
            raise Stopped(f"The database: {str(error).strip()}\n{Stopped.__doc__}") from None


def _rebuild(settings: Settings, name: str, bar: "_Bar") -> Rebuild:
    database = needed(settings.database_url, variable("database_url"))
    url = conninfo(database, "vignettes_projector", name="vignettes rebuilding")
    keys = parts.vault(settings)
    views = parts.views(settings, keys, root_of(settings, url))
    view = next(each for each in views if each.definition.name == name)
    return Rebuild(url, view, keys, bar.tell)


class _Look:
    """Looks at one edition, each time over a connection of its own: the last one may be lost."""

    def __init__(self, settings: Settings, edition: int) -> None:
        self._settings = settings
        self._edition = edition

    def once(self) -> Standing:
        """Return how it stands now. Raises EditionGone."""
        for each in self._all():
            if each.edition == self._edition:
                return each
        raise EditionGone(EditionGone.__doc__)

    def retired(self, view: str) -> list[int]:
        """Return the editions of its view that were live before."""
        return [each.edition for each in self._all() if each.view == view and each.state == "retired"]

    def _all(self) -> Sequence[Standing]:
        with connected(self._settings, "vignettes_projector") as connection:
            return standing(connection)


async def _until_live(rebuild: Rebuild, look: _Look, bar: "_Bar") -> Rebuilt:
    """Build unless another process does; then watch, and take over from one that is gone."""
    began, first = time.monotonic(), look.once()
    last, is_ours, switched = first, True, None
    while last.state == "building":
        try:
            if is_ours:
                switched = await _built(rebuild) or switched
            last = look.once()
            is_ours = not last.is_held or last.held_by == _US
            if last.state == "building":
                bar.watch(last)
        except _CUT_OFF as error:
            bar.lost(error)
            is_ours = True  # what the session held is free
        end_if_cancelled()
        if last.state == "building":
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
    return Rebuilt(
        view=last.view,
        edition=last.edition,
        version=last.version,
        orders=last.scan_orders,
        orders_now=last.scan_orders - first.scan_orders,
        seconds=round(time.monotonic() - began, 1),
        switch_ms=round(switched.seconds * 1000, 1) if switched else None,
        completed_by=None if switched else bar.watched,
        orders_parked=last.orders_parked,
        retired=look.retired(last.view),
    )


async def _built(rebuild: Rebuild) -> Switched | None:
    """Build; None when another process does, or was in the way: what is on record tells who goes on."""
    with suppress(LeaseLost, psycopg.errors.LockNotAvailable):
        return await rebuild.run()
    return None


# --- what is shown of it


@contextmanager
def _bar(console: Console) -> Iterator[Bars]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(compact=True),
    )
    stderr = sys.stderr
    with Bars(*columns, console=console, transient=True) as bars, _logged_to(stderr, sys.stderr):
        yield bars


@contextmanager
def _logged_to(usual: TextIO, instead: TextIO) -> Iterator[None]:
    """Let what is logged appear above the bar, and not in it."""
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)]
    redirected = [each for each in handlers if each.stream is usual]
    for each in redirected:
        each.setStream(instead)
    try:
        yield
    finally:
        for each in redirected:
            each.setStream(usual)


class _Bar:
    """Shows how far a build is: of its orders, then of the events since."""

    def __init__(self, bars: Bars, view: str, first: Standing) -> None:
        self._bars = bars
        self._view = view
        self._phase = ""
        #: The other process that builds it.
        self.watched: str | None = None
        self._is_lost = False
        self._heard_at = time.monotonic()
        self._from = (time.monotonic(), first.scan_orders)
        self._line_at = time.monotonic() + _LINE_EVERY_SECONDS
        self._task = bars.add_task(view, total=_WHOLE, completed=_part(first.share), told="")
        if first.scan_orders:
            bars.console.print(
                f"Going on with edition {first.edition} of {view}: {first.scan_orders:,} orders are built."
            )

    def tell(self, progress: Progress) -> None:
        """Show what our own build tells."""
        self._hear()
        self.watched = None
        self._tell(progress)

    def watch(self, standing: Standing) -> None:
        """Show what the build of another process has written down."""
        if standing.is_held and standing.held_by != _US:
            self._hear()
            if self.watched != standing.held_by:
                self.watched = standing.held_by
                self._bars.console.print(f"{self.watched} builds {self._view}: this is its progress.")
        if standing.scan_until is not None:
            self._tell(
                Progress(self._view, standing.edition, "orders", standing.share, standing.scan_orders, 0)
            )
        else:
            self._show("events", standing.share, f"{standing.events_behind or 0:,} behind")

    def lost(self, error: psycopg.Error) -> None:
        """Say that it is tried again. Raises the error when nothing was heard of any build for too long."""
        if time.monotonic() - self._heard_at > _PATIENCE_SECONDS:
            raise error
        if not self._is_lost:
            self._bars.console.print(f"The database: {str(error).strip()}\nTrying again.", markup=False)
        self._is_lost = True

    def _hear(self) -> None:
        self._is_lost = False
        self._heard_at = time.monotonic()

    def _tell(self, progress: Progress) -> None:
        began, orders = self._from
        rate = (progress.orders - orders) / max(time.monotonic() - began, 0.001)
        told = f"{rate:,.0f} orders/s" if progress.phase == "orders" else f"{progress.behind:,} behind"
        self._show(progress.phase, progress.done, told)

    def _show(self, phase: str, done: float, told: str) -> None:
        description = f"{self._view}: {_PHASES[phase]}"
        if self._phase and phase != self._phase:
            self._bars.reset(self._task)  # another measure: what was estimated is void
        self._phase = phase
        self._bars.update(self._task, completed=_part(done), description=description, told=told)
        if not self._bars.console.is_terminal and time.monotonic() >= self._line_at:
            self._bars.console.print(f"{description}, {done:.0%}, {told}")
            self._line_at = time.monotonic() + _LINE_EVERY_SECONDS


def _part(done: float) -> int:
    return round(done * _WHOLE)


def shown(rebuilt: Rebuilt) -> str:
    """Tell how it went."""
    number = f"{rebuilt.orders:,} orders"
    if rebuilt.orders_now != rebuilt.orders:
        number += f", the last {rebuilt.orders_now:,} of them"
    rate = rebuilt.orders_now / max(rebuilt.seconds, 0.1)
    switch = "" if rebuilt.switch_ms is None else f" The switch took {rebuilt.switch_ms} ms."
    by_another = f" {rebuilt.completed_by} completed it." if rebuilt.completed_by else ""
    waiting = f"{rebuilt.orders_parked:,} orders are parked in it: see `vignettes projections parked`."
    lines = [
        f"{rebuilt.view} is live as edition {rebuilt.edition}, version {rebuilt.version}.",
        f"{number} in {rebuilt.seconds} s, {rate:,.0f} a second.{switch}{by_another}",
        waiting if rebuilt.orders_parked else "No order is parked in it.",
    ]
    if rebuilt.retired:
        one = len(rebuilt.retired) == 1
        names = f"Edition {rebuilt.retired[0]}" if one else f"Editions {', '.join(map(str, rebuilt.retired))}"
        way_out = f"`vignettes projections drop {rebuilt.view}`"
        lines.append(f"{names}, live before, {'stays' if one else 'stay'} until {way_out}.")
    return "\n".join(lines)
