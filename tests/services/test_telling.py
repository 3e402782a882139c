"""What other services are told: of every event something, of nobody anything."""

import json

import pytest

from eventstore_helpers import DAY, HOUR, NOON, a_vault, an_order, details, issue, pay, start, stories
from vignettes.domain.account import Purpose
from vignettes.domain.personal import DataClass
from vignettes.eventstore.codec import Envelope, OrderMapper
from vignettes.messages import events
from vignettes.services.publishing import headers
from vignettes.services.telling import event_type, told

ACCOUNT = "CZ5855000000001265098001"
SECRETS = ("SECRET", "secret@example.org", "Jana", ACCOUNT)


def spoken():
    """Orders in which people and authorities wrote whatever they liked."""
    order = start(pay(an_order(details(plate="SECRET 1"), email="secret@example.org")))
    order.record_rejection("other", "no vehicle SECRET 1 of Jana", order.generation, NOON + HOUR)
    order.correct_details(details(plate="SECRET 2"), NOON + 2 * HOUR)
    order.correct_email("new.secret@example.org", NOON + 2 * HOUR)
    issue(start(order, NOON + 3 * HOUR), NOON + 4 * HOUR)
    refunded = pay(an_order(email="secret@example.org"))
    refunded.request_refund("Jana is ill, secret@example.org", NOON + HOUR)
    refunded.approve_payout(Purpose.REFUND, ACCOUNT, NOON + HOUR)
    refunded.confirm_refund("Jana", refunded.refund, NOON + 2 * HOUR)
    withdrawn = an_order(email="secret@example.org")
    withdrawn.send_link([], NOON + HOUR)
    withdrawn.note_returned_mail(1, "placed", "permanent", "5.1.1", NOON + HOUR)
    withdrawn.withdraw("Jana", NOON + HOUR)
    for ended in (order, refunded, withdrawn):
        ended.erase(tuple(DataClass), NOON + DAY)
    return [order, refunded, withdrawn]


def recorded(orders):
    """Return every event of some orders as a follower sees it, with the order as it was after it."""
    mapper = OrderMapper(a_vault())
    for order in orders:
        state = None
        for position, event in enumerate(order.collect_events(), 1):
            stored = mapper.to_stored_event(event, Envelope("Jana"))
            seen = mapper.to_recorded(stored, position)
            state = seen.event.mutate(state)
            yield seen, state


def published(orders):
    """Return type, body and headers of what is published of some orders."""
    return [
        (event_type(seen), told(seen, order).model_dump_json(), headers(seen, event_type(seen)))
        for seen, order in recorded(orders)
    ]


def test_every_event_is_told():
    """Under a type of its own; none of them is unknown to the published language."""
    assert {kind for kind, _, _ in published([*stories(), *spoken()])} == set(events.EVENTS)


@pytest.mark.parametrize("secret", SECRETS)
def test_nothing_that_is_published_tells_who_or_which_vehicle(secret):
    """Whatever people wrote: what lies in a stream can not be taken back (I10)."""
    for kind, body, head in published(spoken()):
        assert secret not in body + str(head), kind


def test_a_reason_that_is_no_code_of_ours_is_another_reason():
    """Also one that was erased since: published again, it is still a reason."""
    reasons = [json.loads(body)["reason"] for kind, body, _ in published(spoken()) if "rejected" in kind]
    assert reasons == ["other"]


def test_an_erasure_tells_which_classes_are_to_be_let_go_of():
    """Only those that were erased now, so that a neighbour knows what to do."""
    order = an_order()
    order.expire(NOON + 30 * DAY)
    order.erase([DataClass.CONTACT], NOON + 31 * DAY)
    order.erase(tuple(DataClass), NOON + 32 * DAY)
    erasures = [json.loads(body) for kind, body, _ in published([order]) if kind == "personal-data-erased"]
    assert [each["classes"] for each in erasures] == [["contact"], ["vehicle"]]
    assert erasures[0].keys() == {
        "order_id", "order_number", "version", "status", "country", "product", "classes"
    }  # fmt: skip
    assert erasures[0]["status"] == "expired"


@pytest.mark.case(28)
def test_money_that_was_taken_back_is_told_with_what_follows():
    """Before the start the order waits for it again, after it that is owed (case 28)."""
    suspended, owing = pay(an_order(), payment_id="p"), start(pay(an_order(), payment_id="p"))
    for order in (suspended, owing):
        order.reverse_payment("p", NOON + HOUR)
    bodies = [
        json.loads(body) for kind, body, _ in published([suspended, owing]) if kind == "payment-reversed"
    ]
    told = [(each["status"], each["outstanding"]["amount"], each["owed"]["amount"]) for each in bodies]
    assert told == [("awaiting_payment", 39900, 0), ("registering", 39900, 39900)]


@pytest.mark.parametrize("status", ["5.1.1", None])
def test_a_mail_that_came_back_is_told_with_where_the_order_stands(status):
    """The event has a status of its own, that of the mail, or none where a person has noted it."""
    order = an_order()
    order.note_returned_mail(1, "placed", "permanent", status, NOON)
    [body] = [json.loads(body) for kind, body, _ in published([order]) if kind == "mail-returned"]
    assert (body["status"], body["why"]) == ("awaiting_payment", "permanent")


def test_a_payout_is_told_by_its_name():
    """And what it is for, from its approval on."""
    [approved] = [json.loads(body) for kind, body, _ in published(spoken()) if kind == "payout-approved"]
    assert approved["payout_id"] == f"{approved['order_number']}-1"
    assert (approved["purpose"], approved["amount"]) == ("refund", {"amount": 39900, "currency": "CZK"})
