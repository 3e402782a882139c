"""The log under the hands of several writers, on connections that break, in the words of the first release."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import OperationalError
from eventsourcing.utils import get_topic

from eventstore_helpers import (
    DAY,
    NOON,
    a_vault,
    a_writer,
    an_order,
    ask,
    details,
    pay,
    placing,
    record,
    writing_to,
)
from vignettes.domain import errors
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.eventstore.codec import AGGREGATES, UnknownEvent
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.orders import Orders, UnsafeConfiguration
from vignettes.eventstore.recorder import APPEND_LOCK

ROLES = (
    "vignettes_owner",
    "vignettes_writer",
    "vignettes_projector",
    "vignettes_reader",
    "vignettes_auditor",
)

#: Every name under which an event is on record. For ever: a new form of an event gets a new topic beside the old.
TOPICS = {
    "order.placed.v3",
    "order.payment-received.v1",
    "order.payment-noticed.v1",
    "order.surplus-set-aside.v1",
    "order.surplus-returned.v1",
    "order.payment-reversed.v1",
    "order.payment-taken-back.v1",
    "order.payout-approved.v1",
    "order.payout-ordered.v1",
    "order.payout-failed.v1",
    "order.details-corrected.v2",
    "order.email-corrected.v2",
    "order.link-requested.v1",
    "order.mail-returned.v1",
    "order.start-wished.v1",
    "order.terms-changed.v1",
    "order.outage-regarded.v1",
    "order.outage-disregarded.v1",
    "order.held.v2",
    "order.hold-released.v1",
    "order.twin-accepted.v1",
    "order.registration-started.v1",
    "order.person-called.v1",
    "order.vignette-issued.v1",
    "order.validity-changed.v1",
    "order.registration-rejected.v3",
    "order.withdrawn.v1",
    "order.refund-requested.v2",
    "order.refunded.v1",
    "order.expired.v1",
    "order.personal-data-erased.v1",
    "bank-payment.booked.v1",
    "bank-payment.arrived.v1",
    "bank-payment.matched.v1",
    "bank-payment.queued.v1",
    "bank-payment.allocated.v1",
    "bank-payment.counted.v1",
    "bank-payment.share-refused.v1",
    "bank-payment.reassignment-asked.v1",
    "bank-payment.share-released.v1",
    "bank-payment.reassignment-refused.v1",
    "bank-payment.line-recognised.v1",
    "bank-payment.recognition-undone.v1",
    "bank-payment.line-dismissed.v1",
    "bank-payment.reversed.v1",
    "bank-payment.return-approved.v1",
    "bank-payment.return-ordered.v1",
    "bank-payment.return-failed.v1",
    "bank-payment.returned.v1",
    "bank-payment.personal-data-erased.v1",
    "support-case.opened.v1",
    "support-case.message-added.v1",
    "support-case.answered.v1",
    "support-case.answer-returned.v1",
    "support-case.closed.v1",
    "support-case.reopened.v1",
    "support-case.personal-data-erased.v1",
}

_INSERT = (
    "INSERT INTO log.events (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)"
    " RETURNING notification_id"
)


def wait_until(look, seconds=10.0):
    """Look again and again until there is something to see, and return it."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, f"nothing seen within {seconds} s"
        time.sleep(0.002)
    return seen


@contextmanager
def opened(database):
    log = Orders(database, a_vault())
    try:
        yield log
    finally:
        log.close()


# --- positions become visible in order ---


@pytest.mark.parametrize("value", ["y", "1", "true"])
def test_the_librarys_fast_mode_is_refused(database, monkeypatch, value):
    """It appends without the lock, so that a tailing reader skips events for ever."""
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", value)
    with pytest.raises(UnsafeConfiguration, match="POSTGRES_ENABLE_DB_FUNCTIONS"):
        Orders(database, a_vault())


