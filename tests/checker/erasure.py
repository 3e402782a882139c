"""I11: after an erasure nothing of it is left, nor could be, and the history still proves."""

import json
from collections.abc import Iterator

from checker import proof
from checker.case import Case, Json
from checker.findings import WRONG, Verdict
from checker.folding import Order
from checker.record import Record
from checker.searching import Secrets

#: What the views must not show any more, by the class of data that was erased.
_OF_STATUS = {"contact": ("email",), "vehicle": ("plate", "rejection_reason", "authorisation_code")}
_OF_MAILS = {"contact": ("recipient",), "vehicle": ("subject",)}
#: Where a client has named what may be erased.
_NAMED = {
    "contact": ("email", "name"),
    "vehicle": ("plate",),
}


def check(case: Case, record: Record) -> Verdict:
    """Search for the plain texts of those who were erased, and for any in the log, which nothing could erase there."""
    verdict = Verdict("I11", "erasure, and the proofs")
    _log_is_sealed(case, record, verdict)
    erased = _erased(record)
    for source, classes in erased.items():
        verdict.look("erased")
        _views_forget(source, classes, record, verdict)
    _nothing_is_left(case, record, erased, verdict)
    proof.check(record, verdict)
    return verdict


def _log_is_sealed(case: Case, record: Record, verdict: Verdict) -> None:
    secrets = Secrets(case.secrets)
    for event in record.events:
        verdict.look("events")
        for _ in secrets.found_in(event.state.decode(errors="replace")):
            verdict.find(
                WRONG, f"{event.kind} holds personal data in the clear", event.source, event.position
            )
    for command_id, row in record.commands.items():
        for _ in secrets.found_in(json.dumps(row["reply"], ensure_ascii=False)):
            verdict.find(
                WRONG, f"the answer to {command_id} holds personal data in the clear", row["order_id"]
            )


def _erased(record: Record) -> dict[str, set[str]]:
    erased = {}
    for source, history in record.orders.items():
        order = Order()
        for event in history:
            order.tell(event)
        if order.erased:
            erased[source] = order.erased
    return erased


def _views_forget(source: str, classes: set[str], record: Record, verdict: Verdict) -> None:
    status = record.statuses.get(source, {})
    for data_class in classes:
        for name in _OF_STATUS[data_class]:
            if status.get(name) is not None:
                verdict.find(
                    WRONG, f"order_status.{name} is shown after the erasure", source, status["position"]
                )
        for row in record.emails:
            for name in _OF_MAILS[data_class]:
                if row["order_id"] == source and row[name] is not None:
                    verdict.find(WRONG, f"emails.{name} is shown after the erasure", source, row["position"])


def _nothing_is_left(case: Case, record: Record, erased: dict[str, set[str]], verdict: Verdict) -> None:
    """The sandbox forgets with us; the clients' own journal is theirs, and kept."""
    for source, classes in erased.items():
        secrets = Secrets(_named_by_clients(case, source, classes))
        verdict.look("texts of theirs", secrets.many)
        for name, text in _left_in(case, record, source):
            for _ in secrets.found_in(text):
                verdict.find(WRONG, f"a text of an erased order stands in {name}", source)


def _named_by_clients(case: Case, source: str, classes: set[str]) -> Iterator[str]:
    placed = {
        line["command_id"]
        for line in case.journal or ()
        if (line.get("reply") or {}).get("order_id") == source
    }
    for line in case.journal or ():
        if line["command_id"] in placed or line["body"].get("order_id") == source:
            for data_class in classes:
                for text in _texts(line["body"], _NAMED[data_class]):
                    yield text
                    yield text.replace(" ", "")


def _texts(said: Json, names: tuple[str, ...]) -> Iterator[str]:
    for name, value in said.items():
        if isinstance(value, dict):
            yield from _texts(value, names)
        elif name in names and isinstance(value, str):
            yield value


def _left_in(case: Case, record: Record, source: str) -> Iterator[tuple[str, str]]:
    yield from case.texts("logs", "metrics.txt")
    for name in ("inbox", "register", "stream"):
        yield name, json.dumps(getattr(case, name) or [], ensure_ascii=False)
    yield "the log", "".join(event.state.decode(errors="replace") for event in record.histories[source])
