"""An auditor reads all there is but keys, and writes nothing but that it looked; nobody takes a look back."""

import psycopg
import pytest
from psycopg.errors import CheckViolation, InsufficientPrivilege

from eventstore_helpers import a_database, ask
from vignettes.eventstore.connections import conninfo

AUDITOR = "vignettes_auditor"
OTHERS = (
    "vignettes_owner",
    "vignettes_writer",
    "vignettes_projector",
    "vignettes_reader",
    "vignettes_ledger",
)
NOTE = "SELECT audit.note_look('staff:auditor-1', 'history', NULL, '{}')"
CHANGES = (
    "UPDATE audit.looks SET actor = 'nobody'",
    "DELETE FROM audit.looks",
    "TRUNCATE audit.looks",
)
KEYS = ("personal.keys", "personal.secrets")
READABLE = (
    "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = ANY(%s) ORDER BY 1"
)
VIEWS = "SELECT format('%%I.%%I', schemaname, viewname) FROM pg_views WHERE schemaname = %s ORDER BY 1"


@pytest.fixture(scope="module")
def looked_at(postgres):
    with a_database(postgres, "looks") as url:
        attempt(url, AUDITOR, NOTE, keep=True)
        yield url


def attempt(url, role, statement, *, keep=False):
    """Try a statement as a role, and take it back."""
    with (
        psycopg.connect(conninfo(url, role)) as connection,
        connection.transaction(force_rollback=not keep),
    ):
        return connection.execute(statement).fetchall()


def test_an_auditor_reads_the_log_the_ledger_and_every_view(looked_at):
    for table in ask(looked_at, READABLE, ["log", "ledger"]) + ask(looked_at, VIEWS, "read"):
        attempt(looked_at, AUDITOR, f"SELECT * FROM {table}")


@pytest.mark.parametrize("table", KEYS)
def test_an_auditor_sees_no_key(looked_at, table):
    with pytest.raises(InsufficientPrivilege):
        attempt(looked_at, AUDITOR, f"SELECT * FROM {table}")


def test_a_look_has_a_number_and_a_time_that_nobody_chooses(looked_at):
    [(number,)] = attempt(looked_at, AUDITOR, NOTE)
    assert number > 1
    chosen = "INSERT INTO audit.looks (actor, what) VALUES ('staff:auditor-1', 'history')"
    with pytest.raises(InsufficientPrivilege):
        attempt(looked_at, AUDITOR, chosen)
    [row] = attempt(
        looked_at, AUDITOR, "SELECT actor, what, looked_at > now() - interval '1 hour' FROM read.looks"
    )
    assert row == ("staff:auditor-1", "history", True)


@pytest.mark.parametrize(
    "role", ["vignettes_writer", "vignettes_projector", "vignettes_reader", "vignettes_ledger"]
)
def test_nobody_else_notes_looks(looked_at, role):
    with pytest.raises(InsufficientPrivilege):
        attempt(looked_at, role, NOTE)


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.parametrize("role", [AUDITOR, *OTHERS])
def test_no_role_changes_a_look(looked_at, role, statement):
    with pytest.raises(InsufficientPrivilege):
        attempt(looked_at, role, statement)


@pytest.mark.parametrize("session", ["origin", "replica"])
@pytest.mark.parametrize("statement", CHANGES)
def test_not_even_a_superuser_changes_a_look(looked_at, statement, session):
    """Also not in a session that claims to replicate."""
    with psycopg.connect(looked_at) as connection, connection.transaction(force_rollback=True):
        connection.execute(f"SET session_replication_role = {session}")
        with pytest.raises(InsufficientPrivilege, match="only ever appended to"):
            connection.execute(statement)


@pytest.mark.parametrize(("actor", "what"), [("", "history"), ("a" * 201, "history"), ("a", "His Tory")])
def test_a_look_must_say_who_and_what(looked_at, actor, what):
    with pytest.raises(CheckViolation):
        attempt(looked_at, AUDITOR, f"SELECT audit.note_look('{actor}', '{what}', NULL, '{{}}')")