def test_a_second_writer_waits_for_the_commit_of_the_first(database, orders):
    """The later position is never seen before the earlier one, however long that takes to commit."""
    with psycopg.connect(conninfo(database, "vignettes_writer")) as first, ThreadPoolExecutor(1) as thread:
        first.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        [earlier] = first.execute(_INSERT, (uuid4(), 1, "order.placed.v3", b"{}")).fetchone()
        appending = thread.submit(record, orders, an_order())
        wait_until(
            lambda: ask(database, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        )
        assert ask(database, "SELECT notification_id FROM log.events") == []
        first.commit()
        [later] = appending.result(timeout=10)
    assert ask(database, "SELECT notification_id FROM log.events ORDER BY 1") == [earlier, later]
    assert earlier < later


def test_a_tailing_reader_skips_nothing_of_what_several_writers_append(database):
    """Four processes write; each dawdles between its insert and its commit, as a busy disk would make it."""
    ask(
        database,
        "CREATE FUNCTION log.dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_sleep(random() * 0.004); RETURN NULL; END$$",
    )
    ask(
        database,
        "CREATE TRIGGER slow AFTER INSERT ON log.events FOR EACH STATEMENT EXECUTE FUNCTION log.dawdle()",
    )
    writers, appends, seen = 4, 40, []

    def write():
        with opened(database) as log:
            for _ in range(appends):
                record(log, an_order(), pay(an_order()))

    def tail(reader):
        query = "SELECT notification_id FROM log.events WHERE notification_id > %s ORDER BY 1 LIMIT 7"
        rows = reader.execute(query, (seen[-1] if seen else 0,)).fetchall()
        seen.extend(position for (position,) in rows)
        return len(rows)

    with (
        psycopg.connect(conninfo(database, "vignettes_projector"), autocommit=True) as reader,
        ThreadPoolExecutor(writers) as threads,
    ):
        writing = [threads.submit(write) for _ in range(writers)]
        wait_until(lambda: not tail(reader) and all(each.done() for each in writing), 30)
        while tail(reader):
            pass
        assert [each.result() for each in writing] == [None] * writers
    assert seen == ask(database, "SELECT notification_id FROM log.events ORDER BY 1")
    assert len(seen) == writers * appends * 3


def test_one_append_wakes_readers_once_without_payload(database, orders):
    """NOTIFY takes a global lock at commit: one per append, whatever it holds."""
    with psycopg.connect(database, autocommit=True) as listener:
        listener.execute("LISTEN log")
        record(orders, pay(an_order()), pay(an_order()))
        record(orders, an_order())
        notices = list(listener.notifies(timeout=5, stop_after=2))
        assert list(listener.notifies(timeout=0)) == []
    assert [(notice.channel, notice.payload) for notice in notices] == [("log", "")] * 2


def test_the_append_lock_asks_no_right_but_insert(database, orders):
    """A writer can't lock the table as the library would have it; it appends all the same."""
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        psycopg.connect(conninfo(database, "vignettes_writer")) as writer,
    ):
        writer.execute("LOCK TABLE log.events IN EXCLUSIVE MODE")
    with orders.log_recorder.reading() as cursor:
        assert cursor.execute("SELECT current_user AS me").fetchone() == {"me": "vignettes_writer"}
    assert len(record(orders, an_order())) == 1


# --- names on record ---


def event_classes():
    return {
        value
        for kept in AGGREGATES
        for value in vars(kept).values()
        if isinstance(value, type)
        and issubclass(value, kept.Event)
        and value not in {kept.Event, kept.Created}
    }


def test_topics_are_those_of_the_first_release_and_more():
    """Renaming one would make history unreadable; adding one is added here."""
    assert all(re.fullmatch(r"(order|bank-payment|support-case)\.[a-z-]+\.v[1-9]", topic) for topic in TOPICS)
    assert {get_topic(each) for each in event_classes()} == TOPICS


def test_moving_a_class_changes_nothing(orders, monkeypatch):
    """The log knows topics, and no module or class."""
    before, after = pay(an_order()), an_order()
    record(orders, before)
    for each in event_classes():
        monkeypatch.setattr(each, "__module__", "elsewhere.entirely")
    record(orders, pay(after))
    assert [orders.find(each.id).status for each in (before, after)] == ["scheduled", "scheduled"]
    topics = ["order.placed.v3", "order.payment-received.v1"]
    for each in (before, after):
        assert [event.topic for event in orders.log_recorder.select_events(each.id)] == topics


