"""What the checker must find: one thing changed by a superuser in the database of a whole case, or in its files."""

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from faults.spoiling import ERASED, Copy

_STARTED = "topic LIKE 'order.registration-started.%'"
_PAID = "topic LIKE 'order.payment-received.%'"
#: Of an order that was paid, started by the customer, and issued; nothing of it was erased.
_ISSUED = """originator_id IN (
    SELECT originator_id FROM log.events GROUP BY 1
    HAVING bool_or(topic LIKE 'order.vignette-issued.%') AND NOT bool_or(topic LIKE 'order.personal-data-erased.%')
)"""
_OF_CLIENTS = "convert_from(state, 'UTF8') LIKE '%-all%'"


class Corruption(NamedTuple):
    """What was done, and which invariants find it: these only, unless the log was rewritten, which breaks more."""

    spoil: Callable[[Copy], None]
    found_by: set[str]
    rewrites_the_log: bool = False


# --- the log


def _without(where: str) -> Callable[[Copy], None]:
    return lambda case: case.delete(where) and None


def _changed(where: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Copy], None]:
    def spoil(case: Copy) -> None:
        event = case.event(where)
        change(event.said)
        case.rewrite(event)

    return spoil


def _once_more(where: str, **different: Any) -> Callable[[Copy], None]:
    def spoil(case: Copy) -> None:
        event = case.event(where)
        case.append(event.source, event.topic, {**event.said, **different})

    return spoil


def _versions_swapped(case: Copy) -> None:
    source = case.event(_ISSUED).source
    for was, becomes in ((1, 1_000), (2, 1), (1_000, 2)):
        case.sql(
            "UPDATE log.events SET originator_version = %s WHERE originator_id = %s AND originator_version = %s",
            becomes, source, was,
        )  # fmt: skip


def _refunded_too(case: Copy) -> None:
    event = case.event(f"topic LIKE 'order.vignette-issued.%' AND {_ISSUED}")
    said = {"amount": {"amount": 1, "currency": "CZK"}, "reason": None}
    case.append(event.source, "order.refund-requested.v2", {**event.said, "data": said})


def _a_cent_more(said: dict[str, Any]) -> None:
    said["data"]["payment"]["amount"]["amount"] += 1


def _an_hour_later(said: dict[str, Any]) -> None:
    said["at"] = said["at"].replace("T08:", "T09:")


def _due_an_hour_off(said: dict[str, Any]) -> None:
    said["data"] |= {"rule": "lead", "due_at": said["data"]["due_at"].replace("T08:", "T07:")}


def _by_another(said: dict[str, Any]) -> None:
    said["by"] = "nobody"


def _in_the_clear(case: Copy) -> None:
    event = case.event("topic LIKE 'order.placed.%'")
    event.said["data"]["email"] = case.address
    case.rewrite(event)


def _skipped_by_the_ledger(case: Copy) -> None:
    case.sql(
        "UPDATE ledger.tiles SET positions = positions[1:1] || positions[3:], "
        "hashes = substring(hashes FOR 32) || substring(hashes FROM 65) WHERE level = 0 AND number = 0"
    )


# --- answers and views


def _executed(statement: str) -> Callable[[Copy], None]:
    return lambda case: case.sql(statement) and None


def _shown_again(case: Copy) -> None:
    """A backup of the key was put back, and what it opens."""
    [(erased,)] = case.sql(ERASED)
    [(other,)] = case.sql("SELECT order_id FROM personal.keys WHERE contact_view IS NOT NULL LIMIT 1")
    for table, column in (("personal.keys", "contact_view"), ("view.order_status", "email")):
        case.sql(
            f"UPDATE {table} SET {column} = (SELECT {column} FROM {table} WHERE order_id = %s) WHERE order_id = %s",
            other, erased,
        )  # fmt: skip


# --- files


def _in(name: str, change: Callable[[list[Any]], Any], key: str | None = None) -> Callable[[Copy], None]:
    return lambda case: case.edit(name, change, key)


def _first(lines: list[Any], **wanted: Any) -> Any:
    return next(line for line in lines if wanted.items() <= line.items())


def _refused_in_the_journal(lines: list[Any]) -> None:
    line = _first(lines, outcome="ok", subject="orders.v1.receive_payment")
    error = {"code": "not_found", "message": "No."}
    line |= {"outcome": "refused", "reply": {"ok": False, "command_id": line["command_id"], "error": error}}


def _answered_otherwise(lines: list[Any]) -> None:
    again = copy.deepcopy(_first(lines, outcome="ok"))
    again["reply"]["status"] = "on_hold"
    lines.append(again)


