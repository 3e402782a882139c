"""The books, from the command line: what came in, and where it is."""

import json
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from vignettes.messages.payments import AskBalance
from vignettes.runtime import asking
from vignettes.runtime.settings import Settings
from vignettes.services.statements.amounts import written

_COLUMNS = {"money_in": "Money in", "matched": "Matched", "in_review": "In review", "returned": "Returned"}


async def balance(settings: Settings, since: datetime | None, until: datetime | None) -> dict[str, Any]:
    """Ask how the money stands, of some days or of all."""
    days = {"since": since, "until": until}
    body = {name: at.date().isoformat() for name, at in days.items() if at}
    return await asking.ask(settings, AskBalance.subject, json.dumps(body).encode())


def shown(reply: dict[str, Any]) -> RenderableType:
    """Show the days and their sums to people, and whether they add up."""
    if not reply["days"]:
        return "No money has moved."
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=False)
    table.add_column("Day")
    for title in _COLUMNS.values():
        table.add_column(title, justify="right", overflow="fold")  # never cut: it would be another amount
    for each in reply["days"]:
        table.add_row(each["day"], *_amounts(each))
    table.add_section()
    for each in reply["totals"]:
        table.add_row("Sum", *_amounts(each), style="bold")
    return Group(table, *map(_owed, filter(_is_owed, reply["totals"])), _verdict(reply))


def _amounts(booked: dict[str, Any]) -> list[str]:
    return [written(booked[name], booked["currency"]) for name in _COLUMNS]


def _is_owed(booked: dict[str, Any]) -> bool:
    return bool(min(booked["in_review"], booked["matched"]) < 0)


def _owed(booked: dict[str, Any]) -> str:
    owed = -sum(min(0, booked[name]) for name in ("in_review", "matched"))
    return f"Owed to us, by payers who got it back twice: {written(owed, booked['currency'])}."


def _verdict(reply: dict[str, Any]) -> str:
    upto = f"as of position {reply['as_of_position']:,} of the log."
    if reply["equal"]:
        return f"Money in = matched + in review + returned, {upto}"
    return f"[red]The books do not add up[/], {upto}"
