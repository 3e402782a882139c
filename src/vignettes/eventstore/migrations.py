"""Numbered SQL files bring a database to the form that this code needs; each is applied once, in order."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import psycopg

OWNER = "vignettes_owner"
SCHEMAS = ["log", "clock", "personal", "view", "edition", "effect", "ledger", "audit", "read"]
_LOCK = 0x76696772  # "vigr": one migration at a time

_LEDGER = """
CREATE TABLE IF NOT EXISTS public.vignettes_migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


class MigrationChanged(Exception):
    """A migration was changed after it had been applied to this database; write a new one instead."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of eventstore/schema."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Return all migrations of this code, in order."""
    return sorted(_read(), key=lambda migration: migration.number)


def _read() -> Iterator[Migration]:
    for file in resources.files("vignettes.eventstore").joinpath("schema").iterdir():
        number, _, name = file.name.removesuffix(".sql").partition("_")
        yield Migration(int(number), name, file.read_text(encoding="utf-8"))


def pending(connection: psycopg.Connection) -> list[Migration]:
    """Return what `migrate` would apply; refuses a database whose applied migrations differ from ours."""
    exists = connection.execute("SELECT to_regclass('public.vignettes_migrations') IS NOT NULL").fetchone()
    applied: dict[int, str] = {}
    if exists == (True,):
        applied = dict(
            connection.execute("SELECT number, sha256 FROM public.vignettes_migrations").fetchall()
        )
    todo = []
    for migration in migrations():
        if migration.number not in applied:
            todo.append(migration)
        elif applied[migration.number] != migration.sha256:
            raise MigrationChanged(f"{MigrationChanged.__doc__} It is {migration.number:04} {migration.name}")
    return todo


def migrate(url: str) -> list[Migration]:
    """Apply what is missing, each in its own transaction, and return it. Needs a login that may create roles."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        connection.execute(_LEDGER)
        todo = pending(connection)
        for migration in todo:
            _apply(connection, migration)
        return todo


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    with connection.transaction():
        # The text is this package's own file, never input.
        connection.execute(migration.sql)
        _give_to_owner(connection)
        connection.execute(
            "INSERT INTO public.vignettes_migrations (number, name, sha256) VALUES (%s, %s, %s)",
            (migration.number, migration.name, migration.sha256),
        )


def _give_to_owner(connection: psycopg.Connection) -> None:
    """Let the owner role own everything, whoever ran the migration, so that no login of a service does."""
    rows = connection.execute(_OWNED_BY_OTHERS, {"owner": OWNER, "schemas": SCHEMAS}).fetchall()
    for (statement,) in rows:
        connection.execute(statement)


_OWNED_BY_OTHERS = """
SELECT format('ALTER SCHEMA %%I OWNER TO %%I', nspname, %(owner)s::text)
FROM pg_namespace WHERE nspname = ANY(%(schemas)s)
  AND pg_get_userbyid(nspowner) <> %(owner)s
UNION ALL
SELECT format('ALTER %%s %%I.%%I OWNER TO %%I',
              CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
              n.nspname, c.relname, %(owner)s::text)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%(schemas)s) AND c.relkind IN ('r', 'v', 'S')
  AND pg_get_userbyid(c.relowner) <> %(owner)s
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i')
UNION ALL
SELECT format('ALTER FUNCTION %%s OWNER TO %%I', p.oid::regprocedure, %(owner)s::text)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY(%(schemas)s) AND pg_get_userbyid(p.proowner) <> %(owner)s
"""
