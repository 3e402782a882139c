"""The commands of `vignettes deadlines`."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic_core import to_jsonable_python

from vignettes.runtime.console import Actor, AsJson, OneCountry, err, out, settings_for

if TYPE_CHECKING:
    from vignettes.runtime.settings import Settings
    from vignettes.runtime.what_if import WhatIf

deadlines_app = typer.Typer(
    help="When registrations are due: in the next hours, and what if they were served by another lead.",
    no_args_is_help=True,
)

_LEAD = re.compile(r"(\d+(?:\.\d+)?)(d|h|m|min)", re.ASCII | re.IGNORECASE)
_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
}
_LONGEST = timedelta(days=30)


def _lead(text: str) -> timedelta:
    """Read a lead such as 24h, 90m or 0."""
    if text == "0":
        return timedelta(0)
    found = _LEAD.fullmatch(text)
    lead = float(found[1]) * _UNITS[found[2].lower()] if found else None
    if lead is None or lead > _LONGEST:
        raise typer.BadParameter(f"{text}: give 24h, 90m or 0, and no more than 30d.")
    return lead


Lead = Annotated[
    timedelta,
    typer.Option(parser=_lead, metavar="LEAD", help="Such as 24h, 90m or 0: before the start of validity."),
]


@deadlines_app.command("list")
def deadlines_list(
    *,
    country: OneCountry = None,
    hours: Annotated[int, typer.Option(min=1, max=24 * 366, help="How many hours ahead.")] = 24,
    as_json: AsJson = False,
) -> None:
    """Show what falls due in the next hours, hour by hour and country by country."""
    from vignettes.runtime import due_soon  # noqa: PLC0415

    found = due_soon.due(settings_for("deadlines"), hours, country)
    if as_json:
        out.print_json(data=to_jsonable_python({"due": found}))
    else:
        out.print(due_soon.shown(found, hours))


@deadlines_app.command("what-if")
def deadlines_what_if(
    *,
    lead: Lead,
    country: OneCountry = None,
    limit: Annotated[int, typer.Option(min=0, help="How many orders to show; --json has all.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Replay the orders that wait for their start under another lead, and show which would move. Records nothing.

    Announced outages count as they do for the service. What is due by another rule (a wish to start at once, the
    authority's notice, the money's late arrival) does not move, nor does a country with a lead of its own.
    """
    from vignettes.runtime import what_if  # noqa: PLC0415

    found = _replayed(settings_for("deadlines"), lead, country)
    if as_json:
        out.print_json(data=to_jsonable_python(what_if.as_json(found)))
    else:
        out.print(what_if.shown(found, limit), highlight=False)


@deadlines_app.command("apply")
def deadlines_apply(
    *,
    lead: Lead,
    country: OneCountry = None,
    actor: Actor,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    as_json: AsJson = False,
) -> None:
    """Serve the orders that wait for their start, and would move, by another lead from now on.

    New orders follow VIGNETTES_LEAD_HOURS, and those that are not paid yet keep the lead they were placed with. Stopped
    half way, the same command goes on with the orders that are left. Exit code 1 when some were refused.
    """
    from vignettes.runtime import applying, what_if  # noqa: PLC0415

    settings = settings_for("deadlines")
    found = _replayed(settings, lead, country)
    (err if as_json else out).print(what_if.summary(found), highlight=False)
    if found.moves and not yes:
        typer.confirm(f"Move the registration of {len(found.moves):,} orders?", abort=True, err=True)
    applied = applying.apply(settings, found.moves, lead, actor, err)
    if as_json:
        out.print_json(data=to_jsonable_python(applied))
    else:
        out.print(applying.shown(applied), highlight=False)
    raise typer.Exit(1 if applied.refused else 0)


def _replayed(settings: "Settings", lead: timedelta, country: str | None) -> "WhatIf":
    from vignettes.runtime import what_if  # noqa: PLC0415

    return what_if.what_if(settings, lead, country, err)
