"""Every event has a sentence in plain English, and none of them tells who somebody is."""

import json
from uuid import UUID

import pytest
from eventsourcing.utils import get_topic

from vignettes.eventstore.codec import event_classes, personal_of
from vignettes.eventstore.ledger import Row
from vignettes.services.auditing import sealed
from vignettes.services.auditing.sentences import sentence, told_of
from vignettes.services.event_examples import SAID

COMMAND_ID = "0d5b2c1e-6f5a-4c39-9a53-2f5f4e9d8b10"


def recorded(event_class, data):
    """An event as an auditor reads it: what it says of people stays under keys."""
    wrapped = {
        "v": 1,
        "at": "2026-12-10T09:02:11Z",
        "by": "shop",
        "cmd": COMMAND_ID,
        "cor": None,
        "data": data,
    }
    row = Row(1, UUID(int=1), 1, get_topic(event_class), json.dumps(wrapped).encode())
    [event] = sealed.read([row])
    return event


def within(data, path):
    for name in path.split("."):
        data = data[name] if data else None
    return data


def test_there_is_a_sentence_for_every_event():
    """Of orders, bank payments and cases."""
    recorded_ones = {each for each in event_classes().values() if each.__name__ != "Created"}
    assert told_of() == recorded_ones


@pytest.mark.parametrize("event_class", SAID, ids=lambda each: each.TOPIC)
def test_a_sentence_says_what_happened_who_asked_and_by_which_command(event_class):
    told = sentence(recorded(event_class, SAID[event_class]))
    assert told.endswith(", by shop (command 0d5b2c1e).")
    assert not told[0].islower()
    assert "_" not in told.split(", by shop")[0].replace("bank_payment", "")


@pytest.mark.parametrize("event_class", SAID, ids=lambda each: each.TOPIC)
def test_nothing_personal_is_told(event_class):
    """Neither in the sentence nor in what the event says: of each such text only that it is sealed."""
    data = SAID[event_class]
    event = recorded(event_class, data)
    shown = sealed.said(event, ())
    for path in personal_of(event_class):
        if text := within(data, path):
            assert text not in sentence(event)
            assert within(shown, path) == {"sealed": True}
    assert "\0" not in sentence(event)
    assert "\\u0000" not in json.dumps(shown)


def test_an_event_that_nobody_commanded_says_so():
    event = recorded(*next(iter(SAID.items())))
    alone = event._replace(envelope=event.envelope._replace(command_id=None))
    assert sentence(alone).endswith(", by shop (without a command).")
