"""What `vignettes run` and `vignettes serve` do, and what they show."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Sequence

import structlog
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from vignettes.runtime import bootstrap
from vignettes.runtime.instance import Instance, instance
from vignettes.runtime.settings import Settings, hide_secrets
from vignettes.runtime.staffing import staff_file
from vignettes.runtime.supervisor import stop_on_signals

log = structlog.get_logger(__name__)

#: How long an orderly end may take.
_STOP_SECONDS = 8.0


async def run(settings: Settings, out: Console) -> None:
    """Run the whole service until Ctrl-C or TERM."""
    began = time.monotonic()
    with stop_on_signals() as stop:
        out.print("Starting PostgreSQL, NATS and the roles …")
        async with instance(settings) as running:
            ready = asyncio.create_task(running.until_ready())
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({ready, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                ready.result()
                out.print(_addresses(running, time.monotonic() - began))
                await stopping
            ready.cancel()
            out.print("Stopping …")
    out.print("Stopped.")


def _addresses(running: Instance, seconds: float) -> Panel:
    settings = running.settings
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")  # addresses are there to be copied
    table.add_row("pages", settings.public_url)
    table.add_row("staff", _staff(settings))
    table.add_row("health", f"http://127.0.0.1:{settings.http_port}/readyz")
    table.add_row("documents", f"http://127.0.0.1:{settings.http_port}/docs")
    table.add_row("NATS", hide_secrets(settings.nats_url or ""))
    table.add_row("PostgreSQL", hide_secrets(settings.database_url or ""))
    if settings.sandbox:
        table.add_row("sandbox", "authority, inbox and clock answer on sandbox.v1.*")
    return Panel(
        table, title=f"Vignettes is ready after {seconds:.1f} s", subtitle="Ctrl-C stops it", expand=False
    )


def _staff(settings: Settings) -> str:
    """Return where staff signs in, and where their tokens are: in the sandbox there is one for each role."""
    if settings.staff_file is None and settings.openid_issuer is None:
        return "no pages for staff: VIGNETTES_STAFF_FILE is not set"
    where = f"{settings.public_url}/sign-in"
    if not settings.sandbox:
        return f"{where}, for whom `vignettes staff add` has added"
    return f"{where}, with a token of {staff_file(settings).parent}/*.token"


async def serve(settings: Settings, roles: Sequence[str]) -> None:
    """Run some roles until TERM or Ctrl-C."""
    _collect_rarely()
    with stop_on_signals() as stop:
        serving = asyncio.create_task(bootstrap.serve(settings, roles, stop))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await asyncio.wait({serving}, timeout=_STOP_SECONDS)
        serving.cancel()  # told to stop while it was still starting, it does not listen
        with contextlib.suppress(asyncio.CancelledError):
            await serving


def _collect_rarely() -> None:
    """Let the garbage collector look less often: a process holds many thousand orders, none of them in cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
