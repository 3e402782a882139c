"""Traces of orders (OpenTelemetry): one trace for each order, from its placing to its last mail.

No id of a trace is stored: the trace's is the order's, a command's span follows from its command id, which the log
keeps with each event. So whoever works on an order days later, in whatever process, finds the span that led to it.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from typing import Final, Protocol
from uuid import UUID

from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

#: The header that names the span on whose behalf something is asked, or was sent (W3C Trace Context).
HEADER: Final = "traceparent"
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
_here: ContextVar[str | None] = ContextVar("traceparent", default=None)

Attributes = Mapping[str, str | int | float | bool]


class Ids(Protocol):
    """What gives a span its ids; `wanted` those of the next one: its trace and itself."""

    wanted: tuple[int, int] | None


def span_of(key: object) -> int:
    """Return the id of the span that a key names within the trace of its order."""
    return int.from_bytes(blake2b(str(key).encode(), digest_size=8).digest()) or 1


def trigger_key(order_id: UUID, generation: int) -> str:
    """Return what names the span of a trigger."""
    return f"trigger {order_id}:{generation}"


def headers() -> dict[str, str]:
    """Return the header for what is asked of others now; nothing outside of a span."""
    here = _here.get()
    return {HEADER: here} if here else {}


class Tracing:
    """Notes spans. Without a tracer there are none, and it costs nothing."""

    def __init__(self, tracer: Tracer | None = None, ids: Ids | None = None, share: float = 1.0) -> None:
        self._tracer = tracer
        self._ids = ids
        self._share = share

    @property
    def is_on(self) -> bool:
        """Whether anything is noted."""
        return self._tracer is not None

    def chooses(self, order_id: UUID) -> bool:
        """Tell whether the trace of an order is noted at all: every process chooses the same of them."""
        # Not by the id as it is: where the bits are that say of which kind a UUID is, nothing is left to chance.
        return span_of(order_id) < self._share * 2**64

    def traceparent(self, order_id: UUID, key: object) -> str:
        """Return the header that names a span of an order, and says whether it is noted."""
        return _header(order_id.int, span_of(key), is_noted=self.chooses(order_id))

    def note(  # noqa: PLR0913  # what a span is made of
        self,
        name: str,
        order_id: UUID,
        key: object,
        *,
        began: int,
        parent: object = None,
        caller: str | None = None,
        failed: str | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
    ) -> None:
        """Note what has just ended, and began at `began` (nanoseconds since 1970).

        It follows from the caller's span, where that is of the same order, else from that of the key `parent`, else it
        is the first of its order. A caller of another trace is linked.
        """
        if self._tracer is None or self._ids is None or not self.chooses(order_id):
            return
        theirs = _context(caller)
        is_ours = theirs is not None and theirs.trace_id == order_id.int
        above = theirs if is_ours else _span_context(order_id, parent) if parent is not None else None
        self._ids.wanted = (order_id.int, span_of(key))
        span = self._tracer.start_span(
            name,
            set_span_in_context(NonRecordingSpan(above)) if above else set_span_in_context(_NOWHERE),
            kind,
            {"vignettes.order_id": str(order_id), **(attributes or {})},
            [Link(theirs)] if theirs and not is_ours else [],
            began,
        )
        self._ids.wanted = None
        if failed:
            span.set_status(StatusCode.ERROR, failed)
        span.end()

    @contextmanager
    def span(
        self, name: str, order_id: UUID, key: object, *, parent: object, attributes: Attributes | None = None
    ) -> Iterator[None]:
        """Note what the block does; what it asks of others is asked on its behalf."""
        if self._tracer is None:
            yield
            return
        began, failed, outer = time.time_ns(), None, _here.get()
        token = _here.set(self.traceparent(order_id, key))
        try:
            yield
        except BaseException as error:
            failed = type(error).__name__
            raise
        finally:
            _here.reset(token)
            self.note(
                name,
                order_id,
                key,
                began=began,
                parent=parent,
                caller=outer,
                failed=failed,
                kind=SpanKind.CLIENT,
                attributes=attributes,
            )


OFF: Final = Tracing()
_NOWHERE = NonRecordingSpan(SpanContext(0, 0, is_remote=False))


def _span_context(order_id: UUID, key: object) -> SpanContext:
    return SpanContext(order_id.int, span_of(key), is_remote=True, trace_flags=_SAMPLED)


_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


def _context(header: str | None) -> SpanContext | None:
    found = _TRACEPARENT.fullmatch(header) if header else None
    if found is None:
        return None
    context = SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=_SAMPLED)
    return context if context.is_valid else None


def _header(trace_id: int, span_id: int, *, is_noted: bool) -> str:
    return f"00-{trace_id:032x}-{span_id:016x}-{is_noted:02x}"
