"""I1: every command answered `ok` is in the log exactly once; refused not at all; unanswered once or not at all."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from checker.case import Case, Json
from checker.findings import DOUBLED, LOST, WRONG, Verdict
from checker.record import Event, Record

#: What a command leaves in the log when it is done: the events, and whether there is always exactly one.
_LEAVES = {
    "orders.v1.place": ({"order.placed"}, True),
    "orders.v1.correct_details": ({"order.details-corrected"}, False),
    "orders.v1.correct_email": ({"order.email-corrected"}, False),
    "orders.v1.start_registration": ({"order.registration-started", "order.start-wished"}, False),
    "orders.v1.request_refund": ({"order.refund-requested"}, False),
}
#: What is kept by an id of the payer's side or of accounting: once, by whichever command.
_KEPT_ONCE = {
    "orders.v1.receive_payment": ("payment_id", {"order.payment-received"}),
    "orders.v1.confirm_refund": ("refund_id", {"order.refunded", "order.surplus-returned"}),
}
#: Answers after which nothing was decided: they may be followed by another one.
_UNDECIDED = {"invalid_request", "command_id_reused", "conflict", "unavailable"}
#: What an answer says that is on record too.
_ON_RECORD = ("order_number", "version", "status", "price", "refund", "outstanding", "due")


def check(case: Case, record: Record) -> Verdict:
    """Hold the clients' journal against the log."""
    verdict = Verdict("I1", "each command once")
    _answers_stand(record, verdict)
    if case.journal is None:
        verdict.unseen.append("journal.jsonl")
        return verdict
    events: dict[str, list[Event]] = defaultdict(list)
    for event in record.events:
        if event.command:
            events[event.command].append(event)
    by_id = _ids_kept(record)
    for asked in _commands(case.journal):
        _Command(asked, record, verdict).check(events[asked[0]["command_id"]], by_id)
    return verdict


def _answers_stand(record: Record, verdict: Verdict) -> None:
    """Each answer on record names an event that is there, and each event a command that was answered."""
    places = {event.position: event for event in record.events}
    for command_id, row in record.commands.items():
        verdict.look("answers")
        event = places.get(row["position"])
        if row["position"] is not None and (event is None or event.source != row["order_id"]):
            verdict.find(
                LOST,
                f"answer {command_id} names an event that is not there",
                row["order_id"],
                row["position"],
            )
    for event in record.events:
        if event.command and event.command not in record.commands:
            verdict.find(WRONG, f"{event.kind} of command {event.command}, which has no answer", *_at(event))


def _ids_kept(record: Record) -> dict[tuple[str, str], list[Event]]:
    kept = defaultdict(list)
    for event in record.events:
        for name in ("payment_id", "refund_id"):
            said = event.data.get("payment", event.data) if name == "payment_id" else event.data
            if isinstance(said, dict) and name in said:
                kept[name, said[name]].append(event)
    return kept


def _commands(journal: Iterable[Json]) -> list[list[Json]]:
    """Return the requests by command: the same id with the same body."""
    asked: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for line in journal:
        asked[line["command_id"], json.dumps(line["body"], sort_keys=True)].append(line)
    return list(asked.values())


def _at(event: Event) -> tuple[str, int]:
    return event.source, event.position


