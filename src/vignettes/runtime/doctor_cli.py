"""The commands that look at the whole of a running service: `vignettes doctor` and `vignettes top`."""

import asyncio
from typing import Annotated

import typer

from vignettes.runtime.console import AsJson, err, out, settings_for
from vignettes.runtime.settings import ConfigurationError


def doctor(
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Publish again what the streams ORDERS and HEADS have lost.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="CHECK", help="Only this check; may be given again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at every part of this installation, and say what to do where something is wrong.

    Nothing is changed without --repair. Exit code 0 when nothing is wrong, 1 otherwise.
    """
    from vignettes.runtime import doctor as doctoring  # noqa: PLC0415  # --help shall not load half the world

    if unknown := set(only or ()) - set(doctoring.NAMES):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(doctoring.NAMES)}.")
    try:
        settings = settings_for("doctor")
    except ConfigurationError as error:
        report = doctoring.of_refused_settings(error)
    else:
        report = asyncio.run(doctoring.examine(settings, only or (), err, repair=repair))
    if as_json:
        out.print_json(data=doctoring.as_json(report))
    else:
        out.print(doctoring.shown(report), highlight=False)
    raise typer.Exit(0 if report.is_healthy else 1)


def top(
    *,
    once: Annotated[bool, typer.Option("--once", help="Print one look, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch the running service: orders, views, what is due, late or waits, and its processes. q ends it."""
    from vignettes.runtime import top as watching  # noqa: PLC0415  # as above

    settings = settings_for("top", log_level="error")  # a line in between would break the page
    if as_json:
        out.print_json(data=watching.as_json(asyncio.run(watching.once(settings))))
    elif once or not out.is_terminal:
        out.print(watching.shown(asyncio.run(watching.once(settings))))
    else:
        asyncio.run(watching.watch(settings, out))
