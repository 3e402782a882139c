"""What must be true of any year: each check returns what it found wrong, in words that name the order."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import combinations

from faults.year.dues import MARGIN, Order

#: How late a start may be: by its promise, from when it was due; of a same-day order from the money.
_LIMITS = {1: timedelta(minutes=5), 2: timedelta(minutes=5), 3: timedelta(minutes=1)}
_ENDS = {"issued", "refunded", "expired", "on_hold", "action_needed"}
#: An announcement that comes this shortly before may come too late; so may money, a correction, or a sale that opens.
_SHORTLY = timedelta(minutes=10)


def every_check(evidence, mailed):
    """Return what all of them found."""
    found = [
        finding
        for check in (money_first, one_registration, deadlines, ledger, ends)
        for finding in check(evidence)
    ]
    return found + broken_promises(evidence, mailed)


# --- I3


def money_first(evidence):
    """No start without money, no vignette without a start, never a vignette and a refund."""
    found = []
    for number, history in evidence.histories.items():
        order = Order()
        for event in history:
            match event.kind:
                case "registration-started" if not (order.is_paid and order.is_open):
                    found.append(f"{number}: started at {event.at} without money")
                case "vignette-issued" if order.started_at is None:
                    found.append(f"{number}: a vignette at {event.at} without a start")
                case "details-corrected" if order.started_at is not None:
                    found.append(f"{number}: corrected at {event.at} after its start")
            order.tell(event)
        if order.issued and order.refund:
            found.append(f"{number}: a vignette and a refund")
    return found


# --- I4


def one_registration(evidence):
    """One row of the register for each vignette and none beside, and no vehicle twice in one period."""
    found, by_order, by_vehicle = [], defaultdict(list), defaultdict(list)
    for row in evidence.register:
        by_order[row["reference"]].append(row)
        by_vehicle[row["country"], row["plate"]].append(row)
    for number, rows in by_order.items():
        if len(rows) > 1:
            found.append(f"{number}: registered {len(rows)} times: {[row['number'] for row in rows]}")
    for number in evidence.histories:
        told = [
            event.data["vignette"]["number"]
            for event in evidence.histories[number]
            if event.kind == "vignette-issued"
        ]
        held = [row["number"] for row in by_order.pop(number, [])]
        if told != held[:1]:
            found.append(f"{number}: the register has {held}, the log {told}")
    found += [f"{number}: registered, and no order of ours" for number in by_order]
    for vehicle, rows in by_vehicle.items():
        for one, other in combinations(rows, 2):
            if _overlap(one, other) and not _accepted(evidence, one, other):
                found.append(f"{vehicle}: covered twice, by {one['reference']} and {other['reference']}")
    return found


def _overlap(one, other):
    def not_after(begin, end):
        if "T" in begin and "T" in end:
            return datetime.fromisoformat(begin) <= datetime.fromisoformat(end)
        return begin[:10] <= end[:10]

    return not_after(one["valid_from"], other["valid_until"]) and not_after(
        other["valid_from"], one["valid_until"]
    )


def _accepted(evidence, *rows):
    """Tell whether a customer has said that both are meant."""
    return any(
        event.kind == "twin-accepted"
        for row in rows
        for event in evidence.histories.get(row["reference"], ())
    )


# --- I8


def deadlines(evidence):
    """Each generation that nothing has overtaken was started once, when it was due, and before its outages."""
    found = []
    for number, history in evidence.histories.items():
        order, starts = Order(), Counter()
        for event in history:
            if event.kind == "registration-started":
                starts[event.data["generation"]] += 1
                found += [f"{number}: {wrong}" for wrong in _start(order, event, evidence.outages)]
            order.tell(event)
        found += [
            f"{number}: generation {which} started {times} times"
            for which, times in starts.items()
            if times > 1
        ]
        if order.is_scheduled:
            found.append(f"{number}: due at {order.due()[0]} and never started")
    return found


def _start(order, event, outages):
    """Return what is wrong with one start."""
    told = datetime.fromisoformat(event.data["due_at"])
    if not order.is_scheduled:
        return [f"started at {event.at} though it did not wait for it"]
    due_at, promise = order.due()
    if event.data["rule"] == "at_once" and told == event.at:
        return []  # the customer has pressed, and is served at that moment
    wrong = []
    if event.data["generation"] != order.generation:
        wrong.append(f"generation {event.data['generation']} started, not {order.generation}")
    if told != due_at:
        wrong.append(f"due at {told} by the log, at {due_at} by the rules")
    since = max(order.paid_at, order.began_at) if promise == 2 else due_at
    if not due_at <= event.at <= since + _LIMITS[promise]:
        wrong.append(f"due at {due_at}, started at {event.at}")
    return wrong + _run_into(order, event.at, outages)


def _run_into(order, at, outages):
    """Return the outages within which it started, though they were known early enough."""
    known_from = _known_from(order)
    return [
        f"started at {at} within the outage {outage['outage_id']} from {outage['begins_at']} on"
        for outage in outages
        if outage["country"] == order.product[:2]
        and outage["begins_at"] <= at < outage["ends_at"]
        and (outage["withdrawn_at"] is None or outage["withdrawn_at"] > at)
        and max(known_from, outage["announced_at"]) + _SHORTLY < outage["begins_at"]
        and not _was_down(order.product[:2], outage, known_from, outages)
    ]


def _known_from(order):
    """Return since when it could have been registered for what it is now."""
    return max(filter(None, (order.paid_at, order.began_at, order.opens_at)))


def _was_down(country, outage, since, outages):
    """Tell whether all the time before an outage was taken by another one."""
    return any(
        other["country"] == country
        and other is not outage
        and other["begins_at"] - MARGIN <= max(since, outage["begins_at"] - MARGIN) < other["ends_at"]
        for other in outages
    )


def ledger(evidence):
    """The ledger of deadlines says of each generation what the rules say, and nothing stands open in it."""
    wanted = {}
    for number, history in evidence.histories.items():
        order = Order()
        for event in history:
            order.tell(event)
            if order.is_scheduled:
                wanted[number, order.generation] = order.due()[0]
    found = []
    for row in evidence.deadlines:
        key = row["order_id"], row["generation"]
        if row["due_at"] != wanted.pop(key, None):
            found.append(f"{key}: the ledger says {row['due_at']}")
        if row["outcome"] is None:
            found.append(f"{key}: due at {row['due_at']}, and nothing came of it")
        if (
            row["outcome"] == "started"
            and row["rule"] != "at_once"
            and row["fired_at"] is None
            and row["ended_at"] >= row["due_at"]
        ):
            found.append(f"{key}: started without a trigger")
    return found + [f"{key}: due at {due_at}, and not in the ledger" for key, due_at in wanted.items()]


# --- what became of them


def ends(evidence):
    """Every order has come to an end, or waits for its customer with a reason."""
    found = []
    for number, row in evidence.statuses.items():
        reason = {"on_hold": row["hold_reason"], "action_needed": row["rejection_code"]}.get(
            row["status"], "its end"
        )
        if row["status"] not in _ENDS or not reason:
            found.append(f"{number}: {row['status']} in the end")
    return found


def broken_promises(evidence, mailed):
    """Every promise is kept, or an announced outage explains why not; mails only where somebody sends them."""
    found = []
    for row in evidence.broken:
        if row["promise"] in {6, 8} and not mailed:
            continue
        if row["promise"] > 3 or not _explained(row, evidence):
            found.append(
                f"{row['order_id']}: promise {row['promise']} ({row['rule']}) due {row['due_at']}, late {row['late']}"
            )
    return found


def _explained(row, evidence):
    country, ended_at = evidence.statuses[row["order_id"]]["country"], row["ended_at"]
    return any(
        outage["country"] == country
        and outage["withdrawn_at"] is None
        and outage["ends_at"] > row["due_at"]
        and (ended_at is None or outage["begins_at"] <= ended_at)
        for outage in evidence.outages
    )


def late_vignettes(evidence):
    """Return the orders whose vignette came too late for what was paid in time, each with the outage that explains it.

    None where nothing does.
    """
    late = {}
    for number, history in evidence.histories.items():
        order = Order()
        for event in history:
            if event.kind == "vignette-issued" and _known_from(order) + _SHORTLY < order.begins_at < event.at:
                late[number] = next(
                    (
                        outage["outage_id"]
                        for outage in evidence.outages
                        if outage["country"] == order.product[:2]
                        and outage["begins_at"] <= event.at
                        and outage["ends_at"] > order.started_at
                    ),
                    None,
                )
            order.tell(event)
    return late
