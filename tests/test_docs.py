"""The documentation names only what there is: links lead somewhere, commands and settings exist, none is left out."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
import typer

from vignettes.runtime.cli import app
from vignettes.runtime.settings import SPOKEN_BETWEEN_PROCESSES, Settings, variable
from vignettes.services.error_codes import TO_DO

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "decisions").glob("*.md")]
)
SHIPPED = sorted(path for path in (ROOT / "deploy").rglob("*") if path.is_file() and path.suffix != ".json")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
#: What pages call by their prefix alone, and what they say is no setting.
NO_SETTINGS = {"VIGNETTES_RESTARTS"}
SETTINGS = {variable(name) for name in Settings.model_fields} | NO_SETTINGS


def named(path):
    return str(path.relative_to(ROOT))


@cache
def anchors(page):
    """Return what the headings of a page are reached by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_something(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"(https?|mailto):", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / unquote(path)).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@cache
def commands():
    """Return every command, by all its words."""
    found = {}

    def walk(command, words):
        found[words] = command
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def called(text):
    """Return what is said to be typed after `vignettes`: in shells of any kind, and among sentences."""
    # A line that goes on in the next one is one command; what is quoted is one word.
    text = re.sub(r"\\\n\s*", " ", text)
    for block in re.findall(r"```(?:sh|console|bash)\n(.*?)```", text, re.DOTALL):
        lines = re.sub(r"'[^']*'", "TEXT", block).splitlines()
        for line in lines:
            yield from re.findall(r"(?:^|\s|/)vignettes (?!-)([^#;&|>]*)", line)
    yield from re.findall(r"`vignettes ([^`]+)`", without_code(text))


def judged(said):
    """Return what is wrong with a command as it is said, or nothing."""
    known, command, words = commands(), (), said.split()
    while words and (*command, words[0]) in known:
        command = (*command, words.pop(0))
    alternatives = words[0].split("|") if words and "|" in words[0] else []
    if alternatives:  # `vignettes outages add|list|withdraw`
        return None if all((*command, each.strip("\\")) in known for each in alternatives) else said
    has_more = bool(getattr(known[command], "commands", None))
    if not command or (has_more and words and words[0].isalpha() and words[0].islower()):
        return said
    options = {option for each in known[command].params for option in each.opts} | {"--help"}
    wrong = [word for word in words if word.startswith("--") and word.partition("=")[0] not in options]
    return f"{said}: {wrong}" if wrong else None


@pytest.mark.parametrize("page", [*PAGES, *SHIPPED, *EXAMPLES], ids=named)
def test_every_command_that_is_named_exists(page):
    text = page.read_text()
    said = {each.strip().rstrip(".,:") for each in called(text)}
    assert [wrong for each in sorted(said) if each not in {"...", ""} and (wrong := judged(each))] == []


@pytest.mark.parametrize("page", [*PAGES, *SHIPPED, *EXAMPLES], ids=named)
def test_every_variable_that_is_named_is_a_setting(page):
    named_there = set(re.findall(r"\bVIGNETTES_[A-Z_]*[A-Z]\b", page.read_text()))
    assert named_there - SETTINGS - {f"VIGNETTES_{each}" for each in SPOKEN_BETWEEN_PROCESSES} == set()


def test_every_setting_is_in_the_table_for_operators_with_what_it_takes():
    page = (ROOT / "docs" / "operating.md").read_text()
    rows = dict(re.findall(r"^\| `(VIGNETTES_\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert rows == {variable(name): field.description for name, field in Settings.model_fields.items()}


def test_every_code_of_an_error_is_told_of_to_integrators():
    page = (ROOT / "docs" / "integrating.md").read_text()
    assert dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE)).items() >= TO_DO.items()


@pytest.mark.parametrize("page", [*PAGES, *SHIPPED, *EXAMPLES], ids=named)
def test_nothing_tells_of_the_machine_that_it_was_written_on(page):
    """Neither where the project lies there, nor whose it is, nor where its packages come from."""
    text = page.read_text()
    places = {ROOT, Path.home()} - {Path("/")}  # some accounts are at home nowhere
    assert [each for each in (*(f"{place}/" for place in places), "index-url") if each in text] == []
    assert not re.search(r"/home/\w", text)
