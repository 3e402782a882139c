"""Lets Node measure, and reads what it found."""

import json
import subprocess
from pathlib import Path

from benchmarks.apart import answer
from benchmarks.figures import Point, Window

_SCRIPT = Path(__file__).with_name("orders.mjs")


def measure(installed: str, database_url: str, in_flight: int, seconds: float, warm_up: float) -> list[Point]:
    """Return how many commands emmett gets done with so many in flight."""
    asked = {
        "installed": installed,
        "database_url": database_url,
        "in_flight": in_flight,
        "seconds": seconds,
        "warm_up": warm_up,
    }
    told = subprocess.run(  # noqa: S603  # our script
        ["node", str(_SCRIPT)],  # noqa: S607  # whichever node is on the path is the one to be measured
        input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip
    window = Window(seconds, warm_up)
    for command, latencies_ms in json.loads(told).items():
        window.latencies[command] = [ms / 1000 for ms in latencies_ms]
    return [Point.of(("W1", "alternative", "emmett commands"), in_flight, seconds, window)]


if __name__ == "__main__":
    answer(measure)
