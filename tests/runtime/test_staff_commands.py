"""The staff file as an administrator keeps it, and the settings of those who sign in."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from vignettes.runtime import instance, staffing
from vignettes.runtime.cli import app
from vignettes.runtime.settings import ConfigurationError, load_settings
from vignettes.services.web.staff_file import digest_of
from vignettes.services.web.staff_members import StaffRole, roles_by_group

OPENID = {"openid_issuer": "https://id.example", "openid_client_id": "vignettes"}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "staff" / "staff.toml"


@pytest.fixture
def vignettes(tmp_path, monkeypatch):
    """Run `vignettes staff ...` as an administrator does, but for the logs: they would outlive what they write to."""
    monkeypatch.setattr("vignettes.runtime.logs.configure", lambda *_: None)

    def run(*arguments):
        given = {"VIGNETTES_DATA_DIR": str(tmp_path), "COLUMNS": "200"}
        return CliRunner().invoke(app, ["staff", *arguments], env=given)

    return run


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_members_are_added_listed_and_removed(vignettes, file):
    added = vignettes("add", "duty-1", "--role", "operator", "--role", "auditor")
    [token] = [word for word in added.stdout.split() if word.startswith("vst_")]
    assert f"VIGNETTES_STAFF_FILE={file}" in added.stdout
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert token not in file.read_text()
    assert staffing.members(file)["duty-1"].token_sha256 == digest_of(token)
    [listed] = json.loads(vignettes("list", "--json").stdout)
    assert (listed["name"], listed["roles"]) == ("duty-1", ["auditor", "operator"])
    assert "member already" in str(vignettes("add", "duty-1", "--role", "viewer").exception)
    assert json.loads(vignettes("remove", "duty-1", "--json").stdout) == {"removed": "duty-1"}
    assert "not a member" in str(vignettes("remove", "duty-1").exception)
    assert "Nobody" in vignettes("list").stdout


@pytest.mark.parametrize("name", ["An na", "", "../x", 'a"b', "a\nb", "é", "a" * 65])
def test_a_name_that_could_not_stand_in_the_history_is_a_misuse(vignettes, file, name):
    assert vignettes("add", name, "--role", "viewer").exit_code == 2
    assert not file.exists()


def test_a_member_may_be_given_other_roles_and_a_new_token(file):
    old = staffing.add(file, "duty-1", [StaffRole.VIEWER])
    new = staffing.add(file, "duty-1", [StaffRole.AUDITOR], replace=True)
    entry = staffing.members(file)["duty-1"]
    assert new != old
    assert (entry.roles, entry.token_sha256) == ({StaffRole.AUDITOR}, digest_of(new))


def test_administrators_at_the_same_time_do_not_undo_each_other(file):
    names = [f"member{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: staffing.add(file, name, [StaffRole.VIEWER]), names))
    assert staffing.members(file).keys() == set(names)


def test_a_file_that_could_not_be_written_is_as_it_was(file, monkeypatch):
    staffing.add(file, "duty-1", [StaffRole.VIEWER])
    before = file.read_bytes()

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(staffing.StaffRefused, match="No space left"):
        staffing.add(file, "duty-2", [StaffRole.VIEWER])
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_broken_file_is_not_written_over(file):
    staffing.add(file, "duty-1", [StaffRole.VIEWER])
    file.write_text("[members")
    with pytest.raises(staffing.StaffRefused, match=r"staff\.toml can't be used"):
        staffing.add(file, "duty-2", [StaffRole.VIEWER])
    assert file.read_text() == "[members"


def test_the_sandbox_has_one_member_of_each_role_and_keeps_them(file):
    staffing.for_the_sandbox(file)
    tokens = {role: (file.parent / f"{role}.token") for role in StaffRole}
    assert all(mode(path) == 0o600 for path in tokens.values())
    known = staffing.members(file)
    for role, path in tokens.items():
        assert known[role].roles == {role}
        assert known[role].token_sha256 == digest_of(path.read_text().strip())
    staffing.for_the_sandbox(file)
    assert staffing.members(file) == known


def test_a_machine_of_one_s_own_has_a_staff_file_and_production_only_what_is_set(file, tmp_path):
    local = load_settings(data_dir=tmp_path)
    assert instance._with_files(local).staff_file == file
    earnest = local.model_copy(update={"environment": "production"})
    assert instance._with_files(earnest).staff_file is None


# ------------------------------------------------------------ settings


def test_sessions_are_sealed_by_a_key_that_is_made_once(tmp_path):
    settings = load_settings(data_dir=tmp_path)
    key = staffing.session_key(settings)
    assert (len(key), staffing.session_key(settings)) == (32, key)
    assert mode(settings.staff_key_file) == 0o600


def test_in_production_the_key_is_never_made(tmp_path):
    """Each web role would make its own, and none would know the sessions of another."""
    settings = load_settings(data_dir=tmp_path).model_copy(update={"environment": "production"})
    with pytest.raises(ConfigurationError, match=r"VIGNETTES_STAFF_KEY_FILE: .* does not exist"):
        staffing.session_key(settings)


@pytest.mark.parametrize(("text", "open_to"), [("short", 0o600), ("", 0o600), ("00" * 32, 0o640)])
def test_a_key_that_is_none_or_that_others_can_read_is_refused(tmp_path, text, open_to):
    path = tmp_path / "sessions.key"
    path.write_text(text)
    path.chmod(open_to)
    with pytest.raises(ConfigurationError, match="VIGNETTES_STAFF_KEY_FILE"):
        staffing.session_key(load_settings(data_dir=tmp_path, staff_key_file=path))


def test_groups_of_a_provider_are_named_with_what_they_may():
    settings = load_settings(**OPENID, openid_roles="ops team = operator, cn=audit=auditor,")
    assert roles_by_group(settings.openid_roles) == {
        "ops team": StaffRole.OPERATOR,
        "cn=audit": StaffRole.AUDITOR,
    }


@pytest.mark.parametrize("roles", ["ops-team", "ops-team=owner", "=viewer", "a=viewer,a=auditor"])
def test_a_role_that_there_is_not_is_refused(roles):
    with pytest.raises(ConfigurationError, match="VIGNETTES_OPENID_ROLES"):
        load_settings(**OPENID, openid_roles=roles)


@pytest.mark.parametrize("missing", ["openid_client_id", "openid_roles"])
def test_a_provider_needs_a_client_and_groups(missing):
    given = {**OPENID, "openid_roles": "ops-team=operator"}
    del given[missing]
    with pytest.raises(ConfigurationError, match=f"VIGNETTES_{missing.upper()} must be set"):
        load_settings(**given)


def test_in_production_a_provider_speaks_https():
    with pytest.raises(ConfigurationError, match="VIGNETTES_OPENID_ISSUER must begin with https://"):
        load_settings(
            **{**OPENID, "openid_issuer": "http://id.example"},
            openid_roles="a=viewer",
            environment="production",
        )
