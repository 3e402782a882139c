"""Who may do what in the database, as docs and contracts say it; and that nobody may change the log.

Each role is tried as it is lived in: by a login of its own that was granted just this one.
"""

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.errors import InsufficientPrivilege, ObjectNotInPrerequisiteState

from eventstore_helpers import ask
from forbidden_statements import (
    AUDITOR,
    FORBIDDEN,
    LEDGER,
    OWNER,
    PROJECTOR,
    READER,
    REWRITE_THE_LOG,
    ROLES,
    WRITER,
)
from logging_in import a_full_log, attempt, logins_to
from vignettes.eventstore import privileges

#: As many as each role is refused at the least.
THIRTY = 30
#: Read by name, each is in contracts: views that stay.
READ_VIEWS = (
    "order_status",
    "emails",
    "deadlines",
    "payments",
    "review_queue",
    "promises",
    "projection_lag",
    "parked_events",
)

NEW_EVENT = (
    "INSERT INTO log.events (originator_id, originator_version, topic, state)"
    " VALUES (gen_random_uuid(), 1, 't', '')"
)
NEW_ANSWER = (
    "INSERT INTO log.commands (command_id, payload_hash, reply, recorded_at)"
    " VALUES (gen_random_uuid(), '', '{}', now())"
)
NEW_MAIL = (
    "INSERT INTO effect.mails (message_id, order_id, kind, position, called_at)"
    " VALUES ('<1@x>', gen_random_uuid(), 'placed', 1, now())"
)
NEW_EDITION = "INSERT INTO view.editions (view, version) VALUES ('another', 1)"
PARK = (
    "INSERT INTO view.parked (edition, order_id, position, version, topic, error)"
    " SELECT id, gen_random_uuid(), 1, 1, 't', 'e' FROM view.editions"
)
#: Of no edition that there is: it fails also for those who may call it, but not for a lack of rights.
SWITCH = "SELECT view.switch(0)"
MIGRATIONS = "SELECT * FROM public.vignettes_migrations"
SOME_TILE = "INSERT INTO ledger.tiles (level, number, hashes) VALUES (3, 0, sha256(''))"

ALLOWED = {
    OWNER: [
        "UPDATE clock.shift SET ahead = '1 hour'",
        "CREATE TABLE view.another ()",
        "CREATE TABLE edition.another ()",
        NEW_EDITION,
        MIGRATIONS,
    ],
    WRITER: [
        "SELECT * FROM log.events",
        "SELECT * FROM log.commands",
        NEW_EVENT,
        NEW_ANSWER,
        "SELECT nextval('log.order_serial')",
        "SELECT clock.now()",
        "INSERT INTO log.payments VALUES ('1', gen_random_uuid())",
        "INSERT INTO personal.keys (order_id, master) VALUES (gen_random_uuid(), '')",
        "UPDATE personal.keys SET contact = NULL",
        "SELECT * FROM personal.secrets",
        "SELECT * FROM view.order_status",
        "SELECT * FROM read.emails",
        "SELECT * FROM effect.documents",
        "NOTIFY log",
        MIGRATIONS,
    ],
    PROJECTOR: [
        'LISTEN "log"',
        "SELECT * FROM log.events",
        "UPDATE view.editions SET position = 0, term = term + 1, heartbeat_at = now()",
        PARK,
        "UPDATE view.parked SET wanted = true",
        "DELETE FROM view.parked",
        "DELETE FROM view.drift",
        "DELETE FROM edition.order_status_1",
        NEW_MAIL,
        "UPDATE effect.mails SET sent_at = now()",
        "UPDATE effect.triggers SET emissions = 2",
        "SELECT clock.now()",
        "SELECT * FROM personal.keys",
        "SELECT * FROM personal.secrets",
        MIGRATIONS,
    ],
    READER: [
        "SELECT * FROM read.order_status",
        "SELECT * FROM read.projection_lag",
        "SELECT clock.now()",
        MIGRATIONS,
    ],
    AUDITOR: [
        "SELECT * FROM log.events",
        "SELECT * FROM log.commands",
        "SELECT * FROM log.payments",
        "SELECT * FROM log.outages",
        "SELECT * FROM log.outage_withdrawals",
        "SELECT * FROM ledger.tiles",
        "SELECT * FROM ledger.heads",
        "SELECT * FROM ledger.stamps",
        "SELECT * FROM ledger.outlets",
        "SELECT * FROM read.looks",
        "SELECT audit.note_look('staff:somebody', 'find', NULL, '{}')",
        "SELECT clock.now()",
        MIGRATIONS,
    ],
    LEDGER: [
        "SELECT * FROM log.events",
        SOME_TILE,
        f"{SOME_TILE} RETURNING level",
        "INSERT INTO ledger.heads VALUES (9, 9, sha256(''), now(), '')",
        "INSERT INTO ledger.outlets VALUES ('stream', 9) ON CONFLICT (name) DO UPDATE SET size = excluded.size",
        "SELECT * FROM read.heads",
        "SELECT clock.now()",
        MIGRATIONS,
    ],
}