def _of_another_size(mails: list[Any]) -> None:
    mails.append({**mails[0], "text": "Something else."})


def _to_another(mails: list[Any]) -> None:
    mails[0]["to"] = "somebody@example.org"


def _nobody_asked(mails: list[Any]) -> None:
    mails.append(
        {**mails[0], "message_id": "<00000000-0000-0000-0000-000000000000.1.paid@vignettes.example>"}
    )


def _not_alike_though_lost(case: Copy) -> None:
    mails = json.loads((case.folder / "inbox.json").read_text())["messages"]
    (case.folder / "smtp.json").write_text(json.dumps([mails[0]["message_id"]]))
    case.edit("inbox.json", _of_another_size, "messages")


def _under_another_id(lines: list[Any]) -> None:
    again = copy.deepcopy(lines[0])
    again["headers"]["ce-id"] = again["headers"]["Nats-Msg-Id"] = "another:1"
    lines.append(again)


def _published_otherwise(lines: list[Any]) -> None:
    body = json.loads(lines[0]["data"])
    lines.append({**lines[0], "data": json.dumps({**body, "status": "issued"})})


def _at_another_position(lines: list[Any]) -> None:
    lines[-1]["headers"]["Vignettes-Position"] = "999999"


def _with_an_address(case: Copy) -> None:
    case.edit("orders_stream.jsonl", lambda lines: lines[0]["headers"].update(Remark=f"for {case.address}"))


def _with_a_plate(case: Copy) -> None:
    def change(lines: list[Any]) -> None:
        _first(lines, outcome="refused")["reply"]["error"]["message"] = f"{case.plate} is registered already."

    case.edit("journal.jsonl", change)


def _token_in_the_metrics(case: Copy) -> None:
    with (case.folder / "metrics.txt").open("a") as file:
        file.write(f'requests_total{{path="/o/{case.token}"}} 1\n')


def _logged(case: Copy) -> None:
    (case.folder / "logs" / "mailing.log").write_text(
        f'{{"event": "mail.sent", "to": "{case.address.upper()}"}}\n'
    )


def _of_the_erased_in_a_log(case: Copy) -> None:
    [(erased,)] = case.sql(ERASED)
    placed = next(line for line in case.journal if (line.get("reply") or {}).get("order_id") == str(erased))
    (case.folder / "logs" / "old.log").write_text(f"looked up {placed['body']['vehicle']['plate']}\n")


def _a_line_of_the_bank_that_nobody_read(case: Copy) -> None:
    path = case.folder / "bank" / "statement.xml"
    path.write_text(path.read_text().replace("REF1", "REF2"))


def _much_later(case: Copy) -> None:
    (case.folder / "case.json").write_text(json.dumps({**case.said, "now": "2027-06-01T00:00:00+00:00"}))


_STREAM, _JOURNAL = "orders_stream.jsonl", "journal.jsonl"
_INBOX, _REGISTER = ("inbox.json", "messages"), ("authority.json", "registrations")


def _mails(change: Callable[[list[Any]], Any]) -> Callable[[Copy], None]:
    return _in(_INBOX[0], change, _INBOX[1])


def _registered(change: Callable[[list[Any]], Any]) -> Callable[[Copy], None]:
    return _in(_REGISTER[0], change, _REGISTER[1])


