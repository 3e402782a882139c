"""I5: money in = matched + in review + returned, by a reader that shares no code with the service."""

import copy
import random
import time
from uuid import uuid4

import pytest

from checker.money import Event, Reader, read
from eventstore_helpers import a_vault, ask, fold
from faults.money_flowing import CURRENCY, Town
from vignettes.eventstore.connections import conninfo
from vignettes.projections.books import BooksView

SHORT, LONG = 300, 20_000
_BOOKS = """
SELECT sum(money_in)::bigint, sum(matched)::bigint, sum(in_review)::bigint, sum(returned)::bigint FROM read.books
"""


@pytest.mark.parametrize(
    "payments",
    [
        pytest.param(SHORT, id="short"),
        pytest.param(LONG, id="long", marks=[pytest.mark.faults, pytest.mark.timeout(3_600)]),
    ],
)
async def test_no_money_is_lost_or_spent_twice(database, seed, tell, payments):
    """Paid, split, matched wrongly, refunded, reversed, sent back, come back: the sums are those of the books."""
    town, began = Town(database, seed), time.monotonic()
    await town.live(payments)
    lived = time.monotonic() - began
    events = read(conninfo(database, "vignettes_auditor"))
    reader = Reader(events)
    sums = reader.sums()[CURRENCY]
    tell(payments=payments, events=len(events), seconds=round(lived), sums=sums, **town.met)
    assert reader.found == [], f"{len(reader.found)} findings, the first: {reader.found[:10]}"
    await fold(database, a_vault(), BooksView())
    assert ask(database, _BOOKS) == [(sums.money_in, sums.matched, sums.in_review, sums.returned)]
    chance = random.Random(seed)
    missed = [
        name for name, corrupt in CORRUPTIONS.items() if not Reader(corrupt(list(events), chance)).found
    ]
    assert missed == []


def _place(events, chance, topic, where, spared=()):
    """Return the place of an event; not of what also met one of the events that are spared."""
    met = {each.source for each in events if each.topic.startswith(tuple(spared))}
    places = [
        place
        for place, each in enumerate(events)
        if each.topic.startswith(topic) and where(each.data) and each.source not in met
    ]
    return chance.choice(places)


def _without(topic, where=lambda _: True):
    def corrupt(events, chance):
        del events[_place(events, chance, topic, where)]
        return events

    return corrupt


def _changed(topic, change, where):
    def corrupt(events, chance):
        place = _place(events, chance, topic, where)
        data = copy.deepcopy(events[place].data)
        change(data)
        events[place] = events[place]._replace(data=data)
        return events

    return corrupt


def _more(topic, change, spared=()):
    """Let an event be there once more, changed, at the end."""

    def corrupt(events, chance):
        event = copy.deepcopy(events[_place(events, chance, topic, lambda _: True, spared)])
        return [*events, change(event)]

    return corrupt


def _is_share(data):
    """Tell whether a bank payment knows of this money too: what an order alone was told, nobody else can tell."""
    return data.get("payment", data)["payment_id"].startswith("bank-payment:") and bool(
        data.get("amount", {"amount": 1})["amount"]
    )


def _a_cent_more(data):
    data["payment"]["amount"]["amount"] += 1


def _another_currency(data):
    data["payment"]["amount"]["currency"] = "EUR"


def _in_another_file(event):
    return event._replace(data={**event.data, "file_id": "another"})


def _unbooked(events, chance):
    reversed_ = {each.source for each in events if each.topic.startswith("bank-payment.reversed.")}
    counted = {each.source for each in events if each.topic.startswith("bank-payment.counted.")}
    source = chance.choice(sorted(counted - reversed_))
    place = next(place for place, each in enumerate(events) if each.source == source)
    data = copy.deepcopy(events[place].data)
    data["entry"]["booked"] = False
    events[place] = events[place]._replace(data=data)
    return events


def _unreversed(events, chance):
    shared = {each.source for each in events if each.topic.startswith("bank-payment.share-released.")}
    places = [
        place
        for place, each in enumerate(events)
        if each.topic.startswith("bank-payment.reversed.") and each.source in shared
    ]
    del events[chance.choice(places)]
    return events


def _sent_back_twice(events, chance):
    failed = {each.source for each in events if each.topic.startswith("bank-payment.return-failed.")}
    place = next(
        place
        for place, each in enumerate(events)
        if each.topic.startswith("bank-payment.returned.") and each.source not in failed
    )
    return [*events[: place + 1], events[place], *events[place + 1 :]]


#: What the reader must find in a log that is changed in one place.
CORRUPTIONS = {
    "an order lost its payment": _without("order.payment-received.", _is_share),
    "a payment was never booked, and is matched": _unbooked,
    "an amount is wrong by a cent": _changed("order.payment-received.", _a_cent_more, _is_share),
    "a currency is another": _changed("order.payment-received.", _another_currency, _is_share),
    "a payment counts for two orders": _more(
        "order.payment-received.", lambda event: event._replace(source=str(uuid4()))
    ),
    "a payment counts twice": _more("order.payment-received.", lambda event: event),
    "a reversal was kept from the payment": _unreversed,
    "a reversal was kept from the order": _without("order.payment-reversed.", _is_share),
    "an undone match stayed with the order": _without("order.payment-taken-back."),
    "a payout is in two files": _more("order.payout-ordered.", _in_another_file),
    "a return is in two files": _more("bank-payment.return-ordered.", _in_another_file),
    "a refund left twice": _more("order.refunded.", lambda event: event),
    "surplus left twice, by another id": _more(
        "order.surplus-returned.",
        lambda event: event._replace(data={**event.data, "refund_id": "another"}),
        ["order.payout-failed."],
    ),
    "a payment was sent back twice": _sent_back_twice,
    "a refunded order has a vignette": _more(
        "order.refund-requested.", lambda event: Event(event.source, "order.vignette-issued.v1", {})
    ),
    "a payment was shared out twice": _more(
        "bank-payment.allocated.", lambda event: event, ["bank-payment.reversed."]
    ),
}
