"""How Prometheus is told of the views: each row of a question is a sample of every metric that the question tells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from math import isinf
from operator import itemgetter
from typing import Final, LiteralString

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg import AsyncConnection

#: Whoever writes a view is heard of twice a second; after so long nobody does.
LED_SECONDS: Final = 5
_LATENESS: Final = "SELECT purpose, le, triggers, seconds FROM read.trigger_lateness ORDER BY purpose, le"

Labels = tuple[str, ...]
Rows = Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Told:
    """A column as a metric: its name without `vignettes_`, and what it means."""

    name: str
    meaning: str
    is_counter: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the views: each row has a value for every label, and then one for everything `told`.

    `known` are labels that are told as zero when no row has them: a series that vanishes can't be watched.
    """

    sql: LiteralString
    told: Sequence[Told]
    labels: Sequence[str] = ()
    known: Sequence[Labels] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """How the service stands, as one look into the views tells: the rows that answer each question, and lateness."""

    answers: Sequence[tuple[Question, Rows]]
    lateness: Sequence[tuple[str, float, int, float]]


def each_of(values: Iterable[str]) -> tuple[Labels, ...]:
    """Return the labels of a question that has one, which takes these values."""
    return tuple((str(value),) for value in values)


async def read(connection: AsyncConnection, questions: Sequence[Question]) -> Standing:
    """Look once."""
    # A moment to compare with, by which an index can be used; clock.now() is another one for each row.
    [(now,)] = await (await connection.execute("SELECT clock.now()")).fetchall()
    asked = {"now": now, "led": LED_SECONDS}
    answers = [(each, await (await connection.execute(each.sql, asked)).fetchall()) for each in questions]
    lateness = await (await connection.execute(_LATENESS)).fetchall()
    return Standing(answers, lateness)


class Views(Collector):
    """One look, as metrics. None means that the database could not be asked."""

    def __init__(self, standing: Standing | None) -> None:
        self._standing = standing

    def collect(self) -> Iterable[Metric]:
        up = "Whether the views could be read for this answer."
        yield GaugeMetricFamily("vignettes_database_up", up, value=float(self._standing is not None))
        if self._standing:
            for question, rows in self._standing.answers:
                yield from _families(question, rows)
            yield _lateness(self._standing.lateness)


def _families(question: Question, rows: Rows) -> Iterable[Metric]:
    many = len(question.labels)
    values = {tuple(map(str, row[:many])): row[many:] for row in rows}
    none = [0] * len(question.told)
    told: Mapping[Labels, Sequence[object]] = dict.fromkeys(question.known, none) | values
    for place, each in enumerate(question.told):
        kind = CounterMetricFamily if each.is_counter else GaugeMetricFamily
        family = kind(f"vignettes_{each.name}", each.meaning, labels=question.labels)
        for labels, numbers in told.items():
            family.add_metric(labels, float(str(numbers[place])))
        yield family


def _lateness(rows: Sequence[tuple[str, float, int, float]]) -> Metric:
    meaning = "How late triggers fired, the first time for each deadline, by purpose."
    family = HistogramMetricFamily("vignettes_trigger_late_seconds", meaning, labels=["purpose"])
    for purpose, steps in groupby(rows, itemgetter(0)):
        _, bounds, counts, seconds = zip(*steps, strict=True)
        family.add_metric([purpose], buckets(bounds, counts), sum(seconds))
    return family


def buckets(bounds: Iterable[float], counts: Iterable[int]) -> list[tuple[str, float]]:
    """Return steps as Prometheus wants them: each with those before it. The last bound is infinity."""
    return [
        ("+Inf" if isinf(bound) else str(bound), number)
        for bound, number in zip(bounds, accumulate(counts), strict=True)
    ]
