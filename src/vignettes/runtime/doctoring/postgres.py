"""PostgreSQL: whether it answers, keeps what it has acknowledged, and has the schema of this code."""

import psycopg

from vignettes.eventstore.migrations import MigrationChanged, pending
from vignettes.runtime.doctoring.finding import Finding, ok, skipped, warning, wrong
from vignettes.runtime.doctoring.patient import Patient, aside, connected
from vignettes.runtime.embedded import DATABASE, EmbeddedPostgres
from vignettes.runtime.settings import Settings, hide_secrets

#: Before 15 everybody could make tables in the schema public.
_OLDEST, _NEWEST_KNOWN = 15, 18
_VERSION = "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), current_user"
#: Off, an answered command may be gone after a crash. Local is for those who run without a standby.
_DURABLE = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_write", "remote_apply", "local"),
}
_SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
_STANDBYS = (
    "SELECT count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')), count(*) FROM pg_stat_replication"
)
_LAID_IN_RAM = """
SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY('{log,personal,effect,ledger,audit}') AND c.relkind = 'r' AND c.relpersistence <> 'p'
"""


def address(settings: Settings) -> tuple[str, bool]:
    """Return where the database is, and whether it is the one that `vignettes run` starts on this machine."""
    if settings.database_url is not None:
        return settings.database_url, False
    return EmbeddedPostgres(settings.data_dir).url(DATABASE), True


async def reach(patient: Patient) -> list[Finding]:
    """Try to connect; from then on the patient has a database."""
    url, is_embedded = address(patient.settings)
    try:
        connection = await connected(url, None)
    except (psycopg.Error, OSError) as error:
        start = "Start `vignettes run`" if is_embedded else "Start PostgreSQL, look at its log"
        way = f"{start}, or set VIGNETTES_DATABASE_URL to where it is."
        return [wrong("reached", f"{hide_secrets(url)}: {str(error).strip().splitlines()[0]}", way)]
    async with connection:
        patient.database_url = url
        [(number, is_standby, login)] = await (await connection.execute(_VERSION.encode())).fetchall()
        return [_version(number, login), *([_standby()] if is_standby else [])]


def _version(number: int, login: str) -> Finding:
    major, told = number // 10_000, f"PostgreSQL {number // 10_000}.{number % 10_000}, as {login}"
    if major < _OLDEST:
        return wrong("version", told, f"Upgrade to PostgreSQL {_NEWEST_KNOWN}: {_OLDEST} is the least.")
    if major > _NEWEST_KNOWN:
        return warning(
            "version", f"{told}; tests have seen up to {_NEWEST_KNOWN}", "Run the tests against it."
        )
    return ok("version", told)


def _standby() -> Finding:
    way = "Let VIGNETTES_DATABASE_URL name the primary: host=a,b and target_session_attrs=read-write."
    return wrong("primary", "this server is a standby: nothing can be recorded", way)


async def durability(patient: Patient) -> list[Finding]:
    """Look whether an acknowledged command is on disk."""
    async with patient.connected() as connection:
        cursor = await connection.execute(_SETTINGS.encode(), (list(_DURABLE),))
        known: dict[str, str] = dict(await cursor.fetchall())
        [(synchronous, standbys)] = await (await connection.execute(_STANDBYS.encode())).fetchall()
        unlogged = await (await connection.execute(_LAID_IN_RAM.encode())).fetchall()
    off = [
        wrong(
            name,
            f"{name} is {known[name]}: what was answered may be lost",
            f"Run: ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();",
        )
        for name, good in _DURABLE.items()
        if known[name] not in good
    ]
    lost = [
        wrong("tables", f"{name} is not logged: a crash empties it", f"Run: ALTER TABLE {name} SET LOGGED;")
        for (name,) in unlogged
    ]
    return [*(off or [ok("durable", ", ".join(f"{name} {known[name]}" for name in _DURABLE))]), *lost] + (
        [ok("standbys", f"{standbys}, {synchronous} of them synchronous")] if standbys else []
    )


async def schema(patient: Patient) -> list[Finding]:
    """Look whether the schema is that of this code."""

    def missing() -> list[str]:
        with psycopg.connect(patient.database, connect_timeout=5) as connection:
            return [f"{each.number:04} {each.name}" for each in pending(connection)]

    try:
        todo = await aside(missing)
    except MigrationChanged as error:
        way = "Run the release that this database was migrated with, or restore the changed file."
        return [wrong("migrations", str(error), way)]
    except psycopg.errors.InsufficientPrivilege:
        return [
            skipped("migrations", "this login may not read public.vignettes_migrations", "Ask as its owner.")
        ]
    if todo:
        return [wrong("migrations", f"not applied: {', '.join(todo)}", "Run: vignettes migrate")]
    return [ok("migrations", "all are applied, none was changed")]
