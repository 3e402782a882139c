"""`python -m benchmarks`: measure throughput and latency here, beside an alternative and the machine's limits."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import curves, plot, report
from benchmarks.apart import MeasuringFailed
from benchmarks.bench import (
    CLIENTS,
    DUE,
    EVENTS,
    LOGGED,
    ORDERS,
    RATE,
    REBUILT_EVENTS,
    USUAL,
    WAITING,
    WORKLOADS,
    Result,
    measure,
)
from benchmarks.goals import W5_ORDERS, W9_ORDERS
from benchmarks.machine import NotDurable
from benchmarks.run import Asked
from vignettes.runtime import logs
from vignettes.runtime.children import EmbeddedServerError

_WIDTH_OF_A_FILE = 140


def _workloads(text: str) -> str:
    if unknown := set(text.split(",")) - set(WORKLOADS):
        raise typer.BadParameter(f"there is no {', '.join(sorted(unknown))}, only {', '.join(WORKLOADS)}")
    return text


def _clients(text: str) -> str:
    if not all(one.isdigit() and int(one) for one in text.split(",")):
        raise typer.BadParameter("takes numbers such as 1,8,32")
    return text


def _format(file: Path) -> Path:
    if file.suffix not in plot.FORMATS:
        raise typer.BadParameter(f"ends in one of {', '.join(plot.FORMATS)}")
    return file


def main(  # noqa: PLR0913, PLR0917  # the options of the command
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="How long each point is measured.")] = 5.0,
    only: Annotated[
        str,
        typer.Option(callback=_workloads, help=f"The workloads out of {', '.join(WORKLOADS)}, with commas."),
    ] = ",".join(USUAL),
    clients: Annotated[
        str, typer.Option(callback=_clients, help="W1's clients in flight, with commas.")
    ] = ",".join(map(str, CLIENTS)),
    events: Annotated[int, typer.Option(min=1_000, help="How long W10's long log is.")] = EVENTS,
    rebuilt: Annotated[int, typer.Option(min=100, help="How many events W3's log has.")] = REBUILT_EVENTS,
    logged: Annotated[int, typer.Option(min=10_000, help="How many events W7's longest log has.")] = LOGGED,
    orders: Annotated[int, typer.Option(min=100, help="How many orders W8's views have.")] = ORDERS,
    due: Annotated[
        int | None,
        typer.Option(min=10, help=f"How many orders W5's noon has: {W5_ORDERS} alone, {DUE} among others."),
    ] = None,
    waiting: Annotated[
        int | None,
        typer.Option(
            min=100,
            help="How many orders wait for W9's payments, of which there are a tenth as many: "
            f"{W9_ORDERS} alone, {WAITING} among others.",
        ),
    ] = None,
    rate: Annotated[
        float,
        typer.Option(min=1, help="Commands a second of W4's load, where W1 finds no peak to take half of."),
    ] = RATE,
    to: Annotated[Path, typer.Option("--json", help="The file to write the figures to, as JSON.")] = Path(
        ".bench/bench.json"
    ),
    picture: Annotated[
        Path,
        typer.Option(
            "--plot", callback=_format, help="The file to draw W1's curves into; .svg, .png or .pdf."
        ),
    ] = Path(".bench/bench.svg"),
    noon: Annotated[
        Path,
        typer.Option(
            "--noon", callback=_format, help="The file to draw W5's lateness into; .svg, .png or .pdf."
        ),
    ] = Path(".bench/noon.svg"),
) -> None:
    """Measure, and show ours, the alternatives, the limits and the goals of one run."""
    asked = Asked(
        [workload for workload in WORKLOADS if workload in only.split(",")],
        seconds,
        [int(one) for one in clients.split(",")],
        events,
        rebuilt,
        orders,
        due or (W5_ORDERS if only == "W5" else DUE),
        rate,
        waiting or (W9_ORDERS if only == "W9" else WAITING),
        logged,
    )
    logs.configure("auto", "error", "benchmarks")
    # While the service runs, its processes' stdout and stderr go to a file; ours stays where it is.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as terminal:
        out = Console(file=terminal, width=None if terminal.isatty() else _WIDTH_OF_A_FILE)
        try:
            result = asyncio.run(_measure(asked, out))
        except (MeasuringFailed, NotDurable, EmbeddedServerError) as failure:
            out.print(str(failure), style="red", markup=False)
            raise typer.Exit(1) from None
        except asyncio.CancelledError:
            raise typer.Exit(128 + signal.SIGTERM) from None
        report.show(result, out)
        for file in _written(result, to, picture, noon):
            out.print(f"Written: {file}", highlight=False, soft_wrap=True)


def _written(result: Result, to: Path, picture: Path, noon: Path) -> Iterator[Path]:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(report.as_json(result), indent=2) + "\n")
    yield to
    for workload, draw, file in (("W1", plot.draw, picture), ("W5", curves.draw, noon)):
        if workload in result.asked.only:
            file.parent.mkdir(parents=True, exist_ok=True)
            draw(result, file)
            yield file


async def _measure(asked: Asked, out: Console) -> Result:
    """Show the progress; TERM ends it as cleanly as Ctrl-C."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        return await measure(asked, progress)


if __name__ == "__main__":
    typer.run(main)
