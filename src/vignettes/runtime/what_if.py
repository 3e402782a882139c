"""What would be due when, if orders were served by another lead: open orders replayed from the log."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from rich import box
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from vignettes.domain.catalogue import PRODUCTS, zone
from vignettes.domain.order import Order
from vignettes.domain.outages import Outage
from vignettes.domain.schedule import Deadline
from vignettes.eventstore.connections import conninfo
from vignettes.projections.folding import Log, folded
from vignettes.runtime import parts
from vignettes.runtime.link import needed
from vignettes.runtime.local_times import lasting, minute
from vignettes.runtime.settings import Settings, variable

_HOUR = timedelta(hours=1)
#: Orders that are folded at a time.
_BATCH = 500

_NOW = "SELECT clock.now(), coalesce(max(notification_id), 0) FROM log.events"
_OUTAGES = """
SELECT outage_id AS id, country, begins_at, ends_at FROM read.outages
WHERE withdrawn_at IS NULL AND ends_at > clock.now()
"""
_WAITING = """
SELECT country, order_id FROM read.deadlines
WHERE purpose = 'registration' AND ended_at IS NULL AND country = coalesce(%s, country) ORDER BY country, order_id
"""


@dataclass(frozen=True, slots=True)
class Move:
    """An order that would be due at another time."""

    order_id: UUID
    order_number: str
    country: str
    product: str
    zone: str
    starts_at: datetime
    due_at: datetime
    rule: str
    would_be_due_at: datetime
    would_be_rule: str
    at_once: bool
    """It would be overdue by now, and so start at once."""

    @property
    def by(self) -> timedelta:
        """How far: below 0 when it would be due earlier."""
        return self.would_be_due_at - self.due_at


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What another lead would change, the largest moves first."""

    lead: timedelta
    country: str | None
    at: datetime
    position: int
    orders: int
    """Those that wait for their start."""
    moves: Sequence[Move]

    @property
    def counts(self) -> dict[str, int]:
        """How many orders would move, and how."""
        earlier = sum(move.by < timedelta(0) for move in self.moves)
        return {
            "orders": self.orders,
            "would_move": len(self.moves),
            "earlier": earlier,
            "later": len(self.moves) - earlier,
            "at_once": sum(move.at_once for move in self.moves),
        }

    @property
    def own_leads(self) -> Mapping[str, timedelta]:
        """The countries that have a lead of their own: nothing moves there."""
        known = {each.country: each.lead for each in PRODUCTS.values() if each.lead is not None}
        return {name: lead for name, lead in known.items() if self.country in {None, name}}


def what_if(settings: Settings, lead: timedelta, country: str | None, progress_on: Console) -> WhatIf:
    """Replay every open order that waits for its start, and return which would move. Records nothing."""
    url = conninfo(
        needed(settings.database_url, variable("database_url")),
        "vignettes_projector",
        name="vignettes what-if",
    )

    async def replayed() -> WhatIf:
        async with await AsyncConnection.connect(url, autocommit=True) as connection:
            return await _replay(connection, Log(parts.vault(settings)), lead, country, progress_on)

    return asyncio.run(replayed())


async def _replay(
    connection: AsyncConnection, log: Log, lead: timedelta, country: str | None, progress_on: Console
) -> WhatIf:
    [(now, position)] = await (await connection.execute(_NOW)).fetchall()
    waiting = await (await connection.execute(_WAITING, (country,))).fetchall()
    question = _Question(lead, now, await _announced(connection))
    orders = 0
    moves: list[Move] = []
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=28), MofNCompleteColumn())
    with Progress(*columns, console=progress_on, transient=True) as progress:
        task = progress.add_task("replaying", total=len(waiting))
        for first in range(0, len(waiting), _BATCH):
            batch = waiting[first : first + _BATCH]
            async for order in _folded(connection, log, [order_id for _, order_id in batch], position):
                orders += order.deadline is not None
                moves += question.asked_of(order)
            progress.update(task, advance=len(batch), description=f"replaying {batch[-1][0]}")
    moves.sort(key=lambda move: (-abs(move.by), move.due_at, move.order_number))
    return WhatIf(lead, country, now, position, orders, moves)


async def _announced(connection: AsyncConnection) -> Sequence[Outage]:
    async with connection.cursor(row_factory=class_row(Outage)) as cursor:
        return await (await cursor.execute(_OUTAGES)).fetchall()


