"""Where time zones come from: the pinned package, whatever the machine has (those of many are out of date)."""

import json
import os
import subprocess
import sys
import zoneinfo
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path

import pytest

import vignettes
from vignettes.domain.catalogue import PRODUCTS, zone
from vignettes.domain.schedule import Start, Terms, registration_deadline
from vignettes.services.mails.language import Language

SOURCE = Path(vignettes.__file__).parent
ZONES = sorted({each.zone_name for each in PRODUCTS.values()})
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def reckoned():
    """Return all that hangs on zones: when registration is due in each country, and how mails write a time."""
    days = {
        each.country: each for each in PRODUCTS.values() if not each.starts_at_hour and not each.notice_days
    }
    due = {
        country: registration_deadline(bought, Start(date(2026, 7, 20)), NOON, Terms()).due_at.isoformat()
        for country, bought in days.items()
    }
    language = Language.best_for("en")
    written = [[language.local_time(NOON, each), language.day(NOON, each)] for each in ZONES]
    return {"due": due, "written": written, "system": str(zoneinfo.ZoneInfo(ZONES[0]).utcoffset(NOON))}


@pytest.fixture
def wrong_files(tmp_path):
    """Give files under the names of our zones that say another time, as a machine may have them."""
    wrong = files("tzdata").joinpath("zoneinfo", "Etc", "GMT+9").read_bytes()
    for name in ZONES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(wrong)
    return tmp_path


def test_a_machine_whose_files_are_wrong_reckons_as_any_other(wrong_files):
    """Deadlines and mails alike; what Python itself would take is the wrong file."""
    program = "import json; from domain.test_zones import reckoned; print(json.dumps(reckoned()))"
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONTZPATH": str(wrong_files), "PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(elsewhere.stdout)
    assert told.pop("system") == "-1 day, 15:00:00"
    here = reckoned()
    assert here.pop("system") == "2:00:00"
    assert told == here


def test_a_mail_tells_the_time_of_the_pinned_zone():
    assert Language.best_for("en").local_time(NOON, "Europe/Prague") == "1 Jul 2026, 14:00 (Europe/Prague)"


def test_nobody_else_reads_zones():
    """One place prefers the package; whoever asked for a zone in another way would get the machine's."""
    using = [path for path in SOURCE.rglob("*.py") if "zoneinfo" in path.read_text(encoding="utf-8").lower()]
    assert using == [SOURCE / "domain" / "catalogue.py"]


@pytest.mark.parametrize("name", ZONES)
def test_the_package_has_our_zones(name):
    """With the offset of summer, which all of them have."""
    assert zone(name).utcoffset(NOON) in {
        zone("Europe/Prague").utcoffset(NOON),
        zone("Europe/Sofia").utcoffset(NOON),
    }
