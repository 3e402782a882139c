"""`vignettes top`: a running service in a terminal, looked at again each second."""

import asyncio
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic_core import to_jsonable_python
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vignettes.runtime.local_times import lasting
from vignettes.runtime.looking import Frame, Kept, Looking, Role, There, ViewLag, Waiting
from vignettes.runtime.settings import Settings

_EVERY_SECONDS: Final = 1.0
#: A look that is slow, as among millions of orders, is taken more rarely: it must not become what is slow.
_TIMES_AS_LONG: Final = 10
_LEFT, _RIGHT = 37, 41
_SLOW_SECONDS: Final = 5.0
_ALARMING: Final = ("action_needed", "on_hold")


async def once(settings: Settings) -> Frame:
    """Take one look."""
    looking = Looking(settings)
    try:
        return await looking.look()
    finally:
        await looking.close()


async def watch(settings: Settings, console: Console) -> None:
    """Look again and again, until q or Ctrl-C."""
    looking, stop = Looking(settings), asyncio.Event()
    try:
        with _ended_by_a_key(stop), Live(console=console, screen=True, auto_refresh=False) as live:
            while not stop.is_set():
                frame = await looking.look()
                live.update(Group(shown(frame), Text("q ends", style="dim")), refresh=True)
                await _rest(stop, max(_EVERY_SECONDS - frame.seconds, frame.seconds * _TIMES_AS_LONG - 5.0))
    finally:
        await looking.close()


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), max(seconds, 0.1))
    except TimeoutError:
        return


@contextmanager
def _ended_by_a_key(stop: asyncio.Event) -> Iterator[None]:
    """Listen for q without waiting for the end of a line, and leave the terminal as it was."""
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    if not sys.stdin.isatty():
        yield
        return
    known, descriptor = termios.tcgetattr(sys.stdin), sys.stdin.fileno()

    def pressed() -> None:
        if sys.stdin.read(1) in {"q", "Q", ""}:
            stop.set()

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, pressed)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, known)


# --- what is shown of it: 80 columns and 24 lines


def as_json(frame: Frame) -> dict[str, Any]:
    """Return the same for programs."""
    told: dict[str, Any] = to_jsonable_python({"kept": frame.kept, "there": frame.there})
    return told


def shown(frame: Frame) -> RenderableType:
    """Show one look."""
    page = Table.grid(padding=(0, 2))
    page.add_column(width=_LEFT)
    page.add_column(width=_RIGHT)
    kept = frame.kept
    left: list[RenderableType] = (
        [_orders(kept), Text(), _waiting(kept)] if kept else [_missing("PostgreSQL does not answer")]
    )
    right: list[RenderableType] = [_views(kept.views), Text()] if kept else []
    right.append(_processes(frame.there) if frame.there else _missing("NATS does not answer"))
    page.add_row(Group(*left), Group(*right))
    return Group(_title(frame), page)


def _title(frame: Frame) -> Text:
    title = Text("vignettes", style="bold")
    if frame.kept:
        title.append(f"   {frame.kept.waiting.now:%Y-%m-%d %H:%M:%S}Z   position {frame.kept.waiting.head:,}")
    if frame.there:
        rate = frame.there.commands_per_second
        title.append(
            f"   {frame.there.commands:,} commands" if rate is None else f"   {rate:,.0f} commands/s"
        )
    return title


def _missing(what: str) -> Text:
    return Text(what, style="bold red")


def _orders(kept: Kept) -> Table:
    table = _table("Orders", f"{sum(kept.orders.values()):,}", width=_LEFT)
    for status, count in kept.orders.items():
        style = "dim" if not count else "yellow" if status in _ALARMING else ""
        table.add_row(Text(status.replace("_", " "), style=style), Text(f"{count:,}", style=style))
    return table


def _waiting(kept: Kept) -> Table:
    now = kept.waiting
    table = _table("Waiting", "", width=_LEFT)
    for name, text, is_alarming in _rows(kept, now):
        table.add_row(name, Text(text, style="red" if is_alarming else ""))
    return table


def _rows(kept: Kept, now: Waiting) -> Iterator[tuple[str, str, bool]]:
    yield "next due", f"in {lasting(now.next_due - now.now)}" if now.next_due else "nothing", False
    yield "late", f"{now.late:,}, {lasting(now.latest)}" if now.late else "0", bool(now.late)
    yield "mails", f"{now.mails:,}{_for(now.oldest_mail, now.now)}", False
    yield "money in review", f"{now.in_review + now.unplaced:,}", bool(now.unplaced)
    parked = sum(view.orders_parked for view in kept.views)
    yield "parked", f"{parked:,}", bool(parked)
    closed = [country for country, state in kept.authorities.items() if state != "closed"]
    yield "authorities", f"not called: {' '.join(closed)}" if closed else "all called", bool(closed)
    signed = f"{now.head_size:,}{_for(now.head_at, now.now)}" if now.head_at else "none"
    yield "signed head", signed, False
    yield "unsigned", f"{now.unsigned:,}", False


def _for(since: datetime | None, now: datetime) -> str:
    return f", {lasting(max(now - since, timedelta()))} ago" if since else ""


def _views(views: Sequence[ViewLag]) -> Table:
    table = _table("View", "events", "behind", width=_RIGHT)
    for view in views:
        name = Text(view.view, style="" if view.is_held else "red")
        if view.orders_parked or view.orders_drifted:
            name.append(f" {view.orders_parked} parked {view.orders_drifted} off", style="red")
        style = "red" if view.seconds_behind > _SLOW_SECONDS else ""
        table.add_row(name, Text(f"{view.events_behind:,}", style=style), f"{view.seconds_behind:,.1f} s")
    return table


def _processes(there: There) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=_RIGHT // 2)
    table.add_column(width=_RIGHT // 2)
    cells = [Text("Processes", style="bold"), *map(_process, there.roles)]
    half = (len(cells) + 1) // 2
    for first, second in zip(cells[:half], [*cells[half:], Text()], strict=False):
        table.add_row(first, second)
    return table


def _process(role: Role) -> Text:
    told = Text(f"{role.name} {role.processes}", style="" if role.processes else "bold red")
    if role.restarts:
        told.append(f" ↻{role.restarts}", style="yellow")
    return told


def _table(name: str, *values: str, width: int) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, ratio=1)
    for _ in values:
        table.add_column(justify="right", no_wrap=True)
    table.width = width
    table.add_row(*(Text(each, style="bold") for each in (name, *values)))
    return table
