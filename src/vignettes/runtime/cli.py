"""The commands of `vignettes`. Exit codes: 0 done, 1 refused, 2 misuse.

Imports stand in the commands: --help shall not load half the world.
"""
# ruff: noqa: PLC0415

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.table import Table

from vignettes.domain.personal import DataClass
from vignettes.runtime.audit_cli import audit_app
from vignettes.runtime.console import Actor, AsJson, answered, err, instant, out, settings_for
from vignettes.runtime.deadlines_cli import deadlines_app
from vignettes.runtime.doctor_cli import doctor, top
from vignettes.runtime.outages_cli import outages_app
from vignettes.runtime.payments_cli import payments_app
from vignettes.runtime.settings import ConfigurationError, is_set, origins
from vignettes.runtime.staff_cli import staff_app
from vignettes.runtime.support_cli import support_app
from vignettes.runtime.views_cli import projections_app

app = typer.Typer(
    name="vignettes",
    help="Order processing for motorway e-vignettes. Settings: `vignettes settings`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys_app = typer.Typer(help="The keys of personal data.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(projections_app, name="projections")
app.add_typer(outages_app, name="outages")
app.add_typer(deadlines_app, name="deadlines")
app.add_typer(payments_app, name="payments")
app.add_typer(support_app, name="support")
app.add_typer(audit_app, name="audit")
app.add_typer(staff_app, name="staff")
app.command()(doctor)
app.command()(top)


OrderArgument = Annotated[str, typer.Argument(help="An order number such as V6562305984, or an order_id.")]


@app.command()
def run() -> None:
    """Run everything here: embedded PostgreSQL and NATS, every role, the sandbox. Ctrl-C stops it all."""
    from vignettes.runtime import running

    asyncio.run(running.run(settings_for("run", **_for_local_runs()), out))


@app.command()
def serve(
    roles: Annotated[list[str], typer.Argument(help="ordering, projecting, deadlines, registration, ...")],
) -> None:
    """Run some roles in this process, against servers that run already (DATABASE_URL, NATS_URL)."""
    from vignettes.runtime import running
    from vignettes.runtime.roles import BUILDERS

    if unknown := set(roles) - BUILDERS.keys():
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(BUILDERS)}.")
    asyncio.run(running.serve(settings_for(" ".join(roles)), roles))


@app.command()
def migrate(*, as_json: AsJson = False) -> None:
    """Bring the database's schema up to date; safe to repeat."""
    from vignettes.eventstore.migrations import migrate as apply
    from vignettes.runtime.keys import give_keys_to_first_orders
    from vignettes.runtime.link import needed
    from vignettes.runtime.viewing import install_views

    settings = settings_for("migrate")
    url = needed(settings.database_url, "VIGNETTES_DATABASE_URL")
    applied = apply(url)
    give_keys_to_first_orders(settings, url)
    to_build = install_views(url)
    if as_json:
        out.print_json(data=[{"number": m.number, "name": m.name} for m in applied])
        return
    for migration in applied:
        out.print(f"applied {migration.number:04} {migration.name}")
    if not applied:
        out.print("The schema is up to date.")
    for view in to_build:
        out.print(f"{view} has changed: build it with `vignettes projections rebuild {view}`.")


@app.command()
def settings(*, as_json: AsJson = False) -> None:
    """Print every setting with its origin; secrets are hidden."""
    rows = origins(settings_for("settings"))
    if as_json:
        out.print_json(data=[{"name": n, "value": v, "origin": o} for n, v, o in rows])
        return
    table = Table("Setting", "Value", "Origin")
    for row in rows:
        table.add_row(*row)
    out.print(table)


@app.command()
def asyncapi() -> None:
    """Print the AsyncAPI document of all subjects, events and triggers, as JSON."""
    from vignettes.services.asyncapi import document

    sys.stdout.write(json.dumps(document(), indent=2, ensure_ascii=False) + "\n")


@app.command()
def events(*, as_json: AsJson = False) -> None:
    """Print the catalogue of events: all that is ever stored and published, with its fields and examples as JSON."""
    from vignettes.services.event_catalogue import catalogue

    known = catalogue()
    if as_json:
        out.print_json(data=known)
        return
    table = Table("Event", "Published as", "Meaning")
    for each in known["stored"]:
        table.add_row(each["topic"], each["published_as"] or "", each["meaning"])
    out.print(table)


@app.command()
def status(order: OrderArgument, *, as_json: AsJson = False) -> None:
    """Tell where an order stands, and why it is due when it is due: the rule with all that it was reckoned from.

    With VIGNETTES_DATABASE_URL also the ledger: every plan that it had, when that fired, and how it ended.
    """
    from vignettes.runtime import asking, order_status

    settings = settings_for("status")
    found = order_status.look(settings, answered(asyncio.run(asking.status(settings, order))))
    if as_json:
        out.print_json(data=order_status.as_json(found))
    else:
        out.print(order_status.shown(found), highlight=False)


