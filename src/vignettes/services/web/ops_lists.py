"""What waits for somebody on duty, list by list: in words, and with what can be done about each entry.

Nothing here names a customer or a vehicle: entries go by the numbers of orders and cases.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from vignettes.domain.planning import TWIN
from vignettes.services.payments.reasons import in_words
from vignettes.services.statements.amounts import written
from vignettes.services.web.ops_entries import Act, Ask, Entry, Listing, instant, lasting, many, words
from vignettes.services.web.ops_look import Look

Row = dict[str, Any]

_SHORT_NAME: Final = 8


#: They are ranked: what is less likely than these is found by its number.
_MOST_SUGGESTED: Final = 2
_WORDS_OF_PAYER: Final = "Read what the payer wrote"
_REFUND: Final = Act(
    "refund", "Give the money back", "The order ends, and all that was paid is to go back.", folded=True
)
_ACCOUNT: Final = Ask("account", "To this account instead of the payer's (IBAN)", needed=False, long=True)


def listings(look: Look) -> Sequence[Listing]:
    """Return all lists, the empty ones too, the most urgent first."""
    return [_listing(name, look) for name in _LISTS]


def _listing(name: str, look: Look) -> Listing:
    title, hint, told = _LISTS[name]
    rows = look.parts[name]
    total = rows[0].get("total", len(rows)) if rows else 0
    entries = [told(row, look.now) for row in rows]
    urgency = "act" if name in _URGENT else "wait"
    all_of_them = _ALL_PARKED if name == "parked" and total > 1 else None
    return Listing(name, title, hint, urgency, total, entries, all_of_them)


# ------------------------------------------------------------------ registrations


def _late(row: Row, now: datetime) -> Entry:
    fired = (
        f"told to start at {instant(row['fired_at'], now)}" if row["fired_at"] else "not told to start yet"
    )
    facts = [
        row["country"],
        f"due {instant(row['due_at'], now)}, {lasting(now - row['due_at'])} ago",
        f"rule {row['rule']}",
        fired,
        f"valid from {instant(row['starts_at'], now)}",
    ]
    start = Act("start", "Start again")
    return _of_order(row, facts, [start], {"generation": str(row["generation"])})


def _stuck(row: Row, now: datetime) -> Entry:
    facts = [
        row["country"],
        _STANDS.get(row["state"], "not taken up yet"),
        f"started {instant(row['started_at'], now)}",
        f"valid from {instant(row['starts_at'], now)}",
    ]
    if row["attempts"]:
        facts.insert(2, f"{many(row['attempts'], 'attempt')}, the last: {row['last_outcome'] or 'not ended'}")
    if row["person_called_at"]:
        facts.append(
            f"a person was called {instant(row['person_called_at'], now)}, to act by {instant(row['act_by'], now)}"
        )
        return _of_order(row, facts, [])
    hidden = {
        "generation": str(row["generation"]),
        "why": "outcome_unknown" if row["state"] == "unknown" else "not_registered",
        "act_by": max(row["starts_at"], now).isoformat(),
    }
    return _of_order(row, facts, [Act("call", "Call a person")], hidden)


_STANDS: Final = {
    "waiting": "the authority holds nothing yet",
    "sending": "the authority is being told",
    "unknown": "nobody knows whether the authority holds it: it is asked before anything else",
    "recorded": "the authority's answer is on record",
    "ended": "the order went another way",
}


def _rejected(row: Row, now: datetime) -> Entry:
    by = (
        f"money goes back by itself {instant(row['answer_by'], now)}"
        if row["answer_by"]
        else "no time is set"
    )
    facts = [
        row["country"],
        words(row["rejection_code"] or "rejected"),
        f"since {instant(row['updated_at'], now)}",
        by,
    ]
    again = Act("start", "Start again", "The authority is asked for the same once more.", folded=True)
    return _of_order(row, facts, [again, _REFUND])


def _held(row: Row, now: datetime) -> Entry:
    why = words(row["hold_reason"])
    if row["because_of"]:
        why += f" as {row['because_of']}"
    facts = [
        row["country"],
        why,
        f"valid from {instant(row['starts_at'], now)}",
        f"since {instant(row['updated_at'], now)}",
    ]
    release = [Act("release", "Release: both are meant")] if row["hold_reason"] == TWIN else []
    return _of_order(row, facts, [*release, _REFUND])


# ------------------------------------------------------------------ money


def _money(row: Row, _: datetime) -> Entry:
    facts = [f"came {row['booked_on']} by {row['source']}", *map(in_words, row["reasons"])]
    suggested = [
        act
        for each in row["suggestions"][:_MOST_SUGGESTED]
        if (act := _suggestion(each, row["orders"] or {}, row["currency"]))
    ]
    by_hand = Act(
        "allocate", "Allocate", "All of it to one order.", [Ask("order", "Order number")], folded=True
    )
    back = Act("return", "Send back", "All of it goes back to its payer.", [_ACCOUNT], folded=True)
    dismiss = Act(
        "dismiss",
        "Put aside",
        "It is no customer's money.",
        [Ask("note", "What it is", long=True)],
        folded=True,
    )
    return Entry(
        str(row["payment_id"]),
        written(row["unallocated"], row["currency"]),
        facts,
        f"/ops/money/{row['payment_id']}",
        _WORDS_OF_PAYER,
        hidden={"currency": row["currency"]},
        acts=[*suggested, by_hand, back, dismiss],
    )


def _put_aside(explained: str) -> Act:
    return Act("dismiss", "Put aside", explained, [Ask("note", "What it is", long=True)], folded=True)


def _suggestion(suggested: Row, orders: Row, currency: str) -> Act | None:
    """Return how to follow a suggestion; None where the views do not know its orders any more."""
    parts = [(orders.get(each["order_id"]), each["amount"]) for each in suggested["allocations"]]
    if any(order is None for order, _ in parts):
        return None
    known = [(order["number"], amount, order["status"]) for order, amount in parts if order]
    named = " and ".join(
        f"{number} ({written(amount, currency)}, {words(status)})" for number, amount, status in known
    )
    value = "+".join(f"{number}={amount}" for number, amount, _ in known)
    return Act(f"allocate:{value}", f"Allocate to {named}", " ".join(map(in_words, suggested["reasons"])))


def _reversal(row: Row, _: datetime) -> Entry:
    facts = [f"taken back {row['booked_on']}, {row['source']}", *map(in_words, row["reasons"])]
    candidates = [
        Act(
            f"place:{each['payment_id']}",
            f"It took back the payment of {each['booked_on']}"
            + (f" for {each['number']}" if each["number"] else ""),
            "Of the same amount, to the same account.",
        )
        for each in row["candidates"] or ()
    ]
    dismiss = _put_aside("It takes no customer's money back.")
    return Entry(
        str(row["payment_id"]),
        written(row["amount"], row["currency"]),
        facts,
        f"/ops/money/{row['payment_id']}",
        _WORDS_OF_PAYER,
        acts=[*candidates, dismiss],
    )


def _refund(row: Row, now: datetime) -> Entry:
    facts = [
        written(row["amount"], row["currency"]),
        words(row["purpose"]),
        f"since {instant(row['since'], now)}",
    ]
    approve = Act("approve", "Approve")
    elsewhere = Act(
        "approve",
        "Approve to another account",
        "Where the payer's is not known, or wrong.",
        [_ACCOUNT],
        folded=True,
    )
    entry = _of_order(row, facts, [approve, elsewhere], {"purpose": row["purpose"]})
    return Entry(
        f"{entry.key}.{row['purpose']}",
        entry.title,
        facts,
        entry.leads_to,
        hidden=entry.hidden,
        acts=entry.acts,
    )


def _payout(row: Row, now: datetime) -> Entry:
    facts = [
        many(row["payouts"], "payout"),
        words(row["state"]),
        f"the oldest since {instant(row['since'], now)}",
    ]
    sent = [Act("pay_out", "Make the file for the bank")] if row["state"] == "approved" else []
    return Entry(
        f"{row['currency']}.{row['state']}",
        written(row["amount"], row["currency"]),
        facts,
        acts=sent,
        is_file=True,
    )


def _file(row: Row, now: datetime) -> Entry:
    facts = [row["reason"], row["format"], f"brought {instant(row['begun_at'], now)} by {row['imported_by']}"]
    return Entry(row["digest"][:_SHORT_NAME], row["name"], facts)


# ------------------------------------------------------------------ people


def _mail(row: Row, now: datetime) -> Entry:
    facts = [
        f"mail {words(row['kind'])}",
        f"waits for {lasting(now - row['called_at'])}",
        many(row["attempts"], "attempt") + (f": {row['last_error']}" if row["last_error"] else ""),
    ]
    acts = [Act("resend", "Send now")]
    if row["order_number"]:
        note = Act("note", "Note as returned", "The order's page and support tell it then.", folded=True)
        acts.append(note)
    return _of_mail(row, row["order_number"] or row["case_number"], facts, acts)


def _returned(row: Row, now: datetime) -> Entry:
    status = f" ({row['return_status']})" if row["return_status"] else ""
    facts = [f"mail {words(row['kind'])}", f"came back {instant(row['returned_at'], now)}{status}"]
    return _of_mail(row, row["order_number"], facts, [Act("resend", "Send again")])


def _of_mail(row: Row, title: str | None, facts: Sequence[str], acts: Sequence[Act]) -> Entry:
    leads_to = f"/ops/orders/{row['order_id']}" if row["order_number"] else ""
    return Entry(
        row["message_id"].strip("<>"),
        title or "?",
        facts,
        leads_to,
        hidden={"order_id": str(row["order_id"])},
        acts=acts,
    )


def _case(row: Row, now: datetime) -> Entry:
    facts = [
        words(row["topic"]),
        f"by {row['channel']}",
        f"waits for {lasting(now - row['open_since'])}",
        f"{row['messages']} written, {row['answers']} answered",
    ]
    if row["order_number"]:
        facts.insert(1, f"order {row['order_number']}")
    if row["returned"]:
        facts.append("our last mail came back")
    close = Act("close", "Close", "Without an answer.", folded=True)
    leads_to = f"/ops/cases/{row['case_id']}"
    return Entry(str(row["case_id"]), row["case_number"], facts, leads_to, "Read and answer", acts=[close])


def _parked(row: Row, now: datetime) -> Entry:
    facts = [
        f"view {row['view']}",
        row["error"],
        f"{many(row['events_waiting'], 'event')} since {instant(row['parked_at'], now)}",
        "tried once" if row["attempts"] == 1 else f"tried {many(row['attempts'], 'time')}",
    ]
    title = row["order_number"] or str(row["order_id"])
    hidden = {"view": row["view"], "order_id": str(row["order_id"])}
    leads_to = f"/ops/orders/{row['order_id']}" if row["order_number"] else ""
    return Entry(
        f"{row['view']}.{row['order_id']}",
        title,
        facts,
        leads_to,
        hidden=hidden,
        acts=[Act("retry", "Try again")],
    )


_ALL_PARKED: Final = Entry("all", "All of them", (), acts=[Act("retry", "Try all again")])

#: Of these a driver may be fined.
_URGENT: Final = frozenset({"late", "stuck", "parked"})

_Told = Callable[[Row, datetime], Entry]
_LISTS: Final[Mapping[str, tuple[str, str, _Told]]] = {
    "late": ("Late registrations", "Due, and not started.", _late),
    "stuck": ("Stuck with an authority", "Started, without an answer; the service goes on asking by itself.", _stuck),
    "parked": ("Parked orders", "A view can't digest one of their events; mend it, then try again.", _parked),
    "rejected": ("Waiting for the customer's answer", "The authority did not take it.", _rejected),
    "held": ("On hold", "Paid, and not to be registered as it is.", _held),
    "money": ("Money in review", "Nobody's yet: say which order it is for, or send it back.", _money),
    "reversals": ("Unplaced reversals", "The bank has taken money back: say which.", _reversal),
    "refunds": ("Refunds to approve", "", _refund),
    "payouts": ("Payouts", "Approved money goes to the bank as a file (pain.001).", _payout),
    "files": ("Bank files set aside", "None of these counts: have the bank send it anew, and import that.", _file),
    "mails": ("Mails that wait", "For more than five minutes.", _mail),
    "returned": ("Mails that came back", "Once the address is corrected, the current mails go there.", _returned),
    "cases": ("Support cases", "Open, whoever has waited longest first.", _case),
}  # fmt: skip


def _of_order(
    row: Row, facts: Sequence[str], acts: Sequence[Act], hidden: Mapping[str, str] | None = None
) -> Entry:
    order_id = str(row["order_id"])
    return Entry(
        order_id, row["order_number"], facts, f"/ops/orders/{order_id}", hidden=hidden or {}, acts=acts
    )
