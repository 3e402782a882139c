"""Triggers to the stream: many in one atomic batch, which is one write to disk, and one acknowledgement."""

import json
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import structlog
from nats.aio.client import Client
from nats.js.errors import APIError
from opentelemetry.trace import SpanKind

from vignettes.messages import events
from vignettes.services import tracing
from vignettes.services.tracing import OFF, Tracing

log = structlog.get_logger(__name__)

_ACKNOWLEDGED_WITHIN = 10.0
#: The server's code for a batch that holds what the stream knows by its Nats-Msg-Id.
_HOLDS_KNOWN = 10201

Row = dict[str, Any]


class NotAcknowledged(Exception):
    """The stream did not take the triggers; they are sent again."""


class Emitter:
    """Publishes triggers. Returns when the stream has all of them on disk; raises when that is not known.

    One by one, each would wait for a write of its own to the disk.
    """

    def __init__(self, client: Client, tracing: Tracing = OFF) -> None:
        self._client = client
        self._tracing = tracing
        self._jetstream = client.jetstream(timeout=_ACKNOWLEDGED_WITHIN)

    async def emit(self, rows: Sequence[Row]) -> None:
        """Publish a trigger for each row, in their order; at most 1,000."""
        began = time.time_ns()
        await self._emit(rows)
        if self._tracing.is_on:
            for row in rows:
                self._note(row, began)

    async def _emit(self, rows: Sequence[Row]) -> None:
        if len(rows) == 1:
            await self._emit_one(rows[0])
            return
        answer = await self._emit_together(rows)
        if (answer.get("error") or {}).get("err_code") == _HOLDS_KNOWN:
            # Another process has sent some of them, and died before that was on record.
            for row in rows:
                await self._emit_one(row)
        elif "error" in answer or answer.get("count") != len(rows):
            raise NotAcknowledged(str(answer.get("error")))

    async def _emit_together(self, rows: Sequence[Row]) -> dict[str, Any]:
        batch = {"Nats-Batch-Id": uuid4().hex}
        for number, row in enumerate(rows, 1):
            headers = batch | {"Nats-Batch-Sequence": str(number)} | self._headers(row)
            subject = events.trigger_subject(row["country"])
            if number < len(rows):
                await self._client.publish(subject, _body(row), headers=headers)
        headers |= {"Nats-Batch-Commit": "1", "Nats-Expected-Stream": events.TRIGGER_STREAM}
        answer = await self._client.request(
            subject, _body(row), timeout=_ACKNOWLEDGED_WITHIN, headers=headers
        )
        told: dict[str, Any] = json.loads(answer.data)
        return told

    async def _emit_one(self, row: Row) -> None:
        try:
            await self._jetstream.publish(
                events.trigger_subject(row["country"]),
                _body(row),
                timeout=_ACKNOWLEDGED_WITHIN,
                stream=events.TRIGGER_STREAM,
                headers=self._headers(row),
            )
        except APIError as error:
            raise NotAcknowledged(error.description) from error

    def _headers(self, row: Row) -> dict[str, str]:
        headers = {"Nats-Msg-Id": _message_id(row)}
        if self._tracing.is_on:
            headers[tracing.HEADER] = self._tracing.traceparent(row["order_id"], _span(row))
        return headers

    def _note(self, row: Row, began: int) -> None:
        told = {
            "vignettes.rule": row["rule"],
            "vignettes.late_ms": (row["now"] - row["due_at"]).total_seconds() * 1000,
        }
        order_id = row["order_id"]
        self._tracing.note(
            "trigger",
            order_id,
            _span(row),
            began=began,
            parent=order_id,
            kind=SpanKind.PRODUCER,
            attributes=told,
        )


def message_id(order_id: UUID, generation: int) -> str:
    """Return the id by which the stream knows a trigger that was sent twice."""
    return f"{order_id}:{generation}"


def _span(row: Row) -> str:
    return tracing.trigger_key(row["order_id"], row["generation"])


def _message_id(row: Row) -> str:
    return message_id(row["order_id"], row["generation"])


def _body(row: Row) -> bytes:
    trigger = events.Trigger(
        order_id=row["order_id"],
        generation=row["generation"],
        due_at=row["due_at"],
        rule=row["rule"],
        emitted_at=row["now"],
    )
    return trigger.model_dump_json().encode()
