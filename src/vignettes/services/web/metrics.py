"""What Prometheus is told: this process, how the whole service stands according to its views, and who runs."""

import asyncio
import time
from collections.abc import Iterable, Sequence

import psycopg
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import StreamState
from nats.js.errors import NotFoundError
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from vignettes.messages import events
from vignettes.services.web import metric_processes, metric_views
from vignettes.services.web.metric_processes import Processes
from vignettes.services.web.metric_questions import QUESTIONS
from vignettes.services.web.metric_views import Standing, Views

#: With what follows it, and what NATS is asked, less than Prometheus waits for.
DATABASE_SECONDS = 5.0
_STREAM_SECONDS = 3.0


async def exposition(
    client: Client,
    database: AsyncConnectionPool,
    roles: Sequence[str],
    counted: Sequence[CollectorRegistry] = (),
) -> bytes:
    """Return all metrics in the text format. Without the database or NATS the process's own are still told.

    `roles` should be there; `counted` by parts of this process.
    """
    looked, processes = await asyncio.gather(_looked(database), metric_processes.told(client, roles))
    # After the views: what they say was published is in it by now.
    stream = await _stream(client)
    standing, ahead = looked or (None, None)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Views(standing))
    registry.register(Processes(processes, roles))
    registry.register(_Stream(stream))
    registry.register(_Clock(ahead))
    return b"".join(generate_latest(each) for each in (REGISTRY, *counted, registry))


async def _looked(database: AsyncConnectionPool) -> tuple[Standing, float] | None:
    looking = asyncio.create_task(_look(database))
    try:
        await asyncio.wait({looking}, timeout=DATABASE_SECONDS)
        return looking.result() if looking.done() else None
    finally:
        # Its end is not waited for: psycopg asks a server that keeps silent for ten seconds to give up the statement.
        looking.cancel()


async def _look(database: AsyncConnectionPool) -> tuple[Standing, float] | None:
    try:
        async with database.connection() as connection:
            return await metric_views.read(connection, QUESTIONS), await _ahead(connection)
    except psycopg.Error:
        return None


async def _ahead(connection: AsyncConnection) -> float:
    """Return by how many seconds this host's clock is ahead of the database's; 0 where asking took no less."""
    before = time.time()
    cursor = await connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
    [(theirs,)] = await cursor.fetchall()
    return float(max(before - theirs, 0.0) or min(time.time() - theirs, 0.0))


async def _stream(client: Client) -> StreamState | None:
    """Return how the stream ORDERS stands: empty when there is none, None when NATS can't be asked."""
    if not client.is_connected:
        return None
    try:
        jetstream = client.jetstream(timeout=_STREAM_SECONDS)
        return (await jetstream.stream_info(events.STREAM)).state
    except NotFoundError:
        return StreamState(messages=0, bytes=0, first_seq=0, last_seq=0, consumer_count=0)
    except (NatsError, TimeoutError):
        return None


class _Stream(Collector):
    """What the stream ORDERS holds, to be compared with what was published."""

    def __init__(self, state: StreamState | None) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        if self._state:
            messages = (
                "Messages in the stream ORDERS; no fewer than vignettes_published_events, or some are gone."
            )
            yield GaugeMetricFamily("vignettes_stream_messages", messages, value=self._state.messages)
            size = "Bytes of the stream ORDERS."
            yield GaugeMetricFamily("vignettes_stream_bytes", size, value=self._state.bytes)


class _Clock(Collector):
    """How the clock of this host goes. None when there was nothing to compare it with."""

    def __init__(self, ahead: float | None) -> None:
        self._ahead = ahead

    def collect(self) -> Iterable[Metric]:
        if self._ahead is not None:
            meaning = "By how much this host's clock is ahead of the database's; below 0 when it is behind."
            yield GaugeMetricFamily("vignettes_clock_ahead_seconds", meaning, value=self._ahead)
