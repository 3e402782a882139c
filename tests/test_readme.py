"""The README's worked order, run as it is printed: the commands are real, and so are the answers."""

import re
import subprocess
from pathlib import Path

import pytest

from commanding import vignettes
from eventstore_helpers import ask
from service import running_service
from vignettes.runtime.embedded import EmbeddedNats

ROOT = Path(__file__).parents[1]
#: By the id of the command that places it.
ORDER = "34773156-1324-5415-8cd4-5e88b36b3469"
#: What differs from run to run: times, what follows from keys, and the line breaks that follow from their lengths.
VOLATILE = [
    (re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+(Z|[+-]\d{2}:\d{2})?"), "TIME"),
    (re.compile(r"\d{4}-\d{2}-\d{2}"), "DAY"),
    (re.compile(r"http://\S+/o/[\w-]{43}"), "LINK"),
    (re.compile(r"CZ-\d{4}-"), "CZ-YEAR-"),
    (re.compile(r"authorisation_code [0-9A-F]{8}"), "authorisation_code CODE"),
    (re.compile(r"digest\s+[0-9a-f]{64}"), "digest DIGEST"),
    (re.compile(r"\s+"), " "),
]


def worked_order() -> list[tuple[str, str]]:
    """Return each command of the README's console blocks with the answer printed under it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n\$ (.*?)```", text, re.DOTALL)
    steps = []
    for block in blocks:
        lines = block.splitlines()
        length = next(n for n in range(1, len(lines) + 1) if _is_complete("\n".join(lines[:n])))
        steps.append(("\n".join(lines[:length]), "\n".join(lines[length:])))
    return steps


def _is_complete(command: str) -> bool:
    """Tell whether a command may end here: outside quotes, as the shell reads it."""
    return subprocess.run(["bash", "-n", "-c", command], capture_output=True, check=False).returncode == 0


def masked(text: str) -> str:
    """Return a text without what may differ."""
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return text.strip()


async def answer(command: str, nats_url: str) -> str:
    """Return what a command answers, its words as the shell makes them."""
    program, words = command.split(maxsplit=1)
    assert program == ".venv/bin/vignettes"
    made = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, text=True, check=True
    )
    ended = await vignettes(*made.stdout.split("\0")[:-1], VIGNETTES_NATS_URL=nats_url, COLUMNS="100")
    assert ended.code == 0, ended.complained
    return ended.said


@pytest.fixture
async def answers(database: str, nats_server: EmbeddedNats, tmp_path: Path):
    """Run the service on nothing yet, by the clock on the wall, and the commands against it."""
    # Or it would be set to the year of all other tests.
    ask(database, "UPDATE clock.shift SET ahead = '1 microsecond'")
    async with running_service(database, nats_server.url, tmp_path / "data") as service:
        for subject in ("orders.v1.place", "sandbox.v1.clock"):
            await service.ask(subject)  # until it answers at all
        found = []
        for command, printed in worked_order():
            found.append((command, printed, await answer(command, nats_server.url)))
            if "sandbox.v1.clock" in command:  # a reader takes a breath; the test waits for the vignette
                await service.status(ORDER, "issued")
        yield found


async def test_the_worked_order_gives_the_answers_printed_in_the_readme(answers):
    """A newcomer who types it sees what is printed, but for times and the key behind the link."""
    assert len(answers) == 6
    for command, printed, answered in answers:
        assert masked(answered) == masked(printed), command
