"""Traces, sent as OTLP over HTTP; off unless VIGNETTES_OTLP_URL is set, and then nothing of it is even loaded."""
# ruff: noqa: PLC0415

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from vignettes.runtime.settings import Settings
from vignettes.services.tracing import OFF, Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

#: How long spans are gathered before they are sent, and how long the collector may take.
_GATHERED_MILLISECONDS = 1_000
_TAKEN_WITHIN_SECONDS = 3
#: So many wait at most: more are dropped, never waited for.
_MOST_WAITING = 16_384


@asynccontextmanager
async def tracing(settings: Settings, roles: Sequence[str]) -> AsyncIterator[Tracing]:
    """Give what notes spans while the block runs; what it noted is sent when the block ends."""
    if settings.otlp_url is None:
        yield OFF
        return
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class FollowingIds(RandomIdGenerator):
        """Gives the ids that are wanted; random ones where none are."""

        wanted: tuple[int, int] | None = None

        def generate_trace_id(self) -> int:
            return self.wanted[0] if self.wanted else super().generate_trace_id()

        def generate_span_id(self) -> int:
            return self.wanted[1] if self.wanted else super().generate_span_id()

    ids = FollowingIds()
    provider = _provider(settings, roles, ids)
    try:
        yield Tracing(provider.get_tracer("vignettes", version("vignettes")), ids)
    finally:
        await asyncio.to_thread(provider.shutdown)


def _provider(settings: Settings, roles: Sequence[str], ids: Any) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

    resource = Resource.create(
        {
            "service.name": f"vignettes-{'-'.join(roles)}",
            "service.version": version("vignettes"),
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
    )
    # By the trace's id, whoever asks: all processes choose the same orders.
    sampler = TraceIdRatioBased(settings.trace_share)
    provider = TracerProvider(sampler, resource, shutdown_on_exit=False, id_generator=ids)
    exporter = OTLPSpanExporter(f"{settings.otlp_url}/v1/traces", timeout=_TAKEN_WITHIN_SECONDS)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter, max_queue_size=_MOST_WAITING, schedule_delay_millis=_GATHERED_MILLISECONDS
        )
    )
    return provider