def test_an_event_this_code_does_not_know_stops_it(database, orders):
    """It is named, so that the right version can be installed; it is never passed over."""
    order, appender = an_order(), a_writer(database)
    record(orders, order)
    ask(database, _INSERT, order.id, 2, "order.vanished.v9", b"{}")
    record(orders, an_order())
    for read in (orders.find, orders.history):
        with pytest.raises(UnknownEvent) as refused:
            read(order.id)
        message = str(refused.value)
        assert all(part in message for part in ("'order.vanished.v9'", str(order.id), "version 2"))
    with pytest.raises(UnknownEvent):
        appender.execute(writing_to(order.id, "new@example.com"))
    appender.close()


# --- replay ---


def test_what_would_be_refused_today_still_loads(database, orders):
    """Rules guard decisions; history is read as it is, so that a rule may be tightened."""
    past = details(7, at=NOON - 900 * DAY)  # began before there was a price, and long before it was placed
    with pytest.raises(errors.InvalidValue):
        an_order(past)
    order = an_order()
    facts = {**vars(order.collect_events()[0]), "details": past, "email": "no address"}
    order_id = facts["originator_id"]
    of = {"originator_id": order_id, "timestamp": NOON}
    history = [
        Order.OrderPlaced(**facts),
        Order.RegistrationStarted(
            originator_version=2, rule="by hand", due_at=NOON, generation=9, consent=None, **of
        ),
        Order.DetailsCorrected(originator_version=3, details=details(1), price=order.price, **of),
        Order.RefundRequested(originator_version=4, amount=Money(-1, "EUR"), reason="", **of),
    ]
    orders.vault.create(order_id)
    orders.log_recorder.insert_events([orders.codec.to_stored_event(event) for event in history])
    loaded = orders.find(order_id)
    assert (loaded.version, loaded.email, loaded.refund) == (4, "no address", Money(-1, "EUR"))
    with pytest.raises(errors.RegistrationAlreadyStarted):
        loaded.correct_details(details(2), NOON)


def test_an_order_is_read_as_it_was_at_any_version(orders):
    """The past of an order is its first events."""
    order = pay(an_order())
    record(orders, order)
    assert [orders.find(order.id, version=at).status for at in (1, 2)] == ["awaiting_payment", "scheduled"]
    assert orders.find(uuid4()) is None


# --- connections ---


def test_a_broken_connection_is_noticed_before_the_next_command(database):
    """An idle connection that was cut must not cost a customer's command."""
    appender = a_writer(database)
    order_id = appender.execute(placing()).order_id
    backends = (
        "FROM pg_stat_activity WHERE application_name = 'vignettes ordering' AND datname = current_database()"
    )
    assert ask(database, f"SELECT pg_terminate_backend(pid) {backends}")
    wait_until(lambda: not ask(database, f"SELECT pid {backends}"))
    assert appender.execute(writing_to(order_id, "new@example.com")).body["version"] == 2
    appender.close()


def test_a_broken_connection_of_the_pool_is_not_handed_out(database, orders):
    """An order that is saved by itself goes over the pool, and is never tried again."""
    record(orders, an_order())
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert ask(database, f"SELECT pg_terminate_backend(pid, 10000) {others}")
    assert len(record(orders, an_order())) == 1


@pytest.mark.parametrize("role", ROLES)
def test_every_connection_has_a_role_and_limits(database, role):
    """Nothing waits for ever, and nobody works with the rights of the login."""
    with psycopg.connect(conninfo(database, role, name="vignettes test")) as connection:
        settings = (
            "role",
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "timezone",
        )
        values = [connection.execute(f"SHOW {name}").fetchone()[0] for name in settings]
        [user] = connection.execute("SELECT current_user").fetchone()
    assert values == [role, "30s", "10s", "30s", "UTC"]
    assert user == role


def test_an_append_is_never_silently_repeated(orders, monkeypatch):
    """The library would try ten times; whoever lost a reply must look the command up instead."""
    attempts = []

    def broken():
        attempts.append(datetime.now(UTC))
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(orders._datastore, "get_connection", broken)
    with pytest.raises(OperationalError):
        record(orders, an_order())
    assert len(attempts) == 1
