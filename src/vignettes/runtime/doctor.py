"""`vignettes doctor`: looks at every part of an installation at the same time, and says what to do, in exact words.

It is called when something is down: no look waits for ever, and each tells what it could not see.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from nats.errors import Error as NatsError
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from vignettes.runtime.asking import service
from vignettes.runtime.doctoring import (
    clocks,
    configuration,
    grants,
    messaging,
    outside,
    postgres,
    published,
    secrets_kept,
    views,
    zones,
)
from vignettes.runtime.doctoring.finding import Finding, State, skipped, wrong
from vignettes.runtime.doctoring.patient import NotThere, Patient
from vignettes.runtime.settings import ConfigurationError, Settings
from vignettes.services.reconciling import Tell, Unanswered

Look = Callable[[Patient], Awaitable[list[Finding]]]

_SECONDS: Final = 15.0
#: Whole streams are read: as long as it goes on.
_STREAM_SECONDS: Final = 3600.0
_STYLES: Final = {State.OK: "green", State.WARNING: "yellow", State.WRONG: "bold red", State.SKIPPED: "dim"}


@dataclass(frozen=True, slots=True)
class Check:
    """One part that is looked at. Without the servers that it needs it is skipped."""

    name: str
    look: Look
    needs_database: bool = False
    needs_nats: bool = False
    #: What `vignettes run` makes in its directory: where it has never run, nothing is missing.
    is_of_run: bool = False
    seconds: float = _SECONDS
    #: What `--repair` does in place of looking.
    mend: Look | None = None


CHECKS: Final = (
    Check("settings", configuration.look),
    Check("durability", postgres.durability, needs_database=True),
    Check("schema", postgres.schema, needs_database=True),
    Check("grants", grants.look, needs_database=True),
    Check("clocks", clocks.look, needs_database=True),
    Check("zones", zones.look),
    Check("nats", messaging.server, needs_nats=True),
    Check("roles", messaging.present, needs_nats=True),
    Check("streams", messaging.forms, needs_nats=True),
    Check(
        "orders", published.orders, needs_database=True, needs_nats=True, seconds=_STREAM_SECONDS,
        mend=published.mend_orders,
    ),
    Check("triggers", messaging.registrations, needs_database=True, needs_nats=True),
    Check(
        "heads", published.heads, needs_database=True, needs_nats=True, seconds=_STREAM_SECONDS,
        mend=published.mend_heads,
    ),
    Check("keys", secrets_kept.master, is_of_run=True),
    Check("ledger", secrets_kept.ledger, is_of_run=True),
    Check("staff", secrets_kept.staff, is_of_run=True),
    Check("mail", outside.mail),
    Check("authorities", outside.authorities),
    Check("bank", outside.bank, is_of_run=True),
    Check("disk", outside.disk),
    Check("views", views.look, needs_database=True),
)  # fmt: skip
NAMES: Final = ("postgresql", *(check.name for check in CHECKS))


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, check by check."""

    checks: Sequence[tuple[str, Sequence[Finding]]]

    def count(self, state: State) -> int:
        """Return how many findings are so."""
        return sum(each.state is state for _, found in self.checks for each in found)

    @property
    def is_healthy(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.count(State.WRONG)


async def examine(settings: Settings, only: Sequence[str], progress_on: Console, *, repair: bool) -> Report:
    """Look at everything, or at some checks only; mend what can be mended where that is asked for."""
    chosen = [check for check in CHECKS if not only or check.name in only]
    with _progress(progress_on) as bars:
        patient = Patient(settings, _telling(bars), is_embedded=settings.database_url is None)
        async with _nats(patient) as of_nats:
            of_database = await _bounded(Check("postgresql", postgres.reach), patient, repair=False)
            found = await asyncio.gather(*(_bounded(check, patient, repair=repair) for check in chosen))
    checks = list(zip((check.name for check in chosen), found, strict=True))
    if not only or "postgresql" in only or any(check.needs_database for check in chosen):
        checks.insert(0, ("postgresql", of_database))
    return Report([(name, [*of_nats, *each] if name == "nats" else each) for name, each in checks])


def of_refused_settings(error: ConfigurationError) -> Report:
    """Return what there is to say where the settings themselves can't be used."""
    lines = str(error).splitlines()
    return Report(
        [("settings", [wrong("refused", line, "Correct it; see `vignettes settings`.") for line in lines])]
    )


@asynccontextmanager
async def _nats(patient: Patient) -> AsyncIterator[list[Finding]]:
    """Give the patient a connection to NATS as long as the examination takes, and tell where there is none."""
    connecting = service(patient.settings)
    try:
        patient.client = await connecting.__aenter__()
    except (ConfigurationError, NatsError, OSError) as error:
        way = "Start `vignettes run`, or the NATS server that VIGNETTES_NATS_URL names, and look in its log."
        yield [wrong("reached", str(error), way)]
        return
    try:
        yield []
    finally:
        with suppress(NatsError, TimeoutError):
            await asyncio.wait_for(connecting.__aexit__(None, None, None), _SECONDS)


async def _bounded(check: Check, patient: Patient, *, repair: bool) -> list[Finding]:
    """Look within the time that the check has; what goes wrong in looking is a finding too."""
    if lacking := _lacking(check, patient):
        return [skipped(check.name, lacking)]
    look = check.mend if repair and check.mend else check.look
    way = f"See what hangs: look in the logs, then run: vignettes doctor --only {check.name}"
    limit = asyncio.timeout(check.seconds)
    try:
        async with limit:
            return await look(patient)
    except NotThere as error:
        return [skipped(check.name, str(error))]
    except TimeoutError:
        # What a look asks has less time than the look.
        told = (
            f"gave no answer within {check.seconds:.0f} s" if limit.expired() else "was not answered in time"
        )
        return [wrong(check.name, told, way)]
    except Unanswered as error:
        return [wrong(check.name, f"NATS: {error}", f"Once it answers, run the same again. {way}")]
    except (psycopg.errors.InsufficientPrivilege, psycopg.OperationalError) as error:
        if isinstance(error, psycopg.OperationalError) and "set role" not in str(error):
            return [wrong(check.name, f"PostgreSQL: {_first_line(error)}", way)]
        told = f"this login may not look: {_first_line(error)}"
        return [skipped(check.name, told, "Ask with the login of operations; see docs/operating.md.")]
    except Exception as error:  # noqa: BLE001  # the other looks go on, and this one says what it met
        return [wrong(check.name, f"{type(error).__name__}: {_first_line(error)}", way)]


def _lacking(check: Check, patient: Patient) -> str | None:
    """Return why a check can't look at all."""
    if check.needs_database and patient.database_url is None:
        return "PostgreSQL does not answer"
    if check.needs_nats and patient.client is None:
        return "NATS does not answer"
    if check.is_of_run and patient.is_embedded and not patient.settings.data_dir.exists():
        return f"nothing has run in {patient.settings.data_dir} yet"
    return None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]


