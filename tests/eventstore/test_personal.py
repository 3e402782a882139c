"""Keys of personal data: kept apart from the log, wrapped, replaced, destroyed."""

import json
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from eventstore_helpers import (
    MASTER,
    NOON,
    a_vault,
    a_writer,
    an_order,
    ask,
    changing,
    issue,
    pay,
    placing,
    record,
    start,
    writing_to,
)
from vignettes.domain.personal import DataClass
from vignettes.eventstore import personal
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.masterkeys import LocalMasterKeys, WrongMasterKey, root_secret, wrap_secrets_anew
from vignettes.eventstore.personal import BlindIndex, MissingKeys, Vault, give_keys, wrap_anew

CONTACT, VEHICLE = DataClass
STORED = Path(__file__).with_name("stored_events.json")
NEW_MASTER = bytes(reversed(MASTER))


@pytest.fixture
def owner(database):
    """A connection with the owner's rights, as `vignettes keys rotate` has."""
    url = conninfo(database, "vignettes_owner")
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def ended(appender, **different):
    """Bring an order to its vignette, and return its id."""
    order_id = appender.execute(placing(**different)).order_id
    for act in (lambda order, at: pay(order, at=at), start, issue):
        appender.execute(changing(order_id, act))
    return order_id


def erasing(order_id, *classes):
    return changing(order_id, lambda order, at: order.erase(classes or tuple(DataClass), at), erases=True)


def keys_of(database, order_id):
    query = "SELECT to_jsonb(k) - 'order_id' - 'master' FROM personal.keys k WHERE order_id = %s"
    return ask(database, query, order_id)[0]


def held(database, order_id):
    """Return a vault that holds the keys of one order as they are on record."""
    vault = a_vault()
    with psycopg.connect(database, row_factory=dict_row) as connection:
        vault.take(connection.execute(personal.SELECT_KEYS, ([order_id],)).fetchall())
    return vault


# --- with the events ---


def test_keys_come_with_the_first_event_in_its_transaction(database, appender):
    """No order without keys, no keys without an order."""
    order_id = appender.execute(placing()).order_id
    query = "SELECT k.xmin = e.xmin FROM personal.keys k JOIN log.events e ON e.originator_id = k.order_id"
    assert ask(database, query) == [True]
    assert all(keys_of(database, order_id).values())


def test_no_text_of_a_person_is_in_the_log(database, appender):
    """Neither in events nor in answers."""
    order_id = ended(appender, private=lambda *_: {"warnings": ["look_alike:2/Z at 1"]})
    appender.execute(writing_to(order_id, "other@example.com"))
    [text] = ask(
        database,
        "SELECT string_agg(convert_from(state, 'UTF8'), '') || (SELECT string_agg(reply::text, '') FROM log.commands)"
        " FROM log.events",
    )
    for word in ("driver@example.com", "other@example.com", "2A2 2345", "2A22345", "look_alike"):
        assert word not in text


def test_what_an_answer_says_of_the_vehicle_is_the_same_when_asked_again(database, appender):
    """Sealed in the log, and opened for whoever asks again; empty once erased."""
    command = placing(private=lambda *_: {"warnings": ["look_alike:2/Z at 1"]})
    first = appender.execute(command)
    elsewhere = a_writer(database)
    assert elsewhere.execute(command) == first
    for act in (lambda order, at: pay(order, at=at), start, issue):
        appender.execute(changing(first.order_id, act))
    appender.execute(erasing(first.order_id, VEHICLE))
    elsewhere.close()
    later = a_writer(database)
    assert later.execute(command).body == {**first.body, "warnings": []}
    later.close()


# --- erasing ---


def test_erasing_destroys_the_keys_with_the_event_that_says_so(database, appender, orders):
    """One transaction; afterwards every reader finds null, the history is whole, the other class stays."""
    order_id = ended(appender)
    reply = appender.execute(erasing(order_id, CONTACT))
    assert keys_of(database, order_id)["contact"] is None
    assert keys_of(database, order_id)["contact_view"] is None
    assert keys_of(database, order_id)["vehicle"]
    order = orders.find(order_id)
    assert (order.version, order.email, order.details.vehicle.plate) == (
        reply.body["version"],
        None,
        "2A2 2345",
    )
    assert [each.version for each in orders.history(order_id)] == list(range(1, order.version + 1))
    appender.execute(erasing(order_id))
    assert set(keys_of(database, order_id).values()) == {None}


def test_what_was_read_before_the_erasure_is_not_read_after_it(appender, orders):
    """Whoever asked a moment ago holds no key that outlives the erasure."""
    order_id = ended(appender)
    assert orders.history(order_id)[0].data["email"] == "driver@example.com"
    assert orders.find(order_id).email == "driver@example.com"
    appender.execute(erasing(order_id))
    assert orders.history(order_id)[0].data["email"] is None
    assert orders.find(order_id, version=1).email is None


