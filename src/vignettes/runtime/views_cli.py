"""The commands of `vignettes projections`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from pydantic_core import to_jsonable_python

from vignettes.runtime.console import AsJson, err, out, settings_for

projections_app = typer.Typer(
    help="The views of the log: how they stand, building them anew, orders that wait, proving them.",
    no_args_is_help=True,
)
ViewArgument = Annotated[
    str | None, typer.Argument(metavar="NAME", help="A view, as `projections status` names it.")
]
OneOrder = Annotated[str | None, typer.Option(help="Only this order, by number or order_id.")]


@projections_app.command("status")
def projections_status(*, as_json: AsJson = False) -> None:
    """Tell of every view how far it is, who writes it, and how many of its orders wait or are wrong."""
    from vignettes.runtime import viewing  # noqa: PLC0415

    rows = viewing.status(settings_for("projections"))
    if as_json:
        out.print_json(data=viewing.status_json(rows))
    else:
        out.print(viewing.status_shown(rows))


@projections_app.command("rebuild")
def projections_rebuild(
    name: ViewArgument = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Every view whose live version is not this code's.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build a view anew from the log, beside the live one, and show it in its place when it is complete.

    Readers notice nothing but the new rows. Stopped half way, the same command goes on where it was.
    """
    from vignettes.runtime import rebuilding, viewing  # noqa: PLC0415

    if (name is None) is not every:
        raise typer.BadParameter("Give the name of a view, or --all.")
    settings = settings_for("projections")
    names = [name] if name is not None else viewing.changed(settings)
    with _misuses():
        for each in names:
            viewing.defined(each)
    os.nice(10)  # the live views go first
    done = []
    for each in names:
        done.append(rebuilding.rebuild(settings, each, err))
        if not as_json:
            out.print(rebuilding.shown(done[-1]))
    if as_json:
        out.print_json(data=to_jsonable_python({"rebuilt": done}))
    elif not names:
        out.print("Every view is live in the version of this code.")


@projections_app.command("drop")
def projections_drop(name: ViewArgument = None, *, as_json: AsJson = False) -> None:
    """Drop the tables that a rebuild has replaced, of one view or of all."""
    from vignettes.runtime import viewing  # noqa: PLC0415

    with _misuses():
        gone = viewing.drop(settings_for("projections"), name)
    if as_json:
        out.print_json(data=to_jsonable_python({"dropped": gone}))
    else:
        out.print(viewing.dropped_shown(gone))


@projections_app.command("parked")
def projections_parked(*, as_json: AsJson = False) -> None:
    """List the orders that wait because a view can't digest one of their events, with the error."""
    from vignettes.runtime import viewing  # noqa: PLC0415

    rows = viewing.parked(settings_for("projections"))
    if as_json:
        out.print_json(data=to_jsonable_python({"parked": rows}))
    else:
        out.print(viewing.parked_shown(rows))


@projections_app.command("retry")
def projections_retry(
    name: ViewArgument = None,
    *,
    order: OneOrder = None,
    as_json: AsJson = False,
) -> None:
    """Let the service try parked orders again: of one view or of all. Exit code 1 when some wait still."""
    from vignettes.runtime import retrying  # noqa: PLC0415

    with _misuses():
        order_id = retrying.order_id_from(order) if order else None
        retried = retrying.retry(settings_for("projections"), name, order_id)
    if as_json:
        out.print_json(data=to_jsonable_python(retried))
    else:
        out.print(retrying.shown(retried))
    raise typer.Exit(0 if retried.succeeded else 1)


@projections_app.command("check")
def projections_check(
    name: ViewArgument = None,
    *,
    order: OneOrder = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Only about so many orders, picked by chance.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fold orders from the log and compare them with the views: every order, unless told otherwise.

    Exit code 1 when a row is not what the log says, or a view could not be compared. The service checks some orders
    all the time.
    """
    from vignettes.runtime import proving, retrying  # noqa: PLC0415

    if order and sample:
        raise typer.BadParameter("Give --order or --sample.")
    with _misuses():
        order_id = retrying.order_id_from(order) if order else None
        proof = proving.check(settings_for("projections"), name, order_id, sample, err)
    if as_json:
        out.print_json(data=to_jsonable_python(proof))
    else:
        out.print(proving.shown(proof))
    raise typer.Exit(0 if proof.holds else 1)


@contextmanager
def _misuses() -> Iterator[None]:
    """Answer a name that there is not as what it is: a misuse, exit code 2."""
    from vignettes.runtime.retrying import NoOrder  # noqa: PLC0415
    from vignettes.runtime.viewing import UnknownView  # noqa: PLC0415

    try:
        yield
    except (UnknownView, NoOrder) as error:
        raise typer.BadParameter(str(error)) from None
