"""SECURITY.md: its tables name exactly the roles, logins, users and commands that there are."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from forbidden_statements import ROLES as DATABASE_ROLES
from nats_users import USERS
from shipped_logins import LOGINS, NAMES
from vignettes.runtime.cli import app
from vignettes.runtime.roles import ROLES
from vignettes.services.web.staff_members import StaffRole

PAGE = (Path(__file__).parents[1] / "SECURITY.md").read_text()
COMMANDS = sorted(set(re.findall(r"`vignettes ((?:[a-z]+ ?)+)", PAGE)))


def rows(heading):
    """Return the rows of the table below a heading, as their cells."""
    section = PAGE[PAGE.index(f"\n{heading}\n") :].split("\n#", 2)[1]
    return [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| ")
    ][2:]


def test_every_role_of_the_database_is_told_of():
    assert [row[0] for row in rows("### Roles of the database")] == list(DATABASE_ROLES)


def test_every_login_is_told_of_with_the_roles_that_it_takes():
    taken = {
        name: set(re.findall(r"vignettes_(?!run_|an?_)(\w+)", statement))
        for name, statement in re.findall(r"CREATE ROLE (\w+) LOGIN(.*?);", LOGINS, re.DOTALL)
    }
    told = {name: set(takes.split(", ")) for name, takes in rows("### Logins")}
    assert told.keys() == set(NAMES)
    for name in set(NAMES) - {"vignettes_run_operations", "vignettes_a_standby"}:
        assert told[name] == taken[name], name
    assert taken["vignettes_run_operations"] == {
        "owner", "writer", "projector", "reader", "auditor",
    }  # fmt: skip


def test_every_user_of_nats_is_told_of_with_its_account():
    assert {name: account for name, account, _ in rows("### Users of NATS")} == {
        name: user.account for name, user in USERS.items()
    }


def test_every_role_of_staff_is_told_of():
    assert [row[0] for row in rows("### Staff")] == [role.value for role in StaffRole]


def test_the_machine_of_every_role_is_told_of():
    assert [row[0] for row in rows("### A whole machine")] == [*ROLES, "PostgreSQL", "NATS"]


def test_the_machines_that_have_the_master_key_are_those_that_are_given_it():
    operating = (Path(__file__).parents[1] / "docs" / "operating.md").read_text()
    [told] = re.findall(r"^\| `master\.key` \| ([\w, ]+) \|", operating, re.MULTILINE)
    holders = {name for name, has, _ in rows("### A whole machine") if "master key" in has}
    assert holders | {"operations"} == set(told.split(", "))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_is_named_exists(command):
    words = command.split()
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


def test_no_person_and_no_address_is_made_up():
    assert re.findall(r"[\w.+-]+@[\w-]+\.\w+", PAGE) == []
    assert set(re.findall(r"https?://\S+", PAGE)) == set()


def test_every_page_that_is_linked_is_there():
    root = Path(__file__).parents[1]
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE):
        assert (root / target).exists(), target