# --- progress


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _telling(bars: Progress) -> Tell:
    """Return what shows how far a long look has come, one bar for each kind of work."""
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, of: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=of)
        bars.update(tasks[what], completed=done, total=max(of, 1))

    return tell


# --- what is shown of it


def as_json(report: Report) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "ok": report.is_healthy,
        "counts": {state.value: report.count(state) for state in State},
        "checks": [
            {"check": name, "state": each.state.value, "what": each.what, "seen": each.seen, "do": each.do}
            for name, found in report.checks
            for each in found
        ],
    }


def shown(report: Report) -> RenderableType:
    """Show people what was found, and what to do first."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, found in report.checks:
        for place, each in enumerate(found):
            said = Text.assemble((each.what, "bold"), f"  {each.seen}")
            if each.do:
                said.append(f"\n→ {each.do}", style="cyan")
            table.add_row(
                Text("" if place else name), Text(each.state.value, style=_STYLES[each.state]), said
            )
    return Group(table, Text(), _verdict(report))


def _verdict(report: Report) -> Text:
    wrongs, warnings, left_out = (report.count(each) for each in (State.WRONG, State.WARNING, State.SKIPPED))
    if wrongs:
        named = ", ".join(_names(report, State.WRONG))
        return Text(
            f"{wrongs} wrong: {named}. Do what the arrows say, from above, and look again.", style="bold red"
        )
    beside = [
        f"{warnings} to look after" if warnings else "",
        f"{left_out} not looked at" if left_out else "",
    ]
    told = ", ".join(each for each in beside if each)
    return Text(f"Nothing is wrong{'; ' + told if told else ''}.", style="bold green")


def _names(report: Report, state: State) -> Iterable[str]:
    return dict.fromkeys(name for name, found in report.checks if any(each.state is state for each in found))
