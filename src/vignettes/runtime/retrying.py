"""Trying parked orders again, once what was wrong with them is mended."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from rich.console import Group, RenderableType
from rich.text import Text

from vignettes.domain.references import parse_number
from vignettes.eventstore.orders import order_id_of
from vignettes.eventstore.recorder import CHANNEL
from vignettes.projections.parking import WANT
from vignettes.runtime.settings import Settings
from vignettes.runtime.viewing import Standing, by_view, connected, defined, standing, way_out

#: How long nothing may happen before we give up waiting.
PATIENCE_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.1
#: How many of those that wait still are told.
_SHOWN = 20

_OUTCOME = """
SELECT e.view, m.order_id, p.topic, p.error, p.attempts, coalesce(p.wanted, false) AS is_wanted
FROM unnest(%s::int[], %s::uuid[]) AS m (edition, order_id) JOIN view.editions e ON e.id = m.edition
LEFT JOIN view.parked p ON (p.edition, p.order_id) = (m.edition, m.order_id) ORDER BY e.view, p.position
"""


class NoOrder(Exception):
    """It is neither an order number, such as V6562305984, nor an order_id."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order that was to be tried again."""

    view: str
    order_id: UUID
    topic: str | None
    """Of the event that it still waits with; None when it is up to date."""
    error: str | None
    attempts: int | None
    is_wanted: bool
    """Nobody has tried it."""


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of all of them."""

    up_to_date: list[Outcome]
    parked: list[Outcome]
    untried: list[Outcome]
    reasons: list[str]
    """Why those were not tried, view by view, with the way out."""

    @property
    def succeeded(self) -> bool:
        """Tell whether none is left."""
        return not self.parked and not self.untried


def order_id_from(text: str) -> UUID:
    """Return the id of an order named by id or number. Raises NoOrder."""
    try:
        return UUID(text)
    except ValueError:
        number = parse_number(text)
    if number is None:
        raise NoOrder(f"{text}: {NoOrder.__doc__}")
    return order_id_of(number)


def retry(
    settings: Settings, view: str | None, order: UUID | None, patience: float = PATIENCE_SECONDS
) -> Retried:
    """Want parked orders tried again by whoever writes their views, and wait for it. Raises UnknownView."""
    if view is not None:
        defined(view)
    with connected(settings, "vignettes_projector") as connection:
        meant = connection.execute(WANT, {"view": view, "order": order}).fetchall()
        outcomes = _waited_for(connection, meant, patience) if meant else []
        untried = [each for each in outcomes if each.is_wanted]
        live = {each.view: each for each in standing(connection) if each.state == "live"}
    views = dict.fromkeys(each.view for each in untried)
    return Retried(
        up_to_date=[each for each in outcomes if each.error is None],
        parked=[each for each in outcomes if each.error is not None and not each.is_wanted],
        untried=untried,
        reasons=[_reason(live[each]) for each in views],
    )


def _waited_for(
    connection: Connection[Any], meant: Sequence[tuple[int, UUID]], patience: float
) -> Sequence[Outcome]:
    """Return what became of them, when all were tried, or when nothing has happened for a while."""
    left, end = len(meant) + 1, 0.0
    while True:
        outcomes = _outcomes(connection, meant)
        wanted = sum(each.is_wanted for each in outcomes)
        if wanted < left:
            # The follower takes some at a time: word of the rest lets it go on at once.
            connection.execute("SELECT pg_notify(%s, 'retry')", (CHANNEL,))
            left, end = wanted, time.monotonic() + patience
        if not wanted or time.monotonic() >= end:
            return outcomes
        time.sleep(_LOOK_AGAIN_SECONDS)


def _outcomes(connection: Connection[Any], meant: Sequence[tuple[int, UUID]]) -> Sequence[Outcome]:
    columns = [edition for edition, _ in meant], [order_id for _, order_id in meant]
    with connection.cursor(row_factory=class_row(Outcome)) as cursor:
        return cursor.execute(_OUTCOME, columns).fetchall()


def _reason(live: Standing) -> str:
    if live.is_held:
        return f"{live.held_by} writes {live.view}, and has not come to it yet: see `vignettes projections parked`."
    return f"Nobody writes {live.view}: {way_out(live)}, and they are tried at once."


def shown(retried: Retried) -> RenderableType:
    """Tell how it went."""
    number = len(retried.up_to_date) + len(retried.parked) + len(retried.untried)
    if not number:
        return "There is nothing to try again."
    lines: list[RenderableType] = [
        Text(f"{len(retried.up_to_date):,} of {number:,} parked orders are up to date.")
    ]
    if retried.untried:
        lines.append(Text(f"{len(retried.untried):,} were not tried. {' '.join(retried.reasons)}"))
    if retried.parked:
        lines += [Text(f"{len(retried.parked):,} wait still:"), by_view(map(_told, retried.parked[:_SHOWN]))]
    if len(retried.parked) > _SHOWN:
        lines.append(Text(f"... and {len(retried.parked) - _SHOWN:,} more: `vignettes projections parked`."))
    return Group(*lines)


def _told(outcome: Outcome) -> tuple[str, Text]:
    error = f"{outcome.topic}: {outcome.error}"
    return outcome.view, Text.assemble((str(outcome.order_id), "bold"), "\n", (error, "red"))