@app.command()
def history(
    order: OrderArgument,
    *,
    until: Annotated[
        datetime | None,
        typer.Option(parser=instant, metavar="TIME", help="Only what was recorded until then."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay an order: every event, who asked for it and when, and the state that follows."""
    from vignettes.runtime import asking

    reply = asyncio.run(asking.history(settings_for("history"), order, until))
    answered(reply)
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(asking.history_story(reply))


@app.command()
def ask(
    subject: Annotated[str, typer.Argument(help="A subject, such as orders.v1.status.")],
    body: Annotated[str, typer.Argument(help="The request as JSON.")] = "{}",
) -> None:
    """Send one request to the running service and print its reply; the documents are at /docs."""
    from vignettes.runtime import asking

    reply = asyncio.run(asking.ask(settings_for("ask"), subject, body.encode()))
    out.print_json(data=reply)
    raise typer.Exit(0 if reply.get("ok", True) else 1)


@app.command()
def erase(
    order: OrderArgument,
    *,
    only: Annotated[
        DataClass | None,
        typer.Option("--class", help="Only the address (contact) or only the plate (vehicle)."),
    ] = None,
    actor: Annotated[str, typer.Option(help="Who decided it; kept in the history.")] = "operator",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase an order's personal data for ever by destroying its keys; the history stays, with null in its place."""
    from vignettes.runtime import erasing

    classes = [only] if only else list(DataClass)
    if not yes:
        named = " and ".join(classes)
        typer.confirm(f"Erase the {named} data of {order}? Nobody can bring it back.", abort=True, err=True)
    reply = asyncio.run(erasing.erase(settings_for("erase"), order, classes, actor))
    answered(reply)
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(f"Erased of order {reply['order_number']}: {', '.join(reply['erased'])}.")


@app.command()
def release(order: OrderArgument, *, actor: Actor, as_json: AsJson = False) -> None:
    """Go on with an order that is held because another one is for the same vehicle and period: both are meant."""
    from vignettes.runtime import releasing

    reply = answered(asyncio.run(releasing.release(settings_for("release"), order, actor)))
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(releasing.shown(reply), highlight=False)


@keys_app.command()
def rotate(*, as_json: AsJson = False) -> None:
    """Wrap every order's keys by the current master key; MASTER_KEY_FILE is new, PREVIOUS_MASTER_KEY_FILE the old one.

    The service may run meanwhile, if all of it was started with both. Stopped half way, it goes on where it was.
    """
    from vignettes.runtime import rotating

    wrapped = rotating.rotate(settings_for("keys"), err)
    if as_json:
        out.print_json(data={"wrapped": wrapped})
    else:
        out.print(f"Wrapped the keys of {wrapped} orders anew. PREVIOUS_MASTER_KEY_FILE can be unset now.")


@keys_app.command("nats")
def nats_key(
    file: Annotated[Path, typer.Argument(help="Where the seed is to be; it must not be there yet.")],
) -> None:
    """Make an NKEY for one user of NATS: the seed goes into FILE, the public key into NATS' configuration."""
    from vignettes.runtime.nats_access import make_seed, public_key

    make_seed(file)
    out.print(public_key(file), highlight=False)


@app.command()
def promises(
    *,
    days: Annotated[int, typer.Option(min=1, help="How many days back, today included.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Tell how the promises to customers are kept: by day, and each order that was or may be let down.

    Where an announced outage of the authority lies between the time that was due and the end, it is named.
    """
    from vignettes.runtime import promising

    report = promising.report(settings_for("promises"), days)
    if as_json:
        out.print_json(data=promising.as_json(report))
    else:
        out.print(promising.shown(report), highlight=False)


@app.command()
def demo() -> None:
    """Show one order of each kind, from placing to vignette, in a service of its own with the clock moved."""
    from vignettes.runtime import demo as shown

    raise typer.Exit(asyncio.run(shown.demo(out)))


def _for_local_runs() -> dict[str, Any]:
    """Return the defaults of `run`: the sandbox with a clock to move, unless a setting says otherwise."""
    if is_set("sandbox"):
        return {}
    return {"sandbox": True} if is_set("clock") else {"sandbox": True, "clock": "movable"}


def main() -> None:
    """Run the command line; what is refused is told in words, not as a stack trace."""
    try:
        app()
    except Exception as error:
        # Not `except _refusals()`: SystemExit, with which every command ends, would load half the world.
        if not isinstance(error, _refusals()):
            raise
        err.print(f"[red]vignettes:[/] {error}", highlight=False)
        sys.exit(1)


def _refusals() -> tuple[type[Exception], ...]:
    from vignettes.eventstore.masterkeys import WrongMasterKey
    from vignettes.eventstore.migrations import MigrationChanged
    from vignettes.runtime.children import EmbeddedServerError
    from vignettes.runtime.staffing import StaffRefused
    from vignettes.runtime.viewing import Refused
    from vignettes.services.streams import StreamDiffers

    return (
        ConfigurationError,
        EmbeddedServerError,
        MigrationChanged,
        Refused,
        StaffRefused,
        StreamDiffers,
        WrongMasterKey,
        psycopg.OperationalError,
        TimeoutError,
    )
