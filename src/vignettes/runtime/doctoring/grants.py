"""Who may do what in the database, held against what the code expects, line by line."""

from vignettes.eventstore import privileges
from vignettes.eventstore.migrations import OWNER, SCHEMAS
from vignettes.runtime.doctoring.finding import Finding, State, ok, warning, wrong
from vignettes.runtime.doctoring.patient import Patient

#: As deploy/postgresql/logins.sql names the logins that it makes, and the one of them that may migrate.
_KNOWN = ("vignettes_run_", "vignettes_an_")
_OPERATIONS = "vignettes_run_operations"
#: What is compared by what it does, and may be replaced under its name.
_REPLACEABLE = ("FUNCTION", "VIEW")
#: So many of a kind are told one by one.
_TOLD = 12
_EDITION_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'edition' AND c.relkind = 'r'
"""
_OWNED_BY_OTHERS = """
SELECT format('%%I.%%I', n.nspname, c.relname), pg_get_userbyid(c.relowner)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%(schemas)s) AND c.relkind IN ('r', 'v', 'm', 'S', 'p')
  AND pg_get_userbyid(c.relowner) <> %(owner)s
UNION ALL
SELECT format('SCHEMA %%I', nspname), pg_get_userbyid(nspowner) FROM pg_namespace
WHERE nspname = ANY(%(schemas)s) AND pg_get_userbyid(nspowner) <> %(owner)s
UNION ALL
SELECT format('FUNCTION %%s', p.oid::regprocedure), pg_get_userbyid(p.proowner)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY(%(schemas)s) AND pg_get_userbyid(p.proowner) <> %(owner)s
"""
_WITH_ROW_RULES = """
SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%(schemas)s) AND (c.relrowsecurity OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))
"""
_ROLES = """
SELECT rolname, concat_ws(', ', CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
       CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
       CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN rolcanlogin THEN 'LOGIN' END)
FROM pg_roles WHERE rolname = ANY(%(roles)s)
"""
_MEMBERSHIPS = """
SELECT m.member::regrole::text, m.roleid::regrole::text FROM pg_auth_members m
WHERE pg_get_userbyid(m.member) = ANY(%(roles)s)
"""
# Superusers may do all of it anyway: they are told of as such.
_MEMBERS = """
SELECT m.member::regrole::text, m.roleid::regrole::text FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
WHERE pg_get_userbyid(m.roleid) = ANY(%(roles)s) AND r.rolname <> ALL(%(roles)s) AND NOT r.rolsuper
  AND r.rolname <> session_user
