"""What a check must find: evidence of a good year in which one thing is changed, drawn by chance."""

from datetime import timedelta
from uuid import uuid4

from faults.year import checks
from faults.year.evidence import Event

_HOUR = timedelta(hours=1)
_STARTED, _ISSUED = "registration-started", "vignette-issued"


def _number_with(evidence, chance, *kinds):
    """Return an order that has met all of these, and was started by its deadline."""
    return chance.choice(
        [
            number
            for number, history in evidence.histories.items()
            if set(kinds) <= {event.kind for event in history}
            and not any(event.data.get("rule") == "at_once" for event in history)
        ]
    )


def _place_of(history, kind):
    return next(place for place, event in enumerate(history) if event.kind == kind)


def _without(kind):
    def corrupt(evidence, chance):
        history = evidence.histories[_number_with(evidence, chance, kind, _ISSUED)]
        del history[_place_of(history, kind)]

    return corrupt


def _refunded(evidence, chance):
    history = evidence.histories[_number_with(evidence, chance, _ISSUED)]
    history.append(Event("refund-requested", history[-1].at, {}))


def _corrected_after_the_start(evidence, chance):
    history = evidence.histories[_number_with(evidence, chance, _ISSUED)]
    place = _place_of(history, _STARTED) + 1
    history.insert(place, Event("details-corrected", history[place].at, history[0].data))


def _registered_twice(evidence, chance):
    evidence.register.append({**chance.choice(evidence.register), "number": "XX1"})


def _unregistered(evidence, chance):
    evidence.register.remove(chance.choice(evidence.register))


def _covered_twice(evidence, chance):
    one = chance.choice(evidence.register)
    evidence.register.append({**one, "reference": str(uuid4()), "number": "XX2"})


def _started_twice(evidence, chance):
    history = evidence.histories[_number_with(evidence, chance, _STARTED)]
    place = _place_of(history, _STARTED)
    history.insert(place, history[place])


def _started_late(evidence, chance):
    _change_start(evidence, chance, lambda start: start._replace(at=start.at + _HOUR / 4))


def _started_early(evidence, chance):
    _change_start(evidence, chance, lambda start: start._replace(at=start.at - _HOUR / 4))


def _due_an_hour_off(evidence, chance):
    """As who takes local hours for elapsed ones, on a day when the clocks change."""

    def shifted(start):
        at = start.at + _HOUR
        return start._replace(at=at, data={**start.data, "due_at": at.isoformat()})

    _change_start(evidence, chance, shifted)


def _change_start(evidence, chance, change):
    history = evidence.histories[_number_with(evidence, chance, _STARTED)]
    place = _place_of(history, _STARTED)
    history[place] = change(history[place])


def _never_started(evidence, chance):
    history = evidence.histories[_number_with(evidence, chance, _STARTED)]
    del history[_place_of(history, _STARTED) :]


def _started_into_an_outage(evidence, chance):
    starts = {
        number: event
        for number, history in evidence.histories.items()
        for event in history
        if event.kind == _STARTED and event.data["rule"] == "lead"
    }
    number, start = chance.choice(list(starts.items()))
    paid_at = next(event.at for event in evidence.histories[number] if event.kind == "payment-received")
    outage = {
        "outage_id": str(uuid4()),
        "country": evidence.statuses[number]["country"],
        "announced_at": paid_at - _HOUR,
        "begins_at": start.at - _HOUR / 600,
        "ends_at": start.at + _HOUR,
        "withdrawn_at": None,
    }
    evidence.outages.append(outage)


def _ledger_says_otherwise(evidence, chance):
    chance.choice(evidence.deadlines)["due_at"] += _HOUR


def _ledger_stands_open(evidence, chance):
    chance.choice(evidence.deadlines)["outcome"] = None


def _ledger_lacks_one(evidence, chance):
    evidence.deadlines.remove(chance.choice(evidence.deadlines))


def _left_behind(evidence, chance):
    evidence.statuses[_number_with(evidence, chance, _ISSUED)]["status"] = "registering"


def _held_without_a_reason(evidence, chance):
    evidence.statuses[_number_with(evidence, chance, _ISSUED)] |= {"status": "on_hold", "hold_reason": None}


def _a_promise_broken(evidence, chance):
    number = _number_with(evidence, chance, _ISSUED)
    at = evidence.histories[number][0].at
    told = {"order_id": number, "promise": 2, "rule": "grace", "due_at": at, "ended_at": at, "late": _HOUR}
    evidence.broken.append(told)
    evidence.outages.clear()


def _promises(evidence):
    return checks.broken_promises(evidence, mailed=False)


#: Each with the check that must find it.
CORRUPTIONS = {
    "a payment that is gone": (_without("payment-received"), checks.money_first),
    "a start that is gone": (_without(_STARTED), checks.money_first),
    "a vignette and a refund": (_refunded, checks.money_first),
    "a correction after the start": (_corrected_after_the_start, checks.money_first),
    "a registration twice": (_registered_twice, checks.one_registration),
    "a registration that is gone": (_unregistered, checks.one_registration),
    "a vehicle covered twice": (_covered_twice, checks.one_registration),
    "a start twice": (_started_twice, checks.deadlines),
    "a late start": (_started_late, checks.deadlines),
    "an early start": (_started_early, checks.deadlines),
    "an hour too much": (_due_an_hour_off, checks.deadlines),
    "no start": (_never_started, checks.deadlines),
    "a start within an outage": (_started_into_an_outage, checks.deadlines),
    "another hour in the ledger": (_ledger_says_otherwise, checks.ledger),
    "an open row in the ledger": (_ledger_stands_open, checks.ledger),
    "a row less in the ledger": (_ledger_lacks_one, checks.ledger),
    "an order left behind": (_left_behind, checks.ends),
    "a hold without a reason": (_held_without_a_reason, checks.ends),
    "a broken promise": (_a_promise_broken, _promises),
}
