"""I9: every event of an order reached the stream ORDERS at least once; duplicates carry the same id."""

import json
from typing import Any

from checker.case import Case, Json, instant
from checker.findings import DOUBLED, LOST, WRONG, Verdict
from checker.folding import Order
from checker.record import Event, Record

_SUBJECT = "orders.events.v1"


def check(case: Case, record: Record) -> Verdict:
    """Hold the stream against the log, and what it tells against a fold of it."""
    verdict = Verdict("I9", "published events")
    if case.stream is None:
        verdict.unseen.append("orders_stream.jsonl")
        return verdict
    verdict.look("messages", len(case.stream))
    first = _by_id(case.stream, verdict)
    wanted = 0
    for history in record.orders.values():
        order = Order()
        for event in history:
            order.tell(event)
            wanted += 1
            message = first.pop(f"{event.source}:{event.version}", None)
            if message is None:
                verdict.find(LOST, f"{event.kind} was never published", event.source, event.position)
            else:
                _as_recorded(message, event, order, verdict)
    verdict.look("events", wanted)
    for identity, message in first.items():
        verdict.find(WRONG, f"{identity} was published, and is no event", message["subject"])
    return verdict


def _by_id(stream: list[Json], verdict: Verdict) -> dict[str, Json]:
    """Return the first message of each id; what comes under it again must say the same."""
    first: dict[str, Json] = {}
    last: dict[str, int] = {}
    for message in stream:
        headers = message["headers"] or {}
        identity, position = headers.get("ce-id", ""), int(headers.get("Vignettes-Position", 0))
        if headers.get("Nats-Msg-Id") != identity:
            verdict.find(WRONG, f"{identity} goes by another Nats-Msg-Id", message["subject"], position)
        if identity in first:
            verdict.look("duplicates")
            if json.loads(first[identity]["data"]) != json.loads(message["data"]):
                verdict.find(
                    DOUBLED, f"{identity} was published twice, and not alike", message["subject"], position
                )
            continue
        first[identity] = message
        order = headers.get("ce-subject", "")
        if position <= last.get(order, 0):
            verdict.find(WRONG, f"{identity} came after what followed it", order, position)
        last[order] = max(position, last.get(order, 0))
    return first


def _as_recorded(message: Json, event: Event, order: Order, verdict: Verdict) -> None:
    headers, body = message["headers"], json.loads(message["data"])
    kind = headers["ce-type"]
    said: dict[str, tuple[Any, Any]] = {
        "subject": (message["subject"], f"{_SUBJECT}.{kind}.{event.source}"),
        "Vignettes-Position": (headers["Vignettes-Position"], str(event.position)),
        "ce-time": (instant(headers["ce-time"]), event.at),
        "order_id": (body.get("order_id"), event.source),
        "version": (body.get("version"), event.version),
        "status": (body.get("status"), order.status),
        "outstanding": (body.get("outstanding"), {"amount": order.outstanding, "currency": order.currency}),
    }
    if "outstanding" not in body:
        del said["outstanding"]  # not told by every event
    for name, (told, follows) in said.items():
        if told != follows:
            verdict.find(
                WRONG, f"{name} was published as {told}, by the log {follows}", event.source, event.position
            )
