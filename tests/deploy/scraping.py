"""What Prometheus makes of the service: scraped samples as series, and the rules applied to them by promtool."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
#: A metric of ours within an expression.
_METRIC = re.compile(r"\bvignettes_[a-z_]+")
_OF_EVERY_ALERT = {"__name__", "alertname", "alertstate", "severity"}
#: How long each state lasts, in minutes: longer than any rule looks back, or waits.
MINUTES = 40

_AT_THE_END = 'ALERTS{alertstate="firing"}'
_AT_ANY_TIME = f"max_over_time({_AT_THE_END}[{MINUTES - 1}m])"

Samples = dict[str, float]
"""What one scrape tells: values by series."""


def read(text: str) -> Samples:
    """Return the samples of an exposition, by their series as PromQL names them."""
    return {
        sample.name + json_labels(sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def json_labels(labels: Mapping[str, str]) -> str:
    """Return labels in braces, in the order of their names."""
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels.items())) + "}"


def alerts() -> dict[str, str]:
    """Return the expressions of all alerts by their names."""
    blocks = re.split(r"^\s*- alert: ", ALERTS.read_text(), flags=re.MULTILINE)[1:]
    return {block.split("\n", 1)[0].strip(): block.split("expr:")[1].split("labels:")[0] for block in blocks}


def metrics_of(expression: str) -> set[str]:
    """Return the metrics of ours that an expression names."""
    return set(_METRIC.findall(expression))


def firing(promtool: str, folder: Path, *states: Samples) -> list[set[str]]:
    """Let states follow each other, each for so many minutes, and return which alerts fire.

    At the end of the first, at any time in the second, at the end of the third, and so on; each as
    `Name{label="value"}`, without what says how grave it is.
    """
    wanted = set().union(*(metrics_of(each) for each in alerts().values())) | {"up"}
    series = {name for state in states for name in state if name.partition("{")[0] in wanted}
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": each, "values": _values(each, states)} for each in sorted(series)],
            "promql_expr_test": [
                {
                    "expr": _AT_THE_END if number % 2 else _AT_ANY_TIME,
                    "eval_time": f"{MINUTES * number - 1}m",
                }
                for number in range(1, len(states) + 1)
            ],
        }
    ]
    file = folder / "rules.json"
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
    # Nothing is expected: whatever fires is told as what was got instead.
    ran = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    told = ran.stdout + ran.stderr
    assert "exp:" in told or ran.returncode == 0, told
    return [set(_fired(told, MINUTES * number - 1)) for number in range(1, len(states) + 1)]


def _values(series: str, states: tuple[Samples, ...]) -> str:
    """Return the notation of a series that stands still within each state; nothing where it is not told."""
    return " ".join(
        f"{state[series]:.6f}+0x{MINUTES - 1}" if series in state else f"_x{MINUTES}" for state in states
    )


def _fired(told: str, minute: int) -> Iterator[str]:
    time = f"{minute // 60}h{minute % 60}m" if minute >= 60 else f"{minute}m"
    for block in re.split(r"^\s*expr: ", told, flags=re.MULTILINE)[1:]:
        if f"time: {time}," not in block:
            continue
        for found in re.findall(r"\{[^}]*\}", block.split("got:", 1)[1]):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', found))
            name = labels["alertname"]
            others = {key: value for key, value in labels.items() if key not in _OF_EVERY_ALERT}
            yield name + (json_labels(others) if others else "")
