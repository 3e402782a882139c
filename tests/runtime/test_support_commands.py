"""`vignettes support list | show | answer | close | erase`: who waits, and what people answer."""

from io import StringIO
from uuid import uuid4

import pytest
from rich.console import Console
from typer.testing import CliRunner

from eventstore_helpers import ask
from service import running_service, until
from vignettes.messages.support import Cases
from vignettes.runtime import support_cases
from vignettes.runtime.cli import app
from vignettes.services.support_examples import SUPPORT_EXAMPLES

ORDER = {
    "product": "CZ-10D",
    "vehicle": {"country": "CZ", "plate": "2A2 2345"},
    "valid_from": "2027-03-17",
    "email": "driver@example.com",
    "language": "en",
}
BARE = {"topic": "question", "channel": "form", "language": "de"}


@pytest.fixture
async def service(database, nats_server, tmp_path):
    async with running_service(
        database, nats_server.url, tmp_path / "data", ("ordering", "projecting", "support")
    ) as running:
        yield running


def said(shown):
    """Return what people see."""
    console = Console(width=200, file=StringIO())
    console.print(shown)
    return console.file.getvalue()


async def opened(service, **told):
    """Open a case, and wait until the view has it."""
    case = await service.ask("support.v1.open", **{**BARE, "command_id": uuid4(), **told})
    await seen(service, case["case_id"], "open")
    return case


async def seen(service, case_id, state):
    async def look():
        query = "SELECT state FROM view.support_cases WHERE case_id = %s"
        return ask(service.settings.database_url, query, case_id) == [state]

    await until(look)


async def test_cases_are_listed_shown_answered_and_closed(service, beside, run, told, tmp_path):
    """By their numbers, as they are read aloud; the answer from a file as well."""
    await service.ask("support.v1.cases")  # once it answers at all
    code, said, _ = await run(beside, "support", "list")
    assert (code, said) == (0, "No case waits.\n")
    placed = await service.command("place", **ORDER)
    await service.status(placed["order_id"], "awaiting_payment")
    asked = {"order_number": placed["order_number"], "email": "driver@example.com", "plate": "2A2 2345"}
    case = await opened(service, **asked, message="Where is it?\nI wait.")
    bare = await opened(service)
    number = case["case_number"]

    code, said, _ = await run(beside, "support", "list")
    first, second = said.splitlines()[1:3]
    assert code == 0
    assert first.split()[:3] == [number, "open", "question"]
    assert all(
        each in first for each in (placed["order_number"], "driver@example.com", "Where is it? I wait.")
    )
    assert second.startswith(bare["case_number"])
    assert said.endswith("\n2 cases are open.\n")
    listed = await told(beside, "support", "list", "--order", placed["order_number"], "--state", "open")
    assert [each["case_number"] for each in listed["cases"]] == [number]

    answer = tmp_path / "answer.txt"
    answer.write_text("On its way.\nHave a good journey – Žofie", encoding="utf-8")
    code, said, complained = await run(beside, "support", "answer", number, "--file", str(answer))
    assert (code, said) == (0, f"Case {number}: answered.\n"), complained
    await seen(service, case["case_id"], "answered")
    code, said, _ = await run(beside, "support", "show", number)
    assert code == 0
    written = ("2A2 2345", "customer, by form", "I wait.", "– Žofie")
    for expected in (f"{number}  question, answered", *written, "The mail case_answered of "):
        assert expected in said

    code, said, complained = await run(beside, "support", "close", case["case_id"])
    assert (code, said) == (0, f"Case {number}: closed.\n"), complained
    code, _, complained = await run(beside, "support", "answer", number, "--text", "More.")
    assert (code, complained.startswith("conflict: The case is closed")) == (1, True)
    code, _, complained = await run(beside, "support", "answer", bare["case_number"], "--text", "Yes.")
    assert (code, "There is no address to answer to" in complained) == (1, True)


@pytest.mark.thorough
async def test_a_case_is_erased_when_it_is_closed(service, beside, run):
    """It is asked whether it is meant; while the case is open it is refused."""
    case = await opened(service, email="driver@example.com", message="Forget me.")
    erase = ("support", "erase", case["case_number"], "--yes")
    code, _, complained = await run(beside, *erase)
    assert (code, complained.startswith("conflict: The case is open")) == (1, True)
    await run(beside, "support", "close", case["case_number"])
    code, said, complained = await run(beside, *erase)
    assert (code, said) == (0, f"Case {case['case_number']}: closed, erased.\n"), complained

    async def forgotten():
        query = "SELECT email IS NULL AND message IS NULL FROM read.support_cases"
        return ask(service.settings.database_url, query) == [True]

    await until(forgotten)


def test_without_a_yes_nothing_is_erased():
    result = CliRunner().invoke(app, ("support", "erase", "C123456788"), input="n\n")
    assert (result.exit_code, "Erase whom case C123456788 concerns?" in result.stderr) == (1, True)


def test_what_came_back_is_shown():
    """In the list, and above what was written."""
    shown = SUPPORT_EXAMPLES[Cases]["cases"][0] | {"returned": "permanent"}
    spam = shown | {"returned": "complaint"}
    listed = said(support_cases.shown({"cases": [shown, spam], "open": 2}))
    assert "open, mail returned" in listed
    assert "open, called spam" in listed
    told = said(support_cases.told({"case": shown, "thread": [], "mails": []}))
    assert told.splitlines()[0].endswith("question, open, mail returned")


async def test_a_number_that_was_misread_is_told_as_such(service, beside, run):
    await service.ask("support.v1.cases")  # once it answers at all
    code, _, complained = await run(beside, "support", "show", "C123456789")
    assert (code, complained) == (
        1,
        "invalid_request: case_number: This value can't be accepted. Its check digit is wrong.\n",
    )
    code, _, complained = await run(beside, "support", "show", "C123456788")
    assert (code, "not_found" in complained) == (1, True)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("support", "list", "--state", "lost"), "'lost' is not one of 'open', 'answered', 'closed'"),
        (
            ("support", "answer", "C123456788", "--text", "a", "--file", __file__),
            "--text or --file, not both.",
        ),
    ],
)
def test_misuse_is_refused(misused, words, complaint):
    assert complaint in misused(*words)


def test_an_answer_that_is_not_utf_8_is_refused(misused, tmp_path):
    answer = tmp_path / "answer.txt"
    answer.write_bytes("Žofie".encode("windows-1250"))
    assert "is not UTF-8." in misused("support", "answer", "C123456788", "--file", str(answer))