def test_two_who_erase_at_once_destroy_what_the_history_says(database, appender):
    """One wants the address gone, one both: the slower decides anew, and keys and events agree."""
    order_id = ended(appender)
    elsewhere = a_writer(database)

    def both(order, at):
        if CONTACT not in order.erased and not seen:
            elsewhere.execute(erasing(order_id, CONTACT))
        seen.append(dict(keys_of(database, order_id)))
        order.erase(list(DataClass), at)

    seen = []
    appender.execute(changing(order_id, both, erases=True))
    elsewhere.close()
    assert [(each["contact"] is None, each["vehicle"] is None) for each in seen] == [(True, False)] * 2
    topics = (
        "SELECT convert_from(state, 'UTF8')::json->'data'->>'classes' FROM log.events WHERE topic LIKE %s"
    )
    assert ask(database, topics, "%erased%") == ['["contact"]', '["vehicle"]']


def test_erasing_an_order_under_way_is_refused_and_destroys_nothing(database, appender):
    """Case 55: the registration needs the plate, the driver the mail."""
    order_id = appender.execute(placing()).order_id
    assert appender.execute(erasing(order_id)).refusal["code"] == "conflict"
    assert all(keys_of(database, order_id).values())


def test_the_orders_beside_it_are_untouched(database, appender, orders):
    """Each has keys of its own."""
    one, other = ended(appender), ended(appender)
    before = keys_of(database, other)
    appender.execute(erasing(one))
    assert keys_of(database, other) == before
    assert orders.find(other).email == "driver@example.com"


def test_an_erased_order_goes_on_to_be_replayed_by_who_held_its_keys(appender):
    """The writer that erased forgets the keys at once, and so reads null like everybody else."""
    order_id = ended(appender)
    appender.execute(erasing(order_id))
    seen = []
    appender.execute(
        changing(order_id, lambda order, _: seen.append((order.email, order.details.vehicle.plate)))
    )
    assert seen == [(None, None)]
    assert appender.execute(writing_to(order_id, "new@example.com")).refusal["code"] == "conflict"


# --- caches ---


def test_keys_are_held_for_a_bounded_time(monkeypatch):
    """Then they are read again, and what was destroyed meanwhile is gone here too."""
    vault, now = a_vault(), [1000.0]
    monkeypatch.setattr(personal.time, "monotonic", lambda: now[0])
    order = an_order()
    vault.create(order.id)
    assert vault.missing([order.id]) == []
    now[0] += personal.CACHE_SECONDS + 1
    assert vault.missing([order.id]) == [order.id]


def test_keys_of_so_many_orders_are_held(monkeypatch):
    """The ones longest held go first."""
    monkeypatch.setattr(personal, "CACHED_ORDERS", 2)
    vault, three = a_vault(), [an_order().id for _ in range(3)]
    for each in three:
        vault.create(each)
    assert vault.missing(three) == three[:1]


def test_keys_that_are_wanted_now_are_not_pushed_out_by_those_read_with_them(monkeypatch):
    """The oldest entry may be the very one that this group needs."""
    monkeypatch.setattr(personal, "CACHED_ORDERS", 2)
    vault, (old, young, new) = a_vault(), [an_order().id for _ in range(3)]
    for each in (old, young):
        vault.create(each)
    assert vault.missing([old, new]) == [new]
    vault.create(new)
    assert vault.seal(old, CONTACT, "email", "x")


def test_an_order_without_a_row_of_keys_is_an_error_not_an_erasure():
    """A lost table must be seen: nothing reads as erased that nobody erased."""
    vault, order = a_vault(), an_order()
    with pytest.raises(MissingKeys, match=str(order.id)):
        vault.open(order.id, CONTACT, "email", "a1:AAAA")


# --- views ---


@pytest.mark.parametrize("text", ["driver@example.com", "Ž", "x" * 200, "mü-xž 12 \U0001f697"])
def test_what_a_view_keeps_sealed_sql_opens(database, appender, text):
    """As long as the key is there; the same text comes out the same."""
    order_id = appender.execute(placing()).order_id
    vault = held(database, order_id)
    sealed = vault.shown(order_id, VEHICLE, text)
    assert sealed == vault.shown(order_id, VEHICLE, text)
    assert text.encode().hex() not in sealed
    question = "SELECT personal.opened(%s::bytea, {}_view) FROM personal.keys WHERE order_id = %s"
    assert ask(database, question.format("vehicle"), sealed, order_id) == [text]
    ask(database, "UPDATE personal.keys SET vehicle_view = NULL")
    assert ask(database, question.format("vehicle"), sealed, order_id) == [None]


def test_equal_texts_of_two_orders_do_not_look_alike(database, appender):
    """Nobody sees from the tables that two orders are of one person."""
    one, other = appender.execute(placing()).order_id, appender.execute(placing()).order_id
    assert held(database, one).shown(one, CONTACT, "a@b.example") != held(database, other).shown(
        other, CONTACT, "a@b.example"
    )


# --- the master key ---


