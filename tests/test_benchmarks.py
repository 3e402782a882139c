"""The benchmark measures what it says, and says how it stands to the goals."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def bench(file: Path, *options: str) -> dict:
    """Run the benchmark as `make bench` does, for a moment, and return what it wrote."""
    command = [sys.executable, "-m", "benchmarks", "--seconds", "0.3", "--json", str(file), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Goals" in done.stdout
    return json.loads(file.read_text())


def measured(found: dict) -> set:
    """Return which points there are, all of them with figures that something real could have."""
    for point in found["points"]:
        assert point["operations"] > 0
        assert point["per_second"] == pytest.approx(point["operations"] / point["seconds"])
        assert 0 < point["p50_ms"] <= point["p99_ms"]
    return {(p["workload"], p["party"], p["what"], p["parallel"]) for p in found["points"]}


def test_a_lone_client_is_measured_beside_an_insert_and_a_round_trip(tmp_path):
    found = bench(tmp_path / "found.json", "--only", "W2")
    assert measured(found) == {
        ("W2", "ours", "commands", 1),
        ("W2", "limit", "NATS echo", 1),
        ("W2", "limit", "single-row inserts", 1),
    }
    assert found["machine"]["postgresql_settings"]["fsync"] == "on"
    assert found["machine"]["nats_settings"] == {"sync_interval": "always"}
    assert found["machine"]["cores"] > 0
    assert found["machine"]["postgresql"]
    assert found["machine"]["nats_server"]
    assert found["seconds_per_point"] == 0.3
    (goal,) = found["goals"]
    ours, echo, insert = (point["p50_ms"] for point in found["points"])
    assert goal["ours"] == pytest.approx(ours / (insert + echo))
    assert goal["verdict"] == ("reached" if goal["ours"] <= goal["goal"] else "missed")


@pytest.mark.scale
def test_many_clients_are_measured_beside_the_library_and_the_limits(tmp_path):
    found = bench(tmp_path / "found.json", "--only", "W1", "--clients", "1,8")
    parties = {(party, parallel) for _, party, what, parallel in measured(found) if what != "NATS echo"}
    assert {("ours", 1), ("ours", 8)} <= parties
    assert {("alternative", threads) for threads in (1, 4, 16)} <= parties
    assert {("limit", connections) for connections in (1, 8, 32)} <= parties
    commands, times, tail = found["goals"]
    assert times["ours"] == pytest.approx(commands["ours"] / commands["alternative"])
    assert set(commands["limits"]) == set(commands["ratios"]) - {"alternative"} == {"inserts", "echoes"}
    assert tail["verdict"] == "not measured"


def test_an_unknown_workload_is_refused():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "W99"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "W99" in done.stderr
