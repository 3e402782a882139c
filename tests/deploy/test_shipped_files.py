"""What deploy/ ships fits the service: units and their roles, the image, what docs/operating.md does with them."""

import re
import shutil
import subprocess
from ipaddress import ip_network
from pathlib import Path

import pytest

from vignettes.runtime.roles import ROLES

DEPLOY = Path(__file__).parents[2] / "deploy"

# --- units, accounts, the image


def test_every_role_is_started_and_has_an_account():
    target = (DEPLOY / "systemd" / "vignettes.target").read_text()
    accounts = (DEPLOY / "systemd" / "vignettes.sysusers").read_text()
    assert set(re.findall(r"vignettes@(\w+)\.service", target)) == set(ROLES)
    assert set(re.findall(r"^u vignettes-(\w+) ", accounts, re.MULTILINE)) == {*ROLES, "operations"}


def test_no_network_is_trusted_to_say_who_asks():
    told = re.findall(
        r"^VIGNETTES_TRUSTED_PROXIES=(.+)$", (DEPLOY / "vignettes.env").read_text(), re.MULTILINE
    )
    assert [ip_network(each).num_addresses for each in told[0].split(",")] == [1, 1]


def test_units_are_what_systemd_understands(tmp_path):
    """Also with what each role adds; but the program, which is not installed here."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze is on this machine")
    unit = (DEPLOY / "systemd" / "vignettes@.service").read_text()
    added = [path.read_text() for path in (DEPLOY / "systemd").glob("*.service.d/*.conf")]
    assert len(added) == 3
    for number, each in enumerate(["", *added]):
        path = tmp_path / f"vignettes@role{number}.service"
        path.write_text(unit.replace("/opt/vignettes/venv/bin/vignettes", "/bin/true") + each)
        found = subprocess.run([analyze, "verify", path], capture_output=True, text=True, check=False)
        assert (found.returncode, found.stderr) == (0, "")


def test_the_image_holds_only_what_is_locked_and_runs_without_rights():
    image = (DEPLOY / "Containerfile").read_text()
    installs = [line for line in image.splitlines() if "pip install" in line]
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert re.findall(r"^USER (.*)$", image, re.MULTILINE) == ["10001:10001"]
    assert image.count("\nFROM ") == 2
    kept = (DEPLOY.parent / ".containerignore").read_text().splitlines()
    for copied in re.findall(r"^COPY (?!--from)(.*)$", image, re.MULTILINE):
        for path in copied.split()[:-1]:
            assert f"!{path}" in kept, path
            assert (DEPLOY.parent / path).exists(), path


# --- docs/operating.md, where it says what to do with them

OPERATING = (DEPLOY.parent / "docs" / "operating.md").read_text()


def test_nothing_is_used_before_it_is_there():
    """The program and the accounts come before the keys, the certificate before the server that wants one."""
    for first, then in (
        ("/opt/vignettes/venv\n", "/venv/bin/vignettes keys nats"),
        ("systemd-sysusers\n", '-o "vignettes-$role"'),
        ("install -m 0600 server.crt server.key", "pg_ctl start"),
        ("synchronous_commit=local", "createdb vignettes"),
    ):
        assert -1 < OPERATING.index(first) < OPERATING.index(then), then


def test_each_key_is_given_to_the_accounts_that_read_it():
    loops = re.findall(r"^for role in ([^;]*); do\n(.*?)^done$", OPERATING, re.MULTILINE | re.DOTALL)
    [(every, folders), (holders, master)] = [(set(roles.split()), what) for roles, what in loops]
    assert every == {*ROLES, "operations"}
    assert 'runuser -u "vignettes-$role"' in folders
    assert re.findall(r'install -m 0600 -o "vignettes-\$role" .* master\.key ', master)
    [told] = re.findall(r"^\| `master\.key` \| ([\w, ]+) \|", OPERATING, re.MULTILINE)
    assert holders == set(told.split(", "))
