"""Look up what is locked in the database of known vulnerabilities: `make audit`.

pip-audit tells "No known vulnerabilities found", and ends well, when it could not look up a single package: a mirror
answers for packages, and knows nothing of vulnerabilities. Here whatever was not looked up is named, and is no success.
"""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: In an environment of its own: what it needs is nothing that the service runs on.
PROGRAM = Path(sys.prefix) / "supply" / "bin" / "pip-audit"
FOUND, UNKNOWN = 1, 2


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known of the packages of one file."""

    clean: list[str] = field(default_factory=list)
    vulnerable: dict[str, list[str]] = field(default_factory=dict)
    """The names of its vulnerabilities by package, with the versions that mend each."""
    unknown: list[str] = field(default_factory=list)
    """Those that were not looked up."""


def judged(told: dict[str, Any]) -> Looked:
    """Return what pip-audit's JSON comes to."""
    looked = Looked()
    for package in told["dependencies"]:
        name = f"{package['name']} {package.get('version', '')}".strip()
        if "skip_reason" in package:
            looked.unknown.append(name)
        elif package["vulns"]:
            looked.vulnerable[name] = [_named(each) for each in package["vulns"]]
        else:
            looked.clean.append(name)
    return looked


def _named(vulnerability: dict[str, Any]) -> str:
    mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
    return f"{vulnerability['id']} (mended in {mended})"


def report(file: str, looked: Looked) -> list[str]:
    """Return it in words."""
    whole = len(looked.clean) + len(looked.vulnerable) + len(looked.unknown)
    lines = [
        f"{file}: {len(looked.clean)} of {whole} packages were looked up and have no known vulnerability."
    ]
    lines += [f"  {name}: {', '.join(each)}" for name, each in looked.vulnerable.items()]
    if looked.unknown:
        lines.append(
            f"  NOT LOOKED UP: {len(looked.unknown)} of {whole}. Whoever answers for packages here tells nothing of "
            "their vulnerabilities, so nothing is known of these. Run it where the public service is reached."
        )
        lines.append(f"  {', '.join(looked.unknown)}")
    return lines


def exit_code(all_looked: list[Looked]) -> int:
    """Return 0 only when everything was looked up and nothing was found."""
    if any(each.vulnerable for each in all_looked):
        return FOUND
    return UNKNOWN if any(each.unknown or not each.clean for each in all_looked) else 0


def _asked(file: str) -> Looked:
    """Ask for the packages of a file. Where the service can't be reached, all of them are unknown."""
    options = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json")
    done = subprocess.run(  # noqa: S603  # our own program, with what the Makefile names
        [PROGRAM, *options, "--requirement", file], capture_output=True, text=True, check=False
    )
    try:
        return judged(json.loads(done.stdout))
    except ValueError:
        print(f"{file}: pip-audit has failed: {done.stderr.strip().rpartition(chr(10))[2]}", file=sys.stderr)  # noqa: T201  # a command for people
        return Looked(unknown=_locked(file))


def _locked(file: str) -> list[str]:
    lines = Path(file).read_text().splitlines()
    return [line.split(" ")[0].replace("==", " ") for line in lines if "==" in line and line[0].isalnum()]


def main(files: list[str]) -> int:
    """Look up every file, tell what came of it, and return the exit code."""
    found = [_asked(file) for file in files]
    for file, looked in zip(files, found, strict=True):
        print("\n".join(report(file, looked)))  # noqa: T201  # a command for people
    return exit_code(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