@pytest.fixture(scope="module")
def full_log(postgres):
    with a_full_log(postgres, "grants") as url:
        yield url


@pytest.fixture(scope="module")
def logins(full_log):
    with logins_to(full_log) as connections:
        yield connections


def each(table):
    return [(role, what) for role, statements in table.items() for what in statements]


@pytest.mark.parametrize(("role", "statement"), each(ALLOWED))
def test_a_role_may_do_its_work(logins, role, statement):
    """What contracts promises to it, and what its process needs."""
    attempt(logins[role], statement)


@pytest.mark.fault(13)
@pytest.mark.parametrize(("role", "what"), each(FORBIDDEN))
def test_a_role_may_do_nothing_else(logins, role, what):
    """Least privilege: a process that was taken over can't do another one's work."""
    with pytest.raises(InsufficientPrivilege):
        attempt(logins[role], FORBIDDEN[role][what])


@pytest.mark.parametrize("role", ROLES)
def test_thirty_attempts_are_known_for_each_role(role):
    """Each a statement of its own."""
    assert len(set(FORBIDDEN[role].values())) >= THIRTY


def test_a_projection_may_show_what_it_has_built(logins):
    """By the function of the owner alone, which looks whether it is complete."""
    with pytest.raises(ObjectNotInPrerequisiteState, match="is not being built"):
        attempt(logins[PROJECTOR], SWITCH)


@pytest.mark.parametrize("what", REWRITE_THE_LOG)
def test_what_is_for_ever_refuses_even_the_superuser(full_log, what):
    """The second lock: a trigger says no where no right is missing, also in a session that claims to replicate."""
    with psycopg.connect(full_log) as connection:
        for session in ("origin", "replica"):
            connection.execute(f"SET LOCAL session_replication_role = {session}")
            with pytest.raises(InsufficientPrivilege, match="only ever"):
                attempt(connection, REWRITE_THE_LOG[what])
        connection.rollback()


@pytest.mark.parametrize("role", [WRITER, PROJECTOR, READER, AUDITOR])
def test_the_views_of_read_are_open_to_every_role(logins, role):
    """They are what other programs may rely on."""
    for view in READ_VIEWS:
        attempt(logins[role], f"SELECT * FROM read.{view}")


def test_an_auditor_reads_every_view_and_everything_in_the_log_and_the_ledger(full_log, logins):
    """By name, whatever is added to them."""
    there = "SELECT format('%%I.%%I', schemaname, {0}) FROM pg_catalog.{1} WHERE schemaname = ANY(%s)"
    spaces = ["log", "ledger", "read"]
    things = ask(full_log, there.format("tablename", "pg_tables"), spaces)
    things += ask(full_log, there.format("viewname", "pg_views"), spaces)
    assert {"log.events", "ledger.tiles", "read.order_status", "read.looks"} <= set(things)
    for thing in things:
        attempt(logins[AUDITOR], f"SELECT * FROM {thing}")


@pytest.mark.parametrize("role", [READER, AUDITOR, LEDGER])
def test_no_view_that_others_read_shows_a_key(full_log, role):
    """Views may open what is sealed; the keys themselves, and how they are wrapped, stay where they are."""
    keys = ["contact_view", "vehicle_view", "wrapped", "master", "contact", "vehicle"]
    shown = (
        "SELECT table_schema, table_name, column_name FROM information_schema.columns"
        " WHERE column_name = ANY(%s) AND table_schema NOT LIKE 'pg_%%' AND data_type = 'bytea'"
        " AND has_schema_privilege(%s, table_schema, 'USAGE')"
        " AND has_column_privilege(%s, format('%%I.%%I', table_schema, table_name), column_name, 'SELECT')"
    )
    assert ask(full_log, shown, keys, role, role) == []


def test_no_role_can_log_in_or_do_what_a_superuser_can(full_log):
    """Logins are the operator's own; each is granted one of these, and none of them is granted another."""
    special = "rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
    known = list(ROLES)
    assert ask(full_log, f"SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND ({special})", known) == []
    members = "SELECT member FROM pg_auth_members WHERE pg_get_userbyid(member) = ANY(%s)"
    assert ask(full_log, members, known) == []


async def test_every_right_is_written_down(full_log):
    """`python -m tools.privileges` writes what the doctor compares a living database with."""
    async with await AsyncConnection.connect(full_log, autocommit=True) as connection:
        there, written = await privileges.standing(connection), privileges.expected()
    assert (sorted(there - written), sorted(written - there)) == ([], [])
