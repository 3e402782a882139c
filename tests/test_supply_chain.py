"""What is installed: locked with hashes from nowhere in particular, and looked up without hiding what was not."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tools.vulnerabilities import FOUND, UNKNOWN, Looked, exit_code, judged, report

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
CLEAN = {"name": "one", "version": "1.0", "vulns": []}
VULNERABLE = {
    "name": "two",
    "version": "2.0",
    "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}, {"id": "CVE-2", "fix_versions": []}],
}
SKIPPED = {
    "name": "three",
    "skip_reason": "Dependency not found on PyPI and could not be audited: three (3.0)",
}


def looked(*packages):
    return judged({"dependencies": list(packages), "fixes": []})


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_version_has_hashes_and_no_lock_names_where_it_comes_from(lock):
    text = lock.read_text()
    pinned = re.findall(r"^[\w.-]+==\S+.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert pinned
    assert [each.split()[0] for each in pinned if "--hash=sha256:" not in each] == []
    assert re.findall(r"https?://|index-url|find-links|trusted-host", text) == []


def test_what_was_looked_up_and_found_clean_is_a_success():
    assert exit_code([looked(CLEAN)]) == 0
    assert report("run.txt", looked(CLEAN)) == [
        "run.txt: 1 of 1 packages were looked up and have no known vulnerability."
    ]


def test_a_vulnerability_is_named_with_the_version_that_mends_it():
    assert exit_code([looked(CLEAN), looked(VULNERABLE, SKIPPED)]) == FOUND
    assert report("run.txt", looked(VULNERABLE))[1] == (
        "  two 2.0: CVE-1 (mended in 2.1), CVE-2 (mended in no version yet)"
    )


@pytest.mark.parametrize(
    "found", [looked(CLEAN, SKIPPED), looked(SKIPPED), looked(), Looked(unknown=["x 1"])]
)
def test_what_was_not_looked_up_is_no_success(found):
    """pip-audit itself ends with 0 and "No known vulnerabilities found"."""
    assert exit_code([looked(CLEAN), found]) == UNKNOWN


def test_what_was_not_looked_up_is_named():
    told = "\n".join(report("run.txt", looked(CLEAN, SKIPPED)))
    assert "NOT LOOKED UP: 1 of 2" in told
    assert "three" in told


@pytest.mark.scale
def test_the_bill_of_materials_names_all_that_is_locked_with_its_hashes():
    """`make sbom` has its own validator look at it; its programs are installed by it, beside everything else."""
    subprocess.run([shutil.which("make"), "sbom"], cwd=ROOT, check=True, capture_output=True, timeout=600)
    bill = json.loads((ROOT / "dist" / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "vignettes")
    locked = dict(
        re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements/run.txt").read_text(), re.MULTILINE)
    )
    assert {each["name"]: each["version"] for each in bill["components"]} == locked
    hashes = {
        each["content"]
        for component in bill["components"]
        for reference in component["externalReferences"]
        for each in reference["hashes"]
    }
    assert hashes == set(re.findall(r"--hash=sha256:(\w+)", (ROOT / "requirements/run.txt").read_text()))
