"""Once on record, one answer: whoever asks, however often, whatever breaks in between."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from pydantic_core import PydanticSerializationError

from eventstore_helpers import a_writer, ask, changing, pay, placing, standing, writing_to
from vignettes.domain import errors
from vignettes.eventstore import append
from vignettes.eventstore.recorder import APPEND_LOCK


@pytest.fixture
def order_id(appender):
    """An order that is on record."""
    return appender.execute(placing()).order_id


def commands_on_record(database):
    return ask(database, "SELECT command_id FROM log.commands")


def events_of(database, order_id):
    query = "SELECT topic FROM log.events WHERE originator_id = %s ORDER BY originator_version"
    return ask(database, query, order_id)


# --- recorded once, answered for ever ---


def test_events_and_answer_are_recorded_together(database, appender):
    """The same transaction wrote both, so neither can be there without the other."""
    command = placing(payload_hash=b"hash of the body")
    reply = appender.execute(command)
    [row] = ask(
        database,
        "SELECT c.payload_hash, c.order_id, c.position, c.reply, c.xmin = e.xmin"
        " FROM log.commands c JOIN log.events e ON e.notification_id = c.position WHERE c.command_id = %s",
        command.command_id,
    )
    assert row == (b"hash of the body", command.order_id, reply.position, reply.body, True)
    assert reply.body["status"] == "awaiting_payment"


def test_asked_again_elsewhere_it_answers_the_same(database, appender, elsewhere, order_id):
    """Any process knows the answer that any other gave, and records nothing more."""
    command = writing_to(order_id, "new@example.com")
    first = appender.execute(command)
    appender.execute(writing_to(order_id, "newer@example.com"))
    assert elsewhere.execute(command) == first
    assert len(events_of(database, order_id)) == 3


def test_another_body_under_the_same_id_is_refused(database, appender, order_id):
    """Whoever reuses an id by mistake must not get the answer to another question."""
    command_id = uuid4()
    appender.execute(writing_to(order_id, "new@example.com", command_id=command_id, payload_hash=b"one"))
    with pytest.raises(errors.CommandIdReused) as refused:
        appender.execute(writing_to(order_id, "no@example.com", command_id=command_id, payload_hash=b"two"))
    assert refused.value.field == "command_id"
    assert len(events_of(database, order_id)) == 2


def test_a_refusal_is_kept_and_answered_again(database, appender, elsewhere, order_id):
    """What was refused stays refused under its id, even when the order would allow it by now."""
    refund = changing(order_id, lambda order, at: order.request_refund("customer", at))
    first = appender.execute(refund)
    assert first.refusal == {"code": "not_paid", "message": "No money has arrived for this order."}
    appender.execute(changing(order_id, lambda order, at: pay(order, at=at)))
    assert elsewhere.execute(refund) == first
    assert "order.refund-requested.v2" not in events_of(database, order_id)


def test_a_command_that_changes_nothing_is_answered_with_where_the_order_stands(appender, orders, order_id):
    """A correction to what already is records no event; its answer names the last position."""
    reply = appender.execute(writing_to(order_id, "driver@example.com"))
    assert reply.position == orders.position_of(order_id)
    assert reply.body["version"] == 1


def test_so_many_orders_are_kept_at_hand_also_when_nothing_is_recorded(monkeypatch, appender, elsewhere):
    """A file that is imported once more asks for all its payments anew: memory must not grow with it."""
    monkeypatch.setattr(append, "CACHED_ORDERS", 2)
    placed = [placing() for _ in range(4)]
    asked = [writing_to(reply.order_id, "new@example.com") for reply in appender.execute_all(placed)]
    appender.execute_all(asked)
    elsewhere.execute_all(asked)  # known already: it decides nothing
    assert len(elsewhere._appender._orders) <= 2


# --- others write at the same time ---


def test_a_decision_on_a_stale_order_is_taken_again(orders, appender, elsewhere, order_id):
    """Another process writes between our load and our append: we decide anew, on what is true by then."""
    seen = []

    def act(order, at):
        if not seen:
            elsewhere.execute(writing_to(order_id, "theirs@example.com"))
        seen.append(order.email)
        order.correct_email("ours@example.com", at)

    reply = appender.execute(changing(order_id, act))
    assert seen == ["driver@example.com", "theirs@example.com"]
    assert reply.body["version"] == 3
    assert orders.find(order_id).email == "ours@example.com"


def test_endless_conflicts_end_in_a_refusal_that_records_nothing(database, appender, elsewhere, order_id):
    """Bounded attempts; then the caller is told to ask again, and may under the same id."""
    attempts = []

    def act(order, at):
        attempts.append(at)
        elsewhere.execute(writing_to(order_id, f"{len(attempts)}@example.com"))
        order.correct_email("ours@example.com", at)

    command = changing(order_id, act)
    with pytest.raises(errors.Conflict):
        appender.execute(command)
    assert 5 <= len(attempts) <= 50
    assert command.command_id not in commands_on_record(database)
    calm = writing_to(order_id, "ours@example.com", command_id=command.command_id)
    assert appender.execute(calm).body["version"] == len(attempts) + 2


def test_one_command_raced_by_two_is_recorded_once(database, appender, elsewhere):
    """Both have decided before either has recorded: one event, one answer, the same for both. Twenty times."""
    with ThreadPoolExecutor(2) as threads:
        for _ in range(20):
            order_id = appender.execute(placing()).order_id
            command = changing(order_id, deciding_together(2))
            racing = [threads.submit(each.execute, command) for each in (appender, elsewhere)]
            first, second = [each.result(timeout=20) for each in racing]
            assert first == second
            assert events_of(database, order_id) == ["order.placed.v3", "order.email-corrected.v2"]


def deciding_together(parties):
    """Return a change whose first decision waits until as many threads are about to record theirs."""
    all_here, decided = threading.Barrier(parties, timeout=10), threading.local()

    def act(order, at):
        if not hasattr(decided, "before"):
            decided.before = True
            all_here.wait()
        order.correct_email("new@example.com", at)

    return act


# --- what an event keeps ---


def test_each_event_says_who_asked_by_which_command_and_when(database, appender, orders):
    """An auditor reads it in the stored bytes, beside what happened."""
    command = placing(actor="support:eva", correlation_id=uuid4())
    appender.execute(command)
    [state] = ask(database, "SELECT convert_from(state, 'UTF8')::jsonb FROM log.events")
    assert state["by"] == "support:eva"
    assert state["cmd"] == str(command.command_id)
    assert state["cor"] == str(command.correlation_id)
    [answered_at] = ask(database, "SELECT recorded_at FROM log.commands")
    [recorded] = orders.history(command.order_id)
    assert recorded.recorded_at == answered_at
    assert recorded.envelope == command.envelope


def test_time_never_goes_backwards_within_an_order(database, appender, orders, order_id):
    """The clock was an hour ahead and was set right: the next event is not dated before the last one."""
    ask(database, "UPDATE clock.shift SET ahead = '1 hour'")
    appender.execute(writing_to(order_id, "ahead@example.com"))
    ask(database, "UPDATE clock.shift SET ahead = '0'")
    appender.execute(writing_to(order_id, "behind@example.com"))
    times = [recorded.recorded_at for recorded in orders.history(order_id)]
    assert times == sorted(times)
    assert times[1] - times[0] > timedelta(minutes=59)


# --- what breaks ---


def test_nothing_is_recorded_when_the_answer_can_not_be(database, appender, order_id):
    """An answer that is no JSON, or that the database refuses, takes its events with it."""
    with pytest.raises(PydanticSerializationError):
        appender.execute(writing_to(order_id, "a@example.com", answer=lambda _: {"status": object()}))
    ask(database, "ALTER TABLE log.commands ADD CHECK (reply->>'version' <> '2')")
    with pytest.raises(errors.DomainError):
        appender.execute(writing_to(order_id, "b@example.com"))
    assert events_of(database, order_id) == ["order.placed.v3"]
    assert len(commands_on_record(database)) == 1


def test_a_commit_whose_answer_was_lost_is_found_by_its_id(
    database, orders, appender, lose_the_next_answer, order_id
):
    """Never repeated, never read as "not done": the log is asked whether it knows the command."""
    lose_the_next_answer()
    reply = appender.execute(writing_to(order_id, "new@example.com"))
    assert reply.body["version"] == 2
    assert reply.position == orders.position_of(order_id)
    assert events_of(database, order_id) == ["order.placed.v3", "order.email-corrected.v2"]


def test_when_nobody_can_tell_the_answer_is_unavailable_and_comes_later(
    database, appender, journal, monkeypatch, lose_the_next_answer, order_id
):
    """The look-up fails too: the caller asks again with the same id and gets what was recorded."""
    lose_the_next_answer()
    command, looks = writing_to(order_id, "new@example.com"), []
    look = journal.look

    def failing_the_second_time(wanted):
        looks.append(wanted)
        if len(looks) == 2:
            raise psycopg.OperationalError("no connection")
        return look(wanted)

    monkeypatch.setattr(journal, "look", failing_the_second_time)
    with pytest.raises(errors.Unavailable):
        appender.execute(command)
    assert appender.execute(command).body["version"] == 2
    assert len(events_of(database, order_id)) == 2


def test_a_failure_before_the_commit_is_unavailable_and_done_when_asked_again(
    database, appender, journal, monkeypatch, order_id
):
    """Nothing is on record, so nothing is claimed; the same command then does its work."""

    def broken(_):
        raise psycopg.OperationalError("connection refused")

    command = writing_to(order_id, "new@example.com")
    with monkeypatch.context() as broken_for_now:
        broken_for_now.setattr(journal, "append", broken)
        with pytest.raises(errors.Unavailable):
            appender.execute(command)
    assert len(events_of(database, order_id)) == 1
    assert appender.execute(command).body["version"] == 2


def test_a_database_that_only_reads_is_unavailable(database, orders, order_id):
    """A standby that is not promoted yet refuses to write; that is no answer to the customer."""
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    ask(database, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    reading_only = a_writer(database)
    with pytest.raises(errors.Unavailable):
        reading_only.execute(writing_to(order_id, "new@example.com"))
    reading_only.close()
    assert orders.find(order_id).email == "driver@example.com"


async def be_impatient(journal):
    await (await journal._connected()).execute("SET lock_timeout = '200ms'")


def test_an_append_lock_that_is_not_given_back_is_unavailable(database, orders, appender, journal, order_id):
    """Waiting is bounded by lock_timeout; the caller hears that nothing is known, and may ask again."""
    appender.run(be_impatient(journal))
    command = writing_to(order_id, "new@example.com")
    with psycopg.connect(database) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", (APPEND_LOCK,))
        with pytest.raises(errors.Unavailable):
            appender.execute(command)
    assert appender.execute(command).body == standing(orders.find(order_id))