def test_another_master_key_opens_nothing(database, appender):
    """And says which one it was, so that the right one can be restored."""
    order_id = appender.execute(placing()).order_id
    [row] = ask(database, "SELECT to_jsonb(k) FROM personal.keys k")
    stranger = Vault(LocalMasterKeys([NEW_MASTER]))
    with psycopg.connect(database, row_factory=dict_row) as connection:
        rows = connection.execute(personal.SELECT_KEYS, ([order_id],)).fetchall()
    stranger.take(rows)
    with pytest.raises(WrongMasterKey, match=row["master"]):
        stranger.seal(order_id, CONTACT, "email", "x")


def test_replacing_the_master_key_wraps_keys_anew_and_changes_no_event(
    database, appender, orders, owner, monkeypatch
):
    """Batch by batch; one that was stopped goes on; afterwards the old key is needed no more."""
    monkeypatch.setattr(personal, "_WRAPPED_BY_OTHERS", personal._WRAPPED_BY_OTHERS.replace("1000", "2"))
    order_ids = [appender.execute(placing()).order_id for _ in range(5)]
    erased = ended(appender)
    appender.execute(erasing(erased, CONTACT))
    states = ask(database, "SELECT state FROM log.events ORDER BY notification_id")
    both, new = LocalMasterKeys([NEW_MASTER, MASTER]), LocalMasterKeys([NEW_MASTER])
    stopped = wrap_anew(owner, both)
    assert next(stopped) == 2
    stopped.close()
    assert list(wrap_anew(owner, both)) == [2, 4]
    assert ask(database, "SELECT DISTINCT master FROM personal.keys") == [new.current]
    assert ask(database, "SELECT state FROM log.events ORDER BY notification_id") == states
    vault = Vault(new)
    vault.take(owner.execute(personal.SELECT_KEYS, ([*order_ids, erased],)).fetchall())
    assert vault.seal(order_ids[0], CONTACT, "email", "x")
    assert keys_of(database, erased)["contact"] is None


def test_the_services_own_secret_outlives_the_master_key(owner):
    """Links in mails that were sent, and hashes of commands, stay what they were."""
    first = root_secret(owner, LocalMasterKeys([MASTER]))
    both, new = LocalMasterKeys([NEW_MASTER, MASTER]), LocalMasterKeys([NEW_MASTER])
    assert root_secret(owner, both) == first
    wrap_secrets_anew(owner, both)
    assert root_secret(owner, new) == first
    with pytest.raises(WrongMasterKey):
        root_secret(owner, LocalMasterKeys([MASTER]))


# --- from before there were keys ---


def in_the_clear(database, orders):
    """Write an order whose first event is as the first release wrote it."""
    order = issue(start(pay(an_order())))
    events = order.collect_events()
    first = json.loads(STORED.read_text(encoding="utf-8"))["order.placed.v1"]
    state = first.replace("Žofie@example.com", "driver@example.com").replace('"EUR"', '"CZK"')
    ask(
        database,
        "INSERT INTO log.events (originator_id, originator_version, topic, state)"
        " VALUES (%s, 1, 'order.placed.v1', convert_to(%s, 'UTF8'))",
        order.id,
        state,
    )
    orders.log_recorder.insert_events([orders.codec.to_stored_event(event) for event in events[1:]])
    return order.id


def test_an_order_from_before_there_were_keys_is_given_some(database, orders, owner, appender):
    """It reads as it did; what is added is sealed; a second look finds nothing to do."""
    order_id = in_the_clear(database, orders)
    assert give_keys(owner, LocalMasterKeys([MASTER])) == 1
    assert give_keys(owner, LocalMasterKeys([MASTER])) == 0
    assert orders.find(order_id).email == "driver@example.com"
    appender.execute(writing_to(order_id, "new@example.com"))
    [state] = ask(database, "SELECT convert_from(state, 'UTF8') FROM log.events WHERE originator_version = 5")
    assert "new@example.com" not in state


def test_an_order_from_before_there_were_keys_can_not_be_erased(database, orders, owner, appender):
    """Its first event is in the clear for ever; who asks is told so, and nothing is half done."""
    order_id = in_the_clear(database, orders)
    give_keys(owner, LocalMasterKeys([MASTER]))
    assert "in the clear" in appender.execute(erasing(order_id)).refusal["message"]
    assert all(keys_of(database, order_id).values())


# --- the blind index ---


def test_the_blind_index_knows_equal_from_different_and_nothing_else():
    """Capitals of an address do not count; the country of a plate does; another key gives other digests."""
    index, other = BlindIndex(b"k" * 32), BlindIndex(b"j" * 32)
    assert index.email("Driver@Example.com ") == index.email("driver@example.com")
    assert index.plate("CZ", "2A22345") != index.plate("SK", "2A22345")
    assert index.email("x") != index.plate("", "x")
    assert index.email("x") != other.email("x")


def test_the_clock_of_orders_is_not_that_of_keys(orders):
    """An order of the past is written today: its keys are held from now on."""
    order = pay(an_order(at=NOON))
    record(orders, order)
    assert orders.find(order.id).email == "driver@example.com"
