"""A bundle proves one history anywhere; whatever is changed in it, it is refused."""

import asyncio
import copy
import json
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from auditing import OTHER_KEY, PUBLIC, keep
from bank_payments import in_review
from eventstore_helpers import (
    NOON,
    a_database,
    a_vault,
    all_views,
    an_order,
    ask,
    erase,
    fold,
    issue,
    pay,
    record,
    start,
    stories,
)
from vignettes.eventstore import heads
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.orders import Orders, order_id_of
from vignettes.runtime.auditing import written
from vignettes.services.auditing import bundles, giving
from vignettes.services.auditing import stories as histories
from vignettes.services.auditing.bundles import NotProven, WrittenInTheClear
from vignettes.services.auditing.checking_bundles import NoBundle, check
from vignettes.services.auditing.stories import HistoryNotFound

STORED = Path(__file__).parents[2] / "eventstore" / "stored_events.json"
PRINT = heads.fingerprint(PUBLIC)
#: Personal texts of the orders here, in whatever way they could be written.
PERSONAL = ("driver@example.com", "2A2 2345", "2A22345", "CZ5855000000001265098001")


def exported(database, about, patience=0.0):
    """Export as the command does: as an auditor."""
    return asyncio.run(as_auditor(database, lambda there: given(there, about.id, patience)))


def given(there, order_id, patience=0.0):
    """Ask for a bundle over one connection."""
    return giving.exported(lambda: nullcontext(there), order_id, PUBLIC, patience)


async def as_auditor(database, ask_there):
    """Ask over a connection as an auditor has one."""
    url = conninfo(database, "vignettes_auditor")
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        return await ask_there(connection)


def shown_in_views(database):
    asyncio.run(fold(database, vault := a_vault(), *all_views(vault)))


@pytest.fixture(scope="module")
def log(postgres):
    """A log with an order that was issued among others, signed, and shown in the views."""
    with a_database(postgres, "bundles") as url:
        orders = Orders(url, a_vault())
        orders.issued = issue(start(pay(an_order())))
        orders.payment = in_review()
        orders.url = url
        record(orders, *stories(), orders.issued, orders.payment)
        keep(url)
        shown_in_views(url)
        yield orders
        orders.close()


@pytest.fixture(scope="module")
def bundle(log):
    return exported(log.url, log.issued)


def checked(bundle, key=PUBLIC, fingerprint=None):
    return check(written(bundle).encode(), key, fingerprint)


def resealed(bundle):
    """The digest made anew, as whoever forges a bundle would."""
    return {**bundle, "digest": bundles.digest_of(bundle)}


def test_a_bundle_proves_every_event_by_a_head(log, bundle):
    """With nothing but the key; or with the one that it brings along, by a fingerprint that is known."""
    found = checked(bundle)
    assert found.problems == []
    assert [event.type for event in found.events] == [
        "OrderPlaced",
        "PaymentReceived",
        "RegistrationStarted",
        "VignetteIssued",
    ]
    assert found.head.position >= bundle["events"][-1]["position"]
    assert checked(bundle, None, PRINT).holds


def test_the_row_of_the_view_is_in_it_and_matches(bundle):
    assert bundle["row"]["status"] == "issued"
    assert bundle["row"] == bundle["fold"]
    assert bundle["differs"] == []


def test_nothing_personal_is_in_a_bundle(bundle):
    text = written(bundle)
    states = [bundles._decoded(each["state"]).decode() for each in bundle["events"]]
    for personal in PERSONAL:
        assert personal not in text
        assert not any(personal in state for state in states)
    assert not {"email", "plate", "rejection_reason", "authorisation_code"} & bundle["row"].keys()


def test_a_row_that_is_not_what_the_events_say_is_told(log):
    """The view was tampered with: the bundle is good, and says so."""
    order = log.issued
    ask(log.url, "UPDATE edition.order_status_1 SET status = 'refunded' WHERE order_id = %s", order.id)
    told = exported(log.url, order)
    ask(log.url, "UPDATE edition.order_status_1 SET status = 'issued' WHERE order_id = %s", order.id)
    assert told["differs"] == ["status"]
    assert checked(told).problems == ["The view's row is not what the events say: status."]


