"""The commands of `vignettes outages`."""

from typing import Annotated
from uuid import UUID, uuid4

import typer
from pydantic_core import to_jsonable_python

from vignettes.runtime.console import Actor, AsJson, OneCountry, answered, err, out, served, settings_for

outages_app = typer.Typer(
    help="Outages that authorities have announced: registrations in their way are brought forward.",
    no_args_is_help=True,
)
_TIME = "With its offset (2026-12-05T22:00:00+01:00), or a local time of the authority (2026-12-05 22:00)."


@outages_app.command("add")
def outages_add(
    *,
    country: Annotated[
        str, typer.Option(parser=served, metavar="COUNTRY", help="The authority's, such as CZ.")
    ],
    since: Annotated[
        str, typer.Option("--from", metavar="TIME", help=f"When the authority will be gone. {_TIME}")
    ],
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="When it will be there again; as --from.")
    ],
    note: Annotated[str | None, typer.Option(help="In a line, what was announced and where.")] = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Put an announced outage on record: registrations in its way come before it, where they still can.

    Waits some seconds for them, and tells how many were brought forward by then.
    """
    from vignettes.domain.catalogue import ZONES  # noqa: PLC0415
    from vignettes.messages.outages import AnnounceOutage  # noqa: PLC0415
    from vignettes.runtime import announcing  # noqa: PLC0415
    from vignettes.runtime.local_times import instant  # noqa: PLC0415

    zone = ZONES[country]
    begins_at, ends_at = instant(since, zone, "--from"), instant(until, zone, "--until")
    if ends_at <= begins_at:
        raise typer.BadParameter("It must lie after --from.", param_hint="--until")
    settings = settings_for("outages")
    reply = announcing.ask(
        settings,
        AnnounceOutage,
        command_id=uuid4(),
        actor=actor,
        country=country,
        begins_at=begins_at.isoformat(),
        ends_at=ends_at.isoformat(),
        note=note,
    )
    on_record = announcing.announced_shown(answered(reply))
    if not as_json:
        out.print(on_record, highlight=False)
    touched = announcing.follow(settings, reply["outage_id"], err)
    if as_json:
        out.print_json(data=to_jsonable_python({**reply, "registrations": touched}))
    elif touched:
        out.print(announcing.touched_shown(touched), highlight=False)


@outages_app.command("withdraw")
def outages_withdraw(
    outage: Annotated[UUID, typer.Argument(metavar="ID", help="As `outages list` names it.")],
    *,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Put on record that an announced outage will not take place; it stays in the history."""
    from vignettes.messages.outages import WithdrawOutage  # noqa: PLC0415
    from vignettes.runtime import announcing  # noqa: PLC0415

    settings = settings_for("outages")
    reply = announcing.ask(settings, WithdrawOutage, command_id=uuid4(), actor=actor, outage_id=outage)
    answered(reply)
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(announcing.withdrawn_shown(reply), highlight=False)


@outages_app.command("list")
def outages_list(
    *,
    country: OneCountry = None,
    every: Annotated[
        bool, typer.Option("--all", help="Those too that have ended or were withdrawn.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the announced outages that have not ended, each in its authority's zone and in UTC."""
    from vignettes.messages.outages import AskOutages  # noqa: PLC0415
    from vignettes.runtime import announcing  # noqa: PLC0415

    only = {"country": country} if country else {}
    reply = answered(announcing.ask(settings_for("outages"), AskOutages, all=every, **only))
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(announcing.listed_shown(reply["outages"]), highlight=False)