CORRUPTIONS: dict[str, Corruption] = {
    # I1
    "an answer that is gone": Corruption(_executed("DELETE FROM log.commands WHERE position = 2"), {"I1"}),
    "an ok that was a refusal": Corruption(_in(_JOURNAL, _refused_in_the_journal), {"I1"}),
    "another answer when asked again": Corruption(_in(_JOURNAL, _answered_otherwise), {"I1"}),
    "an ok that has left nothing": Corruption(
        _without(f"{_PAID} AND {_OF_CLIENTS}"), {"I1"}, rewrites_the_log=True
    ),
    "a payment carried out twice": Corruption(
        _once_more(f"{_PAID} AND {_OF_CLIENTS}"), {"I1"}, rewrites_the_log=True
    ),
    # I2
    "a version that is gone": Corruption(
        _without(f"originator_version = 2 AND {_ISSUED}"), {"I2"}, rewrites_the_log=True
    ),
    "two versions swapped": Corruption(_versions_swapped, {"I2"}, rewrites_the_log=True),
    "an event that the ledger skipped": Corruption(_skipped_by_the_ledger, {"I2"}, rewrites_the_log=True),
    # I3
    "a start without money": Corruption(_without(f"{_PAID} AND {_ISSUED}"), {"I3"}, rewrites_the_log=True),
    "a vignette without a start": Corruption(
        _without(f"{_STARTED} AND {_ISSUED}"), {"I3"}, rewrites_the_log=True
    ),
    "a refund beside a vignette": Corruption(_refunded_too, {"I3"}, rewrites_the_log=True),
    # I4
    "a registration twice": Corruption(
        _registered(lambda rows: rows.append({**rows[0], "number": "XX1"})), {"I4"}
    ),
    "a registration that is gone": Corruption(_registered(lambda rows: rows.pop()), {"I4"}),
    "a registration of another's plate": Corruption(
        _registered(lambda rows: rows[-1].update(plate="5A55555")), {"I4"}
    ),
    "a registration of nobody": Corruption(
        _registered(lambda rows: rows.append({**rows[0], "order_id": "nobody's"})), {"I4"}
    ),
    # I5
    "a cent too much": Corruption(
        _changed(f"{_PAID} AND {_OF_CLIENTS}", _a_cent_more), {"I5"}, rewrites_the_log=True
    ),
    "a match that is gone": Corruption(
        _without("topic LIKE 'bank-payment.matched.%'"), {"I5"}, rewrites_the_log=True
    ),
    "a credit that was never booked": Corruption(_a_line_of_the_bank_that_nobody_read, {"I5"}),
    # I6
    "another status in the view": Corruption(
        _executed("UPDATE view.order_status SET status = 'scheduled' WHERE status = 'issued'"), {"I6"}
    ),
    "a row less in the view": Corruption(
        _executed("DELETE FROM view.order_status WHERE status = 'issued'"), {"I6"}
    ),
    "another amount in the view": Corruption(
        _executed("UPDATE view.order_status SET received = received + 1 WHERE received > 0"), {"I6"}
    ),
    "a deadline an hour off in the view": Corruption(
        _executed("UPDATE view.deadlines SET due_at = due_at + interval '1 h' WHERE outcome = 'started'"),
        {"I6"},
    ),
    "a booking less in the view": Corruption(
        _executed("DELETE FROM view.payments WHERE state = 'booked'"), {"I6"}
    ),
    # I7
    "a mail that never arrived": Corruption(_mails(lambda mails: mails.pop()), {"I7"}),
    "a mail twice": Corruption(_mails(lambda mails: mails.append(mails[0])), {"I7"}),
    "a mail twice, and not alike": Corruption(_not_alike_though_lost, {"I7"}),
    "a mail to another address": Corruption(_mails(_to_another), {"I7"}),
    "a mail that nothing called for": Corruption(_mails(_nobody_asked), {"I7"}),
    "a mail that the mailer never knew of": Corruption(
        _executed("DELETE FROM view.emails WHERE kind = 'issued'"), {"I7"}
    ),
    # I8
    "a start an hour late": Corruption(
        _changed(f"{_STARTED} AND {_ISSUED}", _an_hour_later), {"I8"}, rewrites_the_log=True
    ),
    "a start by another hour": Corruption(
        _changed(f"{_STARTED} AND {_ISSUED}", _due_an_hour_off), {"I8"}, rewrites_the_log=True
    ),
    "a start twice": Corruption(_once_more(f"{_STARTED} AND {_ISSUED}"), {"I8"}, rewrites_the_log=True),
    "a start that never came": Corruption(_much_later, {"I8"}),
    # I9
    "an event that was not published": Corruption(_in(_STREAM, lambda lines: lines.pop()), {"I9"}),
    "an event under another id": Corruption(_in(_STREAM, _under_another_id), {"I9"}),
    "an event published otherwise": Corruption(_in(_STREAM, _published_otherwise), {"I9"}),
    "an event at another position": Corruption(_in(_STREAM, _at_another_position), {"I9"}),
    # I10
    "an address in a log": Corruption(_logged, {"I10"}),
    "a token in the metrics": Corruption(_token_in_the_metrics, {"I10"}),
    "a plate in an error reply": Corruption(_with_a_plate, {"I10"}),
    "an address in the stream": Corruption(_with_an_address, {"I10"}),
    # I11
    "a byte of the log": Corruption(_changed(f"{_PAID} AND {_ISSUED}", _by_another), {"I11"}),
    "an address in the clear": Corruption(_in_the_clear, {"I11"}),
    "an erased address that is shown again": Corruption(_shown_again, {"I11"}),
    "an erased plate in a log": Corruption(_of_the_erased_in_a_log, {"I10", "I11"}),
    "another root in a head": Corruption(
        _executed(
            "UPDATE ledger.heads SET root = sha256(root) WHERE size = (SELECT max(size) FROM ledger.heads)"
        ),
        {"I11"},
    ),
}
