"""I4: per order at most one live registration in the authority's register, and the one that the log tells of."""

import re
from collections import defaultdict

from checker.case import Case, Json
from checker.findings import DOUBLED, LOST, WRONG, Verdict
from checker.record import Event, Record

_LEFT_OUT = re.compile(r"[\s.\-]")


def check(case: Case, record: Record) -> Verdict:
    """Hold the register against the log."""
    verdict = Verdict("I4", "one registration for an order")
    if case.register is None:
        verdict.unseen.append("authority.json")
        return verdict
    held: dict[str, list[Json]] = defaultdict(list)
    for row in case.register:
        verdict.look("registrations")
        held[row["order_id"]].append(row)
        _for_its_plate(row, record, verdict)
    for source, history in record.orders.items():
        _of_order(source, history, held.pop(source, []), verdict)
    for source in held:
        verdict.find(WRONG, "registered, and no order of ours", source)
    return verdict


def _of_order(source: str, history: list[Event], rows: list[Json], verdict: Verdict) -> None:
    numbers = [row["number"] for row in rows]
    if len(rows) > 1:
        verdict.find(DOUBLED, f"registered {len(rows)} times: {', '.join(numbers)}", source)
    if rows and not any(event.kind == "order.registration-started" for event in history):
        verdict.find(WRONG, f"registered as {numbers[0]}, though registration never started", source)
    for event in history:
        if event.kind == "order.vignette-issued" and event.data["vignette"]["number"] not in numbers:
            number = event.data["vignette"]["number"]
            verdict.find(
                LOST, f"the log tells of {number}, the register of {numbers}", source, event.position
            )


def _for_its_plate(row: Json, record: Record, verdict: Verdict) -> None:
    """A plate can be compared until it is erased on either side."""
    known = record.statuses.get(row["order_id"])
    if known and known["plate"] and row["plate"] and _normal(known["plate"]) != _normal(row["plate"]):
        verdict.find(
            WRONG, "registered for another plate than the order's", row["order_id"], known["position"]
        )


def _normal(plate: str) -> str:
    return _LEFT_OUT.sub("", plate).upper()
