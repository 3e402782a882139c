"""Who may do what in the database, as docs and contracts say it; and that nobody may change the log."""

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, ObjectNotInPrerequisiteState

from eventstore_helpers import a_database, a_writer, ask, placing
from vignettes.eventstore.connections import conninfo

OWNER, WRITER, PROJECTOR, READER, AUDITOR = ROLES = (
    "vignettes_owner",
    "vignettes_writer",
    "vignettes_projector",
    "vignettes_reader",
    "vignettes_auditor",
)

#: Read by name, each is in contracts: views that stay.
READ_VIEWS = (
    "order_status",
    "emails",
    "deadlines",
    "payments",
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
A_TABLE = "edition.order_status_1"
SERIAL = "SELECT nextval('log.order_serial')"
SHIFT = "UPDATE clock.shift SET ahead = '1 hour'"
LISTEN = 'LISTEN "log"'

ALLOWED = [
    (WRITER, "SELECT * FROM log.events"),
    (WRITER, "SELECT * FROM log.commands"),
    (WRITER, NEW_EVENT),
    (WRITER, NEW_ANSWER),
    (WRITER, SERIAL),
    (WRITER, "SELECT clock.now()"),
    (WRITER, "INSERT INTO log.payments VALUES ('1', gen_random_uuid())"),
    (WRITER, "INSERT INTO personal.keys (order_id, master) VALUES (gen_random_uuid(), '')"),
    (WRITER, "UPDATE personal.keys SET contact = NULL"),
    (WRITER, "SELECT * FROM personal.secrets"),
    (WRITER, "SELECT * FROM view.order_status"),
    (WRITER, "SELECT * FROM read.emails"),
    (WRITER, "NOTIFY log"),
    (PROJECTOR, LISTEN),
    (PROJECTOR, "SELECT * FROM log.events"),
    (PROJECTOR, "UPDATE view.editions SET position = 0, term = term + 1, heartbeat_at = now()"),
    (PROJECTOR, PARK),
    (PROJECTOR, "UPDATE view.parked SET wanted = true"),
    (PROJECTOR, "DELETE FROM view.parked"),
    (PROJECTOR, "DELETE FROM view.drift"),
    (PROJECTOR, f"DELETE FROM {A_TABLE}"),
    (PROJECTOR, NEW_MAIL),
    (PROJECTOR, "SELECT clock.now()"),
    (PROJECTOR, "SELECT * FROM personal.keys"),
    (PROJECTOR, "SELECT * FROM personal.secrets"),
    (READER, "SELECT * FROM read.order_status"),
    (READER, "SELECT * FROM read.projection_lag"),
    (READER, "SELECT clock.now()"),
    (AUDITOR, "SELECT * FROM log.events"),
    (AUDITOR, "SELECT * FROM log.commands"),
    (AUDITOR, "SELECT * FROM read.deadlines"),
    (OWNER, SHIFT),
    (OWNER, "CREATE TABLE view.another ()"),
    (OWNER, "CREATE TABLE edition.another ()"),
    (OWNER, NEW_EDITION),
]

FORBIDDEN = [
    (WRITER, "SELECT setval('log.order_serial', 1)"),
    (WRITER, "UPDATE view.order_status SET status = 'issued'"),
    (WRITER, "SELECT * FROM effect.mails"),
    (WRITER, SHIFT),
    (WRITER, "CREATE TABLE log.another ()"),
    (WRITER, "CREATE TABLE public.another ()"),
    (WRITER, "ALTER TABLE log.events DISABLE TRIGGER events_are_for_ever"),
    (WRITER, "UPDATE personal.keys SET master = ''"),
    (WRITER, "DELETE FROM personal.keys"),
    (WRITER, "UPDATE personal.secrets SET wrapped = ''"),
    (PROJECTOR, "UPDATE personal.keys SET contact = NULL"),
    (PROJECTOR, "SELECT * FROM log.payments"),
    (READER, "SELECT * FROM personal.keys"),
    (READER, "SELECT * FROM personal.secrets"),
    (AUDITOR, "SELECT * FROM personal.keys"),
    (AUDITOR, "SELECT * FROM personal.secrets"),
    (PROJECTOR, NEW_EVENT),
    (PROJECTOR, NEW_ANSWER),
    (PROJECTOR, "SELECT * FROM log.commands"),
    (PROJECTOR, SERIAL),
    (PROJECTOR, SHIFT),
    (PROJECTOR, NEW_EDITION),
    (PROJECTOR, "UPDATE view.editions SET state = 'live'"),
    (PROJECTOR, "UPDATE view.editions SET reading = '', handover = ''"),
    (PROJECTOR, "DELETE FROM view.editions"),
    (PROJECTOR, "CREATE TABLE edition.another ()"),
    (PROJECTOR, f"TRUNCATE {A_TABLE}"),
    (PROJECTOR, f"DROP TABLE {A_TABLE}"),
    (PROJECTOR, "DROP VIEW view.emails"),
    (PROJECTOR, "SELECT view.show(e) FROM view.editions e"),
    (WRITER, SWITCH),
    (WRITER, PARK),
    (WRITER, f"SELECT * FROM {A_TABLE}"),
    (READER, SWITCH),
    (READER, f"SELECT * FROM {A_TABLE}"),
    (READER, "SELECT * FROM view.editions"),
    (READER, "SELECT * FROM view.parked"),
    (AUDITOR, SWITCH),
    (AUDITOR, f"SELECT * FROM {A_TABLE}"),
    (AUDITOR, "SELECT * FROM view.editions"),
    (READER, "SELECT * FROM log.events"),
    (READER, "SELECT * FROM view.order_status"),
    (READER, "SELECT * FROM effect.mails"),
    (READER, "UPDATE read.order_status SET status = 'issued'"),
    (READER, "DELETE FROM read.order_status"),
    (READER, NEW_EDITION),
    (READER, SHIFT),
    (AUDITOR, NEW_EVENT),
    (AUDITOR, NEW_ANSWER),
    (AUDITOR, SERIAL),
    (AUDITOR, "SELECT * FROM view.order_status"),
    (AUDITOR, "UPDATE read.order_status SET status = 'issued'"),
    (AUDITOR, SHIFT),
    (AUDITOR, "COPY log.events TO PROGRAM 'cat'"),
]

CHANGES = [
    "UPDATE log.events SET topic = 'other'",
    "UPDATE log.events SET state = '' WHERE false",
    "DELETE FROM log.events",
    "TRUNCATE log.events",
    "UPDATE log.commands SET reply = '{}'",
    "DELETE FROM log.commands",
    "TRUNCATE log.commands",
    "UPDATE log.payments SET order_id = gen_random_uuid()",
    "DELETE FROM log.payments",
    "TRUNCATE log.payments",
]


@pytest.fixture(scope="module")
def full_log(postgres):
    """One database for all of these, with something in it to change: each statement is taken back."""
    with a_database(postgres, "grants") as url:
        writer = a_writer(url)
        writer.execute(placing())
        writer.close()
        yield url


def attempt(url, statement):
    """Try a statement, and take it back."""
    with psycopg.connect(url) as connection, connection.transaction(force_rollback=True):
        connection.execute(statement)


@pytest.mark.parametrize(("role", "statement"), ALLOWED)
def test_a_role_may_do_its_work(full_log, role, statement):
    """What contracts promises to it, and what its process needs."""
    attempt(conninfo(full_log, role), statement)


@pytest.mark.parametrize(("role", "statement"), FORBIDDEN)
def test_a_role_may_do_nothing_else(full_log, role, statement):
    """Least privilege: a process that was taken over can't do another one's work."""
    # A view over a join can't be written by anybody; PostgreSQL says so before it looks for the right.
    writes_a_join = statement.startswith(("UPDATE read.order_status", "DELETE FROM read.order_status"))
    refused = ObjectNotInPrerequisiteState if writes_a_join else InsufficientPrivilege
    with pytest.raises(refused):
        attempt(conninfo(full_log, role), statement)


def test_a_projection_may_show_what_it_has_built(full_log):
    """By the function of the owner alone, which looks whether it is complete."""
    with pytest.raises(ObjectNotInPrerequisiteState, match="is not being built"):
        attempt(conninfo(full_log, PROJECTOR), SWITCH)


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.parametrize("role", ROLES)
def test_nobody_may_change_the_log(full_log, role, statement):
    """It is only ever appended to."""
    with pytest.raises(InsufficientPrivilege):
        attempt(conninfo(full_log, role), statement)


@pytest.mark.parametrize("statement", CHANGES)
def test_the_log_refuses_even_the_superuser(full_log, statement):
    """The second lock: a trigger says no where no right is missing."""
    with pytest.raises(InsufficientPrivilege, match="the log is only ever appended to"):
        attempt(full_log, statement)


@pytest.mark.parametrize("view", READ_VIEWS)
@pytest.mark.parametrize("role", [WRITER, PROJECTOR, READER, AUDITOR])
def test_the_views_of_read_are_open_to_every_role(full_log, role, view):
    """They are what other programs may rely on."""
    attempt(conninfo(full_log, role), f"SELECT * FROM read.{view}")


def test_no_role_can_log_in_or_do_what_a_superuser_can(full_log):
    """Logins are the operator's own; each is granted one of these."""
    special = "rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
    assert (
        ask(full_log, f"SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND ({special})", list(ROLES))
        == []
    )