async def _folded(
    connection: AsyncConnection, log: Log, order_ids: Sequence[UUID], upto: int
) -> AsyncIterator[Order]:
    """Give these orders as the log has them at a position."""
    await log.load_keys(connection, order_ids)
    order, last = None, None
    for row in await log.of(connection, order_ids, upto):
        if isinstance(order, Order) and row.order_id != last:
            yield order
            order = None
        order, last = folded(order, log.decode(row)), row.order_id
    if isinstance(order, Order):
        yield order


@dataclass(frozen=True, slots=True)
class _Question:
    """When an order would be due by another lead, and in view of the outages that are announced by now."""

    lead: timedelta
    now: datetime
    outages: Sequence[Outage]

    def asked_of(self, order: Order) -> Iterator[Move]:
        """Give how it would move, if it would."""
        known = order.deadline
        would_be = order.deadline_under(replace(order.terms, lead=self.lead))
        if known is None or would_be is None:
            return
        country = order.details.bought.country
        unregarded = [
            each for each in self.outages if each.country == country and each.id not in order.outages
        ]
        would_be = would_be.ahead_of(unregarded, self.now)
        # What is overdue starts at once, whether for a minute or an hour.
        at_once = would_be.due_at <= self.now
        then = max(would_be.due_at, self.now)
        if would_be.due_at != known.due_at and then != max(known.due_at, self.now):
            yield _move(order, known, replace(would_be, due_at=then), at_once=at_once)


def _move(order: Order, known: Deadline, would_be: Deadline, *, at_once: bool) -> Move:
    return Move(
        order_id=order.id,
        order_number=order.number,
        country=order.details.bought.country,
        product=order.details.product,
        zone=known.zone,
        starts_at=known.starts_at,
        due_at=known.due_at,
        rule=str(known.rule),
        would_be_due_at=would_be.due_at,
        would_be_rule=str(would_be.rule),
        at_once=at_once,
    )


# --- what is shown of it


def shown(found: WhatIf, limit: int) -> RenderableType:
    """Show people what would move, in the zone of each authority."""
    return Group(*_moves_shown(found.moves, limit), summary(found))


def _moves_shown(moves: Sequence[Move], limit: int) -> Iterator[RenderableType]:
    if not moves or not limit:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Order", "Country", "Product", "Starts (local)", "Due now", "Due then"):
        table.add_column(name, no_wrap=True)
    table.add_column("Moved by", justify="right", no_wrap=True)
    for move in moves[:limit]:
        then = Text(f"{_local(move.would_be_due_at, move)} {move.would_be_rule}")
        if move.at_once:
            then = Text("at once", style="yellow")
        now = f"{_local(move.due_at, move)} {move.rule}"
        starts = _local(move.starts_at, move)
        table.add_row(move.order_number, move.country, move.product, starts, now, then, _moved_by(move))
    yield table
    if len(moves) > limit:
        yield f"... and {len(moves) - limit:,} more that move less: --limit {len(moves)} or --json has them."


def summary(found: WhatIf) -> str:
    """Tell how many of the orders that wait for their start would move, and where nothing does."""
    counts = found.counts
    where = f" in {found.country}" if found.country else ""
    waiting, moving = (f"{counts[name]:,}" for name in ("orders", "would_move"))
    how = ", ".join(f"{counts[name]:,} {name}" for name in ("earlier", "later"))
    lines = [
        f"With a lead of {lasting(found.lead)} {moving} of {waiting} open orders{where} would move.",
        f"{how}; due at once: {counts['at_once']:,}.",
    ]
    for name, lead in found.own_leads.items():
        lines.append(f"{name} has a lead of its own in the catalogue, {lasting(lead)}: nothing moves there.")
    return "\n".join(lines)


def as_json(found: WhatIf) -> dict[str, Any]:
    """Return the same for programs."""
    moves = [{**asdict(move), "moved_by_seconds": move.by.total_seconds()} for move in found.moves]
    return {
        "lead_hours": found.lead / _HOUR,
        "country": found.country,
        "at": found.at,
        "as_of_position": found.position,
        **found.counts,
        "own_lead_hours": {name: lead / _HOUR for name, lead in found.own_leads.items()},
        "moves": moves,
    }


def _local(at: datetime, move: Move) -> str:
    return minute(at.astimezone(zone(move.zone)))


def _moved_by(move: Move) -> str:
    sign = "-" if move.by < timedelta(0) else "+"
    return f"{sign}{lasting(move.by)}"
