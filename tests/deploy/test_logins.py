"""deploy/postgresql: a schema is made by a login that is no superuser, and each role has the rights that it needs."""

import re

import psycopg
import pytest

from shipped_logins import LOGINS, POSTGRESQL, as_login, logins
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.migrations import migrate
from vignettes.runtime.viewing import install_views


@pytest.fixture(scope="module")
def installed(postgres):
    """A database made by the shipped statements and by the operator's login alone."""
    postgres.ensure_database("installed")
    url = postgres.url("installed")
    with logins(url):
        operator = as_login(url, "vignettes_run_operations")
        migrate(operator)
        install_views(operator)
        yield url
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE installed WITH (FORCE)")


@pytest.mark.parametrize(
    ("login", "roles"),
    [
        (name, re.findall(r"vignettes_(?!run_|an_)\w+", line))
        for name, line in re.findall(r"CREATE ROLE (\w+) LOGIN(.*?);", LOGINS, re.DOTALL)
    ],
)
def test_a_login_takes_its_roles_and_no_other(installed, login, roles):
    every = {f"vignettes_{name}" for name in ("owner", "writer", "projector", "reader", "auditor", "ledger")}
    url = as_login(installed, login)
    for role in roles:
        with psycopg.connect(conninfo(url, role)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (role,)
    for role in every - set(roles):
        with pytest.raises(psycopg.Error, match=r"permission denied|cannot set|not permitted"):
            psycopg.connect(conninfo(url, role)).close()


def test_an_auditor_reads_the_log_and_the_ledger_and_changes_nothing(installed):
    with psycopg.connect(as_login(installed, "vignettes_an_auditor"), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM log.events").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM read.heads").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM log.events")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM personal.keys")


def test_an_auditor_may_ask_what_the_page_for_auditors_shows(installed):
    page = (POSTGRESQL.parents[1] / "docs" / "auditing.md").read_text()
    [queries] = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    with psycopg.connect(as_login(installed, "vignettes_an_auditor"), autocommit=True) as connection:
        for query in queries.split(";\n"):
            connection.execute(query)


def test_a_standby_comes_by_the_login_that_the_page_for_operators_names(installed):
    page = (POSTGRESQL.parents[1] / "docs" / "operating.md").read_text()
    [login] = re.findall(r"^pg_basebackup .*-U (\w+)", page, re.MULTILINE)
    assert re.search(rf"^hostssl replication +{login} ", page, re.MULTILINE)
    with psycopg.connect(installed) as connection:
        found = connection.execute(
            "SELECT rolreplication, rolsuper FROM pg_roles WHERE rolname = %s", (login,)
        )
        assert found.fetchone() == (True, False)


def test_the_log_of_postgresql_does_not_fill_the_disk():
    """What waits for an archive that nobody made, or for a standby that is gone, would be kept for ever."""
    named = dict(re.findall(r"^(\w+) = (.*)$", (POSTGRESQL / "postgresql.conf").read_text(), re.MULTILINE))
    assert named.get("archive_mode", "off") == "off" or {"archive_command", "archive_library"} & named.keys()
    assert "max_slot_wal_keep_size" in named


def test_every_setting_of_the_shipped_file_is_one_of_postgresql(postgres):
    named = re.findall(r"^(\w+) =", (POSTGRESQL / "postgresql.conf").read_text(), re.MULTILINE)
    with psycopg.connect(postgres.url("postgres")) as connection:
        known = {name.lower() for (name,) in connection.execute("SELECT name FROM pg_settings").fetchall()}
    assert len(named) > 30
    assert set(named) <= known
