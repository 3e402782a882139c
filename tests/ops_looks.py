"""What a look of the page for people on duty may find, made up: nothing, or as much of everything as is shown."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from vignettes.services.web.ops_look import _QUERIES, MOST, SHOWN, Look

NOW = datetime(2027, 3, 10, 8, 17, tzinfo=UTC)
_TOTAL = 4_321


def empty():
    """Return a look that has found nothing."""
    return Look(NOW, {name: [] for name in _QUERIES})


def crowded():
    """Return a look with all lists full, and all days."""
    found = dict(empty().parts)
    found["states"] = [{"status": "issued", "orders": 200_000}]
    found["due"] = [
        {
            "begins_at": NOW.replace(minute=0) + step * timedelta(minutes=30),
            "country": country,
            "orders": 1_000,
        }
        for step in range(98)
        for country in ("CZ", "AT", "SK", "HU")
    ]
    days = [NOW.date() - timedelta(days=before) for before in range(30)]
    told = [
        {"day": day, "promise": promise, "kept": 9_000, "broken": 2, "at_risk": 1, "open": 3}
        for promise in SHOWN
        for day in days
    ]
    found["today"], found["month"] = told[::30], [row for at, row in enumerate(told) if at % 30]
    found["broken_today"] = found["broken_month"] = [_broken(each) for each in SHOWN for _ in range(MOST)]
    for name, row in _ROWS.items():
        found[name] = [{**row, **_another()} for _ in range(MOST)]
    return Look(NOW, found)


def _another():
    number = f"V{uuid4().int % 10**10:010}"
    order = {"order_id": uuid4(), "order_number": number, "total": _TOTAL, "payment_id": uuid4()}
    return {**order, "case_id": uuid4(), "message_id": f"<{uuid4()}.12.placed@vignettes.example>"}


def _broken(promise):
    late = {"due_at": NOW, "late": timedelta(minutes=7), "is_no_matter_of_time": False}
    return {"promise": promise, **late, **_another()}


_SUGGESTED = str(uuid4())
_SUGGESTION = {
    "allocations": [{"order_id": _SUGGESTED, "amount": 39_900}],
    "reasons": ["reference_nearly", "amount_exact", "order_waits"],
}
_STANDING = {"number": "V6562305984", "status": "awaiting_payment", "outstanding": 39_900}
_MONEY = {
    "currency": "CZK",
    "booked_on": date(2027, 3, 9),
    "source": "statement",
    "reasons": ["check_digit_wrong"],
}
_ROWS = {
    "late": {
        "country": "CZ",
        "generation": 1,
        "due_at": NOW - timedelta(hours=3),
        "rule": "lead",
        "fired_at": NOW - timedelta(hours=3),
        "starts_at": NOW + timedelta(hours=9),
    },
    "stuck": {
        "country": "SK",
        "generation": 1,
        "started_at": NOW - timedelta(hours=1),
        "starts_at": NOW + timedelta(hours=11),
        "person_called_at": None,
        "act_by": None,
        "state": "unknown",
        "attempts": 12,
        "unknown_since": NOW - timedelta(hours=1),
        "last_outcome": "Unknown: HTTP 503",
    },
    "rejected": {
        "country": "SI",
        "rejection_code": "plate_not_accepted",
        "updated_at": NOW,
        "answer_by": NOW,
    },
    "held": {
        "country": "CZ",
        "hold_reason": "same_vehicle_and_period",
        "starts_at": NOW,
        "updated_at": NOW,
        "because_of": "V6562305984",
    },
    "parked": {
        "view": "order_status",
        "topic": "order.placed.v3",
        "error": "UnreadableEvent: order.placed.v3 at position 1234: its bytes are no JSON",
        "attempts": 3,
        "parked_at": NOW,
        "events_waiting": 4,
    },
    "money": {
        **_MONEY,
        "unallocated": 39_900,
        "suggestions": [_SUGGESTION] * 5,
        "orders": {_SUGGESTED: _STANDING},
    },
    "reversals": {
        **_MONEY,
        "amount": 39_900,
        "candidates": [{"payment_id": str(uuid4()), "booked_on": "2027-03-08", "number": "V6562305984"}] * 2,
    },
    "refunds": {"purpose": "refund", "currency": "CZK", "amount": 39_900, "since": NOW},
    "payouts": {"state": "approved", "currency": "CZK", "payouts": 12, "amount": 478_800, "since": NOW},
    "files": {
        "digest": "ab" * 32,
        "name": "statement.xml",
        "format": "camt",
        "reason": "Its entries do not add up to its balance, in statement S1.",
        "imported_by": "accounting",
        "begun_at": NOW,
    },
    "mails": {
        "kind": "paid",
        "called_at": NOW - timedelta(minutes=31),
        "attempts": 9,
        "last_error": "SMTPConnectError",
        "case_number": None,
    },
    "returned": {"kind": "paid", "returned_at": NOW, "return_status": "5.1.1"},
    "cases": {
        "case_number": "C358518342",
        "topic": "question",
        "channel": "page",
        "messages": 2,
        "answers": 1,
        "open_since": NOW - timedelta(days=2, hours=4),
        "returned": "permanent",
    },
}
