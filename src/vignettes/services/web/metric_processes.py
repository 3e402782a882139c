"""What the processes of all roles tell of themselves by micro discovery, as metrics."""

import math
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.micro.service import EndpointStats, ServiceStats
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from vignettes.services import discovery
from vignettes.services.timings import BOUNDS
from vignettes.services.web.metric_views import buckets

log = structlog.get_logger(__name__)

#: What a writer tells of itself, as metrics.
_OF_A_WRITER: dict[str, tuple[type[GaugeMetricFamily | CounterMetricFamily], str]] = {
    "queue_waiting": (GaugeMetricFamily, "Commands that wait for the next group."),
    "queue_capacity": (GaugeMetricFamily, "Commands that may wait; more are turned away."),
    "queue_turned_away": (CounterMetricFamily, "Commands answered `unavailable` because the queue was full."),
    "groups": (CounterMetricFamily, "Transactions that commands went into."),
    "group_commands": (CounterMetricFamily, "Commands that went into them."),
    "group_largest": (GaugeMetricFamily, "Commands of the largest of them."),
}
#: Told also by a process that was asked nothing yet: what grows from nothing has no rate.
_OUTCOMES = ("ok", "refused", "unavailable")
_NOTHING_YET: dict[str, Any] = {"bounds": BOUNDS, "outcomes": {}}
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Told:
    """One process, and what it tells of itself."""

    role: str
    stats: ServiceStats

    @property
    def writer(self) -> dict[str, Any]:
        """How its writer fares; nothing where it has none. All its commands go through the one."""
        found = (each.data for each in self.stats.endpoints if each.data)
        return next((data for data in found if data.keys() & _OF_A_WRITER.keys()), {})


async def told(client: Client, expected: Sequence[str]) -> list[Told] | None:
    """Ask everybody, and once more with patience where a role does not answer; None when NATS does not."""
    if not client.is_connected:
        return None
    try:
        found = _ours(await discovery.told(client))
        if set(expected) - {each.role for each in found}:
            found = _ours(await discovery.told(client, _PATIENCE_SECONDS))
    except NatsError:
        return None
    return found


def _ours(answers: Sequence[ServiceStats]) -> list[Told]:
    found = [
        Told(each.name.removeprefix(discovery.PREFIX), each)
        for each in answers
        if each.name.startswith(discovery.PREFIX)
    ]
    return [each for each in found if _can_be_told(each)]


def _can_be_told(process: Told) -> bool:
    """Tell it once by itself: any program may answer by such a name, and one that tells nonsense hides nobody else."""
    alone = CollectorRegistry(auto_describe=False)
    alone.register(Processes([process], ()))
    try:
        generate_latest(alone)
    except (ValueError, TypeError, LookupError, AttributeError):
        log.warning("metrics.unreadable_answer", role=process.role)
        return False
    return True


class Processes(Collector):
    """Who runs, what each answered, and how the writers fare. None means that NATS could not be asked."""

    def __init__(self, processes: Sequence[Told] | None, expected: Sequence[str]) -> None:
        self._processes = processes
        self._expected = expected

    def collect(self) -> Iterable[Metric]:
        yield _build()
        up = "Whether NATS could be asked for this answer."
        yield GaugeMetricFamily("vignettes_nats_up", up, value=float(self._processes is not None))
        if self._processes is not None:
            yield from _seen(self._processes, self._expected)
            yield _answered(self._processes)
            yield from _writers(self._processes)


def _build() -> Metric:
    meaning = "The release that tells this, and the Python it runs on; always 1."
    family = GaugeMetricFamily("vignettes_build_info", meaning, labels=["version", "python"])
    family.add_metric([version("vignettes"), platform.python_version()], 1)
    return family


def _seen(processes: Sequence[Told], expected: Sequence[str]) -> Iterator[Metric]:
    count = Counter(each.role for each in processes)
    present = GaugeMetricFamily("vignettes_processes", "Processes that answer, by role.", labels=["role"])
    for role in dict.fromkeys((*expected, *count)):
        present.add_metric([role], count[role])
    yield present
    labels = ["role", "process", "version"]
    restarts = GaugeMetricFamily(
        "vignettes_process_restarts", "How often it was started again.", labels=labels
    )
    for each in processes:
        known = (each.stats.metadata or {}).get("restarts", "0")
        restarts.add_metric([each.role, each.stats.id, each.stats.version], float(known))
    yield restarts


def _answered(processes: Sequence[Told]) -> Metric:
    meaning = "How long requests took from their arrival to their answer, by subject and by how they ended."
    labels = ["process", "subject", "outcome"]
    family = HistogramMetricFamily("vignettes_request_seconds", meaning, labels=labels)
    for process in processes:
        for endpoint in process.stats.endpoints:
            _add_timings(family, process.stats.id, endpoint)
    return family


def _add_timings(family: HistogramMetricFamily, process: str, endpoint: EndpointStats) -> None:
    timings = (endpoint.data or {}).get("timings") or _NOTHING_YET
    bounds = [*timings["bounds"], math.inf]
    nothing = {"counts": [0] * len(bounds), "seconds": 0.0}
    for outcome, counted in (dict.fromkeys(_OUTCOMES, nothing) | timings["outcomes"]).items():
        labels = [process, endpoint.subject, outcome]
        family.add_metric(labels, buckets(bounds, counted["counts"]), counted["seconds"])


def _writers(processes: Sequence[Told]) -> Iterator[Metric]:
    writers = [(each.stats.id, each.writer) for each in processes if each.writer]
    for name, (kind, meaning) in _OF_A_WRITER.items():
        family = kind(f"vignettes_command_{name}", meaning, labels=["process"])
        for process, stats in writers:
            if name in stats:  # one of another release may tell other things
                family.add_metric([process], stats[name])
        yield family
