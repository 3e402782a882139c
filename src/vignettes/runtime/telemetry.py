"""Traces, sent as OTLP over HTTP; off unless VIGNETTES_OTLP_URL is set, and then nothing of it is even loaded."""
# ruff: noqa: PLC0415

import asyncio
import os
import socket
import threading
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
#: How long the end of a process waits for what is still to be sent; the rest is lost.
_SENT_AT_THE_END_SECONDS = 2.0


@asynccontextmanager
async def tracing(settings: Settings, roles: Sequence[str]) -> AsyncIterator[Tracing]:
    """Give what notes spans while the block runs; it is sent when the block ends, if somebody takes it."""
    if settings.otlp_url is None:
        yield OFF
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class FollowingIds(RandomIdGenerator):
        """Gives the ids that are wanted; random ones where none are."""

        wanted: tuple[int, int] | None = None

        def generate_trace_id(self) -> int:
            return self.wanted[0] if self.wanted else super().generate_trace_id()

        def generate_span_id(self) -> int:
            return self.wanted[1] if self.wanted else super().generate_span_id()

    ids = FollowingIds()
    exporter = OTLPSpanExporter(f"{settings.otlp_url}/v1/traces", timeout=_TAKEN_WITHIN_SECONDS)
    provider = _provider(roles, ids, exporter)
    try:
        tracer = provider.get_tracer("vignettes", version("vignettes"))
        yield Tracing(tracer, ids, settings.trace_share)
    finally:
        await _end(provider, exporter)


async def _end(provider: "TracerProvider", exporter: Any) -> None:
    """Send what is left, as far as that goes: a collector that is away must not hold up the end of a role."""
    # A thread of its own that nobody waits for: by itself the provider tries for half a minute.
    sending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    sending.start()
    await asyncio.to_thread(sending.join, _SENT_AT_THE_END_SECONDS)
    if sending.is_alive():
        exporter.shutdown()


def _provider(roles: Sequence[str], ids: Any, exporter: Any) -> "TracerProvider":
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    resource = Resource.create(
        {
            "service.name": f"vignettes-{'-'.join(roles)}",
            "service.version": version("vignettes"),
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
    )
    # Which orders are traced was decided before it is asked.
    provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=ids)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter, max_queue_size=_MOST_WAITING, schedule_delay_millis=_GATHERED_MILLISECONDS
        )
    )
    return provider
