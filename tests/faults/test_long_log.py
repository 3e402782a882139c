"""A log of a million events costs a command as much as an empty one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVENTS = 1_000_000
AT_MOST_TIMES_EMPTY = 1.2


@pytest.mark.scale
@pytest.mark.timeout(1800)
def test_a_command_costs_the_same_on_a_log_of_a_million_events(tmp_path, capsys):
    """As `make bench` measures it (W10): a service on a long log and one on an empty log take turns."""
    found = tmp_path / "found.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--only",
        "W10",
        "--events",
        str(EVENTS),
        "--json",
        str(found),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(found.read_text())
    [goal] = result["goals"]
    with capsys.disabled():
        print(f"\nlog of {EVENTS:,} events: {goal['ours']:.3f} times the cost of an empty one")  # noqa: T201
        for point in result["points"]:
            print(f"  {point['what']}: {point['per_second']:,.0f}/s, p50 {point['p50_ms']:.1f} ms")  # noqa: T201
    assert goal["ours"] <= AT_MOST_TIMES_EMPTY, done.stdout
