"""A group of commands in one transaction: as if each had come alone, and never one at another's expense."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from eventstore_helpers import (
    an_order,
    ask,
    changing,
    details,
    pay,
    placing,
    record,
    start,
    writing_to,
)
from vignettes.domain import errors
from vignettes.domain.details import Payment
from vignettes.domain.money import Money
from vignettes.eventstore.codec import UnknownEvent
from vignettes.eventstore.deciding import Reply
from vignettes.eventstore.masterkeys import WrongMasterKey


def placed(appender, number=1):
    return [reply.order_id for reply in appender.execute_all([placing() for _ in range(number)])]


def versions(database, order_id):
    query = "SELECT originator_version FROM log.events WHERE originator_id = %s ORDER BY notification_id"
    return ask(database, query, order_id)


# --- one transaction ---


def test_a_group_is_one_transaction_with_one_notification(database, appender):
    """One lock, one fsync, one wake-up of the readers, for all of them."""
    with psycopg.connect(database, autocommit=True) as listener:
        listener.execute('LISTEN "log"')
        replies = appender.execute_all([placing() for _ in range(50)])
        wake_ups = list(listener.notifies(timeout=0.2, stop_after=2))
    assert ask(database, "SELECT count(DISTINCT xmin::text), count(*) FROM log.events") == [(1, 50)]
    assert len(wake_ups) == 1
    positions = [reply.position for reply in replies]
    assert positions == sorted(positions)
    assert positions == ask(database, "SELECT position FROM log.commands ORDER BY position")


def test_commands_for_one_order_are_decided_in_order_of_arrival(database, appender):
    """Each sees what the one before it has left; versions follow each other without a gap."""
    [order_id] = placed(appender)
    seen = []

    def correct(address):
        def act(order, at):
            seen.append(order.email)
            order.correct_email(address, at)

        return changing(order_id, act)

    replies = appender.execute_all(
        [correct("one@example.com"), correct("two@example.com"), correct("one@example.com")]
    )
    assert seen == ["driver@example.com", "one@example.com", "two@example.com"]
    assert [reply.body["version"] for reply in replies] == [2, 3, 4]
    assert versions(database, order_id) == [1, 2, 3, 4]


def test_a_command_that_changes_nothing_is_told_where_the_order_stands_within_the_group(appender):
    """The same correction twice: one event, and the second answer names its position too."""
    [order_id] = placed(appender)
    first, second = appender.execute_all([writing_to(order_id, "new@example.com") for _ in range(2)])
    assert first.body == second.body
    assert first.position == second.position


def test_a_refused_command_disturbs_nobody(database, appender):
    """Neighbours on the same order and on others are recorded as if it had not come."""
    one, other = placed(appender, 2)
    refund = changing(one, lambda order, at: order.request_refund("", at))
    replies = appender.execute_all(
        [
            writing_to(one, "a@example.com"),
            refund,
            writing_to(one, "b@example.com"),
            writing_to(other, "c@example.com"),
        ]
    )
    assert [reply.refusal and reply.refusal["code"] for reply in replies] == [None, "not_paid", None, None]
    assert (versions(database, one), versions(database, other)) == ([1, 2, 3], [1, 2])


def test_a_refusal_after_half_a_change_leaves_nothing_of_it(database, orders, appender):
    """A decision that triggered an event and then refused: the next command sees the order without it."""
    [order_id] = placed(appender)

    def half(order, at):
        order.correct_email("half@example.com", at)
        raise errors.OrderClosed

    seen = []
    after = changing(order_id, lambda order, _: seen.append(order.email))
    refused, _ = appender.execute_all([changing(order_id, half), after])
    assert refused.refusal["code"] == "conflict"
    assert seen == ["driver@example.com"]
    assert versions(database, order_id) == [1]
    assert orders.find(order_id).email == "driver@example.com"


def test_a_command_that_fails_is_its_own_misfortune(database, appender):
    """A fault of ours in one decision; its neighbours, on the same order too, are recorded."""
    [order_id] = placed(appender)

    def fail(order, at):
        order.correct_email("half@example.com", at)
        raise ZeroDivisionError

    failed, *replies = appender.execute_all(
        [changing(order_id, fail), writing_to(order_id, "new@example.com"), placing()]
    )
    assert isinstance(failed, ZeroDivisionError)
    assert [reply.body["version"] for reply in replies] == [2, 1]
    assert versions(database, order_id) == [1, 2]


def test_an_order_that_can_not_be_read_fails_its_own_commands_only(database, orders, appender):
    """An event of a later release in one order: the others go on."""
    strange, [order_id] = an_order(), placed(appender)
    record(orders, strange)
    ask(
        database,
        "INSERT INTO log.events (originator_id, originator_version, topic, state) VALUES (%s, 2, %s, '')",
        strange.id,
        "order.vanished.v9",
    )
    failed, done = appender.execute_all(
        [writing_to(strange.id, "new@example.com"), writing_to(order_id, "new@example.com")]
    )
    assert isinstance(failed, UnknownEvent)
    assert done.body["version"] == 2


def test_what_the_database_can_not_store_is_one_commands_misfortune(database, appender):
    """A NUL in one payment_id makes the statement fail: each command then goes alone."""
    one, other = placed(appender, 2)
    failed, done = appender.execute_all([paying(one, "bank\0"), writing_to(other, "b@example.com")])
    assert isinstance(failed, psycopg.DataError)
    assert done.body["version"] == 2
    assert (versions(database, one), versions(database, other)) == ([1], [1, 2])


def test_keys_that_do_not_open_fail_their_own_order_only(database, appender, elsewhere):
    """One row of keys was wrapped by a master key that this process lacks: the others of the group go on."""
    one, other = placed(appender, 2)
    repeated = placing(private=lambda *_: {"warnings": ["look_alike:2/Z at 1"]})
    locked = appender.execute(repeated).order_id
    ask(database, "UPDATE personal.keys SET master = 'unknown' WHERE order_id = ANY(%s)", [one, locked])
    failed, done, again = elsewhere.execute_all(
        [writing_to(one, "a@example.com"), writing_to(other, "b@example.com"), repeated]
    )
    assert isinstance(failed, WrongMasterKey)
    assert isinstance(again, WrongMasterKey)
    assert done.body["version"] == 2
    assert elsewhere.execute(writing_to(other, "c@example.com")).body["version"] == 3
    assert versions(database, other) == [1, 2, 3]


def test_after_a_fault_in_between_no_order_at_hand_is_believed(database, appender, journal, monkeypatch):
    """Whatever breaks between deciding and recording: the next command decides on what is on record."""
    [order_id] = placed(appender)
    with monkeypatch.context() as broken:
        broken.setattr(journal, "append", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            appender.execute(writing_to(order_id, "a@example.com"))
    assert appender.execute(writing_to(order_id, "b@example.com")).body["version"] == 2
    assert versions(database, order_id) == [1, 2]


def test_the_log_takes_no_version_without_the_one_before_it(database, appender, journal, monkeypatch):
    """The last line of defence: a writer that lost touch with the log is told so, and records nothing."""
    [order_id] = placed(appender)
    append = journal.append

    def skipping(entries):
        for entry in entries:
            entry.events = [
                StoredEvent(each.originator_id, each.originator_version + 1, each.topic, each.state)
                for each in entry.events
            ]
        return append(entries)

    monkeypatch.setattr(journal, "append", skipping)
    with pytest.raises(errors.Conflict):
        appender.execute(writing_to(order_id, "a@example.com"))
    assert versions(database, order_id) == [1]


def test_a_place_whose_answer_fails_leaves_no_order_behind(database, appender):
    """Neither in the log nor at hand, where another command could find it."""
    made = []

    def decide(order, at):
        made.append(an_order(details(at=at), at=at))
        return made[-1]

    failed = placing(order_id=None, decide=decide, answer=lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        appender.execute(failed)
    with pytest.raises(AssertionError):
        appender.execute(writing_to(made[0].id, "a@example.com"))  # there is no order to write to
    assert ask(database, "SELECT count(*) FROM log.events") == [0]


# --- the same command again ---


def test_one_command_twice_in_a_group_is_recorded_once(database, appender):
    """A thousand copies at once: one event, one answer."""
    command = placing()
    replies = appender.execute_all([command] * 1000)
    assert all(reply == replies[0] for reply in replies)
    assert ask(database, "SELECT count(*) FROM log.events") == [1]


def test_another_body_under_the_same_id_is_refused_within_the_group(appender):
    """The first to come is the one that counts."""
    command_id = uuid4()
    first, second = appender.execute_all(
        [
            placing(command_id=command_id, payload_hash=b"one"),
            placing(command_id=command_id, payload_hash=b"two"),
        ]
    )
    assert isinstance(first, Reply)
    assert isinstance(second, errors.CommandIdReused)


# --- others write at the same time ---


def test_a_conflict_replays_only_the_commands_concerned(appender, journal, elsewhere):
    """Another process changed one of three orders: the other two are recorded at the first attempt."""
    one, two, three = placed(appender, 3)
    elsewhere.execute(writing_to(two, "theirs@example.com"))
    journal.appended.clear()
    decided = []

    def correct(order_id):
        def act(order, at):
            if order_id == two and not decided.count(two):
                elsewhere.execute(writing_to(two, "again@example.com"))
            decided.append(order_id)
            order.correct_email("ours@example.com", at)

        return changing(order_id, act)

    commands = [correct(each) for each in (one, two, three)]
    replies = appender.execute_all(commands)
    assert [reply.body["version"] for reply in replies] == [2, 4, 2]
    assert decided == [one, two, three, two]
    assert journal.appended == [[each.command_id for each in commands], [commands[1].command_id]]


def test_an_order_is_not_read_again_when_nobody_else_wrote_it(appender, journal, monkeypatch):
    """Kept between commands: the log only says that nothing is newer."""
    [order_id] = placed(appender)
    newer, look = [], journal.look

    async def looking(wanted):
        seen = await look(wanted)
        newer.append(len(seen.newer))
        return seen

    monkeypatch.setattr(journal, "look", looking)
    appender.execute(writing_to(order_id, "one@example.com"))
    appender.execute(writing_to(order_id, "two@example.com"))
    assert newer == [0, 0]


def test_what_another_process_wrote_is_seen_by_commands_that_record_nothing(appender, elsewhere):
    """A kept order is never trusted unseen: money that came elsewhere makes a refund possible here."""
    [order_id] = placed(appender)
    elsewhere.execute(changing(order_id, lambda order, at: pay(order, at=at)))
    refund = changing(order_id, lambda order, at: order.request_refund("", at))
    assert appender.execute(refund).body["status"] == "refund_pending"


def test_two_writers_on_the_same_orders_leave_no_gap(database, appender, elsewhere):
    """Groups of twenty commands on five orders, from two processes at once."""
    order_ids = placed(appender, 5)

    def write(writer, name):
        for turn in range(10):
            commands = [writing_to(each, f"{name}{turn}@example.com") for each in order_ids for _ in range(2)]
            assert not [each for each in writer.execute_all(commands) if isinstance(each, Exception)]

    with ThreadPoolExecutor(2) as threads:
        writing = [
            threads.submit(write, writer, name) for name, writer in (("a", appender), ("b", elsewhere))
        ]
        for each in writing:
            each.result(timeout=60)
    for order_id in order_ids:
        found = versions(database, order_id)
        assert found == list(range(1, len(found) + 1))
        assert len(found) == 21


# --- money counts once ---


def paying(order_id, payment_id):
    def act(order, at):
        pay(order, 39_900, at=at, payment_id=payment_id)

    return changing(order_id, act, payment_id=payment_id)


def test_a_payment_counts_for_one_order_whatever_the_command(database, appender, elsewhere):
    """The same payment_id for another order is refused; for its own it changes nothing (case 17)."""
    one, other = placed(appender, 2)
    appender.execute(paying(one, "bank-1"))
    assert elsewhere.execute(paying(other, "bank-1")).refusal["code"] == "conflict"
    assert elsewhere.execute(paying(one, "bank-1")).body["version"] == 2
    assert (versions(database, one), versions(database, other)) == ([1, 2], [1])


def test_a_payment_for_two_orders_of_one_group_counts_for_the_first(appender):
    """Within a group as between groups."""
    one, other = placed(appender, 2)
    first, second = appender.execute_all([paying(one, "bank-1"), paying(other, "bank-1")])
    assert first.body["status"] == "scheduled"
    assert second.refusal["field"] == "payment_id"


def test_a_payment_that_was_not_recorded_after_all_refuses_nobody(database, appender, elsewhere):
    """The first to claim it in a group lost a race for its order: the second is judged by what is on record."""
    one, other = placed(appender, 2)
    raced = []

    def late(order, at):
        if not raced:
            raced.append(elsewhere.execute(writing_to(one, "theirs@example.com")))
            pay(order, 39_900, at=at, payment_id="bank-1")
            return
        raise errors.OrderClosed  # decided anew, it does not want the money

    first, second = appender.execute_all([changing(one, late, payment_id="bank-1"), paying(other, "bank-1")])
    assert first.refusal["code"] == "conflict"
    assert second.body["status"] == "scheduled"
    assert ask(database, "SELECT order_id FROM log.payments") == [other]


def test_a_payment_raced_by_two_processes_counts_for_one_order(database, appender, elsewhere):
    """Both have decided before either has recorded; the slower one is told the truth. Ten times."""
    with ThreadPoolExecutor(2) as threads:
        for turn in range(10):
            together, once = threading.Barrier(2, timeout=10), threading.local()

            def act(order, at, turn=turn, together=together, once=once):
                if not hasattr(once, "here"):
                    once.here = True
                    together.wait()
                pay(order, at=at, payment_id=f"bank-{turn}")

            commands = [changing(each, act, payment_id=f"bank-{turn}") for each in placed(appender, 2)]
            racing = [
                threads.submit(writer.execute, command)
                for writer, command in zip((appender, elsewhere), commands, strict=True)
            ]
            refusals = [each.result(timeout=20).refusal for each in racing]
            assert sorted(refusal is None for refusal in refusals) == [False, True]
    paid = ask(database, "SELECT count(*) FROM log.events WHERE topic = 'order.payment-received.v1'")
    assert paid == ask(database, "SELECT count(*) FROM log.payments") == [10]


def test_money_that_was_refused_is_free_for_its_right_order(appender):
    """A payment in another currency counts for nobody, and may be named again."""
    one, other = placed(appender, 2)

    def wrong(order, at):
        order.receive_payment(Payment("bank-1", Money(1, "HUF"), "card", at), at)

    assert appender.execute(changing(one, wrong, payment_id="bank-1")).refusal
    assert appender.execute(paying(other, "bank-1")).body["status"] == "scheduled"


# --- what breaks ---


def test_a_group_whose_answer_was_lost_is_resolved_by_its_ids(database, appender, lose_the_next_answer):
    """Every command gets the answer that is on record; nothing is recorded twice."""
    order_ids = placed(appender, 3)
    lose_the_next_answer()
    replies = appender.execute_all([writing_to(each, "new@example.com") for each in order_ids])
    assert [reply.body["version"] for reply in replies] == [2, 2, 2]
    assert appender.execute(changing(order_ids[0], start)).body["version"] == 3
    assert versions(database, order_ids[0]) == [1, 2, 3]


def test_a_connection_that_died_in_the_meantime_costs_no_command(database, appender):
    """Nothing was asked on it yet, so another one is opened, and nobody hears of it."""
    [order_id] = placed(appender)
    backends = "FROM pg_stat_activity WHERE application_name = 'vignettes ordering'"
    assert ask(
        database, f"SELECT pg_terminate_backend(pid, 5000) {backends} AND datname = current_database()"
    )
    assert appender.execute(writing_to(order_id, "new@example.com")).body["version"] == 2