def test_a_bank_payment_has_a_bundle_as_well(log):
    """Without a row: the view of orders knows nothing of it."""
    told = exported(log.url, log.payment)
    assert told["about"]["kind"] == "bank_payment"
    assert (told["row"], told["fold"], told["differs"]) == (None, None, None)
    assert checked(told).holds


def test_an_event_that_no_head_covers_can_not_be_exported(log):
    """It is told which; once there is a head, it can."""
    order = pay(an_order())
    first, last = record(log, order)
    with pytest.raises(NotProven, match=f"No head covers positions {first}, {last} yet"):
        exported(log.url, order)
    keep(log.url)
    assert checked(exported(log.url, order)).holds


def test_no_connection_is_held_while_a_head_is_waited_for(log, monkeypatch):
    """Others have questions, and there are few connections."""
    monkeypatch.setattr(giving, "_LOOK_SECONDS", 0.01)
    order, held, seen = an_order(), [], []
    record(log, order)

    async def asked(there):
        waits = asyncio.Event()

        @asynccontextmanager
        async def taking():
            held.append(there)
            yield there
            held.pop()

        def tell(_):
            seen.append(list(held))
            waits.set()

        waiting = asyncio.create_task(giving.exported(taking, order.id, PUBLIC, 30.0, tell))
        await waits.wait()
        await asyncio.to_thread(keep, log.url)
        return await waiting

    assert checked(asyncio.run(as_auditor(log.url, asked))).holds
    assert seen == [[]]  # and the history is read again once there is a head


def test_a_history_that_there_is_not_can_not_be_exported(log):
    with pytest.raises(HistoryNotFound):
        exported(log.url, an_order())


def test_what_was_written_before_there_were_keys_is_not_carried_away(log):
    """Its bytes hold an address in the clear. A history is told all the same, without it."""
    stored = json.loads(STORED.read_text())["order.placed.v1"]
    order_id = order_id_of("V1000000123")
    ask(
        log.url,
        "INSERT INTO log.events (originator_id, originator_version, topic, state) VALUES (%s, 1, %s, %s)",
        *(order_id, "order.placed.v1", stored.encode()),
    )
    keep(log.url)
    with pytest.raises(WrittenInTheClear):
        asyncio.run(as_auditor(log.url, lambda there: given(there, order_id)))
    story = asyncio.run(as_auditor(log.url, lambda there: histories.read(there, order_id, PUBLIC)))
    told = histories.told(story, None, None)
    assert told.proven
    assert told.state["email"] == {"sealed": True}
    assert "example.com" not in told.model_dump_json()


def test_after_an_erasure_a_bundle_is_as_good(log):
    """Keys were destroyed, not bytes: the bundle of before holds, and so does a new one."""
    order = issue(start(pay(an_order())))
    record(log, order)
    keep(log.url)
    before = exported(log.url, order)
    erase(log.url, log, order, at=NOON)
    keep(log.url)
    shown_in_views(log.url)
    after = exported(log.url, order)
    story = asyncio.run(as_auditor(log.url, lambda there: histories.read(there, order.id, PUBLIC)))
    told = histories.told(story, None, 1)
    assert told.events[0].data["email"] is None
    assert told.state["email"] is None
    assert checked(before).holds
    assert checked(after).holds
    assert after["events"][:4] == [{**event, "proof": each["proof"]} for event, each in
                                   zip(before["events"], after["events"], strict=False)]  # fmt: skip


def test_any_byte_that_is_flipped_is_found(bundle):
    """Wherever it is: this looks at every seventeenth."""
    data = written(bundle).encode()
    for place in range(0, len(data), 17):
        flipped = bytearray(data)
        flipped[place] ^= 1 << (place % 7)
        try:
            found = check(bytes(flipped), PUBLIC, None)
        except NoBundle:
            continue
        assert found.problems, (place, data[place - 20 : place + 20])