class _Command:
    """One command as its client knows it."""

    def __init__(self, asked: list[Json], record: Record, verdict: Verdict) -> None:
        self._asked = asked
        self._id = asked[0]["command_id"]
        self._subject = asked[0]["subject"]
        self._record = record
        self._verdict = verdict
        self._row = record.commands.get(self._id)

    def check(self, events: list[Event], by_id: dict[tuple[str, str], list[Event]]) -> None:
        answers = [line["reply"] for line in self._asked if line["outcome"] in {"ok", "refused"}]
        decided = [each for each in answers if each["ok"] or each["error"]["code"] not in _UNDECIDED]
        self._same(decided)
        if any(answer["ok"] for answer in answers):
            self._verdict.look("ok")
            self._done(next(answer for answer in answers if answer["ok"]), events, by_id)
        elif answers:
            self._verdict.look("refused")
            self._refused(answers, events)
        else:
            self._verdict.look("unknown")
            self._unknown(events)

    def _same(self, decided: list[Json]) -> None:
        if any(answer != decided[0] for answer in decided[1:]):
            self._verdict.find(WRONG, f"{self._subject} {self._id} was answered differently when asked again")

    def _done(self, answer: Json, events: list[Event], by_id: dict[tuple[str, str], list[Event]]) -> None:
        order, position = answer.get("order_id"), answer.get("position")
        if self._row is None:
            self._verdict.find(
                LOST, f"{self._subject} {self._id} was answered ok and is not on record", order, position
            )
            return
        self._as_answered(answer)
        at = {event.position: event for event in self._record.histories.get(str(order), ())}
        if position is not None and (position not in at or at[position].version != answer["version"]):
            self._verdict.find(
                LOST, f"{self._subject} {self._id} tells of an event that is not there", order, position
            )
        if any(event.source != order for event in events):
            self._verdict.find(WRONG, f"{self._subject} {self._id} has changed another order", order)
        self._left(order, events, by_id)

    def _as_answered(self, answer: Json) -> None:
        kept = self._row["reply"] | {"order_id": self._row["order_id"], "position": self._row["position"]}
        if "error" in kept:
            self._verdict.find(
                WRONG, f"{self._subject} {self._id} was answered ok, and is on record as refused"
            )
            return
        for name in ("order_id", "position", *_ON_RECORD):
            if name in kept and name in answer and answer[name] != kept[name]:
                told = f"{self._subject} {self._id} was told {name} {answer[name]}, on record is {kept[name]}"
                self._verdict.find(WRONG, told, self._row["order_id"], self._row["position"])

    def _left(self, order: Any, events: list[Event], by_id: dict[tuple[str, str], list[Event]]) -> None:
        if self._subject in _KEPT_ONCE:
            name, kinds = _KEPT_ONCE[self._subject]
            left = [
                each for each in by_id.get((name, self._asked[0]["body"][name]), ()) if each.kind in kinds
            ]
            self._once(left, order, exactly=self._asked[0]["body"].get("booked", True))
        elif self._subject in _LEAVES:
            kinds, exactly = _LEAVES[self._subject]
            self._once([event for event in events if event.kind in kinds], order, exactly=exactly)

    def _once(self, left: list[Event], order: Any, *, exactly: bool) -> None:
        if not left and exactly:
            self._verdict.find(
                LOST, f"{self._subject} {self._id} was answered ok and has left no event", order
            )
        if len(left) > 1:
            positions = ", ".join(str(each.position) for each in left)
            self._verdict.find(
                DOUBLED, f"{self._subject} {self._id} is in the log {len(left)} times", order, positions
            )

    def _refused(self, answers: list[Json], events: list[Event]) -> None:
        if all(answer["error"]["code"] == "command_id_reused" for answer in answers):
            return  # what is on record under this id is of another body
        if events:
            self._verdict.find(
                WRONG, f"{self._subject} {self._id} was refused and is in the log", *_at(events[0])
            )
        if self._row and "error" not in self._row["reply"]:
            self._verdict.find(WRONG, f"{self._subject} {self._id} was refused, and is on record as done")

    def _unknown(self, events: list[Event]) -> None:
        """Once or not at all: its events and its answer are there together, or neither of them is."""
        if events and self._row is None:
            self._verdict.find(
                WRONG, f"{self._subject} {self._id} is in the log without its answer", *_at(events[0])
            )
        kinds, _ = _LEAVES.get(self._subject, (set(), False))
        self._once([event for event in events if event.kind in kinds], None, exactly=False)
