"""The README's worked order, run as it is printed: the commands are real, and so are the answers."""

import json
import os
import re
import subprocess
from pathlib import Path

import nats
import pytest

from service import until
from vignettes.runtime.embedded import free_port
from vignettes.runtime.instance import instance
from vignettes.runtime.settings import load_settings

ROOT = Path(__file__).parents[1]
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


@pytest.fixture
async def answers(tmp_path: Path):
    """Run the service as `make run` does, on a fresh data directory, and the commands against it."""
    settings = load_settings(
        data_dir=tmp_path,
        sandbox=True,
        clock="movable",
        nats_port=0,
        http_port=free_port(),
        log_level="error",
    )
    async with instance(settings) as running:
        await running.until_ready()
        environment = {**os.environ, "VIGNETTES_NATS_URL": running.settings.nats_url or "", "COLUMNS": "100"}
        client = await nats.connect(running.settings.nats_url or "")
        found = []
        for command, printed in worked_order():
            answered = subprocess.run(
                ["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, env=environment, check=True
            )
            found.append((command, printed, answered.stdout))
            if "sandbox.v1.clock" in command:  # a reader takes a breath; the test waits for the vignette
                await until(lambda: _is_issued(client))
        await client.close()
        yield found


async def _is_issued(client: nats.NATS) -> bool:
    reply = await client.request("orders.v1.status", b'{"order_number": "V6562305984"}', timeout=10)
    return json.loads(reply.data)["order"]["status"] == "issued"


async def test_the_worked_order_gives_the_answers_printed_in_the_readme(answers):
    """A newcomer who types it sees what is printed, but for times and the key behind the link."""
    assert len(answers) == 6
    for command, printed, answered in answers:
        assert masked(answered) == masked(printed), command
