"""Replacing the master key: every order's keys are wrapped anew, what they sealed stays as it is."""

import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.masterkeys import wrap_secrets_anew
from vignettes.eventstore.personal import wrap_anew
from vignettes.runtime.keys import master_keys
from vignettes.runtime.link import needed
from vignettes.runtime.settings import Settings, variable

_LEFT = "SELECT count(*) AS left FROM personal.keys WHERE master <> %s"


def rotate(settings: Settings, progress_on: Console) -> int:
    """Wrap all that other master keys wrap by the current one, and return of how many orders. Raises WrongMasterKey."""
    masters = master_keys(settings)
    url = conninfo(needed(settings.database_url, variable("database_url")), "vignettes_owner")
    columns = (TextColumn("wrapping keys anew"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    done = 0
    with (
        psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection,
        Progress(*columns, console=progress_on, transient=True) as progress,
    ):
        left = connection.execute(_LEFT, (masters.current,)).fetchone() or {"left": 0}
        task = progress.add_task("", total=left["left"])
        for done in wrap_anew(connection, masters):
            progress.update(task, completed=done)
        wrap_secrets_anew(connection, masters)
    return done
