"""I5: the money of the log adds up, and is that of the bank files and of whoever said that it had paid."""

from collections import Counter

from checker import bank, money
from checker.case import Case
from checker.findings import DOUBLED, LOST, WRONG, Verdict
from checker.record import Event, Record

_TWICE = ("counts twice", "counts for two", "two files", "left twice", "shared out twice", "sent back twice")


def check(case: Case, record: Record) -> Verdict:
    """Add up the money of the log, and hold it against what others say came in."""
    verdict = Verdict("I5", "money to the cent")
    reader = money.Reader(record.events)
    verdict.look(
        "payments", len(reader.payments) + sum(len(order.received) for order in reader.orders.values())
    )
    verdict.look("currencies", len(reader.sums()))
    for said in reader.found:
        verdict.find(DOUBLED if any(each in said for each in _TWICE) else WRONG, said)
    _as_paid(case, record, verdict)
    _as_booked(case, record, verdict)
    return verdict


def _as_paid(case: Case, record: Record, verdict: Verdict) -> None:
    """What clients were told ok for is there with the amount that they sent."""
    counted = {
        event.data["payment"]["payment_id"]: event
        for event in record.events
        if event.kind == "order.payment-received"
    }
    for line in case.journal or ():
        if line["outcome"] == "ok" and line["subject"] == "orders.v1.receive_payment":
            verdict.look("paid by clients")
            event, sent = counted.get(line["body"]["payment_id"]), line["body"]["amount"]
            if event and event.data["payment"]["amount"] != sent:
                told = f"{line['body']['payment_id']} of {sent} counts as {event.data['payment']['amount']}"
                verdict.find(WRONG, told, event.source, event.position)


def _as_booked(case: Case, record: Record, verdict: Verdict) -> None:
    """Each credit of the bank files is one bank payment, whatever file it came by, and however often."""
    if not (case.folder / "bank").is_dir():
        verdict.unseen.append("bank/")
        return
    booked = Counter(_entry(event) for event in record.events if event.kind == "bank-payment.booked")
    wanted, files = bank.entries(case.folder / "bank")
    verdict.look("bank files", files)
    for entry in wanted:
        verdict.look("credits in them")
        if not booked[entry]:
            verdict.find(LOST, f"{entry.reference} of {entry.amount} {entry.currency} is in no bank payment")
        elif booked[entry] > 1:
            verdict.find(
                DOUBLED,
                f"{entry.reference} of {entry.amount} {entry.currency} was booked {booked[entry]} times",
            )


def _entry(event: Event) -> bank.Entry | None:
    entry = event.data["entry"]
    if not (entry["credit"] and entry["booked"]):
        return None
    reference = entry.get("bank_reference") or ""
    return bank.Entry(entry["account"], reference, entry["amount"]["amount"], entry["amount"]["currency"])