# --- forged with care: with a digest that fits


def _flip(text):
    return ("A" if text[0] != "A" else "B") + text[1:]


FORGERIES = {
    "a byte of an event": lambda b: b["events"][1].update(state=_flip(b["events"][1]["state"])),
    "a topic": lambda b: b["events"][1].update(topic="order.payment-noticed.v1"),
    "a position": lambda b: b["events"][1].update(position=b["events"][1]["position"] + 1),
    "a version": lambda b: b["events"][1].update(version=7),
    "a leaf": lambda b: b["events"][1].update(index=b["events"][1]["index"] - 1),
    "a leaf that there is not": lambda b: b["events"][1].update(index=10**9),
    "a hash of a proof": lambda b: b["events"][2]["proof"].__setitem__(0, _flip(b["events"][2]["proof"][0])),
    "a proof that is cut": lambda b: b["events"][2]["proof"].pop(),
    "an event left out": lambda b: b["events"].pop(1),
    "an event twice": lambda b: b["events"].insert(1, b["events"][1]),
    "events swapped": lambda b: b["events"].insert(1, b["events"].pop(2)),
    "another's id": lambda b: b["about"].update(id="0d5b2c1e-6f5a-4c39-9a53-2f5f4e9d8b10"),
    "another's number": lambda b: b["about"].update(number="V1000000064"),
    "another kind": lambda b: b["about"].update(kind="support_case"),
    "the head's size": lambda b: b.update(head=b["head"].replace("\n", "\n1", 1)),
    "the head's time": lambda b: b.update(head=b["head"].replace("time 2", "time 3")),
    "the signature": lambda b: b.update(head=b["head"][:-6] + "AAAA=\n"),
    "another's signature": lambda b: b.update(head=heads.sign(heads.opened(b["head"], PUBLIC), OTHER_KEY)),
    "another's key": lambda b: b["key"].update(pem=heads.public_pem(OTHER_KEY.public_key())),
    "the fingerprint": lambda b: b["key"].update(fingerprint="00" + PRINT[2:]),
    "no key": lambda b: b["key"].update(pem="-----"),
    "a column": lambda b: b["row"].update(status="refunded"),
    "a column that the events give": lambda b: b["fold"].update(status="refunded"),
    "both columns": lambda b: (b["row"].update(status="refunded"), b["fold"].update(status="refunded")),
    "what differs": lambda b: b.update(differs=["status"]),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forgery_is_found_whatever_its_digest(bundle, forgery):
    forged = copy.deepcopy(bundle)
    FORGERIES[forgery](forged)
    found = checked(resealed(forged))
    assert found.problems
    assert all(each.endswith(".") for each in found.problems)


def test_a_bundle_signed_anew_by_another_key_is_found(bundle):
    """Its own key proves nothing: it is the auditor who knows which key it must be."""
    head = heads.opened(bundle["head"], PUBLIC)
    other = OTHER_KEY.public_key()
    forged = resealed(
        {
            **bundle,
            "head": heads.sign(head, OTHER_KEY),
            "key": {"fingerprint": heads.fingerprint(other), "pem": heads.public_pem(other)},
        }
    )
    assert "It was exported for another key than this one." in checked(forged).problems
    [problem] = checked(forged, None, PRINT).problems
    assert PRINT in problem


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"form": "vignettes-audit-bundle/2"}',
        b"[" * 100_000,
        b'{"form": "vignettes-audit-bundle/1", "form": "vignettes-audit-bundle/1"}',
    ],
)
def test_what_is_no_bundle_is_told(data):
    with pytest.raises(NoBundle):
        check(data, PUBLIC, None)


def test_a_bundle_may_be_written_in_another_way(bundle):
    """White space and the order of names say nothing."""
    assert check(json.dumps(bundle, sort_keys=True).encode(), PUBLIC, None).holds