ORDER BY 1, 2
"""
_SUPERUSERS = "SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY rolname"
_SELF = "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = session_user"


async def look(patient: Patient) -> list[Finding]:
    """Compare the rights, owners and attributes of roles; tell who stands above all of that."""
    values = {"schemas": SCHEMAS, "owner": OWNER, "roles": list(privileges.ROLES)}
    async with patient.connected() as connection:

        async def rows(query: str) -> list[tuple[str, ...]]:
            return await (await connection.execute(query.encode(), values)).fetchall()

        standing = await privileges.standing(connection)
        of_editions = await privileges.standing_of_editions(connection)
        tables = [name for (name,) in await rows(_EDITION_TABLES)]
        found = [
            *_owners(await rows(_OWNED_BY_OTHERS)),
            *_row_rules(await rows(_WITH_ROW_RULES)),
            *_attributes(await rows(_ROLES)),
            *_memberships(await rows(_MEMBERSHIPS)),
            *_members(await rows(_MEMBERS)),
        ]
        superusers, [(login, is_super)] = await rows(_SUPERUSERS), await rows(_SELF)
    expected = privileges.expected()
    wanted = {line for table in tables for line in privileges.expected_of_edition(table)}
    found += _compared(standing | of_editions, expected | wanted)
    if all(each.state is State.OK for each in found):
        found.append(
            ok(
                "rights",
                f"{len(expected | wanted)} rights, triggers, functions and views are as the code expects",
            )
        )
    return [*found, _above_all(patient, [name for (name,) in superusers], login, is_super=bool(is_super))]


def _compared(standing: set[str], expected: set[str]) -> list[Finding]:
    missing = sorted(expected - standing)
    replaced = {_name(line) for line in missing if line.startswith(_REPLACEABLE)}
    extra = sorted(line for line in standing - expected if _name(line) not in replaced)
    found = [_missing(line) for line in missing[:_TOLD]] + [_extra(line) for line in extra[:_TOLD]]
    if more := len(missing[_TOLD:]) + len(extra[_TOLD:]):
        found.append(
            wrong("rights", f"and {more} more differences", "Run: vignettes migrate, then look again.")
        )
    return found


def _name(line: str) -> str:
    """Return what a line is about, where that may be replaced: FUNCTION or VIEW, and its name."""
    return line.partition(" IS ")[0].removesuffix(" SECURITY DEFINER")


def _missing(line: str) -> Finding:
    if line.startswith("CREATE TRIGGER"):
        name, table = line.split()[2], line.split(" ON ")[1].split(maxsplit=1)[0]
        define = line.removesuffix(" ENABLE ALWAYS")
        way = f"Run, where it is gone: {define}; and then: ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name};"
        return wrong("trigger", f"{name} on {table} is not there as it must be, for everybody, always", way)
    if line.startswith(_REPLACEABLE):
        way = "Find out who replaced it; then bring back its text from the migration that made it."
        if line.startswith("VIEW"):
            way += " Or where its projection waits to be rebuilt: vignettes projections rebuild"
        return wrong(_kind_of(line), f"{_name(line)} is not that of the code", way)
    return wrong("missing right", line, f"Run: GRANT {line};")


def _extra(line: str) -> Finding:
    if line.startswith("CREATE TRIGGER"):
        name, table = line.split()[2], line.split(" ON ")[1].split(maxsplit=1)[0]
        return wrong("trigger", f"not of this code: {line}", f"Run: DROP TRIGGER {name} ON {table};")
    if line.startswith("RULE"):
        return wrong("rule", f"not of this code: {line}", f"Run: DROP {line.replace(' ON TABLE ', ' ON ')};")
    if line.startswith(_REPLACEABLE):
        return wrong(_kind_of(line), f"not of this code: {_name(line)}", "Find out who made it, and drop it.")
    given, _, to = line.rpartition(" TO ")
    way = f"Run: REVOKE {given} FROM {to};"
    ours = to == "PUBLIC" or to in privileges.ROLES
    # Whoever gives a program of their own a view of `read` does what that schema is for; and a login that migrates
    # without being a superuser keeps its list of migrations in public.
    if (not ours and line.startswith("SELECT ON TABLE read.")) or line.endswith(
        f" ON SCHEMA public TO {OWNER}"
    ):
        return ok("right of others", line)
    return (wrong if ours else warning)("extra right", line, way)


def _kind_of(line: str) -> str:
    return line.partition(" ")[0].lower()


def _owners(rows: list[tuple[str, ...]]) -> list[Finding]:
    return [
        wrong(
            "owner",
            f"{thing} belongs to {owner}: it may do anything with it",
            f"Run: ALTER {_kind(thing)} OWNER TO {OWNER};",
        )
        for thing, owner in rows[:_TOLD]
    ]


def _kind(thing: str) -> str:
    return thing if thing.startswith(("SCHEMA ", "FUNCTION ")) else f"TABLE {thing}"


def _row_rules(rows: list[tuple[str, ...]]) -> list[Finding]:
    return [
        wrong(
            "row rules",
            f"{name} hides rows from some: views and audits would not see all",
            f"Run: ALTER TABLE {name} DISABLE ROW LEVEL SECURITY;",
        )
        for (name,) in rows
    ]


def _attributes(rows: list[tuple[str, ...]]) -> list[Finding]:
    known = {row[0]: row[1] for row in rows}
    gone = [
        wrong("role", f"{name} is not there", "Run: vignettes migrate")
        for name in privileges.ROLES
        if name not in known
    ]
    return gone + [
        wrong(
            "role",
            f"{name} has {can}",
            f"Run: ALTER ROLE {name} {' '.join(f'NO{each}' for each in can.split(', '))};",
        )
        for name, can in known.items()
        if can
    ]


def _memberships(rows: list[tuple[str, ...]]) -> list[Finding]:
    return [
        wrong("role", f"{member} may do all that {of} may", f"Run: REVOKE {of} FROM {member};")
        for member, of in rows
    ]


def _members(rows: list[tuple[str, ...]]) -> list[Finding]:
    """Tell who was granted a role of ours, beside this login; a login of each process is as it should be."""
    known = [
        (member, of)
        for member, of in rows
        if member == _OPERATIONS or (of != OWNER and member.startswith(_KNOWN))
    ]
    found = [_member(member, of) for member, of in rows if (member, of) not in known]
    names = ", ".join(dict.fromkeys(member for member, _ in known))
    return [*found, ok("members", names)] if names else found


def _member(member: str, of: str) -> Finding:
    told, way = f"{member} may do all that {of} may", f"Run: REVOKE {of} FROM {member};"
    if of == OWNER:
        return wrong("member", f"{told}: it could end the protection of the log", way)
    return warning("member", f"{told}; if you have granted that, all is well", way)


def _above_all(patient: Patient, superusers: list[str], login: str, *, is_super: bool) -> Finding:
    told = f"superusers who can log in: {', '.join(superusers)}; this login is {login}"
    if is_super and patient.settings.environment == "production":
        way = "Let the service log in as a role of its own, granted the vignettes_ roles; see docs/operating.md."
        return warning("above all", f"{told}, one of them", way)
    return ok("above all", told)
