"""Who may do what in the database: as it is, and as it must be (privileges.txt, made by `python -m tools.privileges`).

Each line is what follows GRANT: `SELECT ON TABLE log.events TO vignettes_auditor`; or names a trigger of the log's own
protection, a rule, or a function or view by what it does. Tables of editions come and go, and are alike: they are told
apart.
"""

from collections.abc import Iterator
from importlib import resources
from typing import Any, LiteralString

from psycopg import AsyncConnection

from vignettes.eventstore.migrations import SCHEMAS

ROLES = (
    "vignettes_owner",
    "vignettes_writer",
    "vignettes_projector",
    "vignettes_reader",
    "vignettes_auditor",
    "vignettes_ledger",
)
_EDITION = ["SELECT", "INSERT", "UPDATE", "DELETE"]

# Rights that an owner has by being the owner are none that could be missing. A function without a list of its own may
# be called by everybody: acldefault says so.
_GRANTS: LiteralString = """
WITH spaces AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_namespace
    WHERE nspname = 'public' OR nspname = ANY(%(ours)s)
), things AS (
    SELECT format('SCHEMA %%I', nspname) AS thing, nspowner AS owner,
           coalesce(nspacl, acldefault('n', nspowner)) AS acl, nspname AS space
    FROM spaces
    UNION ALL
    SELECT format('%%s %%I.%%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, s.nspname, c.relname),
           c.relowner,
           coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)), s.nspname
    FROM pg_class c JOIN spaces s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND (s.nspname <> 'public' OR c.relname = 'vignettes_migrations')
    UNION ALL
    SELECT format('FUNCTION %%I.%%I(%%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), p.proowner,
           coalesce(p.proacl, acldefault('f', p.proowner)), s.nspname
    FROM pg_proc p JOIN spaces s ON s.oid = p.pronamespace WHERE s.nspname <> 'public'
)
SELECT format('%%s ON %%s TO %%s', a.privilege_type, t.thing, coalesce(r.rolname, 'PUBLIC')), t.space
FROM things t, aclexplode(t.acl) AS a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE a.grantee <> t.owner
UNION ALL
SELECT format('%%s (%%s) ON TABLE %%I.%%I TO %%s', a.privilege_type,
              string_agg(quote_ident(b.attname), ', ' ORDER BY b.attnum), s.nspname, c.relname,
              coalesce(r.rolname, 'PUBLIC')), s.nspname
FROM pg_attribute b JOIN pg_class c ON c.oid = b.attrelid JOIN spaces s ON s.oid = c.relnamespace,
     aclexplode(b.attacl) AS a LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE a.grantee <> c.relowner AND s.nspname <> 'public' GROUP BY a.privilege_type, s.nspname, c.relname, r.rolname
"""
_TRIGGERS: LiteralString = """
SELECT pg_get_triggerdef(t.oid)
       || CASE t.tgenabled WHEN 'A' THEN ' ENABLE ALWAYS' WHEN 'D' THEN ' DISABLED' ELSE '' END
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal AND n.nspname = ANY(%(ours)s) AND n.nspname <> 'edition'
"""
_RULES: LiteralString = """
SELECT format('RULE %%I ON TABLE %%I.%%I', r.rulename, n.nspname, c.relname)
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%(ours)s) AND r.rulename <> '_RETURN'
"""
# A function whose text was replaced keeps its name and its rights: the triggers' would let everything pass. Without its
# own search_path one that acts as its owner would act on whatever its caller has made.
_FUNCTIONS: LiteralString = """
SELECT format('FUNCTION %%I.%%I(%%s)%%s IS %%s', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid),
              CASE WHEN p.prosecdef THEN ' SECURITY DEFINER' ELSE '' END,
              left(encode(sha256(convert_to(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), 'UTF8')), 'hex'), 16))
       || coalesce(' SET ' || array_to_string(p.proconfig, ' SET '), '')
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY(%(ours)s)
"""
# What a view hides, whoever reads it does not miss. The number of an edition is another wherever it was built anew.
_VIEWS: LiteralString = """
SELECT format('VIEW %%I.%%I IS %%s', n.nspname, c.relname, left(encode(sha256(convert_to(
                  regexp_replace(pg_get_viewdef(c.oid), '(edition\\.[a-z_]+)_[0-9]+', '\\1', 'g'),
              'UTF8')), 'hex'), 16))
       || coalesce(' SET ' || array_to_string(c.reloptions, ' SET '), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%(ours)s) AND c.relkind = 'v'
"""
_OTHERS = (_TRIGGERS, _RULES, _FUNCTIONS, _VIEWS)


async def standing(connection: AsyncConnection) -> set[str]:
    """Return the lines of a database as it is; tables of editions are asked for apart."""
    grants = [
        line for line, space in await _rows(connection, _GRANTS) if space != "edition" or "SCHEMA" in line
    ]
    others = [line for query in _OTHERS for (line,) in await _rows(connection, query)]
    return {*grants, *others}


async def standing_of_editions(connection: AsyncConnection) -> set[str]:
    """Return who may do what with the tables of editions."""
    return {
        line
        for line, space in await _rows(connection, _GRANTS)
        if space == "edition" and "SCHEMA" not in line
    }


def expected() -> set[str]:
    """Return the lines of a database that was migrated by this code, and by nobody else."""
    text = resources.files("vignettes.eventstore").joinpath("privileges.txt").read_text(encoding="utf-8")
    return {line for line in text.splitlines() if line and not line.startswith("#")}


def expected_of_edition(table: str) -> Iterator[str]:
    """Give who may do what with one table of an edition."""
    for privilege in _EDITION:
        yield f"{privilege} ON TABLE edition.{table} TO vignettes_projector"


async def _rows(connection: AsyncConnection, query: LiteralString) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, {"ours": SCHEMAS})).fetchall()
