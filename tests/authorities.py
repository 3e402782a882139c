"""Authorities of the tests' own, each a small file: the bundled one with less patience, or with other sections."""

from importlib.resources import files
from pathlib import Path

BUNDLED = files("vignettes.services.authorities").joinpath("sandbox.toml").read_text()
IMPATIENT = """
[limits]
timeout_seconds = 0.5
rate_per_minute = 60000
burst = 2000
"""
QUICK = """
[retrying]
first_seconds = 0.02
longest_seconds = 0.1
later_seconds = 0.1

[asking]
first_seconds = 0.02
longest_seconds = 0.1
later_seconds = 0.1

[breaker]
first_seconds = 0.2
longest_seconds = 0.4
"""


def without(section: str, text: str = BUNDLED) -> str:
    """Return a file without one of its sections."""
    before, _, rest = text.partition(f"\n[{section}]\n")
    return before + rest[max(rest.find("\n["), 0) :]


def impatient(folder: Path, *more: str, text: str = BUNDLED, name: str = "all.toml") -> Path:
    """Write an authority that is given half a second and asked again soon, and return the folder.

    Each of `more` is a section in place of the one of that name.
    """
    for section in (IMPATIENT, *QUICK.split("\n\n"), *more):
        title = section.strip().partition("\n")[0].strip("[]")
        text = without(title, text) + "\n" + section.strip() + "\n"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder
